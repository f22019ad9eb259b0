"""Stored results as the objects that `run_backtest` and `sweep` return."""

import pyarrow as pa
import pyarrow.parquet as pq

from coin_pipeline.notebook.backtest import BacktestRun
from coin_pipeline.notebook.sweep import SweepRun
from coin_pipeline.results import store as results
from coin_pipeline.results.tables import read_tables
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.open_store import open_store
from coin_pipeline.sweeps.replay import is_sweep


def load_result(run_id: str, *, store: ObjectStore | None = None) -> BacktestRun | SweepRun:
    """Return a stored result.

    Args:
        run_id: ID of a run or a task.
        store: Object store of the results; by default the one in the settings.

    Raises:
        InvalidRunId: `run_id` cannot be an ID.
        ResultNotFound: No complete result is stored under it.
        ObjectCorrupt: A file does not match its digests.
        StorageUnavailable: The object store cannot be reached.
    """
    objects = open_store(load_settings()) if store is None else store
    document = results.load_result(objects, run_id)
    if is_sweep(document):
        return SweepRun(document, _read_table(objects, results.task_key(run_id, document["trials"]["file"])))
    return BacktestRun(document, read_tables(objects, run_id))


def _read_table(store: ObjectStore, key: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(store.get(key)))
