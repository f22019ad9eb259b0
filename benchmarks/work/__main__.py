"""``python -m benchmarks.work [--only ROW ...]``: what users run, each row with its limits."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.api.client import DeadlineExceeded, UnexpectedStatus
from benchmarks.api.platform import PlatformNotStarted
from benchmarks.api.rows import versions
from benchmarks.report import format_facts, machine
from benchmarks.work import rows
from benchmarks.work.commands import CommandFailed
from benchmarks.work.measures import MEASURES
from benchmarks.work.rows import WorkRow

LATEST = Path(__file__).parents[1] / "latest-work.json"


def main(arguments: Sequence[str]) -> int:
    """Measure, print the results, and return 1 if a limit is missed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM stops the platform too
    parser = argparse.ArgumentParser(prog="python -m benchmarks.work", description=__doc__)
    parser.add_argument("--only", choices=MEASURES, action="append", help="only this row; writes no results file")
    chosen = parser.parse_args(arguments).only
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {format_facts(machine())}")
    console.print(format_facts(versions()))
    results = []
    for name in chosen or MEASURES:
        console.print(f"measuring {name} ...")
        results.append(measure(name))
    console.print(rows.table(results))
    if not chosen:
        LATEST.write_text(json.dumps(rows.records(results), indent=1) + "\n")
    return int(not all(row.ok for row in results))


def measure(name: str) -> WorkRow:
    """Return a row, measured on a data folder of its own, or the reason why it could not be measured."""
    with tempfile.TemporaryDirectory(prefix="bench-work-") as folder:
        try:
            return MEASURES[name](name, Path(folder))
        except (CommandFailed, DeadlineExceeded, PlatformNotStarted, UnexpectedStatus, OSError, EOFError) as error:
            return WorkRow(name, {}, (), failed=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped")
