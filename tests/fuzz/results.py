"""Finished results to store under any id, computed once."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from coin_api.tasks import Job
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import BacktestResult, find_candles, run_backtest
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.results.publish import ResultFiles, backtest_files
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import split_into_chunks
from coin_pipeline.sweeps.request import parse_sweep
from coin_pipeline.sweeps.resolve import resolve_sweep
from coin_pipeline.sweeps.result import SweepResult, assemble, sweep_files
from tests.platforms import BACKTEST


def files_of(job: Job, task_id: str, options: tuple[tuple[str, float | str], ...] = (), **params: float) -> ResultFiles:
    """Return the files of a task's result; a backtest may have other parameters and options, such as costs."""
    if job == "sweep":
        swept = _sweep()
        return sweep_files(replace(swept, document={**swept.document, "run_id": task_id}))
    result = _backtest(options, **params)
    return backtest_files(replace(result, document={**result.document, "run_id": task_id}))


@cache
def _backtest(options: tuple[tuple[str, float | str], ...], **params: float) -> BacktestResult:
    catalog, registry = CandleCatalog(load_settings().data_root), load_registry("")
    spec = resolve(
        parse_request({**BACKTEST, **dict(options), "params": {**BACKTEST.get("params", {}), **params}}), registry
    )
    return run_backtest(spec, catalog, registry, slices=find_candles(catalog, spec, "tasks"))


@cache
def _sweep() -> SweepResult:
    catalog, registry = CandleCatalog(load_settings().data_root), load_registry("")
    spec = resolve_sweep(parse_sweep({**BACKTEST, "space": {"volume_window": [5, 10]}}), registry)
    with TemporaryDirectory() as folder:
        chunks = split_into_chunks(catalog, registry, spec).chunks
        tables = [evaluate(catalog, registry, LocalStore(Path(folder)), chunk, 1) for chunk in chunks]
    return assemble("", tables, catalog, registry, "test", datetime.now(UTC))
