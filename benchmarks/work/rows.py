"""Rows of the table, and their output as a table and as records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks.api.rows import Limit, versions
from benchmarks.report import MET, Record, machine

USAGE = ("wall_s", "cpu_s", "peak_mib")


@dataclass(frozen=True)
class WorkRow:
    """One row of the table.

    Attributes:
        name: Name of the row.
        figures: Measured values by name, ``wall_s``, ``cpu_s`` and ``peak_mib`` among them where they apply.
        limits: Targets, at least one.
        failed: Reason why the row could not be measured.
    """

    name: str
    figures: Mapping[str, float]
    limits: Sequence[Limit]
    failed: str = ""

    @property
    def ok(self) -> bool:
        """Whether every limit is met."""
        return not self.failed and all(limit.met(self.figures) for limit in self.limits)


def table(rows: Sequence[WorkRow]) -> Table:
    """Return the rows as a table."""
    result = Table("row", "wall s", "CPU s", "peak MiB", "targets", "other figures")
    for row in rows:
        met = [f"{limit.text}: {MET[limit.met(row.figures)]}" for limit in row.limits]
        others = [f"{name} {value:,.4g}" for name, value in row.figures.items() if name not in USAGE]
        result.add_row(
            row.name,
            *(f"{row.figures[name]:,.2f}" if name in row.figures else "-" for name in USAGE),
            "\n".join([f"NOT MEASURED: {row.failed}"] if row.failed else met),
            "\n".join(others),
            style=None if row.ok else "red",
        )
    return result


def records(rows: Sequence[WorkRow]) -> list[Record]:
    """Return the content of ``latest-work.json``."""
    surroundings = {"machine": machine(), "versions": versions()}
    return [
        {
            "row": row.name,
            **{name: round(value, 4) for name, value in row.figures.items()},
            "targets": {limit.text: limit.met(row.figures) for limit in row.limits},
            "failed": row.failed,
            **surroundings,
        }
        for row in rows
    ]
