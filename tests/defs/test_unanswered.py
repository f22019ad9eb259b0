"""Manifests of tasks that end without a result."""

import json
import time
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.failures import ENDED, INTERRUPTED
from coin_pipeline.defs.sensors import FORGOTTEN_S
from tests.defs.conftest import answer


def ended(instance: dg.DagsterInstance, *, retries: int = 0, cancelled: bool = False) -> dg.DagsterRun:
    """Return a run whose process died, or that was cancelled, with so many attempts left."""
    tags = {"dagster/max_retries": str(retries)}
    job = build_defs().resolve_job_def("backtest")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    if cancelled:
        instance.report_run_canceled(run)
    else:
        instance.report_run_failed(run, ENDED)
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
    assert manifest(data_root, failed) == ("failed", ENDED)
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


def test_an_attempt_that_dagster_forgot_is_given_up(instance: dg.DagsterInstance, data_root: Path) -> None:
    """After a while without another attempt the task has failed."""
    run = ended(instance, retries=2)
    answer(instance, json.dumps({run.run_id: time.monotonic() - FORGOTTEN_S - 1}))
    assert manifest(data_root, run) == ("failed", ENDED)
    found = instance.get_run_by_id(run.run_id)
    assert found
    assert found.tags[WILL_RETRY_TAG] == "false"
