"""Tasks that ended without a result and have neither a manifest nor a next attempt."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

import dagster as dg

from coin_pipeline.orchestration.failures import INTERRUPTED, read_failure
from coin_pipeline.orchestration.job_names import TASK_JOBS
from coin_pipeline.orchestration.retries import default_max_retries, enqueue_retry, next_attempt_id, will_retry
from coin_pipeline.orchestration.run_tags import CANCELLED_TAG, WILL_RETRY_TAG
from coin_pipeline.orchestration.task_manifests import is_answered, is_task
from coin_pipeline.results.publish import UnfinishedStatus
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore

PAGE_SIZE, FORGOTTEN_ROUNDS = 100, 12
"""Runs per page, and for how many rounds Dagster may not have made the next attempt."""
MARGIN = timedelta(hours=1)


class WriteManifest(Protocol):
    """Publishes the manifest of a task that ended without a result."""

    def __call__(
        self,
        store: ObjectStore,
        instance: dg.DagsterInstance,
        run: dg.DagsterRun,
        status: UnfinishedStatus,
        error: str,
    ) -> None:
        """Publish it unless the task has one, or the run is not a task."""


class UnansweredTasksCheck:
    """Writes a manifest for each task that failed or was cancelled without one, and makes dropped retries.

    Each round looks at the latest runs and at one page of older ones, from which the next round continues, so runs that
    ended while the daemon was down are found too, however many they are. Dagster retries a run whose process died,
    unless the code server is away or its daemon had not started: retries that it gave up, or has not made for
    FORGOTTEN_ROUNDS, are made here, also those of synchronous runs, which have no manifest.

    Args:
        instance: The Dagster instance whose runs are checked.
        store: Where manifests are stored.
        write_manifest: Publishes a manifest; it needs the job's definition, which this package does not know.
        waiting_since: Monotonic times, s, by run id; for tests.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        store: ObjectStore,
        write_manifest: WriteManifest,
        waiting_since: Mapping[str, float] | None = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.waiting_since = dict(waiting_since or {})
        self._instance = instance
        self._store = store
        self._write_manifest = write_manifest
        self._page_size = page_size
        self._settled = set[str]()  # in a bucket, each look at a manifest is a request
        self._seen = set[str]()
        self._cursor: str | None = None

    def run(self) -> str:
        """Check the latest runs and the next page of older ones once.

        Returns:
            What was done, or an empty string if nothing was.

        Raises:
            StorageFailed: The store cannot be read or written.
        """
        answered = 0
        for run in self._ended():
            if is_task(run) and is_answered(self._store, self._instance, run):
                self._settled.add(run.run_id)
            elif run.status == dg.DagsterRunStatus.FAILURE and will_retry(
                run.tags, default_max_retries(self._instance)
            ):
                self._ensure_retry(run)
            elif is_task(run):
                answered += 1
                self._answer(run)
            else:
                self._settled.add(run.run_id)
        return f"{answered} manifests written for tasks without a result" if answered else ""

    def _ended(self) -> list[dg.DagsterRun]:
        """Return the runs of this round that are not known to need nothing."""
        latest, older = self._page(None), self._page(self._cursor) if self._cursor else []
        self._seen.update(run.run_id for run in (*latest, *older))
        page = older or latest
        self._cursor = page[-1].run_id if len(page) == self._page_size else None
        if self._cursor is None:  # all have been seen
            self._settled &= self._seen
            self.waiting_since = {run_id: at for run_id, at in self.waiting_since.items() if run_id in self._seen}
            self._seen.clear()
        runs = {run.run_id: run for run in (*latest, *older) if run.job_name in TASK_JOBS}
        return [run for run_id, run in runs.items() if run_id not in self._settled]

    def _page(self, cursor: str | None) -> list[dg.DagsterRun]:
        ended = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
        filters = dg.RunsFilter(statuses=ended, updated_after=datetime.now(UTC) - _answerable())
        return [*self._instance.get_runs(filters, cursor, self._page_size)]

    def _answer(self, run: dg.DagsterRun) -> None:
        """Write the manifest of a task that ended without a result."""
        if run.status == dg.DagsterRunStatus.CANCELED or CANCELLED_TAG in run.tags:  # between two attempts
            self._write_manifest(self._store, self._instance, run, "cancelled", str(INTERRUPTED))
        else:
            error, _ = read_failure(self._instance, run.run_id)
            self._write_manifest(self._store, self._instance, run, "failed", error)

    def _ensure_retry(self, run: dg.DagsterRun) -> None:
        """Queue the next attempt if Dagster has not; otherwise remember since when it has been pending."""
        following = next_attempt_id(run.tags)
        if following and not self._is_stranded(following):
            self._settled.add(run.run_id)
        else:
            now = time.monotonic()
            since = self.waiting_since.setdefault(run.run_id, now)
            forgotten_s = FORGOTTEN_ROUNDS * load_settings().coin_monitor_seconds
            if run.tags.get(WILL_RETRY_TAG) != "false" and now - since <= forgotten_s:
                return
            enqueue_retry(self._instance, run)
        self.waiting_since.pop(run.run_id, None)

    def _is_stranded(self, run_id: str) -> bool:
        """Return whether a run was stored but never queued, for example because the database went away."""
        run = self._instance.get_run_by_id(run_id)
        return run is not None and run.status == dg.DagsterRunStatus.NOT_STARTED


def _answerable() -> timedelta:
    """Return how long ago a task may have ended: a manifest that expires now must not be written again."""
    return timedelta(days=load_settings().task_result_ttl_days) - MARGIN
