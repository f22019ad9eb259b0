"""Duration of backups and restores: ``python -m benchmarks.backup [--gb N]``.

Files are those of a real backtest, copied with other ids and figures, and year files of candles; the database has the
journal of a ledger. Named peers read and write the same bytes: `tar | gzip`, `cp` and `pg_dump`.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.journal import build
from benchmarks.report import format_facts, machine
from benchmarks.worker import peak_mib, reset_peak
from coin_pipeline.backup.backup import run_backup
from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.model import BackupSet
from coin_pipeline.backup.restore import restore
from coin_pipeline.backup.sets import newest_good
from coin_pipeline.backup.verify import verify_set
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.database.engine import create_engine
from coin_pipeline.database.programs import find_program, program_login
from coin_pipeline.database.url import database_url, release_database
from coin_pipeline.settings import Settings
from coin_pipeline.storage.local import LocalStore

LATEST = Path(__file__).with_name("latest-backup.json")
MARKETS = 32
"""Markets of the ledger, 5,000 entries each."""
MINUTES = 366 * 24 * 60
TARGET_GB = 10
_FILES = ("results", "reports", "tasks")


@dataclass(frozen=True)
class Row:
    """One measured operation.

    Attributes:
        operation: What was done.
        by: Which program did it.
        seconds: Duration, s.
        read: Bytes that it read.
        written: Bytes that it left on the disk.
        peak_mib: Peak memory of the process, MiB; None for a peer.
    """

    operation: str
    by: str
    seconds: float
    read: int
    written: int
    peak_mib: float | None = None


class Data:
    """A DATA_ROOT of a given size.

    Args:
        root: Where it is created.
        size: Its size in bytes, about.
    """

    def __init__(self, root: Path, size: int) -> None:
        self.settings = Settings(_env_file=None, data_root=root / "data", coin_backup_location=str(root / "backups"))  # type: ignore[call-arg]
        self.store = LocalStore(self.settings.data_root)
        self._run_demo()
        (document,) = (self.settings.data_root / "results").glob("*.json")
        self._template = document.stem
        self._texts = {key: self._read(key) for key in (f"results/{document.name}", f"reports/{document.stem}.html")}
        tables = (self.settings.data_root / "results" / document.stem).glob("*.parquet")
        self._tables = {path.name: pq.read_table(path) for path in tables}
        self.results = 0
        self._fill(size)

    def add_results(self, number: int) -> None:
        """Store copies of the result, each with another id and other figures."""
        for _ in range(number):
            self.results += 1
            run_id = f"{self._template[:-12]}{self.results:012x}"
            for key, content in self._texts.items():
                self.store.put(
                    key.replace(self._template, run_id), content.replace(self._template.encode(), run_id.encode())
                )
            for name, table in self._tables.items():
                self.store.put(f"results/{run_id}/{name}", _perturbed(table, self.results))

    def files_size(self) -> int:
        """Return the size of the files that backups contain, bytes."""
        folders = (path for path in self.settings.data_root.iterdir() if path.name not in {"postgres", "dagster"})
        return sum(file.stat().st_size for path in folders for file in path.rglob("*") if file.is_file())

    def _run_demo(self) -> None:
        environment = {**os.environ, "DATA_ROOT": str(self.settings.data_root), "DATABASE_URL": ""}
        command = [sys.executable, "-m", "coin_pipeline.cli", "demo"]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command

    def _read(self, key: str) -> bytes:
        return (self.settings.data_root / key).read_bytes()

    def _fill(self, size: int) -> None:
        minute, catalog = parse_timeframe("1m"), CandleCatalog(self.settings.data_root)
        market = 0
        while self.files_size() < 0.5 * size:
            catalog.merge(f"COIN{market}_KRW", minute, synthetic_candles(market, minute, date(2024, 1, 1), MINUTES))
            market += 1
        engine = create_engine(database_url(self.settings))
        build(engine, MARKETS)
        engine.dispose()
        while self.files_size() < size:
            self.add_results(500)


def measure(data: Data, folder: Path) -> Iterator[Row]:
    """Yield our operations and those of the peers, each verified by its own program."""
    settings, backups = data.settings, folder / "backups"
    yield _measured("first backup", data.files_size(), lambda: _back_up(settings), backups)
    yield _measured("unchanged backup", data.files_size(), lambda: _back_up(settings), backups)
    data.add_results(100)
    size = data.files_size()
    yield _measured("backup after 100 more results", size, lambda: _back_up(settings), backups)
    location = open_location(settings)
    newest = newest_good(location)
    assert newest is not None  # noqa: S101 -- it has just been made
    yield _measured("verify", size, lambda: verify_set(location, Key.from_settings(settings), newest, deep=True))
    release_database(settings)
    lost = data.settings.data_root.rename(folder / "lost")
    yield _measured("restore", size, lambda: _restore(settings, newest), settings.data_root)
    release_database(settings)
    shutil.rmtree(lost)
    yield from _peers(data, folder)


def _measured(operation: str, read: int, work: Callable[[], object], written: Path | None = None) -> Row:
    before = _size(written)
    reset_peak()
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return Row(operation, "coin", seconds, read, _size(written) - before, peak_mib())


def _back_up(settings: Settings) -> None:
    time.sleep(1.1)  # the id of a set is the second of its start
    made = run_backup(settings)
    if not made.is_good:
        sys.exit(f"the backup failed: {made}")


def _restore(settings: Settings, backup: BackupSet) -> None:
    restore(settings, backup)


def _peers(data: Data, folder: Path) -> Iterator[Row]:
    """Yield what programs of the system take for the same files, without checksums, and for the database."""
    root, archive, copy, dump = data.settings.data_root, folder / "peer.tar.gz", folder / "copy", folder / "peer.dump"
    names = sorted(path.name for path in root.iterdir() if path.name not in {"postgres", "dagster", "logs"})
    yield _peer(
        "first backup, files", "tar | gzip", data, ["tar", "-C", str(root), "-czf", str(archive), *names], archive
    )
    copy.mkdir()
    yield _peer("restore, files", "tar | gzip", data, ["tar", "-C", str(copy), "-xzf", str(archive)], copy)
    shutil.rmtree(copy)
    copy.mkdir()
    yield _peer("first backup, files", "cp", data, ["cp", "-a", *(str(root / name) for name in names), str(copy)], copy)
    url = database_url(data.settings)
    login = program_login(url)
    command = [str(find_program("pg_dump", 0)), *login.arguments, "--format=custom", f"--file={dump}"]
    yield _peer("first backup, database", "pg_dump", data, command, dump, login.environment)
    release_database(data.settings)


def _peer(
    operation: str,
    program: str,
    data: Data,
    command: list[str],
    written: Path,
    environment: dict[str, str] | None = None,
) -> Row:
    before = _size(written)
    began = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, **(environment or {})})  # noqa: S603 - our own command
    return Row(operation, program, time.perf_counter() - began, data.files_size(), _size(written) - before)


def _size(path: Path | None) -> int:
    if path is None or not path.exists():
        return 0
    return path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def _perturbed(table: "pq.Table", number: int) -> bytes:
    """Return a table as a Parquet file with slightly different floats, so that no two files are equal."""
    for position, field in enumerate(table.schema):
        if str(field.type) == "double":
            table = table.set_column(position, field, pc.multiply(table.column(position), 1 + number * 1e-7))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


@contextmanager
def folder_of(path: Path | None) -> Iterator[Path]:
    """Yield a folder for the data, removed on exit."""
    with tempfile.TemporaryDirectory(prefix="bench-backup-", dir=path) as name:
        yield Path(name)


def table(rows: Sequence[Row]) -> Table:
    """Return the rows as a table."""
    result = Table("operation", "program", "seconds", "MB/s", "written MB", "peak MiB")
    for row in rows:
        peak = "" if row.peak_mib is None else f"{row.peak_mib:,.0f}"
        rate = f"{row.read / row.seconds / 1e6:,.0f}"
        result.add_row(row.operation, row.by, f"{row.seconds:,.2f}", rate, f"{row.written / 1e6:,.1f}", peak)
    return result


def extrapolated(rows: Sequence[Row]) -> str:
    """Return what the rows mean for more data, assuming that time grows with the size."""
    seconds = {row.operation: row.seconds * TARGET_GB * 1e9 / row.read for row in rows if row.by == "coin"}
    measured = max(row.read for row in rows) / 1e9
    return (
        f"extrapolated from {measured:.1f} GB to {TARGET_GB} GB, by size:"
        f" first backup {seconds['first backup'] / 60:.1f} min,"
        f" unchanged backup {seconds['unchanged backup']:.0f} s, verify {seconds['verify'] / 60:.1f} min,"
        f" restore (RTO) {seconds['restore'] / 60:.1f} min"
    )


def main(arguments: Sequence[str]) -> int:
    """Create data, measure, print a table and store the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backup", description=__doc__)
    parser.add_argument("--gb", type=float, default=1.0, help="size of the data, GB")
    parser.add_argument(
        "--folder", type=Path, help="where to create the data; defaults to the folder for temporary files"
    )
    options, console = parser.parse_args(arguments), Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {format_facts(machine())}, load {os.getloadavg()[0]:.1f}")
    with folder_of(options.folder) as folder:
        data = Data(folder, int(options.gb * 1e9))
        console.print(f"{data.files_size() / 1e6:,.0f} MB of files, {MARKETS * 5_000:,} entries in the ledger")
        rows = list(measure(data, folder))
    console.print(table(rows))
    console.print(extrapolated(rows))
    if options.gb >= 1:
        content = {"machine": machine(), "rows": [asdict(row) for row in rows], "extrapolated": extrapolated(rows)}
        LATEST.write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
