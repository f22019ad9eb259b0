"""How outcomes are told: a table for people, a list of records for programs."""

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
    """A figure in words, and whether it is as it must be; None where nothing is asked of it."""

    text: str
    met: bool | None = None


def machine() -> dict[str, str | int | float]:
    """Describe the machine."""
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
    """Return what ``latest.json`` holds: a record for every engine that was run to the end."""
    here = machine()
    return [
        {
            "workload": one.row,
            "engine": one.engine,
            "seconds": one.seconds,
            "ns_per_bar": one.ns_per_bar,
            "ratio_to_fastest_peer": one.ratio,
            "equal": one.equal,
            "machine": here,
            "versions": one.versions,
        }
        for one in outcomes
        if one.seconds is not None
    ]


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return the table."""
    shown = Table("workload", "engine", "seconds", "ns/bar", "fastest peer takes", "equal", "targets, remarks")
    for one in outcomes:
        targets = [f"{text}: {MET[met]}" for text, met in (one.targets or {}).items()]
        shown.add_row(
            one.row,
            one.engine,
            _number(one.seconds),
            _number(one.ns_per_bar),
            _number(one.ratio) + ("x" if one.ratio else ""),
            "yes" if one.equal else "no" if one.seconds else "-",
            "\n".join([*targets, *([one.reason] if one.reason else [])]),
            style="bold" if one.ours else None,
        )
    return shown


def versions(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a line for each engine with what did its work."""
    of = {one.engine: one.versions for one in outcomes if one.versions}
    return [f"{engine}: {described(found)}" for engine, found in of.items()]


def told(figure: Figure) -> str:
    """Return a figure as a line."""
    return figure.text if figure.met is None else f"{figure.text}: {MET[figure.met]}"


def described(facts: Mapping[str, object]) -> str:
    """Return facts as one line."""
    return ", ".join(f"{name} {fact}" for name, fact in facts.items())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}"
