"""What larger clusters take and cost, and what limits them, computed from the figures of `make bench-scale`.

python -m benchmarks.scale_model [--cores N ...] [--assume NAME=VALUE ...] [--write]

A closed-form model: a sweep takes as long as the busiest of its resources, after the start of its workers. What was
measured is read from `latest-scale.json`; everything else is an assumption with a name, a value and a reason, which
`--assume` replaces. `--write` updates docs/scaling.md, which quotes the output.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from math import ceil, floor, log2
from pathlib import Path

from benchmarks.scale_figures import ScaleFigures, read_figures
from coin_pipeline.orchestration.heartbeat import PROGRESS_INTERVAL_S
from coin_pipeline.sweeps.cluster.client import PART_BARS
from coin_pipeline.sweeps.plan import MAX_CHUNK_POINTS, VECTORIZED_FACTOR

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
BEGIN = "<!-- written by python -m benchmarks.scale_model --write -->"
END = "<!-- end -->"
CORES = (1, 100, 10_000)
BAR_BYTES = 48
"""A candle in memory: six columns of eight bytes."""
GB, HOUR_S = 1e9, 3600.0


def assumption(value: float, reason: str) -> float:
    """Return a field with a default and the reason for it."""
    assumed: float = field(default=value, metadata={"reason": reason})
    return assumed


@dataclass(frozen=True)
class Assumptions:
    """What was not measured; the reasons are printed."""

    usd_per_core_hour: float = assumption(0.05, "list price of a general-purpose cloud core, per hour")
    node_cores: float = assumption(16, "cores of a node")
    node_store_gb: float = assumption(19, "Ray's default of 30 % of a node with 64 GB: candles that it holds")
    link_gb_s: float = assumption(1.25, "network of a node, 10 Gbit/s")
    run_memory_gb: float = assumption(64, "memory of a run for its table of trials")
    platform_cores: float = assumption(2, "cores of the machine of a platform")
    put_s: float = assumption(0.03, "one object of 100 KB to a bucket; 0 for a local disk, which the overhead includes")
    puts_per_s: float = assumption(3500, "what S3 documents for a prefix; all platforms share one")
    database_write_s: float = assumption(0.0003, "one row of progress in PostgreSQL")
    tasks_per_s: float = assumption(1000, "Ray tasks that one driver submits")
    node_losses_per_hour: float = assumption(0.01, "a node is lost every four days, as spot instances are")


@dataclass(frozen=True)
class Workload:
    """Trials: each of `points` on each of `symbols` with `bars` candles."""

    points: int
    symbols: int
    bars: int

    @property
    def name(self) -> str:
        """What readers call it."""
        symbols = "1 symbol" if self.symbols == 1 else f"{self.symbols:,} symbols"
        return f"{self.points * self.symbols:,} trials, {symbols} x {self.bars:,} candles"


WORKLOADS = (
    Workload(1_000_000_000, 1, 100_800),
    Workload(200, 5000, 525_600),
    Workload(200_000, 5000, 525_600),
)


@dataclass(frozen=True)
class Estimate:
    """What a workload takes on a cluster.

    Attributes:
        cores: Cores of the nodes.
        platforms: Platforms that share them, each with one sweep at a time.
        sweeps: Sweeps into which the workload is divided.
        seconds: Time until the last one has ended.
        usd: Cost of the nodes and the platforms in that time.
        shares: Time for which each resource is busy, as a fraction of that of the busiest, largest first.
        missing: What the workload does not fit in; empty if it can run.
    """

    cores: int
    platforms: int
    sweeps: int
    seconds: float
    usd: float
    shares: dict[str, float]
    missing: str


class Model:
    """Estimates from measured figures and assumptions."""

    def __init__(self, measured: ScaleFigures, assumed: Assumptions) -> None:
        self._measured, self._assumed = measured, assumed
        self.efficiency = measured.rate_2 / 2 / measured.rate_1
        """Rate of a worker next to another one, as a fraction of that of a worker alone."""
        self.overhead_s = measured.overhead_s + assumed.put_s
        """Time of the run's process per part."""

    def bar_rate(self, cores: float) -> float:
        """Return the bars times points that each of some cores evaluates in a second."""
        return self._measured.bars * self._measured.rate_1 * (min(1.0, self.efficiency) if cores > 1 else 1.0)

    def part_points(self, bars: float) -> int:
        """Return the points of a part, as `split_into_parts` does for a strategy that computes many at once."""
        return max(1, min(floor(PART_BARS / bars), VECTORIZED_FACTOR * MAX_CHUNK_POINTS))

    def cores_per_run(self, bars: float) -> int:
        """Return how many cores one run keeps busy."""
        return max(1, floor(self.part_points(bars) * bars / self.bar_rate(2) / self.overhead_s))

    def one_sweep(self, load: Workload, cores: int) -> Estimate:
        """Estimate a workload as one sweep of one platform."""
        return self._estimate(load, cores, platforms=1, groups=1, slices=1)

    def divided(self, load: Workload, cores: int) -> Estimate:
        """Estimate it as sweeps that fit in memory, on as many platforms as the cores need."""
        groups = min(load.symbols, ceil(load.symbols * load.bars * BAR_BYTES / GB / self._assumed.node_store_gb))
        platforms = ceil(cores / self.cores_per_run(load.symbols / groups * load.bars))
        fitting = ceil(load.points * load.symbols * self._measured.trial_bytes / GB / self._assumed.run_memory_gb)
        slices = min(load.points, ceil(max(platforms, fitting) / groups))
        return self._estimate(load, cores, min(platforms, groups * slices), groups, slices)

    def _estimate(self, load: Workload, cores: int, platforms: int, groups: int, slices: int) -> Estimate:
        """Estimate sweeps of a group of the symbols and a slice of the points each."""
        assumed, own = self._assumed, cores / platforms
        bars, points = load.symbols / groups * load.bars, load.points / slices
        table_gb = points * load.symbols / groups * self._measured.trial_bytes / GB
        candles_gb = bars * BAR_BYTES / GB
        fits = candles_gb <= assumed.node_store_gb
        size = self.part_points(bars)
        parts = ceil(points / size)
        rate = self.bar_rate(cores)
        part_s = min(size, points) * bars / rate
        busy = {
            "cores": max(part_s, points * bars / rate / own) * (1 + self._lost_share),
            "process of the run": parts * self.overhead_s,
            "object store": parts * platforms / assumed.puts_per_s,
            "Ray driver": parts / assumed.tasks_per_s,
            "candles over the network": 0.0 if fits else parts * candles_gb / assumed.link_gb_s,
        }
        busy["database"] = min(parts, max(busy.values()) / PROGRESS_INTERVAL_S) * assumed.database_write_s
        longest = max(busy.values())
        copies = log2(ceil(min(own, parts) / assumed.node_cores) + 1) * candles_gb / assumed.link_gb_s if fits else 0.0
        rounds = max(1.0, groups * slices / platforms)
        seconds = rounds * (self.start_s + copies + longest)
        return Estimate(
            cores,
            platforms,
            groups * slices,
            seconds,
            (cores + platforms * assumed.platform_cores) * seconds / HOUR_S * assumed.usd_per_core_hour,
            dict(sorted(((name, s / longest) for name, s in busy.items()), key=lambda item: -item[1])),
            f"{table_gb:,.0f} GB of trials" if table_gb > assumed.run_memory_gb else "",
        )

    @property
    def start_s(self) -> float:
        """From the start of a sweep until its workers compute."""
        return max(0.0, self._measured.first_part_s - self.part_points(self._measured.bars) / self._measured.rate_1)

    @property
    def _lost_share(self) -> float:
        """Share of the time of a core that is lost with nodes."""
        return self._assumed.node_losses_per_hour * self._measured.node_lost_s / HOUR_S


def format_seconds(seconds: float) -> str:
    """Return a time for readers.

    >>> [format_seconds(seconds) for seconds in (8.4, 252, 9000, 864_000)]
    ['8 s', '4.2 minutes', '2.5 hours', '10.0 days']
    """
    for unit, length, least in (("days", 86_400, 172_800), ("hours", 3600, 7200), ("minutes", 60, 60)):
        if seconds >= least:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def report(measured: ScaleFigures, machine: str, assumed: Assumptions, cores: Sequence[int] = CORES) -> str:
    """Return the estimates as Markdown."""
    model = Model(measured, assumed)
    head_s = measured.head_noticed_s + measured.head_started_s + measured.head_resumed_s
    measurements = (
        f"Measured on: {machine}. {measured.rate_1:,.0f} points/s with one worker over {measured.bars:,} candles,"
        f" {min(1.0, model.efficiency):.0%} of that for each of two; {measured.overhead_s * 1e3:.0f} ms per part;"
        f" {model.start_s:.1f} s until the workers compute. A lost head costs {head_s:.0f} s, a lost node"
        f" {measured.node_lost_s:.0f} s of its cores."
    )
    limit = f"One run keeps {model.cores_per_run(measured.bars)} cores busy; its process is the limit beyond that."
    assumptions = (
        f"| `{item.name}` | {getattr(assumed, item.name):g} | {item.metadata['reason']} |" for item in fields(assumed)
    )
    return "\n".join(
        [
            measurements,
            "",
            limit,
            "",
            *_table(model.one_sweep, "One sweep on one platform", cores),
            "",
            *_table(model.divided, "Divided into sweeps that fit, on as many platforms as keep the cores busy", cores),
            "",
            "| assumption | value | reason |",
            "|---|---|---|",
            *assumptions,
        ]
    )


def _table(estimate: Callable[[Workload, int], Estimate], title: str, cores: Sequence[int]) -> Iterator[str]:
    yield f"| {title} | cores | platforms | sweeps | time | cost | limit | next |"
    yield "|---|---|---|---|---|---|---|---|"
    for load in WORKLOADS:
        for count in cores:
            result = estimate(load, count)
            (limit, _), (following, share), *_ = result.shares.items()
            outcome = (format_seconds(result.seconds), f"{result.usd:,.2f} USD", limit, f"{following} ({share:.0%})")
            if result.missing:
                outcome = ("rejected", "", "memory of the run", result.missing)
            yield f"| {load.name} | {count:,} | {result.platforms:,} | {result.sweeps:,} | {' | '.join(outcome)} |"


def parse_assumptions(texts: Sequence[str]) -> Assumptions:
    """Return the assumptions with those that are given as NAME=VALUE.

    Raises:
        ValueError: There is no assumption of the name, or the value is not a number.
    """
    values = {}
    known = [item.name for item in fields(Assumptions)]
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            msg = f"{name!r} is not an assumption; use one of {', '.join(known)}"
            raise ValueError(msg)
        values[name] = float(value)
    return replace(Assumptions(), **values)


def updated(page: str, text: str) -> str:
    """Return the page with a text between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the estimates, or write them into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, nargs="+", default=CORES, help="cores of the nodes")
    parser.add_argument("--assume", nargs="+", default=[], metavar="NAME=VALUE", help="replace assumptions")
    parser.add_argument("--write", action="store_true", help="write docs/scaling.md instead of printing")
    given = parser.parse_args(arguments)
    try:
        text = report(*read_figures(), parse_assumptions(given.assume), given.cores)
    except ValueError as error:
        parser.error(str(error))
    if given.write:
        PAGE.write_text(updated(PAGE.read_text(), text))
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
