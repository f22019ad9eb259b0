"""``python -m benchmarks.load``: 100 pollers and 20 submitters for ten minutes, and what they leave behind.

COIN_LOAD_SECONDS is the length in seconds; a run of the full length writes ``latest-load.json``.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

import psycopg2
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from benchmarks.api import rows
from benchmarks.api.measures import Tick
from benchmarks.api.platform import COIN, Platform, run_platform
from benchmarks.api.rows import Limit, Row
from benchmarks.load.processes import Sample, growth, usage
from benchmarks.load.traffic import POLLERS, SUBMITTERS, Traffic, run_traffic
from benchmarks.report import format_facts, machine
from benchmarks.sampling import sampled
from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.results.store import manifest_key, read_manifest
from coin_pipeline.storage.local import LocalStore

LATEST = Path(__file__).parents[1] / "latest-load.json"
FULL_S = 600.0
SAMPLES = 120
EXPIRED_DAYS = 40
"""How far the ends of the runs are moved into the past before retention, beyond the defaults of its settings."""
STATUS = (Limit("p99_ms", 50),)
NO_ERRORS = (Limit("errors", 0),)
FLAT_MIB = 32
"""Growth of memory that each program may have, or a tenth of its memory if that is more."""
FLAT = Limit("descriptors_grown", 16), Limit("processes_grown", 8)
"""Growth of the descriptors of each process, and of the number of processes, that each program may have."""
SHARED_BUFFERS_MIB = 64
"""PostgreSQL's page cache (`database/embedded/cluster.py`), which fills as tables grow and then stays at this size."""
GIVEN_BACK = Limit("files_left_mib", 1), Limit("rows_left", 1)
"""The row is that of the run of retention itself."""
_EXPIRE = """
    update runs set update_timestamp = update_timestamp - %(days)s * interval '1 day',
                    end_time = end_time - %(days)s * 86400 where end_time is not null"""


def main() -> int:
    """Measure, print the results, and return 1 if a limit is exceeded."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM stops the platform too
    seconds = float(os.environ.get("COIN_LOAD_SECONDS", FULL_S))
    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {format_facts(machine())}, {seconds:g} s of load")
    with tempfile.TemporaryDirectory(prefix="bench-load-") as folder, run_platform(Path(folder), "warm") as platform:
        before, began = Stored.read(platform), time.monotonic()
        with (
            sampled(lambda: Sample(time.monotonic() - began, usage(platform)), max(1.0, seconds / SAMPLES)) as samples,
            _progress(console) as tick,
        ):
            traffic = asyncio.run(run_traffic(platform.port, seconds, tick))
        loaded = Stored.read(platform)
        expire(platform)
        left = Stored.read(platform)
    results = [
        *traffic_rows(traffic, seconds),
        *program_rows(samples, seconds),
        *stored_rows(before, loaded, left, traffic),
    ]
    console.print(rows.table(results))
    for error, count in traffic.errors.most_common():
        console.print(f"{count} x {error}", style="red", markup=False)
    if seconds >= FULL_S:
        LATEST.write_text(json.dumps({"seconds": seconds, "rows": rows.records(results)}, indent=1) + "\n")
    return int(any(row.ok is False for row in results))


class Stored(NamedTuple):
    """What is stored: files of tasks and the database, MiB, and the number of recorded runs."""

    files_mib: float
    database_mib: float
    runs: int

    @classmethod
    def read(cls, platform: Platform) -> Self:
        """Measure what is stored now."""
        query = "select pg_database_size(current_database()) / 1048576.0, (select count(*) from runs)"
        size, runs = query_database(platform, query)
        return cls(platform.disk_mib("tasks"), float(size), runs)


def query_database(platform: Platform, statement: str, **parameters: object) -> tuple[Any, ...]:
    """Run a statement on the embedded database; return its first row, if it has rows."""
    url = EmbeddedPostgres(platform.root / "postgres").running_url()
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return (cursor.fetchone() or ()) if cursor.description else ()


def expire(platform: Platform) -> None:
    """Let all runs have ended long ago, and have retention remove them."""
    query_database(platform, _EXPIRE, days=EXPIRED_DAYS)
    store, ended_at = LocalStore(platform.root), datetime.now(UTC) - timedelta(days=EXPIRED_DAYS)
    for task_id in {key.split("/")[1] for key in store.keys("tasks")}:
        if manifest := read_manifest(store, task_id):
            manifest["metadata"]["finished_at"] = ended_at.isoformat()
            store.put(manifest_key(task_id), json.dumps(manifest).encode(), overwrite=True)
    subprocess.run(  # noqa: S603 -- our own command
        [COIN, "retention"],
        env={**os.environ, "DATA_ROOT": str(platform.root)},
        cwd=platform.root,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def traffic_rows(traffic: Traffic, seconds: float) -> list[Row]:
    """Return the rows of what the clients observed."""
    runs = len(traffic.finished_s)
    errors = {"errors": float(traffic.errors.total()), "runs_per_s": runs / seconds}
    finished = [second * 1e3 for second in traffic.finished_s]
    return [
        Row(f"all requests, {POLLERS} pollers and {SUBMITTERS} submitters", "warm", (), NO_ERRORS, errors, runs),
        Row("GET status, each client once a second", "warm", traffic.status_ms, STATUS),
        Row("POST run-async to 202", "warm", traffic.submit_ms),
        Row("submit to completed, polled once a second", "warm", finished),
    ]


def program_rows(samples: Sequence[Sample], seconds: float) -> list[Row]:
    """Return a row for each program: memory, descriptors and processes, and how much they grew since it was warm."""
    names = sorted({name for sample in samples for name in sample.usage})
    figures = {name: growth(samples, name, seconds) for name in names}
    return [
        Row(f"{name}: memory, descriptors", "warm", (), _flat(name, found), found, len(samples))
        for name, found in figures.items()
        if found
    ]


def _flat(name: str, figures: Mapping[str, float]) -> tuple[Limit, ...]:
    cached_mib = SHARED_BUFFERS_MIB if name == "postgres" else 0
    return Limit("memory_grown_mib", round(max(FLAT_MIB, figures["memory_mib"] / 10) + cached_mib)), *FLAT


def stored_rows(before: Stored, loaded: Stored, left: Stored, traffic: Traffic) -> list[Row]:
    """Return the rows of what each run stores, and of what is left after retention."""
    runs = max(1, len(traffic.submit_ms))
    stored = {
        "files_kib_a_run": (loaded.files_mib - before.files_mib) / runs * 1024,
        "database_kib_a_run": (loaded.database_mib - before.database_mib) / runs * 1024,
    }
    remaining = {
        "files_left_mib": left.files_mib - before.files_mib,
        "rows_left": float(left.runs - before.runs),
        "database_mib": left.database_mib,
        "database_loaded_mib": loaded.database_mib,
    }
    return [
        Row("stored by each run", "warm", (), (), stored, runs),
        Row("left after retention", "warm", (), GIVEN_BACK, remaining, runs),
    ]


@contextmanager
def _progress(console: Console) -> Iterator[Tick]:
    columns = "{task.description}", "{task.completed:,.0f} backtests", TimeElapsedColumn()
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, refresh_per_second=2, disable=quiet) as bar:
        task = bar.add_task("load", total=None)
        yield lambda: bar.advance(task)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
