"""What is no longer kept: rules on what is stored and what is recorded, without a clock, a store or Dagster.

Results in `results/`, and their reports, are never among what these rules name.
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
    "sweep chunks",
    "fingerprints",
    "stale pins",
    "broken writes",
    "run records",
]
MANIFEST = "manifest.json"


class RetentionLimits(NamedTuple):
    """How long tasks and what belongs to them are kept, and how long the records of other runs."""

    tasks: timedelta
    runs: timedelta


class Folder(NamedTuple):
    """What lies below `tasks/NAME` or `runs/NAME`: objects, bytes, the newest of them, whether one is the manifest."""

    name: str
    objects: int
    size: int
    newest: datetime
    has_manifest: bool


class Fingerprint(NamedTuple):
    """An entry of the index of fingerprints, and the run that it points to; None if it cannot be read."""

    entry: ObjectEntry
    run_id: str | None


class EndedRun(NamedTuple):
    """The record of a run that has ended: which task it was an attempt at, and whether that is one that expires."""

    run_id: str
    task_id: str
    expires: bool
    ended_at: datetime


class ExpiredItem(NamedTuple):
    """Something that is to go, by the name that its kind is found under; `since` is what its age counts from."""

    kind: Kind
    name: str
    objects: int
    size: int
    since: datetime


@dataclass(frozen=True, slots=True)
class StorageSnapshot:
    """What is stored.

    Attributes:
        tasks: Folders below `tasks/`, by name.
        ended: When each task with a manifest that can be read ended.
        interim: Folders below `runs/`.
        chunks: Rows of sweeps, kept so that another sweep need not compute them.
        results: Runs with a result below `results/`.
        pinned: Pins of the tasks that are kept.
        fingerprints: Entries of the index that are old enough to be settled.
        leftovers: What broken writes left.
        warnings: What could not be read, a sentence each.
    """

    tasks: Mapping[str, Folder]
    ended: Mapping[str, datetime]
    interim: Mapping[str, Folder] = field(default_factory=dict)
    chunks: Collection[ObjectEntry] = ()
    results: Collection[str] = frozenset()
    pinned: Mapping[str, ObjectEntry] = field(default_factory=dict)
    fingerprints: Collection[Fingerprint] = ()
    leftovers: Collection[IncompleteWrite] = ()
    warnings: tuple[str, ...] = ()


def group_by_folder(entries: Iterable[ObjectEntry]) -> dict[str, Folder]:
    """Return the folders of runs in a listing of one shelf, in whichever order that is; other names are not ours."""
    found: dict[str, Folder] = {}
    for entry in entries:
        _, name, *inside = entry.key.split("/")
        if inside and is_run_id(name):
            before = found.get(name, Folder(name, 0, 0, entry.modified, has_manifest=False))
            found[name] = Folder(
                name,
                before.objects + 1,
                before.size + entry.size,
                max(before.newest, entry.modified),
                before.has_manifest or inside == [MANIFEST],
            )
    return found


def expired_tasks(stored: StorageSnapshot, under_way: Collection[str], before: datetime) -> Iterator[ExpiredItem]:
    """Yield tasks that ended before a moment, and what attempts left that never ended and were last heard of then.

    One whose manifest cannot be read is kept, and so is one that is pinned, or that a run is still working on.
    """
    for folder in stored.tasks.values():
        if folder.name in stored.pinned or folder.name in under_way:
            continue
        kind: Kind = "expired tasks" if folder.has_manifest else "unfinished tasks"
        since = stored.ended.get(folder.name) if folder.has_manifest else folder.newest
        if since is not None and since < before:
            yield ExpiredItem(kind, folder.name, folder.objects, folder.size, since)


def count_kept_by_pins(stored: StorageSnapshot, under_way: Collection[str], before: datetime) -> int:
    """Return how many tasks would expire without their pins."""
    unpinned = expired_tasks(replace(stored, pinned={}), under_way, before)
    return sum(item.name in stored.pinned for item in unpinned)


def expired_interim(stored: StorageSnapshot, under_way: Collection[str], before: datetime) -> Iterator[ExpiredItem]:
    """Yield what the ops of runs handed on that are not under way and have written nothing since a moment."""
    for folder in stored.interim.values():
        if folder.name not in under_way and folder.newest < before:
            yield ExpiredItem("interim data", folder.name, folder.objects, folder.size, folder.newest)


def expired_chunks(stored: StorageSnapshot, before: datetime) -> Iterator[ExpiredItem]:
    """Yield rows of sweeps that were computed before a moment; a sweep that misses them computes them again."""
    for entry in stored.chunks:
        if entry.modified < before:
            yield ExpiredItem("sweep chunks", entry.key, 1, entry.size, entry.modified)


def dead_fingerprints(stored: StorageSnapshot, removed: Collection[str]) -> Iterator[ExpiredItem]:
    """Yield entries that point to no result, once the tasks `removed` are gone."""
    for entry, run_id in stored.fingerprints:
        alive = run_id in stored.results or (run_id in stored.tasks and run_id not in removed)
        if not alive:
            yield ExpiredItem("fingerprints", entry.key, 1, entry.size, entry.modified)


def stale_pins(stored: StorageSnapshot, before: datetime) -> Iterator[ExpiredItem]:
    """Yield pins that were made before a moment, by task, of tasks of which nothing is stored."""
    for task_id, entry in stored.pinned.items():
        if task_id not in stored.tasks and entry.modified < before:
            yield ExpiredItem("stale pins", task_id, 1, entry.size, entry.modified)


def broken_write(leftover: IncompleteWrite) -> ExpiredItem:
    """Return what a write left as one that is to go."""
    return ExpiredItem("broken writes", leftover.key, 1, leftover.size, leftover.started_at)


def run_record(run_id: str, since: datetime) -> ExpiredItem:
    """Return the record of a run as one that is to go."""
    return ExpiredItem("run records", run_id, 0, 0, since)


def expired_run_records(
    ended: Iterable[EndedRun],
    tasks: Collection[str],
    under_way: Collection[str],
    now: datetime,
    limits: RetentionLimits,
) -> Iterator[EndedRun]:
    """Yield records of runs that are kept for nothing: those of a task that is stored go with the task.

    An expiring task that has ended so long ago that it is no longer stored has no use for its runs; neither had one
    that was interrupted while it was being removed.
    """
    for run in ended:
        age = limits.tasks if run.expires else limits.runs
        if run.task_id not in tasks and run.task_id not in under_way and run.ended_at < now - age:
            yield run
