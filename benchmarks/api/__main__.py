"""``python -m benchmarks.api``: response times of the platform, with our launcher and with Dagster's default one."""

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
from benchmarks.api.client import DeadlineExceeded, UnexpectedStatus
from benchmarks.api.measures import Load, Measure, Tick
from benchmarks.api.platform import Platform, PlatformNotStarted, run_platform
from benchmarks.api.rows import Row
from benchmarks.report import format_facts, machine

LATEST = Path(__file__).parents[1] / "latest-api.json"
LOADS = {"warm": Load(requests=200, at_once=100, polling_s=6), "dagster": Load(8, 20, 3)}
"""With Dagster's launcher each run takes seconds, so fewer runs are enough."""
MEASURES: Mapping[str, Sequence[Measure]] = {
    "warm": (
        measures.one_at_a_time,
        measures.sync,
        measures.one_after_another,
        measures.at_once,
        measures.poll_status,
    ),
    "dagster": (measures.one_at_a_time, measures.sync, measures.at_once),
}


def main(arguments: Sequence[str]) -> int:
    """Measure, print the results, and return 1 if a target is missed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM stops the platform too
    options = _options(arguments)
    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {format_facts(machine())}")
    console.print(f"{format_facts(rows.versions())}; percentiles are nearest-rank")
    began = time.monotonic()
    for line in asyncio.run(measures.load_generator(LOADS["warm"])):
        console.print(line)
    results: list[Row] = []
    for launcher in options.launcher or LOADS:
        load = LOADS[launcher]
        if options.requests:
            load = replace(load, requests=options.requests, at_once=min(load.at_once, options.requests))
        try:
            results += measure_launcher(console, launcher, load)
        except PlatformNotStarted as error:
            results.append(Row("coin up", launcher, failed=str(error)))
    results = without_dagster_limits(results)
    console.print(rows.table(results))
    console.print(f"measured in {time.monotonic() - began:.0f} s")
    if not (options.launcher or options.requests):
        LATEST.write_text(json.dumps(rows.records(results), indent=1) + "\n")
    return int(any(row.ok is False for row in results))


def measure_launcher(console: Console, launcher: str, load: Load) -> list[Row]:
    """Start a platform with a launcher, take all measurements, and stop it."""
    results: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-api-") as folder, run_platform(Path(folder), launcher) as platform:
        for measure in (measures.warm_up, *MEASURES[launcher]):
            with progress(console, f"{launcher}: {measure.__name__.replace('_', ' ')}") as tick:
                results += run_measure(measure, platform, load, tick)
    return results


def run_measure(measure: Measure, platform: Platform, load: Load, tick: Tick) -> list[Row]:
    """Return the rows of one measure, or one row with the reason why it failed."""
    try:
        return asyncio.run(measure(platform, load, tick))
    except (DeadlineExceeded, UnexpectedStatus, OSError, EOFError, ExceptionGroup) as error:
        cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        return [Row(measure.__name__.replace("_", " "), platform.launcher, failed=f"{type(cause).__name__}: {cause}")]


def without_dagster_limits(results: Sequence[Row]) -> list[Row]:
    """Remove the limits of Dagster's launcher, which is measured only for the ratio."""
    return [replace(row, limits=()) if row.launcher == "dagster" else row for row in results]


@contextmanager
def progress(console: Console, what: str) -> Iterator[Tick]:
    """Show progress on a terminal, otherwise print a line."""
    if not console.is_terminal:
        console.print(f"{what} ...")
    # Refreshed twice a second: a higher rate would distort the measurement.
    columns = "{task.description}", "{task.completed:,.0f} done", TimeElapsedColumn()
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, refresh_per_second=2, disable=quiet) as bar:
        task = bar.add_task(what, total=None)
        yield lambda: bar.advance(task)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument("--requests", type=int, help="number of requests; writes no results file")
    parser.add_argument("--launcher", choices=LOADS, action="append", help="only this launcher; writes no results file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped")
