"""Output of the outcomes: a table for readers, a list of records for programs."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from rich.table import Table

from benchmarks.harness import Outcome

Record: TypeAlias = dict[str, object]
MET = {True: "met", False: "MISSED", None: "NOT MEASURED"}


@dataclass(frozen=True)
class Figure:
    """A figure as text, and whether it meets its target; None without a target."""

    text: str
    met: bool | None = None


def machine() -> dict[str, str | int | float]:
    """Return the hardware, operating system and Python version of this machine."""
    cpus = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.*)$", cpus.read_text(), re.MULTILINE) if cpus.is_file() else None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model[1] if model else platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def records(outcomes: Sequence[Outcome]) -> list[Record]:
    """Return the content of ``latest.json``: one record for every engine that completed."""
    this_machine = machine()
    return [
        {
            "workload": outcome.row,
            "engine": outcome.engine,
            "seconds": outcome.seconds,
            "ns_per_bar": outcome.ns_per_bar,
            "ratio_to_fastest_peer": outcome.ratio,
            "equal": outcome.equal,
            "machine": this_machine,
            "versions": outcome.versions,
        }
        for outcome in outcomes
        if outcome.seconds is not None
    ]


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return the outcomes as a table."""
    result = Table("fastest peer takes", "workload", "engine", "seconds", "ns/bar", "equal", "targets, remarks")
    for outcome in outcomes:
        targets = [f"{text}: {MET[met]}" for text, met in (outcome.targets or {}).items()]
        result.add_row(
            _number(outcome.ratio) + ("x" if outcome.ratio else ""),
            outcome.row,
            outcome.engine,
            _number(outcome.seconds),
            _number(outcome.ns_per_bar),
            "yes" if outcome.equal else "no" if outcome.seconds else "-",
            "\n".join([*targets, *([outcome.reason] if outcome.reason else [])]),
            style="bold" if outcome.is_coin else None,
        )
    return result


def versions(outcomes: Sequence[Outcome]) -> list[str]:
    """Return one line per engine with the versions of its packages."""
    by_engine = {outcome.engine: outcome.versions for outcome in outcomes if outcome.versions}
    return [f"{engine}: {format_facts(packages)}" for engine, packages in by_engine.items()]


def format_figure(figure: Figure) -> str:
    """Return the figure and its verdict as one line."""
    return figure.text if figure.met is None else f"{figure.text}: {MET[figure.met]}"


def format_facts(facts: Mapping[str, object]) -> str:
    """Return names and values as one line."""
    return ", ".join(f"{name} {fact}" for name, fact in facts.items())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}"
