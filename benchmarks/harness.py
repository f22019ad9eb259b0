"""Run the engines of a workload in separate processes, compare their results, and time them in turn."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import environment
from benchmarks.measuring import Arrays, save_arrays
from benchmarks.oracles import find_difference
from benchmarks.workloads import Workload

ROOT = Path(__file__).parents[1]
SECONDS_PER_ENGINE = 15.0
"""Time limit for all rounds of an engine; a slower engine gets fewer rounds, or only its first run counts."""
TIMEOUT_S = 300.0
"""An engine is abandoned after this long without a response."""
EXTRA_ENV = {"RAPTORBT_NO_VERSION_CHECK": "1"}


class EngineFailed(Exception):
    """The process of an engine ended without a response."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """One row of the table.

    Attributes:
        row: The workload, or our variant of it.
        engine: Name of the adapter.
        seconds: Best round, s; None if it was not run.
        ns_per_bar: Best round per bar of one point or symbol, ns.
        equal: Whether the result equals that of the oracle.
        reason: Why there is no time, or how the result differs.
        versions: Versions of the packages involved.
        median: Median round, s.
        longest: Longest round, s.
        peak_mib: Peak memory of the process, MiB.
        grown_mib: Largest memory increase during a run, MiB.
        ratio: How many times longer the fastest equal peer took.
        targets: Whether each target was met, by text; None if it could not be measured.
    """

    row: str
    engine: str
    seconds: float | None = None
    ns_per_bar: float | None = None
    equal: bool = False
    reason: str = ""
    versions: Mapping[str, str] | None = None
    median: float = 0.0
    longest: float = 0.0
    peak_mib: float = 0.0
    grown_mib: float = 0.0
    ratio: float | None = None
    targets: Mapping[str, bool | None] | None = None

    @property
    def is_coin(self) -> bool:
        """Whether this is a row of our engine."""
        return self.engine == "coin"

    @property
    def passed(self) -> bool:
        """Whether this is a peer, or our engine gave the expected result and met its targets."""
        return not self.is_coin or (self.equal and all((self.targets or {}).values()))


class EngineProcess:
    """Process of one engine, and the times of its runs."""

    def __init__(self, workload: Workload, row: str, engine: str, function: str, folder: Path) -> None:
        """Start the process, which warms up on its own."""
        self.row, self.engine = row, engine
        self._work, self._keys = workload.work, workload.keys_of(engine)
        self._errors = folder / f"{engine}.{function}.log"
        self._result = folder / f"{engine}.{function}.npz"
        self._seconds: list[float] = []
        self._peak_mib = self._grown_mib = 0.0
        self._max_rounds = workload.rounds
        python = environment.PYTHON if engine in environment.PACKAGES else sys.executable
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [python, "-m", "benchmarks.worker", engine, function, str(folder)],
                cwd=ROOT,
                env=os.environ | EXTRA_ENV,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
            )

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Kill the process on exit."""
        try:
            yield
        finally:
            self._process.kill()
            self._process.communicate()

    def check(self, expected: Arrays) -> Outcome:
        """Run once and compare the result."""
        try:
            versions = self._response()
            self.run()
        except EngineFailed as error:
            return Outcome(self.row, self.engine, reason=str(error))
        with np.load(self._result) as result:
            mismatch = find_difference(result, expected, self._keys)
        return self.timed(Outcome(self.row, self.engine, equal=not mismatch, reason=mismatch, versions=versions))

    def run(self) -> None:
        """Run once more and record the time."""
        with suppress(BrokenPipeError):  # the missing response gives the reason
            print(file=self._process.stdin)
        response = self._response()
        self._seconds.append(response["seconds"])
        self._peak_mib = response["peak_mib"]
        self._grown_mib = max(self._grown_mib, response["grown_mib"])

    @property
    def rounds(self) -> int:
        """Number of runs after the first that fit the time limit."""
        return min(self._max_rounds, int(SECONDS_PER_ENGINE / self._seconds[0]))

    def timed(self, outcome: Outcome) -> Outcome:
        """Return the outcome with the times measured so far."""
        best = min(self._seconds)
        return replace(
            outcome,
            seconds=best,
            ns_per_bar=best / self._work * 1e9,
            median=median(self._seconds),
            longest=max(self._seconds),
            peak_mib=self._peak_mib,
            grown_mib=self._grown_mib,
        )

    def _response(self) -> dict[str, Any]:
        alarm = threading.Timer(TIMEOUT_S, self._process.kill)
        alarm.start()
        line = self._process.stdout.readline()
        alarm.cancel()
        if not line:
            killed = self._process.wait() < 0
            message = environment.last_line(self._errors.read_text().splitlines())
            raise EngineFailed(f"killed, or no response within {TIMEOUT_S:g} s" if killed else message)
        response: dict[str, Any] = json.loads(line)
        return response


def measure(workload: Workload, folder: Path, missing: Mapping[str, str]) -> list[Outcome]:
    """Return one row for each of our variants and each peer.

    Every engine first runs once for the comparison. Those with an equal result then run in turn, round after round, so
    that disturbances of the machine affect all of them; the best time counts.

    Args:
        workload: The workload to run.
        folder: New folder for the inputs and results.
        missing: Reasons why peers cannot run, by adapter name.
    """
    save_arrays(folder / "small", workload.small())
    inputs = workload.inputs()
    save_arrays(folder / "full", inputs)
    expected = workload.expected(inputs)
    absent = {peer: missing[peer] for peer in workload.peers if peer in missing} | dict(workload.skipped)
    outcomes = [Outcome(workload.name, peer, reason=reason) for peer, reason in absent.items()]
    entrants = [(variant.row, variant.engine, variant.function) for variant in workload.variants]
    entrants += [(workload.name, peer, workload.function) for peer in workload.peers if peer not in missing]
    with ExitStack() as stack:
        racing: dict[EngineProcess, Outcome] = {}
        for entrant in entrants:
            process = EngineProcess(workload, *entrant, folder)
            stack.enter_context(process.serving())
            outcome = process.check(expected)
            if outcome.equal:
                racing[process] = outcome
            else:
                outcomes.append(outcome)
        for round_number in range(workload.rounds):
            for process in [process for process in racing if round_number < process.rounds]:
                try:
                    process.run()
                except EngineFailed as error:
                    outcomes.append(replace(racing.pop(process), equal=False, reason=str(error)))
        return evaluate_targets(workload, [process.timed(outcome) for process, outcome in racing.items()] + outcomes)


def evaluate_targets(workload: Workload, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Fill in the ratios to the fastest equal peer and whether the targets were met."""
    times = {outcome: outcome.seconds for outcome in outcomes if outcome.equal and outcome.seconds is not None}
    measured = {outcome.row: seconds for outcome, seconds in times.items() if outcome.engine not in workload.peers}
    peers = {outcome.engine: seconds for outcome, seconds in times.items() if outcome.engine in workload.peers}
    measured |= {opponent: peers[opponent] for opponent in workload.opponents if opponent in peers}
    libraries = [peers[library] for library in workload.libraries if library in peers]
    if libraries:
        measured["library"] = min(libraries)
    peer = min(peers.values(), default=None)
    targets = {variant.row: variant.targets for variant in workload.variants}
    evaluated = []
    for outcome in outcomes:
        ratio = peer / times[outcome] if peer is not None and outcome in times else None
        met: dict[str, bool | None] = {}
        for target in targets[outcome.row] if outcome.is_coin else ():
            try:
                met[target.text] = outcome in times and times[outcome] <= target.seconds(measured)
            except KeyError:
                met[target.text] = None  # the time to compare with was not measured
        evaluated.append(replace(outcome, ratio=ratio, targets=met))
    return evaluated
