"""Storage usage by kind of object, in constant memory: nothing is sorted or collected."""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.storage.base import CACHE, CANDLES, LOCKS, ObjectStore

DAY = timedelta(days=1)
WINDOW = 7 * DAY
"""Objects written within this time count as growth."""
_BLOCK_BYTES = 512
_YEAR_FILE = re.compile(r"[^/]+/[^/]+/[0-9]{4}\.parquet")
_KINDS = {
    "reports": "reports",
    "tasks": "tasks",
    "runs": "interim outputs",
    "sweeps": "sweep chunks",
    "fingerprints": "fingerprints",
    "pins": "pins",
    "archive": "archive records",
    CANDLES: "candles",
    LOCKS: "locks",
    CACHE: "copies of candles",
    "backups": "backups",
    "logs": "logs",
    "compute_logs": "output of ops",
    "postgres": "database files",
}
_GROUPS = {
    "run events": ("event_logs", "asset_keys", "asset_event_tags", "asset_check_executions", "dynamic_partitions"),
    "runs": ("runs", "run_tags", "snapshots", "bulk_actions", "backfill_tags"),
    "schedules and sensors": ("jobs", "job_ticks", "instigators", "daemon_heartbeats"),
    "positions": ("journal", "position", "position_total"),
    "forward tests": ("forward_test", "forward_symbol", "forward_decision"),
    "alerts": ("alert_incident", "alert", "alert_delivery"),
}
_TABLES = """
select n.nspname, c.relname, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname in ('public', 'coin')"""


class StoredFile(NamedTuple):
    """An object: its key, its size in bytes, the bytes it takes on the disk (None in a bucket), and its time."""

    key: str
    size: int
    on_disk: int | None
    modified: datetime


@dataclass(slots=True)
class KindUsage:
    """Usage of one kind of object in one place.

    Attributes:
        where: disk, bucket or archive.
        kind: Kind of object.
        objects: Number of objects.
        size: Their size, bytes.
        on_disk: Bytes that they take on the disk, in whole blocks; None in a bucket.
        oldest: When the oldest one was written, UTC.
        newest: When the newest one was written.
        recent: Bytes written within `WINDOW`.
    """

    where: str
    kind: str
    objects: int
    size: int
    on_disk: int | None
    oldest: datetime
    newest: datetime
    recent: int

    def bytes_per_day(self, now: datetime) -> float:
        """Return the mean growth per day within `WINDOW`, or since the oldest object if that is more recent."""
        return self.recent / (min(WINDOW, max(now - self.oldest, DAY)) / DAY)

    def to_json(self, now: datetime) -> dict[str, Any]:
        """Return the usage as JSON, with times in ISO 8601."""
        return {
            "where": self.where,
            "kind": self.kind,
            "objects": self.objects,
            "bytes": self.size,
            "bytes_on_disk": self.on_disk,
            "oldest": self.oldest.isoformat(),
            "newest": self.newest.isoformat(),
            "bytes_per_day": round(self.bytes_per_day(now)),
        }


class TableUsage(NamedTuple):
    """Tables of the database that belong together: approximate number of rows, and bytes with indexes."""

    group: str
    rows: int
    size: int


def kind_of(key: str) -> str:
    """Return the kind of an object.

    >>> kind_of("results/r1.json"), kind_of("results/r1/signals.parquet"), kind_of("BTC_KRW/1D/2024.parquet")
    ('results', 'tables', 'candles')
    """
    top, _, rest = key.partition("/")
    if top == "results":
        return "tables" if "/" in rest else "results"
    if _YEAR_FILE.fullmatch(key):
        return "candles"
    return _KINDS.get(top, "other")


def disk_files(root: Path, on_error: Callable[[OSError], object] = lambda _error: None) -> Iterator[StoredFile]:
    """Yield every file under a folder in any order; links are followed at the first level only, as stores do.

    Args:
        root: The folder.
        on_error: Called for a folder that cannot be listed.
    """
    folders = [""]
    while folders:
        prefix = folders.pop()
        try:
            with os.scandir(root / prefix) as items:
                for item in items:
                    key = prefix + item.name
                    status = _status(item, follow=not prefix)
                    if status and stat.S_ISDIR(status.st_mode):
                        folders.append(f"{key}/")
                    elif status and stat.S_ISREG(status.st_mode):
                        modified = datetime.fromtimestamp(status.st_mtime, UTC)
                        yield StoredFile(key, status.st_size, status.st_blocks * _BLOCK_BYTES, modified)
        except FileNotFoundError:
            continue  # removed meanwhile
        except OSError as error:
            on_error(error)


def store_objects(store: ObjectStore) -> Iterator[StoredFile]:
    """Yield every object of a bucket."""
    return (StoredFile(entry.key, entry.size, None, entry.modified) for entry in store.entries())


def sum_by_kind(where: str, files: Iterable[StoredFile], now: datetime) -> list[KindUsage]:
    """Return the usage of each kind, the largest first.

    Args:
        where: Name of the place that the objects are in.
        files: The objects.
        now: Current time, UTC.
    """
    kinds: dict[str, KindUsage] = {}
    since = now - WINDOW
    for key, size, on_disk, modified in files:
        kind = kind_of(key)
        usage = kinds.get(kind)
        if usage is None:
            usage = kinds[kind] = KindUsage(where, kind, 0, 0, None, modified, modified, 0)
        usage.objects += 1
        usage.size += size
        usage.on_disk = None if on_disk is None else (usage.on_disk or 0) + on_disk
        usage.oldest, usage.newest = min(usage.oldest, modified), max(usage.newest, modified)
        usage.recent += size if modified > since else 0
    return sorted(kinds.values(), key=lambda usage: usage.size, reverse=True)


def table_usage(session: Session) -> list[TableUsage]:
    """Return the usage of the database by group of tables, the largest first.

    Raises:
        DatabaseUnavailable: The database cannot be reached.
    """

    def read(cursor: Cursor) -> list[tuple[str, str, int, int]]:
        cursor.execute(_TABLES)
        return cursor.fetchall()

    groups: dict[str, TableUsage] = {}
    for schema, table, rows, size in session.run(read):
        group = _group_of(table, "results and leases" if schema == "coin" else "other")
        before = groups.get(group, TableUsage(group, 0, 0))
        groups[group] = TableUsage(group, before.rows + rows, before.size + size)
    return sorted(groups.values(), key=lambda usage: usage.size, reverse=True)


def _group_of(table: str, default: str) -> str:
    return next((group for group, tables in _GROUPS.items() if table in tables), default)


def _status(item: "os.DirEntry[str]", *, follow: bool) -> os.stat_result | None:
    """Return the status of a file or folder; None if it was removed meanwhile, or is a broken link."""
    try:
        return item.stat(follow_symlinks=follow)
    except FileNotFoundError:
        return None
