"""Sweeps from Python and stored results, as the objects that a notebook shows."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

import coin_pipeline as cp
from coin_pipeline.backtest import runner
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import ResultArea, resolve
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.errors import InvalidInput, InvalidSpec, ResultNotFound
from coin_pipeline.notebook.candles import example_candles
from coin_pipeline.results.publish import backtest_files, publish_result
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry

NAME = "volume_zone_breakout"
CANDLES = example_candles()


def test_the_best_point_of_a_sweep_is_that_of_its_trials() -> None:
    """Trials, best values, map and summary agree; a backtest of the best point has the same return."""
    result = cp.sweep(NAME, CANDLES, grid={"volume_window": np.array([10, 20, 30]), "stop_loss": [None, 0.1]})
    assert len(result.trials) == 6
    best = result.trials.loc[result.trials["objective"].idxmax()]
    assert result.best_params is not None
    assert result.best_params["volume_window"] == best["volume_window"]
    params, stop = {"volume_window": result.best_params["volume_window"]}, result.best_params["stop_loss"]
    start = result.document["evaluated_from"]
    run = cp.run_backtest(NAME, CANDLES, params=params, stop_loss=stop, start=start)
    assert run.metrics["total_return"] == best["total_return"]
    assert result.document["best"]["result_sha256"] == run.result_sha256
    assert result.plot().svg.startswith("<svg")
    assert result.plot("median").svg.startswith("<svg")
    assert "6 points" in result._repr_html_()
    assert result.warnings


def test_random_search_and_text_values() -> None:
    """Other searches and the texts of the command line work too; the seed decides the points."""
    fields = {"grid": {"volume_window": "5:60"}, "search": "random", "trials": 5, "seed": 3}
    first, second = (cp.sweep(NAME, CANDLES, **fields) for _ in range(2))  # type: ignore[arg-type]
    assert first.trials_sha256 == second.trials_sha256


def test_a_sweep_without_numbers_has_no_map() -> None:
    """A grid of one point has nothing to draw; wrong names are named."""
    with pytest.raises(InvalidInput, match="no map to draw"):
        cp.sweep(NAME, CANDLES, grid={"volume_window": [10]}).plot()
    with pytest.raises(InvalidSpec, match="volume_windows"):
        cp.sweep(NAME, CANDLES, grid={"volume_windows": [10]})


@pytest.mark.parametrize("area", ["tasks", "results"])
def test_stored_results_load_as_the_same_object(area: ResultArea, tmp_path: Path) -> None:
    """A stored run has the metrics, trades, equity and digest of one in memory."""
    catalog, registry, store = cp.CandleCatalog(tmp_path), load_registry(), LocalStore(tmp_path)
    daily = parse_timeframe("1d")
    catalog.merge("DATA_KRW", daily, synthetic_candles(1, daily, date(2024, 1, 1), 366))
    fields = {"strategy": NAME, "symbols": ["DATA_KRW"], "start_date": "2024-01-01", "end_date": "2024-12-31"}
    spec = resolve(parse_request(fields), registry)
    result = runner.run_backtest(
        spec, catalog, registry, run_id="r", started_at=datetime.now(UTC),
        slices=runner.find_candles(catalog, spec, area),
    )  # fmt: skip
    publish_result(store, backtest_files(result))
    stored, fresh = cp.load_result("r", store=store), cp.run_backtest(NAME, CANDLES)
    assert isinstance(stored, cp.BacktestRun)
    assert stored.result_sha256 == fresh.result_sha256
    assert stored.trades.equals(fresh.trades)
    assert stored.metrics.equals(fresh.metrics)
    assert stored.signals.equals(fresh.signals)
    assert stored.equity.equals(fresh.equity)
    assert "buy and hold" in stored.plot().svg
    with pytest.raises(ResultNotFound):
        cp.load_result("another", store=store)
