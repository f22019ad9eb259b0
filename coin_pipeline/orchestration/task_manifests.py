"""Which runs are tasks, and which tasks have a manifest."""

from typing import Any

import dagster as dg

from coin_pipeline.orchestration.job_names import BACKTEST, SWEEP
from coin_pipeline.orchestration.retries import task_id_of
from coin_pipeline.results.store import read_manifest
from coin_pipeline.storage.base import ObjectStore


def is_task(run: dg.DagsterRun) -> bool:
    """Return whether a run's result is stored in `tasks/`, where it expires."""
    if run.job_name != BACKTEST:
        return run.job_name == SWEEP
    ops: Any = run.run_config.get("ops") or {}  # of any version: records outlive the config they were made with
    return bool(ops.get("load_candles", {}).get("config", {}).get("shelf", "tasks") == "tasks")


def is_answered(store: ObjectStore, instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Return whether a run's task has its manifest, or the run is not a task and gets none."""
    return not is_task(run) or read_manifest(store, task_id_of(instance, run)) is not None
