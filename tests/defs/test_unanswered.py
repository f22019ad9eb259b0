"""Manifests of tasks that end without a result."""

import json
import time
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.maintenance.sensors import FORGOTTEN_S, unanswered_tasks
from coin_pipeline.orchestration.failures import INTERRUPTED, PROCESS_DIED
from coin_pipeline.orchestration.retries import ABANDONED_TAGS
from coin_pipeline.orchestration.run_tags import (
    AUTO_RETRY_RUN_ID_TAG,
    PARENT_RUN_ID_TAG,
    RETRY_NUMBER_TAG,
    ROOT_RUN_ID_TAG,
    WILL_RETRY_TAG,
)
from coin_pipeline.storage.local import LocalStore
from tests.dagster_records import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from tests.defs.conftest import answer

SERVER = GrpcServerCodeLocationOrigin(host="localhost", port=4266)
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(SERVER, "__repository__"), "backtest")
"""Where a run's job is said to be: one without cannot be queued."""


def ended(instance: dg.DagsterInstance, *, retries: int = 0, cancelled: bool = False) -> dg.DagsterRun:
    """Return a run whose process died, or that was cancelled, with so many attempts left."""
    tags = {"dagster/max_retries": str(retries)}
    job = build_defs().resolve_job_def("backtest")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags, remote_job_origin=ORIGIN)
    if cancelled:
        instance.report_run_canceled(run)
    else:
        instance.report_run_failed(run, PROCESS_DIED)
    return run


def manifest(root: Path, run: dg.DagsterRun) -> tuple[str, str] | None:
    """Return status and error of a task's manifest, if it has one."""
    path = root / "tasks" / run.run_id / "manifest.json"
    if not path.exists():
        return None
    told = json.loads(path.read_bytes())
    return told["status"], told["error"]["message"]


def test_what_ended_before_the_first_look_is_answered_for(instance: dg.DagsterInstance, data_root: Path) -> None:
    """Failed and cancelled tasks get their manifests, once."""
    failed, cancelled = ended(instance), ended(instance, cancelled=True)
    answer(instance)
    assert manifest(data_root, failed) == ("failed", PROCESS_DIED)
    assert manifest(data_root, cancelled) == ("cancelled", INTERRUPTED)
    before = (data_root / "tasks" / failed.run_id / "manifest.json").stat().st_mtime_ns
    answer(instance)
    assert (data_root / "tasks" / failed.run_id / "manifest.json").stat().st_mtime_ns == before


def test_a_task_that_is_attempted_again_has_no_manifest_yet(instance: dg.DagsterInstance, data_root: Path) -> None:
    """Its next attempt may have a result; only the last one's end is the task's."""
    first, second = ended(instance, retries=2), ended(instance, retries=2)
    instance.add_run_tags(first.run_id, {AUTO_RETRY_RUN_ID_TAG: second.run_id})
    cursor = answer(instance)
    answer(instance, cursor)
    assert (manifest(data_root, first), manifest(data_root, second)) == (None, None)


def following(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun | None:
    """Return the run that the tags of a failed one name as the next attempt."""
    found = instance.get_run_by_id(run.run_id)
    assert found
    return instance.get_run_by_id(found.tags.get(AUTO_RETRY_RUN_ID_TAG, "none"))


def test_an_attempt_that_dagster_forgot_is_made(instance: dg.DagsterInstance, data_root: Path) -> None:
    """After a while the next attempt is queued here: the same job and config, as a retry of the first."""
    run = ended(instance, retries=2)
    cursor = answer(instance)
    assert following(instance, run) is None
    assert cursor
    answer(instance, json.dumps({run.run_id: time.monotonic() - FORGOTTEN_S - 1}))
    again = following(instance, run)
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


def test_an_attempt_that_dagster_gave_up_is_made_at_once(instance: dg.DagsterInstance, data_root: Path) -> None:
    """Dagster gives up for good if the code server is away for a moment."""
    run = ended(instance, retries=2)
    instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "false"})
    answer(instance)
    assert following(instance, run)
    assert manifest(data_root, run) is None


@pytest.mark.parametrize("named", [True, False])
def test_what_dagster_made_but_did_not_queue_is_not_made_twice(
    instance: dg.DagsterInstance,
    named: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    """Its daemon may die in between, or the database."""
    run = ended(instance, retries=2)
    job = build_defs().resolve_job_def("backtest")
    tags = {RETRY_NUMBER_TAG: "1", PARENT_RUN_ID_TAG: run.run_id, ROOT_RUN_ID_TAG: run.run_id}
    parent = {"parent_run_id": run.run_id, "root_run_id": run.run_id}
    made = instance.create_run_for_job(job, **parent, tags=tags, remote_job_origin=ORIGIN)
    name = {AUTO_RETRY_RUN_ID_TAG: made.run_id} if named else {}
    instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "false"} | name)
    answer(instance)
    again = following(instance, run)
    assert again
    assert (again.run_id, again.status) == (made.run_id, dg.DagsterRunStatus.QUEUED)


def test_nothing_follows_the_last_attempt_or_one_that_was_cancelled(
    instance: dg.DagsterInstance, data_root: Path
) -> None:
    """Their tasks have ended."""
    last, cancelled = ended(instance), ended(instance, retries=2)
    instance.add_run_tags(cancelled.run_id, ABANDONED_TAGS)
    answer(instance)
    assert (following(instance, last), following(instance, cancelled)) == (None, None)
    assert manifest(data_root, last) == ("failed", PROCESS_DIED)
    assert manifest(data_root, cancelled) == ("cancelled", INTERRUPTED)


class Counting(LocalStore):
    """A store that notes what is read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []

    def get(self, key: str) -> bytes:
        """Note, and read."""
        self.read.append(key)
        return super().get(key)


def test_a_task_that_has_its_manifest_is_looked_at_once(instance: dg.DagsterInstance, data_root: Path) -> None:
    """The sensor looks every five seconds, for days, and in a bucket each look costs a request."""
    run = ended(instance)
    answer(instance)
    for looks in (1, 0):
        store = Counting(data_root)
        with dg.build_sensor_context(instance=instance, resources={"store": store}) as context:
            unanswered_tasks(context)
        assert store.read.count(f"tasks/{run.run_id}/manifest.json") == looks
