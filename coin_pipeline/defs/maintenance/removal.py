"""Retention in the object store and in Dagster's run records; an interrupted round is completed by the next.

A task is claimed first, so that it can no longer be pinned. Then its manifest is deleted, then its files, then, for a
batch of tasks, their entries in the index and their runs. While a run is recorded its id cannot be reused, and a run
without a task leads the next round to the leftovers.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

import dagster as dg

from coin_pipeline.defs.io_managers import remove_interim
from coin_pipeline.defs.maintenance.run_records import (
    attempts_by_task,
    finished_runs,
    unfinished_ids,
)
from coin_pipeline.orchestration.storage import delete_runs
from coin_pipeline.results.pins import claim, is_pinned, release_claims, remove_claimed, remove_stale_pin
from coin_pipeline.results.retention import (
    DAY,
    EndedRun,
    ExpiredItem,
    RetentionLimits,
    StorageSnapshot,
    broken_write,
    count_kept_by_pins,
    dead_fingerprints,
    expired_chunks,
    expired_interim,
    expired_run_records,
    expired_tasks,
    run_record,
    stale_pins,
    unpublished_tables,
)
from coin_pipeline.results.storage_scan import StorageUsage, measure_usage, scan_storage
from coin_pipeline.results.tables import remove_unpublished
from coin_pipeline.storage.base import ObjectStore

T = TypeVar("T")
OnRemoved = Callable[[Sequence[str]], object]
BATCH_SIZE = 50
"""Tasks whose runs are looked up together."""


@dataclass(frozen=True, slots=True)
class RemovedKind:
    """Removed items of one kind: count, objects, bytes, and the start of the oldest item's age."""

    what: str
    count: int
    objects: int
    size: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What a round removed or would remove, bytes before and after, tasks kept by pins, and notices."""

    removed: tuple[RemovedKind, ...]
    before: StorageUsage
    after: StorageUsage
    pinned: int
    notices: tuple[str, ...]


def ignore_removal(_task_ids: Sequence[str]) -> None:
    """Ignore removed tasks; the default where there is no index of results."""


@dataclass(slots=True)
class RetentionJob:
    """One round of retention.

    Attributes:
        instance: The instance whose run records are removed.
        store: The object store with the tasks.
        dry_run: Report only, remove nothing.
        on_removed: Called with the ids of tasks after their files and before their runs are removed, possibly twice.
        on_progress: Called with the number of items done and the number planned.
    """

    instance: dg.DagsterInstance
    store: ObjectStore
    dry_run: bool = False
    on_removed: OnRemoved = ignore_removal
    on_progress: Callable[[int, int], None] = lambda _done, _planned: None
    _removed: dict[str, RemovedKind] = field(default_factory=dict)
    _done: int = 0
    _planned: int = 0

    def run(self, now: datetime, limits: RetentionLimits) -> RetentionReport:
        """Remove everything whose retention period has passed at `now`."""
        if not self.dry_run:
            release_claims(self.store)
        before, working, stored = (
            measure_usage(self.store),
            unfinished_ids(self.instance),
            scan_storage(self.store, now),
        )
        expired = now - limits.tasks
        tasks = [*expired_tasks(stored, working, expired)]
        objects = [*self._objects(stored, working, now, expired, {item.name for item in tasks})]
        ended = finished_runs(self.instance, now - min(limits))
        runs = [*expired_run_records(ended, stored.tasks, working, now, limits)]
        # Assumes one run per task; the number is corrected when a task's runs are looked up.
        self._planned = 2 * len(tasks) + len(objects) + len(runs)
        for batch in _batches(tasks):
            self._remove_tasks(batch)
        for run_batch in _batches(runs):
            self._remove_runs(run_batch)
        for item, remove in objects:
            self._remove(item, remove)
        after = before if self.dry_run else measure_usage(self.store)
        removed = tuple(self._removed.values())
        return RetentionReport(removed, before, after, count_kept_by_pins(stored, working, expired), stored.warnings)

    def _objects(
        self, stored: StorageSnapshot, working: Collection[str], now: datetime, expired: datetime, gone: Collection[str]
    ) -> Iterator[tuple[ExpiredItem, Callable[[], object]]]:
        """Yield each item to remove except the tasks `gone`, with its removal; those a bucket may reject come last."""
        for item in stale_pins(stored, now - DAY):
            yield item, partial(remove_stale_pin, self.store, item.name)
        for item in expired_interim(stored, working, expired):
            yield item, partial(remove_interim, self.store, item.name)
        for item in unpublished_tables(stored, working, expired):
            yield item, partial(remove_unpublished, self.store, item.name)
        for item in (*expired_chunks(stored, expired), *dead_fingerprints(stored, gone)):
            yield item, partial(self.store.delete, item.name)
        for leftover in stored.leftovers:
            yield broken_write(leftover), partial(self.store.discard, leftover)

    def _remove_tasks(self, batch: Sequence[ExpiredItem]) -> None:
        """Remove tasks with their runs, except those pinned or retried in the meantime."""
        attempts = attempts_by_task(self.instance, [item.name for item in batch])
        self._planned += sum(map(len, attempts.values())) - len(batch)
        removed: list[str] = []
        records: list[ExpiredItem] = []
        try:
            for item in batch:
                # A folder without a manifest and without a run belongs to the legacy platform.
                ours = item.kind == "expired tasks" or bool(attempts[item.name])
                ended = all(run.is_finished for run in attempts[item.name])
                if ours and ended and self._is_removable(item.name):
                    self._remove(item, partial(remove_claimed, self.store, item.name))
                    removed.append(item.name)
                    records += [run_record(run.run_id, item.since) for run in attempts[item.name]]
        finally:  # a removal that fails must not leave those before it in the index
            self._notify_removed(removed)
        self._remove_records(records)

    def _is_removable(self, task_id: str) -> bool:
        return not is_pinned(self.store, task_id) if self.dry_run else claim(self.store, task_id)

    def _remove_runs(self, batch: Sequence[EndedRun]) -> None:
        """Remove run records; the removal of an expired task may have been interrupted before its index entry."""
        self._notify_removed(list(dict.fromkeys(run.task_id for run in batch if run.expires)))
        self._remove_records([run_record(run.run_id, run.ended_at) for run in batch])

    def _remove_records(self, records: Sequence[ExpiredItem]) -> None:
        """Remove what the ops of runs printed, then the run records, in two statements."""
        if records and not self.dry_run:
            for record in records:
                self.instance.compute_log_manager.delete_logs(prefix=[record.name])
            delete_runs(self.instance, [record.name for record in records])
        for record in records:
            self._count(record)

    def _notify_removed(self, task_ids: Sequence[str]) -> None:
        if task_ids and not self.dry_run:
            self.on_removed(task_ids)

    def _remove(self, item: ExpiredItem, remove: Callable[[], object]) -> None:
        if not self.dry_run:
            remove()
        self._count(item)

    def _count(self, item: ExpiredItem) -> None:
        total = self._removed.get(item.kind, RemovedKind(item.kind, 0, 0, 0, item.since))
        self._removed[item.kind] = RemovedKind(
            item.kind,
            total.count + 1,
            total.objects + item.objects,
            total.size + item.size,
            min(total.oldest, item.since),
        )
        self._done += 1
        self.on_progress(self._done, self._planned)


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[begin : begin + BATCH_SIZE] for begin in range(0, len(items), BATCH_SIZE))
