"""The manifest of a task that ends without a result, whoever notices it first."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from coin_pipeline.defs.backtests.config import BacktestConfig, backtest_config_of
from coin_pipeline.defs.sweeps.config import SweepConfig, sweep_config_of
from coin_pipeline.errors import InvalidInput
from coin_pipeline.orchestration.retries import task_id_of
from coin_pipeline.results.publish import UnfinishedStatus, publish_task, unfinished_manifest
from coin_pipeline.results.store import read_manifest
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore


def write_failure_manifest(
    store: ObjectStore,
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    status: UnfinishedStatus,
    error: str,
) -> None:
    """Publish the manifest unless the task has one already, or is none."""
    if is_answered(store, instance, run):
        return
    try:
        request = _config(run).request()
    except InvalidInput:
        return  # a request that cannot be read has nothing to put into a manifest; the run says why it failed
    times = (_start(instance, run.run_id), datetime.now(UTC))
    manifest = unfinished_manifest(
        task_id_of(instance, run), status, request, times, load_settings().environment, error
    )
    publish_task(store, manifest, {})


def _start(instance: dg.DagsterInstance, run_id: str) -> datetime:
    """Return when a run began."""
    record = instance.get_run_record_by_id(run_id)
    return datetime.fromtimestamp(record.start_time, UTC) if record and record.start_time else datetime.now(UTC)


def is_answered(store: ObjectStore, instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Tell whether a run is answered for, by the manifest of its task, or because it is to have none."""
    if not is_task(run):
        return True
    return read_manifest(store, task_id_of(instance, run)) is not None


def is_task(run: dg.DagsterRun) -> bool:
    """Tell whether a run's result lies in `tasks/`, and so expires."""
    if run.job_name != "backtest":
        return run.job_name == "sweep"
    ops: Any = run.run_config.get("ops") or {}  # of any version: records outlive the config that they were made with
    return bool(ops.get("load_candles", {}).get("config", {}).get("shelf", "tasks") == "tasks")


def _config(run: dg.DagsterRun) -> SweepConfig | BacktestConfig:
    return sweep_config_of(run) if run.job_name == "sweep" else backtest_config_of(run)
