"""Runs the engines of a workload in processes of their own, compares what they find, and takes their times in turn."""

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
from benchmarks.measuring import Arrays, save
from benchmarks.oracles import difference
from benchmarks.workloads import Workload

ROOT = Path(__file__).parents[1]
SECONDS_PER_ENGINE = 15.0
"""An engine that would need longer for all rounds gets fewer; one that takes longer at once has its first run count."""
PATIENCE = 300.0
"""Seconds without an answer after which an engine is given up."""
QUIET_LOGGERS = {"RAPTORBT_NO_VERSION_CHECK": "1"}


class EngineFailed(Exception):
    """An engine's process ended before it answered."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """One row of the table.

    Attributes:
        row: The workload, or our variant of it.
        engine: The adapter.
        seconds: Its best round; None where it was not run.
        ns_per_bar: The same for one bar of one point or symbol.
        equal: Whether it found what the oracle found.
        reason: Why it has no time, or in what it differs.
        versions: Of the packages that did the work.
        median: Its median round.
        longest: Its longest round.
        peak_mib: Most memory its process held, MiB.
        grown_mib: Most memory that a run took, MiB.
        ratio: How many times longer the fastest equal peer took.
        targets: What was to be reached, and whether it was; None where nothing could be measured.
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
    def ours(self) -> bool:
        """Whether this is a row of our engine."""
        return self.engine == "coin"

    @property
    def good(self) -> bool:
        """Whether our part is as it should be; a peer's failure is not ours."""
        return not self.ours or (self.equal and all((self.targets or {}).values()))


class Contestant:
    """An engine in its process, and the times of its runs."""

    def __init__(self, workload: Workload, row: str, engine: str, function: str, folder: Path) -> None:
        """Start the process, which warms up by itself."""
        self.row, self.engine = row, engine
        self._work, self._keys = workload.work, workload.keys_of(engine)
        self._errors = folder / f"{engine}.{function}.log"
        self._result = folder / f"{engine}.{function}.npz"
        self._seconds: list[float] = []
        self._peak_mib = self._grown_mib = 0.0
        self._most_rounds = workload.rounds
        python = environment.PYTHON if engine in environment.PACKAGES else sys.executable
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [python, "-m", "benchmarks.worker", engine, function, str(folder)],
                cwd=ROOT,
                env=os.environ | QUIET_LOGGERS,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
            )

    @contextmanager
    def serving(self) -> Iterator[None]:
        """End the process on leaving."""
        try:
            yield
        finally:
            self._process.kill()
            self._process.communicate()

    def check(self, expected: Arrays) -> Outcome:
        """Run once and compare."""
        try:
            versions = self._answer()
            self.run()
        except EngineFailed as failed:
            return Outcome(self.row, self.engine, reason=str(failed))
        with np.load(self._result) as found:
            differs = difference(found, expected, self._keys)
        return self.timed(Outcome(self.row, self.engine, equal=not differs, reason=differs, versions=versions))

    def run(self) -> None:
        """Run once more and keep the time."""
        with suppress(BrokenPipeError):  # the answer tells why it is gone
            print(file=self._process.stdin)
        answer = self._answer()
        self._seconds.append(answer["seconds"])
        self._peak_mib = answer["peak_mib"]
        self._grown_mib = max(self._grown_mib, answer["grown_mib"])

    @property
    def rounds(self) -> int:
        """How many runs after the first there is time for."""
        return min(self._most_rounds, int(SECONDS_PER_ENGINE / self._seconds[0]))

    def timed(self, outcome: Outcome) -> Outcome:
        """Return the outcome with the best time so far."""
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

    def _answer(self) -> dict[str, Any]:
        alarm = threading.Timer(PATIENCE, self._process.kill)
        alarm.start()
        line = self._process.stdout.readline()
        alarm.cancel()
        if not line:
            killed = self._process.wait() < 0
            said = environment.last_line(self._errors.read_text().splitlines())
            raise EngineFailed(f"killed, or no answer within {PATIENCE:g} s" if killed else said)
        answer: dict[str, Any] = json.loads(line)
        return answer


def measure(workload: Workload, folder: Path, missing: Mapping[str, str]) -> list[Outcome]:
    """Return a row for each of our variants and each peer.

    Every engine first runs once to be compared. Those that are equal then run in turn, round after round, so that what
    disturbs the machine disturbs them all; the best time counts.

    Args:
        workload: What to run.
        folder: For the inputs and results; it is made.
        missing: Peers that cannot run, and why.
    """
    save(folder / "small", workload.small())
    inputs = workload.inputs()
    save(folder / "full", inputs)
    expected = workload.expected(inputs)
    absent = {peer: missing[peer] for peer in workload.peers if peer in missing} | dict(workload.left_out)
    outcomes = [Outcome(workload.name, peer, reason=reason) for peer, reason in absent.items()]
    entrants = [(variant.row, variant.engine, variant.function) for variant in workload.variants]
    entrants += [(workload.name, peer, workload.function) for peer in workload.peers if peer not in missing]
    with ExitStack() as stack:
        racing: dict[Contestant, Outcome] = {}
        for entrant in entrants:
            contestant = Contestant(workload, *entrant, folder)
            stack.enter_context(contestant.serving())
            outcome = contestant.check(expected)
            if outcome.equal:
                racing[contestant] = outcome
            else:
                outcomes.append(outcome)
        for number in range(workload.rounds):
            for contestant in [one for one in racing if number < one.rounds]:
                try:
                    contestant.run()
                except EngineFailed as failed:
                    outcomes.append(replace(racing.pop(contestant), equal=False, reason=str(failed)))
        return judged(workload, [contestant.timed(outcome) for contestant, outcome in racing.items()] + outcomes)


def judged(workload: Workload, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Fill in the ratios to the fastest equal peer and which targets were met."""
    times = {one: one.seconds for one in outcomes if one.equal and one.seconds is not None}
    measured = {one.row: seconds for one, seconds in times.items() if one.engine not in workload.peers}
    peer = min((seconds for one, seconds in times.items() if one.engine in workload.peers), default=None)
    if peer is not None:
        measured["peer"] = peer
    targets = {variant.row: variant.targets for variant in workload.variants}
    finished = []
    for one in outcomes:
        ratio = peer / times[one] if peer is not None and one in times else None
        met: dict[str, bool | None] = {}
        for target in targets[one.row] if one.ours else ():
            try:
                met[target.text] = one in times and times[one] <= target.seconds(measured)
            except KeyError:
                met[target.text] = None  # what it is compared with was not measured
        finished.append(replace(one, ratio=ratio, targets=met))
    return finished
