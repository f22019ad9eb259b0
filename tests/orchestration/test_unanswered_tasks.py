"""The monitor's check for tasks without a result."""

import json
import time
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.orchestration.failures import INTERRUPTED, PROCESS_DIED
from coin_pipeline.orchestration.monitoring.loop import write_manifest
from coin_pipeline.orchestration.monitoring.unanswered_tasks import FORGOTTEN_ROUNDS, UnansweredTasksCheck
from coin_pipeline.orchestration.retries import ABANDONED_TAGS
from coin_pipeline.orchestration.run_tags import (
    AUTO_RETRY_RUN_ID_TAG,
    PARENT_RUN_ID_TAG,
    RETRY_NUMBER_TAG,
    ROOT_RUN_ID_TAG,
    WILL_RETRY_TAG,
)
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from tests.dagster_instance import answer, job_definition
from tests.dagster_records import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

SERVER = GrpcServerCodeLocationOrigin(host="localhost", port=4266)
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(SERVER, "__repository__"), "backtest")
"""Recorded origin of the job; a run without one cannot be queued."""


def create_ended(
    instance: dg.DagsterInstance, *, retries: int = 0, cancelled: bool = False, shelf: str = "tasks"
) -> dg.DagsterRun:
    """Create a run whose process died or that was cancelled, with `retries` attempts left."""
    tags = {"dagster/max_retries": str(retries)}
    fields = {"strategy": "volume_zone_breakout", "symbols": ["AAA_KRW"], "start_date": "2024-01-01", "shelf": shelf}
    run = instance.create_run_for_job(
        job_definition("backtest"),
        run_config={"ops": {"load_candles": {"config": {**fields, "end_date": "2024-12-31"}}}},
        status=dg.DagsterRunStatus.STARTED,
        tags=tags,
        remote_job_origin=ORIGIN,
    )
    if cancelled:
        instance.report_run_canceled(run)
    else:
        instance.report_run_failed(run, PROCESS_DIED)
    return run


def manifest(root: Path, run: dg.DagsterRun) -> tuple[str, str] | None:
    """Return status and error message of a task's manifest, if it has one."""
    path = root / "tasks" / run.run_id / "manifest.json"
    if not path.exists():
        return None
    content = json.loads(path.read_bytes())
    return content["status"], content["error"]["message"]


def test_tasks_that_ended_before_the_first_check_get_manifests(instance: dg.DagsterInstance, data_root: Path) -> None:
    """Failed and cancelled tasks get their manifests once."""
    failed, cancelled = create_ended(instance), create_ended(instance, cancelled=True)
    answer(instance)
    assert manifest(data_root, failed) == ("failed", PROCESS_DIED)
    assert manifest(data_root, cancelled) == ("cancelled", INTERRUPTED)
    before = (data_root / "tasks" / failed.run_id / "manifest.json").stat().st_mtime_ns
    answer(instance)
    assert (data_root / "tasks" / failed.run_id / "manifest.json").stat().st_mtime_ns == before


def test_a_task_that_is_retried_has_no_manifest_yet(instance: dg.DagsterInstance, data_root: Path) -> None:
    """The next attempt may have a result; only the last attempt ends the task."""
    first, second = create_ended(instance, retries=2), create_ended(instance, retries=2)
    instance.add_run_tags(first.run_id, {AUTO_RETRY_RUN_ID_TAG: second.run_id})
    answer(instance, answer(instance))
    assert (manifest(data_root, first), manifest(data_root, second)) == (None, None)


def next_attempt(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun | None:
    """Return the next attempt named in the tags of a failed run."""
    found = instance.get_run_by_id(run.run_id)
    assert found
    return instance.get_run_by_id(found.tags.get(AUTO_RETRY_RUN_ID_TAG, "none"))


def test_a_retry_that_dagster_dropped_is_made(instance: dg.DagsterInstance, data_root: Path) -> None:
    """After FORGOTTEN_ROUNDS the next attempt is queued: the same job and config, as a retry of the first."""
    run = create_ended(instance, retries=2)
    assert answer(instance)
    assert next_attempt(instance, run) is None
    answer(instance, {run.run_id: time.monotonic() - FORGOTTEN_ROUNDS * load_settings().coin_monitor_seconds - 1})
    again = next_attempt(instance, run)
    assert again
    assert (again.status, again.parent_run_id, again.root_run_id) == (
        dg.DagsterRunStatus.QUEUED,
        run.run_id,
        run.run_id,
    )
    assert (again.job_name, again.run_config, again.tags[RETRY_NUMBER_TAG]) == (run.job_name, run.run_config, "1")
    assert WILL_RETRY_TAG not in again.tags
    answer(instance)
    assert [each.run_id for each in instance.get_runs(dg.RunsFilter(tags={PARENT_RUN_ID_TAG: run.run_id}))] == [
        again.run_id
    ]
    assert manifest(data_root, run) is None


def test_a_retry_that_dagster_gave_up_is_made_at_once(instance: dg.DagsterInstance, data_root: Path) -> None:
    """Dagster gives up permanently if the code server is unavailable for a moment."""
    run = create_ended(instance, retries=2)
    instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "false"})
    answer(instance)
    assert next_attempt(instance, run)
    assert manifest(data_root, run) is None


def test_a_given_up_retry_of_a_synchronous_run_is_made(instance: dg.DagsterInstance) -> None:
    """It has no manifest, but the status that its client polls stays unfinished until the retry."""
    run = create_ended(instance, retries=2, shelf="results")
    instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "false"})
    answer(instance)
    again = next_attempt(instance, run)
    assert again
    assert again.status == dg.DagsterRunStatus.QUEUED


def test_tasks_before_the_latest_page_are_checked_too(instance: dg.DagsterInstance, data_root: Path) -> None:
    """Many tasks may end while the daemon is down, or be cancelled at once."""
    first = create_ended(instance)
    dropped = create_ended(instance, retries=2)
    instance.add_run_tags(dropped.run_id, {WILL_RETRY_TAG: "false"})
    for _ in range(6):
        create_ended(instance, cancelled=True, shelf="results")
    check = UnansweredTasksCheck(instance, LocalStore(data_root), write_manifest, page_size=3)
    for _ in range(3):
        check.run()
    assert manifest(data_root, first) == ("failed", PROCESS_DIED)
    assert next_attempt(instance, dropped)


@pytest.mark.parametrize("named", [True, False])
def test_a_retry_that_dagster_stored_but_did_not_queue_is_queued(
    instance: dg.DagsterInstance,
    named: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    """Its daemon or the database may die in between; no second retry is made."""
    run = create_ended(instance, retries=2)
    job = job_definition("backtest")
    tags = {RETRY_NUMBER_TAG: "1", PARENT_RUN_ID_TAG: run.run_id, ROOT_RUN_ID_TAG: run.run_id}
    parent = {"parent_run_id": run.run_id, "root_run_id": run.run_id}
    made = instance.create_run_for_job(job, **parent, tags=tags, remote_job_origin=ORIGIN)
    name = {AUTO_RETRY_RUN_ID_TAG: made.run_id} if named else {}
    instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "false"} | name)
    answer(instance)
    again = next_attempt(instance, run)
    assert again
    assert (again.run_id, again.status) == (made.run_id, dg.DagsterRunStatus.QUEUED)


def test_the_last_attempt_and_a_cancelled_one_are_not_retried(instance: dg.DagsterInstance, data_root: Path) -> None:
    """Their tasks have ended."""
    last, cancelled = create_ended(instance), create_ended(instance, retries=2)
    instance.add_run_tags(cancelled.run_id, ABANDONED_TAGS)
    answer(instance)
    assert (next_attempt(instance, last), next_attempt(instance, cancelled)) == (None, None)
    assert manifest(data_root, last) == ("failed", PROCESS_DIED)
    assert manifest(data_root, cancelled) == ("cancelled", INTERRUPTED)


class CountingStore(LocalStore):
    """An object store that records reads."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []

    def get(self, key: str) -> bytes:
        """Record and read."""
        self.read.append(key)
        return super().get(key)


def test_a_manifest_is_read_once(instance: dg.DagsterInstance, data_root: Path) -> None:
    """The check runs every five seconds for days, and in a bucket each read is a request."""
    run = create_ended(instance)
    answer(instance)
    store = CountingStore(data_root)
    check = UnansweredTasksCheck(instance, store, write_manifest)
    for _ in range(2):
        check.run()
    assert store.read.count(f"tasks/{run.run_id}/manifest.json") == 1


def test_a_retry_of_a_cancelled_task_is_cancelled(instance: dg.DagsterInstance, data_root: Path) -> None:
    """Dagster may store the retry just before the task is cancelled, and submit it afterwards."""
    assert data_root
    failed = create_ended(instance, retries=1)
    tags = {RETRY_NUMBER_TAG: "1", PARENT_RUN_ID_TAG: failed.run_id, ROOT_RUN_ID_TAG: failed.run_id}
    retry = instance.create_run_for_job(
        job_definition("backtest"),
        tags=tags,
        parent_run_id=failed.run_id,
        root_run_id=failed.run_id,
        remote_job_origin=ORIGIN,
    )
    instance.add_run_tags(failed.run_id, ABANDONED_TAGS)
    context = dg.SubmitRunContext(retry, workspace=None)  # the queue is not reached
    assert instance.run_coordinator.submit_run(context).status == dg.DagsterRunStatus.CANCELED
