"""Storage scan for the retention rules: one listing of each folder, one read of each task's manifest."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.errors import ObjectCorrupt, StorageRefused
from coin_pipeline.liveness import report_progress
from coin_pipeline.results import legacy
from coin_pipeline.results.pins import pinned_tasks
from coin_pipeline.results.publish import is_current_platform
from coin_pipeline.results.retention import DAY, Fingerprint, Folder, StorageSnapshot, group_by_folder
from coin_pipeline.results.reuse import fingerprinted_run
from coin_pipeline.results.store import Json, read_manifest, result_ids
from coin_pipeline.results.tables import is_table
from coin_pipeline.storage.base import IncompleteWrite, ObjectStore

STORAGE_FOLDERS = ("results", "tasks", "runs", "reports", "fingerprints", "sweeps", "pins", "archive")
"""Folders that are searched for incomplete writes."""


class StorageUsage(NamedTuple):
    """Bytes of tasks, op outputs, sweep chunks and a whole bucket; free bytes of a disk."""

    tasks: int
    runs: int
    sweeps: int
    bucket: int | None
    free: int | None


def measure_usage(store: ObjectStore) -> StorageUsage:
    """Return how much is stored."""
    free = store.free_bytes()
    sizes = {"tasks": 0, "runs": 0, "sweeps": 0}
    folders = sizes if free is not None else [""]  # a disk also holds the database, which is not listed
    total = 0
    for folder in folders:
        for entry in store.entries(folder):
            total += entry.size
            top = entry.key.partition("/")[0]
            if top in sizes:
                sizes[top] += entry.size
    return StorageUsage(**sizes, bucket=total if free is None else None, free=free)


def scan_storage(store: ObjectStore, now: datetime) -> StorageSnapshot:
    """Return everything that may expire.

    Args:
        store: Object store of the results.
        now: Current time, UTC.
    """
    warnings: list[str] = []
    tasks = group_by_folder(store.entries("tasks"))
    kept = [*store.entries("results")]
    return StorageSnapshot(
        tasks=tasks,
        ended=dict(_ended(store, tasks.values(), warnings)),
        interim=group_by_folder(store.entries("runs")),
        chunks=tuple(store.entries("sweeps")),
        results=frozenset(result_ids(entry.key for entry in kept)),
        tables=group_by_folder(entry for entry in kept if is_table(entry.key)),
        pinned=pinned_tasks(store),
        fingerprints=tuple(_fingerprints(store, now - DAY)),
        leftovers=tuple(_leftovers(store, now - DAY, warnings)),
        warnings=tuple(warnings),
    )


def parse_ended_at(task_id: str, manifest: Json) -> datetime:
    """Return when a task ended, from its manifest.

    Raises:
        ObjectCorrupt: The manifest has no valid end time, or belongs to another task.
    """
    name = f"manifest of task {task_id}"
    if manifest.get("task_id") != task_id:
        raise ObjectCorrupt(name, f"its task_id is {str(manifest.get('task_id'))[:80]!r}")
    metadata = manifest.get("metadata")
    value = metadata.get("finished_at") if isinstance(metadata, dict) else None
    if (ended := legacy.parse_time(value)) is None:
        raise ObjectCorrupt(name, f"its finished_at is {str(value)[:80]!r}")
    return ended


def _ended(store: ObjectStore, tasks: Iterable[Folder], warnings: list[str]) -> Iterator[tuple[str, datetime]]:
    """Yield when each task of this platform ended; warn of unreadable manifests and of tasks of the legacy platform."""
    legacy_tasks = 0
    for folder in tasks:
        report_progress()  # many tasks on a slow disk take longer than a run may go without
        if not folder.has_manifest:
            continue
        try:
            manifest = read_manifest(store, folder.name)
            if manifest is not None and is_current_platform(manifest):
                yield folder.name, parse_ended_at(folder.name, manifest)
            legacy_tasks += manifest is not None and not is_current_platform(manifest)
        except ObjectCorrupt as error:
            warnings.append(f"kept: {error}")
    if legacy_tasks:
        warnings.append(
            f"kept: {pluralize(legacy_tasks, 'task')} of the legacy platform, whose files are never removed"
        )


def _fingerprints(store: ObjectStore, before: datetime) -> Iterator[Fingerprint]:
    """Yield the entries of the fingerprint index, except those so new that their results may not have been listed."""
    for entry in store.entries("fingerprints"):
        if entry.modified < before:
            yield Fingerprint(entry, fingerprinted_run(store, entry.key))


def _leftovers(store: ObjectStore, before: datetime, warnings: list[str]) -> Iterator[IncompleteWrite]:
    try:
        for folder in STORAGE_FOLDERS:
            yield from store.incomplete_writes(folder, before)
    except StorageRefused as error:  # the policy permits only reading and writing objects
        warnings.append(f"incomplete uploads are not searched for: {error}")
