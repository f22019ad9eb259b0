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
from coin_pipeline.orchestration.task_manifests import is_answered
from coin_pipeline.results.publish import UnfinishedStatus
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore

RECENT, FORGOTTEN_ROUNDS = 100, 12
"""How many of the latest runs are checked, and for how many rounds Dagster may not have made the next attempt."""
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

    Each round looks at the latest runs rather than at those since the last round, so runs that ended while the daemon
    was down are found too. Dagster retries a run whose process died, unless the code server is away or its daemon had
    not started: retries that it gave up, or has not made for FORGOTTEN_ROUNDS, are made here.

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
    ) -> None:
        self.waiting_since = dict(waiting_since or {})
        self._instance = instance
        self._store = store
        self._write_manifest = write_manifest
        self._answered = set[str]()  # in a bucket, each look at a manifest is a request

    def run(self) -> str:
        """Check the latest runs once.

        Returns:
            What was done, or an empty string if nothing was.

        Raises:
            StorageFailed: The store cannot be read or written.
        """
        answered, waiting = 0, dict[str, float]()
        for run in self._unanswered():
            if run.status == dg.DagsterRunStatus.FAILURE and will_retry(run.tags, default_max_retries(self._instance)):
                waiting |= self._ensure_retry(run)
                continue
            answered += 1
            if run.status == dg.DagsterRunStatus.CANCELED or CANCELLED_TAG in run.tags:  # between two attempts
                self._write_manifest(self._store, self._instance, run, "cancelled", INTERRUPTED)
            else:
                error, _ = read_failure(self._instance, run.run_id)
                self._write_manifest(self._store, self._instance, run, "failed", error)
        self.waiting_since = waiting
        return f"{answered} manifests written for tasks without a result" if answered else ""

    def _unanswered(self) -> list[dg.DagsterRun]:
        ended = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
        filters = dg.RunsFilter(statuses=ended, updated_after=datetime.now(UTC) - _answerable())
        runs = [run for run in self._instance.get_runs(filters, limit=RECENT) if run.job_name in TASK_JOBS]
        self._answered.intersection_update(run.run_id for run in runs)
        for run in runs:
            if run.run_id not in self._answered and is_answered(self._store, self._instance, run):
                self._answered.add(run.run_id)
        return [run for run in runs if run.run_id not in self._answered]

    def _ensure_retry(self, run: dg.DagsterRun) -> dict[str, float]:
        """Queue the next attempt if Dagster has not; otherwise return since when it has been pending."""
        following = next_attempt_id(run.tags)
        if following and not self._is_stranded(following):
            return {}
        now = time.monotonic()
        since = self.waiting_since.get(run.run_id, now)
        forgotten_s = FORGOTTEN_ROUNDS * load_settings().coin_monitor_seconds
        if run.tags.get(WILL_RETRY_TAG) != "false" and now - since <= forgotten_s:
            return {run.run_id: since}
        enqueue_retry(self._instance, run)
        return {}

    def _is_stranded(self, run_id: str) -> bool:
        """Return whether a run was stored but never queued, for example because the database went away."""
        run = self._instance.get_run_by_id(run_id)
        return run is not None and run.status == dg.DagsterRunStatus.NOT_STARTED


def _answerable() -> timedelta:
    """Return how long ago a task may have ended: a manifest that expires now must not be written again."""
    return timedelta(days=load_settings().task_result_ttl_days) - MARGIN
