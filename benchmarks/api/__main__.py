"""``python -m benchmarks.api``: how fast the platform answers, with our launcher and with Dagster's own."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from benchmarks.api import measures, rows
from benchmarks.api.client import Late, Refused
from benchmarks.api.measures import Load, Measure, Tick
from benchmarks.api.platform import NotUp, Platform, running
from benchmarks.api.rows import Row
from benchmarks.report import described, machine

LATEST = Path(__file__).parents[1] / "latest-api.json"
LOADS = {"warm": Load(requests=200, at_once=100, polling_s=6), "dagster": Load(8, 20, 3)}
"""With Dagster's own launcher each run takes seconds: fewer of them say as much."""
MEASURES: Mapping[str, Sequence[Measure]] = {
    "warm": (
        measures.one_at_a_time,
        measures.sync,
        measures.one_after_another,
        measures.at_once,
        measures.polled,
    ),
    "dagster": (measures.one_at_a_time, measures.sync, measures.at_once),
}


def main(arguments: Sequence[str]) -> int:
    """Measure, tell, and return 1 if a target of ours is missed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever stops us, the platform is stopped
    options = _options(arguments)
    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {described(machine())}")
    console.print(f"{described(rows.versions())}; percentiles are nearest-rank")
    began = time.monotonic()
    for line in asyncio.run(measures.itself(LOADS["warm"])):
        console.print(line)
    found: list[Row] = []
    for launcher in options.launcher or LOADS:
        load = LOADS[launcher]
        if options.requests:
            load = replace(load, requests=options.requests, at_once=min(load.at_once, options.requests))
        try:
            found += measure(console, launcher, load)
        except NotUp as failed:
            found.append(Row("coin up", launcher, failed=str(failed)))
    found = judged(found)
    console.print(rows.table(found))
    console.print(f"measured in {time.monotonic() - began:.0f} s")
    if not (options.launcher or options.requests):
        LATEST.write_text(json.dumps(rows.records(found), indent=1) + "\n")
    return int(any(row.ok is False for row in found))


def measure(console: Console, launcher: str, load: Load) -> list[Row]:
    """Start a platform with a launcher, measure everything, and stop it."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-api-") as folder, running(Path(folder), launcher) as platform:
        for one in (measures.warm_up, *MEASURES[launcher]):
            with progress(console, f"{launcher}: {one.__name__.replace('_', ' ')}") as tick:
                found += measured(one, platform, load, tick)
    return found


def measured(one: Measure, platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Return the rows of one measure, or one that says why there are none."""
    try:
        return asyncio.run(one(platform, load, tick))
    except (Late, Refused, OSError, EOFError, ExceptionGroup) as failed:
        reason = failed.exceptions[0] if isinstance(failed, ExceptionGroup) else failed
        return [Row(one.__name__.replace("_", " "), platform.launcher, failed=f"{type(reason).__name__}: {reason}")]


def judged(found: Sequence[Row]) -> list[Row]:
    """Ask nothing of Dagster's own launcher: it is there for the ratio."""
    return [replace(row, limits=()) if row.launcher == "dagster" else row for row in found]


@contextmanager
def progress(console: Console, what: str) -> Iterator[Tick]:
    """Show on a terminal how far it is, else a line."""
    if not console.is_terminal:
        console.print(f"{what} ...")
    # Drawn twice a second: more would take time from what is measured.
    columns = "{task.description}", "{task.completed:,.0f} done", TimeElapsedColumn()
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, refresh_per_second=2, disable=quiet) as shown:
        task = shown.add_task(what, total=None)
        yield lambda: shown.advance(task)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument("--requests", type=int, help="so many instead of all; nothing is written")
    parser.add_argument("--launcher", choices=LOADS, action="append", help="this one alone; nothing is written")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped")
