"""``python -m benchmarks.work [--only ROW ...]``: what users run, each row with its limits."""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import results as page
from benchmarks.api.client import DeadlineExceeded, UnexpectedStatus
from benchmarks.api.platform import PlatformNotStarted
from benchmarks.api.rows import versions
from benchmarks.report import Record, format_facts, machine
from benchmarks.work import rows
from benchmarks.work.commands import CommandFailed
from benchmarks.work.measures import MEASURES
from benchmarks.work.rows import WorkRow

LATEST = Path(__file__).parents[1] / "latest-work.json"
DATABASE_STOP_S = 60.0


def main(arguments: Sequence[str]) -> int:
    """Measure, print the results, and return 1 if a limit is missed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM stops the platform too
    parser = argparse.ArgumentParser(prog="python -m benchmarks.work", description=__doc__)
    parser.add_argument("--only", choices=MEASURES, action="append", help="only this row; replaces the stored one")
    chosen = parser.parse_args(arguments).only
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {format_facts(machine())}")
    console.print(format_facts(versions()))
    results = []
    for name in chosen or MEASURES:
        console.print(f"measuring {name} ...")
        results.append(measure(name))
        store(rows.records(results[-1:]), LATEST)
    console.print(rows.table(results))
    page.main()
    return int(not all(row.ok for row in results))


def store(records: Sequence[Record], path: Path) -> None:
    """Write the records to a file in the order of the rows; those of other rows in the file are kept."""
    kept = json.loads(path.read_text()) if path.exists() else []
    by_row = {record["row"]: record for record in [*kept, *records]}
    path.write_text(json.dumps([by_row[name] for name in MEASURES if name in by_row], indent=1) + "\n")


def measure(name: str) -> WorkRow:
    """Return a row, measured on a data folder of its own, or the reason why it could not be measured."""
    with tempfile.TemporaryDirectory(prefix="bench-work-") as folder:
        try:
            return MEASURES[name](name, Path(folder))
        except (CommandFailed, DeadlineExceeded, PlatformNotStarted, UnexpectedStatus, OSError, EOFError) as error:
            return WorkRow(name, {}, (), failed=f"{type(error).__name__}: {error}")
        finally:
            wait_for_database(Path(folder))


def wait_for_database(root: Path) -> None:
    """Wait until the embedded database, which outlives the command that used it, has stopped."""
    until = time.monotonic() + DATABASE_STOP_S
    while (root / "postgres/data/postmaster.pid").exists() and time.monotonic() < until:
        time.sleep(0.1)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped")
