"""Valid requests on valid but extreme candles end with finite figures or with an error of the family."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note

from coin_pipeline.backtest.memory_candles import MemoryCandles
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import run_backtest
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import CoinError, SweepDisagrees
from coin_pipeline.report.chart import ChartInputs
from coin_pipeline.report.stored import render_report
from coin_pipeline.report.sweep_page import render_sweep_report
from coin_pipeline.results.store import to_bytes
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import split_into_chunks
from coin_pipeline.sweeps.request import parse_sweep
from coin_pipeline.sweeps.resolve import resolve_sweep
from coin_pipeline.sweeps.result import assemble
from coin_pipeline.sweeps.trials import objectives_of
from tests.fuzz.extreme import backtests, sweeps
from tests.fuzz.settings import FUZZ

REGISTRY = load_registry("")


@FUZZ
@given(backtests())
def test_backtest(case: tuple[dict[str, Any], dict[str, Bars]]) -> None:
    """The document and the equity of a backtest are finite, and its report renders."""
    fields, candles = case
    note(f"{fields} {candles}")
    try:
        spec = resolve(parse_request(fields), REGISTRY)
        result = run_backtest(spec, MemoryCandles(candles), REGISTRY)
    except CoinError:
        return
    to_bytes(result.document)
    for name in ("equity", "drawdown", "buy_and_hold"):
        assert np.isfinite(result.tables["equity"][name].to_numpy()).all(), name
    render_report(result.document, result.tables, ChartInputs(MemoryCandles(candles)))


@FUZZ
@given(sweeps())
def test_sweep(tmp_path_factory: pytest.TempPathFactory, case: tuple[dict[str, Any], dict[str, Bars]]) -> None:
    """The document and the trials of a sweep are finite, and its report renders."""
    fields, candles = case
    note(f"{fields} {candles}")
    source, store = MemoryCandles(candles), LocalStore(tmp_path_factory.mktemp("sweep"))
    try:
        spec = resolve_sweep(parse_sweep(fields), REGISTRY)
        chunks = split_into_chunks(source, REGISTRY, spec).chunks
        tables = [evaluate(source, REGISTRY, store, chunk, 1) for chunk in chunks]
        result = assemble("", tables, source, REGISTRY, "test", datetime.now(UTC))
    except SweepDisagrees:
        raise
    except CoinError:
        return
    to_bytes(result.document)
    render_sweep_report(result.document, objectives_of(result.trials, len(spec.symbols)))
