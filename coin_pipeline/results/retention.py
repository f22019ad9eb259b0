"""Retention rules: which stored objects and run records expire. Pure functions without a clock, a store or Dagster.

Results in `results/`, their tables and their reports never expire.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from coin_pipeline.results.store import is_run_id
from coin_pipeline.storage.base import IncompleteWrite, ObjectEntry

DAY = timedelta(days=1)
Kind = Literal[
    "expired tasks",
    "unfinished tasks",
    "interim data",
    "unpublished tables",
    "sweep chunks",
    "fingerprints",
    "stale pins",
    "broken writes",
    "run records",
]
MANIFEST = "manifest.json"


class RetentionLimits(NamedTuple):
    """How long tasks and their runs are kept, and how long the records of other runs."""

    tasks: timedelta
    runs: timedelta


class Folder(NamedTuple):
    """Contents of a run's folder in an area: number of objects, bytes, newest time, whether there is a manifest."""

    name: str
    objects: int
    size: int
    newest: datetime
    has_manifest: bool


class Fingerprint(NamedTuple):
    """An entry of the fingerprint index, and the run that it points to; None if the entry cannot be read."""

    entry: ObjectEntry
    run_id: str | None


class EndedRun(NamedTuple):
    """The record of a finished run: the task that it was an attempt of, and whether that task expires."""

    run_id: str
    task_id: str
    expires: bool
    ended_at: datetime


class ExpiredItem(NamedTuple):
    """An item to remove, by the name that identifies it within its kind; its age counts from `since`."""

    kind: Kind
    name: str
    objects: int
    size: int
    since: datetime


@dataclass(frozen=True, slots=True)
class StorageSnapshot:
    """Everything in the store that may expire.

    Attributes:
        tasks: Folders in `tasks/`, by name.
        ended: End time of each task with a readable manifest.
        interim: Folders in `runs/`, by name.
        chunks: Trials of sweeps, kept so that another sweep need not compute them.
        results: Runs with a result in `results/`.
        tables: Folders of tables in `results/`, by run; without a result they are left from a run that was killed.
        pinned: Pins, by task.
        fingerprints: Entries of the fingerprint index that are old enough to be final.
        leftovers: Incomplete writes.
        warnings: One sentence for each object that could not be read.
    """

    tasks: Mapping[str, Folder]
    ended: Mapping[str, datetime]
    interim: Mapping[str, Folder] = field(default_factory=dict)
    chunks: Collection[ObjectEntry] = ()
    results: Collection[str] = frozenset()
    tables: Mapping[str, Folder] = field(default_factory=dict)
    pinned: Mapping[str, ObjectEntry] = field(default_factory=dict)
    fingerprints: Collection[Fingerprint] = ()
    leftovers: Collection[IncompleteWrite] = ()
    warnings: tuple[str, ...] = ()


def group_by_folder(entries: Iterable[ObjectEntry]) -> dict[str, Folder]:
    """Group a listing of one area, in any order, by run; names that are not run IDs are ignored."""
    grouped: dict[str, Folder] = {}
    for entry in entries:
        _, name, *inside = entry.key.split("/")
        if inside and is_run_id(name):
            before = grouped.get(name, Folder(name, 0, 0, entry.modified, has_manifest=False))
            grouped[name] = Folder(
                name,
                before.objects + 1,
                before.size + entry.size,
                max(before.newest, entry.modified),
                before.has_manifest or inside == [MANIFEST],
            )
    return grouped


def expired_tasks(stored: StorageSnapshot, under_way: Collection[str], before: datetime) -> Iterator[ExpiredItem]:
    """Yield tasks that ended before a time, and tasks without a manifest that were last written before it.

    Tasks with an unreadable manifest, pinned tasks and tasks of active runs are kept.

    Args:
        stored: What is stored.
        under_way: Tasks of active runs.
        before: Tasks that ended earlier expire.
    """
    for folder in stored.tasks.values():
        if folder.name in stored.pinned or folder.name in under_way:
            continue
        kind: Kind = "expired tasks" if folder.has_manifest else "unfinished tasks"
        since = stored.ended.get(folder.name) if folder.has_manifest else folder.newest
        if since is not None and since < before:
            yield ExpiredItem(kind, folder.name, folder.objects, folder.size, since)


def count_kept_by_pins(stored: StorageSnapshot, under_way: Collection[str], before: datetime) -> int:
    """Return the number of tasks that would expire without their pins."""
    unpinned = expired_tasks(replace(stored, pinned={}), under_way, before)
    return sum(item.name in stored.pinned for item in unpinned)


def expired_interim(stored: StorageSnapshot, under_way: Collection[str], before: datetime) -> Iterator[ExpiredItem]:
    """Yield the op outputs of inactive runs that have written nothing since a time."""
    for folder in stored.interim.values():
        if folder.name not in under_way and folder.newest < before:
            yield ExpiredItem("interim data", folder.name, folder.objects, folder.size, folder.newest)


def unpublished_tables(stored: StorageSnapshot, under_way: Collection[str], before: datetime) -> Iterator[ExpiredItem]:
    """Yield tables, last written before a time, of inactive runs whose document was never written."""
    for folder in stored.tables.values():
        if folder.name not in stored.results and folder.name not in under_way and folder.newest < before:
            yield ExpiredItem("unpublished tables", folder.name, folder.objects, folder.size, folder.newest)


def expired_chunks(stored: StorageSnapshot, before: datetime) -> Iterator[ExpiredItem]:
    """Yield sweep chunks that were computed before a time; a sweep that needs them computes them again."""
    for entry in stored.chunks:
        if entry.modified < before:
            yield ExpiredItem("sweep chunks", entry.key, 1, entry.size, entry.modified)


def dead_fingerprints(stored: StorageSnapshot, removed: Collection[str]) -> Iterator[ExpiredItem]:
    """Yield fingerprint entries that point to no result once the tasks `removed` are gone."""
    for entry, run_id in stored.fingerprints:
        alive = run_id in stored.results or (run_id in stored.tasks and run_id not in removed)
        if not alive:
            yield ExpiredItem("fingerprints", entry.key, 1, entry.size, entry.modified)


def stale_pins(stored: StorageSnapshot, before: datetime) -> Iterator[ExpiredItem]:
    """Yield pins, older than a time, of tasks that are not stored."""
    for task_id, entry in stored.pinned.items():
        if task_id not in stored.tasks and entry.modified < before:
            yield ExpiredItem("stale pins", task_id, 1, entry.size, entry.modified)


def broken_write(leftover: IncompleteWrite) -> ExpiredItem:
    """Return an incomplete write as an item to remove."""
    return ExpiredItem("broken writes", leftover.key, 1, leftover.size, leftover.started_at)


def run_record(run_id: str, since: datetime) -> ExpiredItem:
    """Return the record of a run as an item to remove."""
    return ExpiredItem("run records", run_id, 0, 0, since)


def expired_run_records(
    ended: Iterable[EndedRun],
    tasks: Collection[str],
    under_way: Collection[str],
    now: datetime,
    limits: RetentionLimits,
) -> Iterator[EndedRun]:
    """Yield run records that are no longer needed; records of a stored task are removed with the task.

    This also covers the runs of a task whose removal was interrupted.

    Args:
        ended: Records of finished runs.
        tasks: Stored tasks.
        under_way: Tasks of active runs.
        now: Current time, UTC.
        limits: How long records are kept.
    """
    for run in ended:
        age = limits.tasks if run.expires else limits.runs
        if run.task_id not in tasks and run.task_id not in under_way and run.ended_at < now - age:
            yield run
