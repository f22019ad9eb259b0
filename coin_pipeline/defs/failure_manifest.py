"""Manifest of a task that ends without a result."""

from datetime import UTC, datetime

import dagster as dg

from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.defs.backtests.config import backtest_config_of
from coin_pipeline.defs.sweeps.config import sweep_config_of
from coin_pipeline.errors import InvalidInput
from coin_pipeline.orchestration.job_names import SWEEP
from coin_pipeline.orchestration.retries import task_id_of
from coin_pipeline.orchestration.task_manifests import is_answered
from coin_pipeline.results.publish import UnfinishedStatus, publish_task, unfinished_manifest
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore


def write_failure_manifest(
    store: ObjectStore,
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    status: UnfinishedStatus,
    error: str,
) -> None:
    """Publish the manifest unless the task has one already, or the run is not a task.

    The daemon's monitor finds this function by name.
    """
    if is_answered(store, instance, run):
        return
    try:
        request = _request(run)
    except InvalidInput:
        return  # a manifest records the request, and this one is invalid; the run's log has the reason
    times = (_started_at(instance, run.run_id), datetime.now(UTC))
    manifest = unfinished_manifest(
        task_id_of(instance, run), status, request, times, load_settings().environment, error
    )
    publish_task(store, manifest, {})


def _request(run: dg.DagsterRun) -> BacktestRequest:
    config = sweep_config_of(run) if run.job_name == SWEEP else backtest_config_of(run)
    request: BacktestRequest = config.request()
    return request


def _started_at(instance: dg.DagsterInstance, run_id: str) -> datetime:
    """Return when a run started, or the present if it never did."""
    record = instance.get_run_record_by_id(run_id)
    return datetime.fromtimestamp(record.start_time, UTC) if record and record.start_time else datetime.now(UTC)
