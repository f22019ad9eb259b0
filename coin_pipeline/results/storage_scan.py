"""What is stored, as the rules of retention need it: one listing of each shelf, one read of each task's manifest."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.errors import ObjectCorrupt, StorageRefused
from coin_pipeline.results import legacy
from coin_pipeline.results.pins import pinned_tasks
from coin_pipeline.results.publish import is_current_platform
from coin_pipeline.results.retention import DAY, Fingerprint, Folder, StorageSnapshot, group_by_folder
from coin_pipeline.results.reuse import fingerprinted_run
from coin_pipeline.results.store import Json, kept_result_ids, read_manifest
from coin_pipeline.storage.base import IncompleteWrite, ObjectStore

STORAGE_FOLDERS = ("results", "tasks", "runs", "reports", "fingerprints", "sweeps", "pins")
"""Folders in which broken writes are looked for."""


class StorageUsage(NamedTuple):
    """Bytes of tasks, of what ops handed on, of rows of sweeps, of a whole bucket; of a disk, how many are free."""

    tasks: int
    runs: int
    sweeps: int
    bucket: int | None
    free: int | None


def measure_usage(store: ObjectStore) -> StorageUsage:
    """Measure how much is stored."""
    free = store.free_bytes()
    sizes = {"tasks": 0, "runs": 0, "sweeps": 0}
    shelves = sizes if free is not None else [""]  # a disk holds the database too, which is not listed
    total = 0
    for shelf in shelves:
        for entry in store.entries(shelf):
            total += entry.size
            top = entry.key.partition("/")[0]
            if top in sizes:
                sizes[top] += entry.size
    return StorageUsage(**sizes, bucket=total if free is None else None, free=free)


def scan_storage(store: ObjectStore, now: datetime) -> StorageSnapshot:
    """Look at everything that may expire."""
    told: list[str] = []
    tasks = group_by_folder(store.entries("tasks"))
    return StorageSnapshot(
        tasks=tasks,
        ended=dict(_ended(store, tasks.values(), told)),
        interim=group_by_folder(store.entries("runs")),
        chunks=tuple(store.entries("sweeps")),
        results=frozenset(kept_result_ids(store)),
        pinned=pinned_tasks(store),
        fingerprints=tuple(_fingerprints(store, now - DAY)),
        leftovers=tuple(_leftovers(store, now - DAY, told)),
        warnings=tuple(told),
    )


def parse_ended_at(task_id: str, manifest: Json) -> datetime:
    """Return when a task ended, as its manifest says.

    Raises:
        ObjectCorrupt: it does not say, or it is the manifest of another task.
    """
    name = f"manifest of task {task_id}"
    if manifest.get("task_id") != task_id:
        raise ObjectCorrupt(name, f"it says task_id {str(manifest.get('task_id'))[:80]!r}")
    metadata = manifest.get("metadata")
    told = metadata.get("finished_at") if isinstance(metadata, dict) else None
    if (ended := legacy.parse_time(told)) is None:
        raise ObjectCorrupt(name, f"its finished_at is {str(told)[:80]!r}")
    return ended


def _ended(store: ObjectStore, tasks: Iterable[Folder], told: list[str]) -> Iterator[tuple[str, datetime]]:
    """Yield when each task of ours ended, and tell of manifests that cannot be read, or are not ours."""
    older = 0
    for folder in tasks:
        if not folder.has_manifest:
            continue
        try:
            manifest = read_manifest(store, folder.name)
            if manifest is not None and is_current_platform(manifest):
                yield folder.name, parse_ended_at(folder.name, manifest)
            older += manifest is not None and not is_current_platform(manifest)
        except ObjectCorrupt as error:
            told.append(f"kept: {error}")
    if older:
        told.append(f"kept: {pluralize(older, 'task')} of the older platform, whose files are never removed")


def _fingerprints(store: ObjectStore, before: datetime) -> Iterator[Fingerprint]:
    """Yield the index of fingerprints but for what is so new that its result may not have been listed."""
    for entry in store.entries("fingerprints"):
        if entry.modified < before:
            yield Fingerprint(entry, fingerprinted_run(store, entry.key))


def _leftovers(store: ObjectStore, before: datetime, told: list[str]) -> Iterator[IncompleteWrite]:
    try:
        for shelf in STORAGE_FOLDERS:
            yield from store.incomplete_writes(shelf, before)
    except StorageRefused as error:  # a policy that permits no more than to read and write objects
        told.append(f"broken uploads are not looked for: {error}")
