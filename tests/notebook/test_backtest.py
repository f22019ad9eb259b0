"""Backtests from Python: results as pandas objects, the same as those of recorded runs."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import coin_pipeline as cp
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.errors import (
    InsufficientCoverage,
    InvalidInput,
    InvalidSpec,
    LookAhead,
    StrategyFailed,
    UnknownStrategy,
)
from coin_pipeline.notebook.backtest import BacktestRun
from coin_pipeline.notebook.candles import example_candles
from tests.candle_data import synthetic_frame
from tests.migration.legacy_platform import RESULTS

NAME = "volume_zone_breakout"
DAILY = parse_timeframe("1d")
STRATEGY_FILE = '''
from coin_pipeline import Field, Signals, Strategy, StrategyParams

class GreenCandle(Strategy):
    """Buy after a green candle."""

    name = "green_candle"

    class Params(StrategyParams):
        hold: int = Field(3, ge=1)

    def signals(self, bars, params):
        return Signals(entries=bars.close > bars.open, hold=params.hold)
'''


class FollowingDay(cp.Strategy[cp.StrategyParams]):
    """Buys if the next candle will close higher."""

    name = "following_day"

    def signals(self, bars: cp.Bars, params: cp.StrategyParams) -> cp.Signals:
        """Read one bar ahead."""
        assert params
        return cp.Signals(entries=np.append(bars.close[1:] > bars.close[:-1], False), hold=1)


@pytest.fixture(scope="module")
def candles() -> pd.DataFrame:
    """A year of synthetic daily candles."""
    return example_candles()


def test_figures_tables_and_pictures_describe_the_same_run(candles: pd.DataFrame) -> None:
    """Metrics, trades, signals and equity agree with each other and with the document."""
    run = cp.run_backtest(NAME, candles, params={"volume_window": 10}, stop_loss=0.2)
    assert run.metrics["trades"] == len(run.trades) == run.signals["traded"].sum() > 0
    assert run.equity["equity"].iloc[-1] - 1 == pytest.approx(run.metrics["total_return"])
    assert run.document["spec"]["params"]["volume_window"] == 10
    assert len(run.equity) == len(candles)
    assert str(run.equity.index.dtype) == str(run.trades["entry_time"].dtype) == "datetime64[ns, UTC]"
    assert run.trades["entry_price"].dtype == np.float64
    assert run.plot().svg.startswith("<svg")
    assert "<tr><th>Total return</th>" in run._repr_html_()
    assert run.warnings == run.document["warnings"]


def test_a_run_without_trades_has_typed_empty_tables(candles: pd.DataFrame) -> None:
    """Empty tables keep their columns and dtypes, so that code on top needs no special case."""
    run = cp.run_backtest(NAME, candles.head(5))
    assert len(run.trades) == 0
    assert str(run.trades["exit_time"].dtype) == "datetime64[ns, UTC]"
    assert run.trades["bars_held"].dtype == np.int64
    assert run._repr_html_()


def test_a_signal_that_cannot_be_filled_has_a_table_of_its_own() -> None:
    """Signals have prices without exception; what cannot be filled has a reason."""

    class LastCandle(cp.Strategy[cp.StrategyParams]):
        """Buys on the last candle."""

        name = "last_candle"

        def signals(self, bars: cp.Bars, params: cp.StrategyParams) -> cp.Signals:
            """Mark the candle that opens on 2024-01-30."""
            assert params
            return cp.Signals(entries=bars.time == pd.Timestamp("2024-01-30", tz="UTC").value, hold=1)

    run = cp.run_backtest(LastCandle, example_candles().head(30))
    assert len(run.signals) == 0
    assert run.unfilled_signals["timestamp"].tolist() == [pd.Timestamp("2024-01-30", tz="UTC")]
    assert "no further candle" in run.unfilled_signals["reason"][0]


@pytest.mark.parametrize(
    ("run_id", "signals", "points"), [(run_id, int("early" not in run_id), int("c0de" in run_id)) for run_id in RESULTS]
)
def test_legacy_results_are_displayed(run_id: str, signals: int, points: int) -> None:
    """A count of signals gives an empty table; a time with an offset and Z is read as UTC; few have a curve."""
    run = BacktestRun({"run_id": run_id, **RESULTS[run_id]})
    assert (len(run.trades), len(run.signals), len(run.equity)) == (0, signals, points)
    assert str(run.signals["timestamp"].dtype) == "datetime64[ns, UTC]"
    assert run._repr_html_().count("<svg") == points


def test_stored_signals_without_prices_are_nan() -> None:
    """Results stored before `unfilled_signals` have null prices; they are returned and displayed as they are."""
    signal = {"symbol": "BTC_KRW", "type": "buy", "timestamp": "2024-01-06T00:00:00Z", "traded": False}
    unfilled = {**signal, "entry_price": None, "exit_price": None, "return_pct": None}
    base = RESULTS["late_signal_lists"]
    run = BacktestRun({"run_id": "r", **base, "symbols": [{**base["symbols"][0], "signals": [unfilled]}]})
    assert run.signals[["entry_price", "exit_price", "return_pct"]].isna().all(axis=None)
    assert len(run.unfilled_signals) == 0


def test_a_result_without_a_curve_cannot_be_plotted() -> None:
    """The error has the reason."""
    run = BacktestRun({"run_id": "late_signal_lists", **RESULTS["late_signal_lists"]})
    with pytest.raises(InvalidInput, match="the result contains no equity curve"):
        run.plot()


def test_frames_and_stored_candles_give_the_same_result(candles: pd.DataFrame, tmp_path: Path) -> None:
    """The digest depends on the candles, not on where they came from."""
    catalog = cp.CandleCatalog(tmp_path)
    catalog.merge("DATA_KRW", DAILY, synthetic_candles(1, DAILY, date(2024, 1, 1), 366))
    stored = cp.run_backtest(NAME, "DATA_KRW", catalog=catalog)
    assert stored.result_sha256 == cp.run_backtest(NAME, candles).result_sha256
    part = cp.run_backtest(NAME, "DATA_KRW", catalog=catalog, start="2024-03-01", end=date(2024, 9, 30))
    assert part.result_sha256 == cp.run_backtest(NAME, candles, start="2024-03-01", end="2024-09-30").result_sha256


def test_several_frames_share_an_account(candles: pd.DataFrame) -> None:
    """A dict of frames is a portfolio; by default it runs on the days that all of them have."""
    frames = {"AAA_KRW": candles, "BBB_KRW": example_candles(days=300, seed=2, start="2024-02-01")}
    run = cp.run_backtest(NAME, frames, max_positions=1)
    assert [*run.equity["symbol"].cat.categories] == ["AAA_KRW", "BBB_KRW", "shared account"]
    assert (run.document["start_date"], run.document["end_date"]) == ("2024-02-01", "2024-11-26")


def test_strategies_come_as_files_classes_and_instances(candles: pd.DataFrame, tmp_path: Path) -> None:
    """A file, the class in it and an instance of the class give one result."""
    file = tmp_path / "green.py"
    file.write_text(STRATEGY_FILE)
    scope: dict[str, object] = {"__name__": "__main__"}
    exec(compile(STRATEGY_FILE, "<cell 1>", "exec"), scope)  # noqa: S102 -- what a notebook does
    kind = scope["GreenCandle"]
    assert isinstance(kind, type)
    assert issubclass(kind, cp.Strategy)
    digests = {cp.run_backtest(given, candles).result_sha256 for given in (file, str(file), kind, kind())}
    assert len(digests) == 1


def test_a_failure_in_a_notebook_names_the_line(candles: pd.DataFrame) -> None:
    """An exception in a class without a file is a StrategyFailed with the line of the cell."""
    scope: dict[str, object] = {"__name__": "no_such_module"}
    text = STRATEGY_FILE.replace("bars.close > bars.open", "bars.close / 'text'")
    exec(compile(text, "<cell 1>", "exec"), scope)  # noqa: S102 -- what a notebook does
    with pytest.raises(StrategyFailed, match="line 13 of <cell 1>: "):
        cp.run_backtest(scope["GreenCandle"], candles)  # type: ignore[arg-type]


def test_a_strategy_without_a_file_is_digested_by_its_code(candles: pd.DataFrame) -> None:
    """Two versions of a class that a notebook defines have different fingerprints."""
    codes = set()
    for text in (STRATEGY_FILE, STRATEGY_FILE, STRATEGY_FILE.replace(">", ">=")):
        scope: dict[str, object] = {"__name__": "__main__"}
        exec(compile(text, "<cell 1>", "exec"), scope)  # noqa: S102 -- what a notebook does
        run = cp.run_backtest(scope["GreenCandle"], candles)  # type: ignore[arg-type]
        codes.add(run.document["fingerprint"]["code"])
    assert len(codes) == 2


def test_the_checks_of_a_recorded_run_apply(candles: pd.DataFrame) -> None:
    """Look-ahead, unknown names, invalid fields and thin candles are errors here too."""
    with pytest.raises(LookAhead):
        cp.run_backtest(FollowingDay, candles)
    with pytest.raises(UnknownStrategy):
        cp.run_backtest("no_such_strategy", candles)
    with pytest.raises(InvalidSpec, match="fee_rates: is not a field of this request"):
        cp.run_backtest(NAME, candles, fee_rates=0.1)
    thin = candles[candles.index.day % 4 != 0]
    with pytest.raises(InsufficientCoverage):
        cp.run_backtest(NAME, thin)
    assert cp.run_backtest(NAME, thin, min_coverage=0.5).warnings


def test_neither_dagster_nor_a_database_is_imported() -> None:
    """A run in a fresh process leaves Dagster, FastAPI and psycopg2 unloaded; the import alone loads nothing."""
    program = (
        "import sys, coin_pipeline as cp\n"
        "assert 'pandas' not in sys.modules and 'numba' not in sys.modules\n"
        f"cp.run_backtest('{NAME}', cp.example_candles())\n"
        "cp.load_result\n"
        "loaded = {'dagster', 'fastapi', 'psycopg2', 'sqlalchemy', 'click'} & sys.modules.keys()\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100)


def test_every_public_name_loads() -> None:
    """`__all__` and `dir` list what the package offers, and an unknown name is an AttributeError."""
    assert all(getattr(cp, name) for name in cp.__all__)
    assert {*cp.__all__} <= {*dir(cp)}
    assert not hasattr(cp, "no_such_name")


def test_hourly_candles_are_recognized() -> None:
    """The timeframe of frames is the usual distance between their candles."""
    hourly = parse_timeframe("1h")
    frame = synthetic_frame(3, hourly, date(2024, 1, 1), 24 * 30)
    assert cp.run_backtest(NAME, frame).document["timeframe"] == "1h"


@pytest.mark.parametrize(
    ("timezone", "first", "last"),
    [
        ("UTC", "2024-01-02T00:00:00Z", "2024-01-03T23:00:00Z"),
        ("Asia/Seoul", "2024-01-01T15:00:00Z", "2024-01-03T14:00:00Z"),
        ("America/New_York", "2024-01-02T05:00:00Z", "2024-01-04T04:00:00Z"),
    ],
)
def test_days_are_those_of_the_time_zone(timezone: str, first: str, last: str) -> None:
    """Range and coverage follow the time zone, which the document names; a sweep has the same candles."""
    frame = synthetic_frame(1, parse_timeframe("1h"), date(2024, 1, 1), 24 * 6).set_index("timestamp")
    asked = {"start": "2024-01-02", "end": "2024-01-03", "timezone": timezone}
    document = cp.run_backtest(NAME, frame, **asked).document
    candles = document["symbols"][0]["candles"]
    assert (candles["first"], candles["last"], candles["expected"]) == (first, last, 48)
    assert document["timezone"] == timezone
    swept = cp.sweep(NAME, frame, {"volume_window": [5, 6]}, **asked).document
    assert swept["timezone"] == timezone
    assert swept["symbols"][0]["candles"]["sha256"] == candles["sha256"]


def test_default_days_are_those_of_the_frame_in_the_time_zone() -> None:
    """Daily candles that open at midnight UTC are whole days there."""
    frame = synthetic_frame(1, DAILY, date(2024, 1, 1), 40).set_index("timestamp").tz_convert("UTC")
    frame.index = frame.index.normalize()
    document = cp.run_backtest(NAME, frame, timezone="UTC").document
    assert (document["start_date"], document["symbols"][0]["candles"]["ratio"]) == (str(frame.index[0].date()), 1.0)


def test_an_unknown_time_zone_is_refused() -> None:
    """The message suggests the likely one."""
    with pytest.raises(InvalidInput, match="did you mean 'Asia/Seoul'"):
        cp.run_backtest(NAME, cp.example_candles(), timezone="seoul")
