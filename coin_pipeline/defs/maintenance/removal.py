"""Removing what is no longer kept, in the store and in Dagster's records; stopped anywhere, the next time ends it.

A task is claimed, so that nobody pins it any more; its manifest goes first, then its files, then its runs. While a run
is recorded nobody else can take its id, and a run whose task is gone leads the next time to whatever is left of both.
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
    delete_run_record,
    finished_runs,
    removal_order,
    unfinished_ids,
)
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
)
from coin_pipeline.results.storage_scan import StorageUsage, measure_usage, scan_storage
from coin_pipeline.storage.base import ObjectStore

T = TypeVar("T")
OnRemoved = Callable[[str], None]
BATCH_SIZE = 50
"""Tasks whose runs are looked up at once."""


@dataclass(frozen=True, slots=True)
class RemovedKind:
    """What was removed of one kind: how many, their objects and bytes, and what the oldest one's age counts from."""

    what: str
    count: int
    objects: int
    size: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What was removed, or would be; how much was stored before and after; tasks that a pin kept; what was odd."""

    removed: tuple[RemovedKind, ...]
    before: StorageUsage
    after: StorageUsage
    pinned: int
    notices: tuple[str, ...]


def ignore_removal(_task_id: str) -> None:
    """Stand for an index of results, which is told of each task whose result is gone."""


@dataclass(slots=True)
class RetentionJob:
    """One round of removing.

    Attributes:
        instance: Whose records of runs are removed.
        store: Where tasks lie.
        dry_run: Whether everything is only found.
        on_removed: Is told of each task whose files have just been removed, before its runs are; maybe twice.
        on_progress: Is told how many things of how many are done.
    """

    instance: dg.DagsterInstance
    store: ObjectStore
    dry_run: bool = False
    on_removed: OnRemoved = ignore_removal
    on_progress: Callable[[int, int], None] = lambda _done, _of: None
    _removed: dict[str, RemovedKind] = field(default_factory=dict)
    _done: int = 0
    _of: int = 0

    def run(self, now: datetime, limits: RetentionLimits) -> RetentionReport:
        """Remove what is no longer kept at the moment `now`."""
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
        # A task has a run; whether there are more, or none, is seen in its turn.
        self._of = 2 * len(tasks) + len(objects) + len(runs)
        for some in _batches(tasks):
            self._remove_tasks(some)
        for each in _batches(runs):
            self._remove_runs(each)
        for item, remove in objects:
            self._remove(item, remove)
        after = before if self.dry_run else measure_usage(self.store)
        removed = tuple(self._removed.values())
        return RetentionReport(removed, before, after, count_kept_by_pins(stored, working, expired), stored.warnings)

    def _objects(
        self, stored: StorageSnapshot, working: Collection[str], now: datetime, expired: datetime, gone: Collection[str]
    ) -> Iterator[tuple[ExpiredItem, Callable[[], object]]]:
        """Yield what goes beside the tasks `gone`, and how; last what a bucket may refuse."""
        for item in stale_pins(stored, now - DAY):
            yield item, partial(remove_stale_pin, self.store, item.name)
        for item in expired_interim(stored, working, expired):
            yield item, partial(remove_interim, self.store, item.name)
        for item in (*expired_chunks(stored, expired), *dead_fingerprints(stored, gone)):
            yield item, partial(self.store.delete, item.name)
        for leftover in stored.leftovers:
            yield broken_write(leftover), partial(self.store.discard, leftover)

    def _remove_tasks(self, batch: Sequence[ExpiredItem]) -> None:
        """Remove tasks with their runs, but for those that somebody has pinned or begun again meanwhile."""
        attempts = attempts_by_task(self.instance, [item.name for item in batch])
        self._of += sum(map(len, attempts.values())) - len(batch)
        for item in batch:
            # A folder without a manifest that no run made is the older platform's.
            ours = item.kind == "expired tasks" or bool(attempts[item.name])
            ended = all(run.is_finished for run in attempts[item.name])
            if ours and ended and self._may_go(item.name):
                self._remove_task(item, attempts[item.name])

    def _may_go(self, task_id: str) -> bool:
        return not is_pinned(self.store, task_id) if self.dry_run else claim(self.store, task_id)

    def _remove_task(self, item: ExpiredItem, attempts: Sequence[dg.DagsterRun]) -> None:
        self._remove(item, partial(remove_claimed, self.store, item.name))
        self._tell(item.name)
        for run in removal_order(attempts):
            self._remove(run_record(run.run_id, item.since), partial(delete_run_record, self.instance, run.run_id))

    def _remove_runs(self, batch: Sequence[EndedRun]) -> None:
        """Remove records of runs; of those whose task expired, whoever removed it may not have come to the rest."""
        for task_id in dict.fromkeys(run.task_id for run in batch if run.expires):
            self._tell(task_id)
        for run in batch:
            self._remove(run_record(run.run_id, run.ended_at), partial(delete_run_record, self.instance, run.run_id))

    def _tell(self, task_id: str) -> None:
        if not self.dry_run:
            self.on_removed(task_id)

    def _remove(self, item: ExpiredItem, remove: Callable[[], object]) -> None:
        if not self.dry_run:
            remove()
        so_far = self._removed.get(item.kind, RemovedKind(item.kind, 0, 0, 0, item.since))
        self._removed[item.kind] = RemovedKind(
            item.kind,
            so_far.count + 1,
            so_far.objects + item.objects,
            so_far.size + item.size,
            min(so_far.oldest, item.since),
        )
        self._done += 1
        self.on_progress(self._done, self._of)


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[begin : begin + BATCH_SIZE] for begin in range(0, len(items), BATCH_SIZE))
