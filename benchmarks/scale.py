"""A sweep on a Ray cluster of this machine: throughput per worker, overhead per part, and recovery from lost processes.

Then whole runs on two machines that share a database and a bucket.

python -m benchmarks.scale [--points N]

The head has no processors for tasks; nodes of one processor each join it, as groups of processes. A run with the
default number of points writes `latest-scale.json`, from which `benchmarks.scale_model` computes larger clusters.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rich.console import Console

from benchmarks.machines import measure_machines
from benchmarks.report import Figure, format_facts, format_figure, machine
from benchmarks.scale_figures import write_figures
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.errors import ClusterUnavailable
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.sweeps.cluster.__main__ import PARTS_PER_CPU
from coin_pipeline.sweeps.cluster.client import PART_BARS, evaluate_on_cluster, split_into_parts
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import split_into_chunks
from coin_pipeline.sweeps.request import parse_sweep
from coin_pipeline.sweeps.resolve import resolve_sweep
from coin_pipeline.sweeps.trials import trials_digest
from tests.ray_cluster import RayCluster, ray_cluster

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

POINTS, MIN_POINTS, DAYS = 99_000, 60_000, 70
SYMBOL, START = "BTC_KRW", date(2024, 1, 1)
SMALL_POINTS, SMALL_PARTS = 3000, 300
"""A sweep over one day whose parts take about a millisecond: the rest of the time is overhead."""
MIN_EFFICIENCY, MAX_OVERHEAD_MS, MAX_RECOVERY_S = 0.75, 50, 30
KILLED_AT = 4
"""Number of the part at whose arrival a process is killed."""


class TimedStore(LocalStore):
    """A store that records when each object was stored."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.stored_at: dict[str, float] = {}

    def put(self, key: str, data: "ReadableBuffer", **options: Any) -> None:  # noqa: ANN401 -- as they are
        """Store an object and record the time."""
        super().put(key, data, **options)
        self.stored_at[key] = time.perf_counter()


class Sweep:
    """One sweep of this benchmark; each evaluation has a store of its own, `store`, unless it resumes the last one."""

    def __init__(self, root: Path, points: int, days: int) -> None:
        self._root, self._stores = root, 0
        self._candles, self._registry = CandleCatalog(root), load_registry()
        request = {
            "strategy": "volume_zone_breakout",
            "symbols": [SYMBOL],
            "timeframe": "1m",
            "start_date": str(START),
            "end_date": str(START + timedelta(days=days - 1)),
            "space": {
                "volume_window": f"5:{4 + points // 300}:1",
                "top_percentile": "0.01:0.3:0.01",
                "hold_period_bars": "1:10:1",
            },
            "warm_up": "none",
        }
        spec = resolve_sweep(parse_sweep(request), self._registry)
        (self.chunk,) = split_into_chunks(self._candles, self._registry, spec, sys.maxsize).chunks
        self.store = TimedStore(root)

    @property
    def arrivals(self) -> list[float]:
        """When each part of the last evaluation was stored."""
        return sorted(self.store.stored_at.values())

    @property
    def rate(self) -> float:
        """Points per second from the first part's arrival to the last one's."""
        parts, points = len(self.arrivals), self.chunk.stop - self.chunk.first
        return points * (1 - 1 / parts) / (self.arrivals[-1] - self.arrivals[0])

    def local(self) -> tuple[pa.Table, float]:
        """Evaluate it in one thread of this process; return the trials and the points per second."""
        began = time.perf_counter()
        table = evaluate(self._candles, self._registry, self.store, self.chunk, fresh=True)
        return table, len(table) / (time.perf_counter() - began)

    def on(
        self,
        cluster: RayCluster,
        part_bars: int = PART_BARS,
        kill: Callable[[], object] = lambda: None,
        *,
        resume: bool = False,
    ) -> pa.Table:
        """Evaluate it on a cluster.

        Args:
            cluster: The cluster.
            part_bars: Size of a part.
            kill: Called when `KILLED_AT` parts have arrived.
            resume: Use the trials that the last evaluation has stored.
        """
        self._stores += not resume
        self.store = TimedStore(self._root / f"store-{self._stores}")

        def progress(_: int) -> None:
            if len(self.store.stored_at) == KILLED_AT:
                kill()

        return evaluate_on_cluster(
            self._candles,
            self._registry,
            self.store,
            self.chunk,
            cluster.address,
            progress=progress,
            part_bars=part_bars,
        )

    def out_at_kill(self, workers: int) -> list[float]:
        """Return when the parts were stored that the cluster had when something was killed."""
        parts = [*split_into_parts(self.chunk, vectorized=True)][: KILLED_AT + PARTS_PER_CPU * workers]
        times = sorted(self.store.stored_at[self.chunk.part(part.first, part.stop).key] for part in parts)
        return times[KILLED_AT:]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results and return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=POINTS, help="points of the sweep")
    points = parser.parse_args(arguments).points
    if points < MIN_POINTS:
        parser.error(f"--points {points}: use at least {MIN_POINTS}, so that a process can be killed between parts")
    console = Console(highlight=False)
    console.print(format_facts(machine()))
    missed = False
    with tempfile.TemporaryDirectory() as folder, ray_cluster() as cluster:
        minute = parse_timeframe("1m")
        CandleCatalog(Path(folder)).merge(SYMBOL, minute, synthetic_candles(0, minute, START, DAYS * 1440))
        sweep, small = Sweep(Path(folder), points, DAYS), Sweep(Path(folder), SMALL_POINTS, 1)
        values: dict[str, float] = {"points": points, "bars": DAYS * 1440}
        for measure in (throughput, overhead, recovery):
            for figure in measure(cluster, sweep if measure is not overhead else small, values):
                console.print(format_figure(figure))
                missed |= figure.met is False
    for figure in measure_machines(values):
        console.print(format_figure(figure))
        missed |= figure.met is False
    if points == POINTS:
        write_figures(values)
    return int(missed)


def throughput(cluster: RayCluster, sweep: Sweep, values: dict[str, float]) -> list[Figure]:
    """Compare one thread without Ray, one worker and two workers; each figure is also added to the values."""
    sweep.local()  # loads the kernels
    expected, alone = sweep.local()
    cluster.start_head(0)
    figures = [Figure(f"one thread without Ray: {alone:,.0f} points/s")]
    values |= {"thread_rate": alone, "trial_bytes": expected.nbytes / len(expected)}
    for workers in (1, 2):
        cluster.join(1)
        began = time.perf_counter()
        table = sweep.on(cluster)
        total, share = time.perf_counter() - began, sweep.rate / workers / alone
        values[f"rate_{workers}"] = sweep.rate
        values.setdefault("first_part_s", sweep.arrivals[0] - began)
        text = (
            f"{workers} worker(s): {sweep.rate:,.0f} points/s, {share:.0%} of a thread each (at least"
            f" {MIN_EFFICIENCY:.0%}); first part after {sweep.arrivals[0] - began:.1f} s, all after {total:.1f} s"
        )
        figures += [Figure(text, share >= MIN_EFFICIENCY)]
        same = trials_digest(table) == trials_digest(expected)
        figures += [Figure(f"{workers} worker(s): the trials have the digest of those without Ray", same)]
    values["stored_trial_bytes"] = sum(len(sweep.store.get(key)) for key in sweep.store.stored_at) / len(expected)
    return figures


def overhead(cluster: RayCluster, sweep: Sweep, values: dict[str, float]) -> list[Figure]:
    """Measure parts that take hardly any time, from their submission to the store, with two workers."""
    sweep.on(cluster, part_bars=sweep.chunk.candles[0].rows * SMALL_POINTS // SMALL_PARTS)
    values["overhead_s"] = (sweep.arrivals[-1] - sweep.arrivals[0]) / (len(sweep.arrivals) - 1)
    milliseconds = 1000 * values["overhead_s"]
    text = f"overhead: {milliseconds:.1f} ms per part, one after another (at most {MAX_OVERHEAD_MS} ms)"
    return [Figure(text, milliseconds <= MAX_OVERHEAD_MS)]


def recovery(cluster: RayCluster, sweep: Sweep, values: dict[str, float]) -> list[Figure]:
    """Kill a worker, a node and the head while two workers evaluate; after the head, the sweep is started again."""
    head, _, node = cluster.nodes
    sweep.on(cluster)
    values["usual_s"] = sweep.out_at_kill(2)[-1] - sweep.arrivals[KILLED_AT - 1]
    figures = [Figure(f"nothing killed: the parts that the cluster has take {values['usual_s']:.1f} s")]
    for name, kill in (("worker", node.kill_tasks), ("node", node.kill)):
        sweep.on(cluster, kill=kill)
        values[f"{name}_lost_s"] = took = sweep.out_at_kill(2)[-1] - sweep.arrivals[KILLED_AT - 1]
        text = f"a {name} killed: the parts that the cluster had are stored after {took:.1f} s"
        figures.append(Figure(f"{text} (at most {MAX_RECOVERY_S} s)", took <= MAX_RECOVERY_S))
    cluster.join(1)
    with suppress(ClusterUnavailable):
        sweep.on(cluster, kill=head.kill)
    noticed = time.perf_counter() - sweep.arrivals[KILLED_AT - 1]
    for other in cluster.nodes:
        other.kill()
    kept, began = len(sweep.arrivals), time.perf_counter()
    cluster.start_head(2)
    started = time.perf_counter()
    sweep.on(cluster, resume=True)
    resumed = sweep.arrivals[0] - started
    values |= {"head_noticed_s": noticed, "head_started_s": started - began, "head_resumed_s": resumed}
    text = (
        f"the head killed: noticed after {noticed:.1f} s (at most {MAX_RECOVERY_S} s), {kept} parts kept; a new head"
        f" starts in {started - began:.1f} s, its first part is stored {resumed:.1f} s later"
    )
    return [*figures, Figure(text, noticed <= MAX_RECOVERY_S)]


if __name__ == "__main__":
    sys.exit(main())
