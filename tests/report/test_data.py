"""Data of the charts and the table of trades of a report, from real backtests."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.portfolio import account_of, curve_of
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import BacktestResult
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.backtest.tables import unstack
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.engine.bars import Bars
from coin_pipeline.languages import Language
from coin_pipeline.report import data
from coin_pipeline.report.chart import CHANGED, NOT_STORED, UNREADABLE, ChartInputs
from coin_pipeline.report.data import Limits, report_data
from coin_pipeline.report.packing import unpack
from coin_pipeline.report.payload import ReportData
from coin_pipeline.report.stored import render_report
from coin_pipeline.results.tables import document_tables
from coin_pipeline.strategies.registry import load_registry
from tests.report.documents import curve, document, part, trade, walk

HOUR = parse_timeframe("1h")
SYMBOLS = ["XRP_KRW", "BTC_KRW"]
STOPS = {"stop_loss": 0.01, "take_profit": 0.03, "trailing_stop": 0.015}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> CandleCatalog:
    """Hours of a year of two markets."""
    catalog = CandleCatalog(tmp_path_factory.mktemp("hours"))
    for seed, symbol in enumerate(SYMBOLS):
        catalog.merge(symbol, HOUR, synthetic_candles(seed, HOUR, date(2024, 1, 1), 366 * 24))
    return catalog


def backtest(catalog: CandleCatalog, **fields: object) -> BacktestResult:
    """Run the default strategy on the year."""
    registry = load_registry()
    request = {"strategy": "volume_zone_breakout", "symbols": SYMBOLS, "timeframe": "1h", "timezone": "UTC"}
    days = {"start_date": "2024-01-01", "end_date": "2024-12-31"}
    return runner.run_backtest(
        resolve(parse_request({**request, **days, **fields}), registry), catalog, registry, run_id="r"
    )


@pytest.fixture(scope="module")
def result(catalog: CandleCatalog) -> BacktestResult:
    """A backtest with all stops."""
    return backtest(catalog, params={"hold_period_bars": 24}, **STOPS)


@pytest.fixture(scope="module")
def found(result: BacktestResult, catalog: CandleCatalog) -> ReportData:
    """The data of its report."""
    return report_data(result.document, result.tables, ChartInputs(catalog))


def bars_of(catalog: CandleCatalog, symbol: str) -> Bars:
    """The candles of a symbol."""
    return catalog.load(symbol, HOUR, date(2024, 1, 1), date(2024, 12, 31), "UTC").bars


def test_trades_are_those_of_the_table_in_order_of_entry(result: BacktestResult, found: ReportData) -> None:
    """Of all symbols together."""
    expected = sorted(result.tables["trades"].to_pylist(), key=lambda row: row["entry_time"])
    trades = found["trades"]
    columns = zip(*(unpack(trades[name]) for name in ("symbol", "entry_time", "reason", "exit_price")), strict=True)
    assert [
        (found["names"][int(symbol)], time, trades["reasons"][int(reason)], price)
        for symbol, time, reason, price in columns
    ] == [
        (row["symbol"], row["entry_time"].timestamp(), row["exit_reason"], pytest.approx(row["exit_price"]))
        for row in expected
    ]
    assert trades["total"] == len(expected)


@pytest.mark.parametrize(
    ("name", "column"),
    [("entry_price",) * 2, ("exit_price",) * 2, ("net_return", "return_pct"), ("spent",) * 2],
    ids=["entry", "exit", "return", "spent"],
)
def test_numbers_of_trades_are_exact(
    result: BacktestResult, found: ReportData, name: Literal["net_return", "spent"], column: str
) -> None:
    """The script writes them to a file."""
    expected = sorted(result.tables["trades"].to_pylist(), key=lambda row: row["entry_time"])
    packed = found["trades"][name]
    assert packed is not None
    assert unpack(packed).tolist() == [row[column] for row in expected]


def test_curves_keep_the_lowest_and_highest_values(result: BacktestResult, found: ReportData) -> None:
    """They are downsampled, with the number of all rows."""
    account = account_of([curve_of(symbol, rows) for symbol, rows in unstack(result.tables["equity"])])
    curves = found["curves"]
    assert curves["thinned"] is not None
    assert curves["thinned"]["total"] == len(account.time) > curves["thinned"]["rows"] == len(unpack(curves["time"]))
    assert curves["buy_and_hold"] is not None
    for column, values in zip(
        (curves["equity"], curves["drawdown"], curves["buy_and_hold"]),
        (account.equity, account.drawdown, account.buy_and_hold),
        strict=True,
    ):
        kept = unpack(column)
        assert [kept[0], kept.min(), kept.max(), kept[-1]] == pytest.approx(
            [values[0], values.min(), values.max(), values[-1]], abs=1e-6
        )


def test_candles_are_those_of_the_backtest(found: ReportData, catalog: CandleCatalog) -> None:
    """With every digit."""
    for symbol in found["symbols"]:
        bars, candles = bars_of(catalog, symbol["name"]), symbol["candles"]
        assert candles is not None
        assert candles["thinned"] is None
        assert (unpack(candles["time"]) * 1e9 == bars.time).all()
        for name in ("open", "high", "low", "close"):
            assert unpack(candles[name]).tolist() == getattr(bars, name).tolist()


def test_candles_of_several_bars(result: BacktestResult, catalog: CandleCatalog) -> None:
    """First open, extremes, last close, sum of the volumes."""
    limits = Limits(candles=1000)
    symbol = report_data(result.document, result.tables, ChartInputs(catalog), limits=limits)["symbols"][0]
    bars, candles = bars_of(catalog, symbol["name"]), symbol["candles"]
    assert candles is not None
    assert candles["thinned"] == {"rows": 975, "total": 8775}
    assert candles["bar_seconds"] == 9 * 3600
    rows = slice(9, 18)
    second = {name: unpack(candles[name])[1] for name in ("open", "high", "low", "close")}
    assert second == {
        "open": bars.open[9],
        "high": bars.high[rows].max(),
        "low": bars.low[rows].min(),
        "close": bars.close[17],
    }
    assert candles["volume"] is not None
    assert unpack(candles["volume"])[1] == pytest.approx(bars.volume[rows].sum(), rel=1e-3)


def test_trades_exit_at_the_levels_of_their_stops(
    result: BacktestResult, found: ReportData, catalog: CandleCatalog
) -> None:
    """The lines on the chart and the engine agree on every exit within a bar."""
    for symbol in found["symbols"]:
        bars = bars_of(catalog, symbol["name"])
        lines = {line["kind"]: unpack(line["values"]) for line in symbol["lines"]}
        assert lines.keys() == STOPS.keys()
        compared = set()
        for row in result.tables["trades"].to_pylist():
            bar = int(np.searchsorted(bars.time, row["exit_time"].value))
            reason = row["exit_reason"]
            if row["symbol"] == symbol["name"] and reason in lines and row["exit_price"] != bars.open[bar]:
                compared.add(reason)
                assert lines[reason][bar] == pytest.approx(row["exit_price"], rel=1e-6)
        assert compared == STOPS.keys()


def test_stops_have_no_level_without_a_position(found: ReportData, result: BacktestResult) -> None:
    """Their lines have as many values as positions have bars, each bar counted once."""
    (symbol, *_), rows = found["symbols"], result.tables["trades"].to_pylist()
    held: set[int] = set()
    for row in rows:
        if row["symbol"] == symbol["name"]:
            first, last = (int(row[name].timestamp()) // 3600 for name in ("entry_time", "exit_time"))
            held |= set(range(first, last + 1 - row["open_at_end"]))
    for line in symbol["lines"]:
        assert np.isfinite(unpack(line["values"])).sum() == len(held)


def test_indicators_are_drawn_on_the_price_or_in_a_pane_of_their_own(
    result: BacktestResult, catalog: CandleCatalog
) -> None:
    """By their size; those of another number of bars are left out."""
    close = bars_of(catalog, "BTC_KRW").close
    lines = {"ema 12": close * 1.01, "rsi": np.full(len(close), 40.0), "other": close[1:]}
    found = report_data(result.document, result.tables, ChartInputs(catalog, {"BTC_KRW": lines}))
    (btc,) = [symbol for symbol in found["symbols"] if symbol["name"] == "BTC_KRW"]
    drawn = {line["label"]: line["pane"] for line in btc["lines"] if line["kind"] == "indicator"}
    assert drawn == {"ema 12": "price", "rsi": "own"}


@pytest.mark.parametrize(("language", "known"), [("en", CHANGED.en), ("ko", CHANGED.ko)])
def test_changed_candles_are_not_drawn(
    result: BacktestResult, catalog: CandleCatalog, language: Language, known: str
) -> None:
    """The reason is in the language of the report."""
    fingerprint = {**result.document["fingerprint"], "candles": dict.fromkeys(SYMBOLS, "0" * 64)}
    changed = {**result.document, "fingerprint": fingerprint}
    symbol = report_data(changed, result.tables, ChartInputs(catalog, language=language))["symbols"][0]
    assert (symbol["candles"], symbol["no_candles"], symbol["lines"]) == (None, known, [])


def test_removed_and_unreadable_candles_are_not_drawn(result: BacktestResult, tmp_path: Path) -> None:
    """Each with its reason."""
    (symbol, _) = report_data(result.document, result.tables, ChartInputs(CandleCatalog(tmp_path)))["symbols"]
    assert symbol["no_candles"] == NOT_STORED.en
    damaged = CandleCatalog(tmp_path)
    for name in SYMBOLS:
        damaged.merge(name, HOUR, synthetic_candles(1, HOUR, date(2024, 1, 1), 24))
    for file in tmp_path.rglob("*.parquet"):
        file.write_bytes(b"damaged")
    (symbol, _) = report_data(result.document, result.tables, ChartInputs(damaged))["symbols"]
    assert (symbol["no_candles"] or "").startswith(UNREADABLE.en.split("{", maxsplit=1)[0])


def test_symbols_with_most_trades_have_charts() -> None:
    """The others are named."""
    names = [f"C{number:03}_KRW" for number in range(data.MAX_CHARTS + 3)]
    trades = [trade(number, names[-1]) for number in range(3)]
    content = document(*(part(name, trades=trades if name == names[-1] else []) for name in names))
    tables = {**document_tables(content), "equity": curve(walk(1, 9), symbol=names[0])}
    found = report_data(content, tables)
    assert len(found["symbols"]) == data.MAX_CHARTS
    assert (found["symbols"][0]["name"], found["symbols"][0]["trades"]) == (names[-1], 3)
    assert found["symbols_left_out"] == names[data.MAX_CHARTS - 1 : -1]
    assert set(unpack(found["trades"]["symbol"])) == {len(names) - 1}


def test_charts_without_room_are_left_out(result: BacktestResult, catalog: CandleCatalog) -> None:
    """All but the one with most trades, however small the room is."""
    (_, *others) = report_data(result.document, result.tables, ChartInputs(catalog))["symbols"]
    found = report_data(result.document, result.tables, ChartInputs(catalog), limits=Limits(numbers=1))
    assert len(found["symbols"]) == 1
    assert found["symbols_left_out"] == [symbol["name"] for symbol in others]
    assert found["symbols"][0]["candles"] is not None


def test_a_symbol_of_its_own(result: BacktestResult, catalog: CandleCatalog) -> None:
    """It has the chart and all trades of the symbol; the rest is that of the whole account."""
    whole = report_data(result.document, result.tables, ChartInputs(catalog))
    found = report_data(result.document, result.tables, ChartInputs(catalog, symbol="BTC_KRW"))
    assert (found["names"], found["symbols_left_out"]) == (["BTC_KRW"], [])
    assert found["symbols"] == [symbol for symbol in whole["symbols"] if symbol["name"] == "BTC_KRW"]
    own = unpack(whole["trades"]["symbol"]) == whole["names"].index("BTC_KRW")
    assert found["trades"]["total"] == own.sum()
    assert (unpack(found["trades"]["entry_time"]) == unpack(whole["trades"]["entry_time"])[own]).all()
    assert (unpack(found["trades"]["symbol"]) == 0).all()
    assert (found["curves"], found["periods"]) == (whole["curves"], whole["periods"])


def test_a_report_that_is_too_large_has_less_data(result: BacktestResult, catalog: CandleCatalog) -> None:
    """Trades and candles are left out as far as necessary, and no figure changes."""
    whole = render_report(result.document, result.tables, ChartInputs(catalog))
    limit = len(whole.encode()) - 50_000
    cut = render_report(result.document, result.tables, ChartInputs(catalog), max_bytes=limit)
    assert 0.8 * limit < len(cut.encode()) <= limit
    figures = re.compile(r"<dd>.*?</dd>")
    assert figures.findall(cut) == figures.findall(whole)


def test_the_last_trades_are_missing_if_there_are_too_many(result: BacktestResult) -> None:
    """Their number is known."""
    trades = report_data(result.document, result.tables, limits=Limits(trades=10))["trades"]
    assert len(unpack(trades["entry_time"])) == 10
    assert trades["total"] == len(result.tables["trades"])


def test_a_result_without_trades_and_with_one_bar() -> None:
    """Everything is empty, and valid JSON."""
    content = document()
    found = report_data(content, {**document_tables(content), "equity": curve([1.0], [np.nan])})
    assert (found["daily"]["rolling"], found["daily"]["matched"], found["curves"]["buy_and_hold"]) == (None, None, None)
    assert found["trades"]["total"] == 0
    assert found["trades"]["spent"] is None
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(("days", "window"), [(59, None), (60, 30), (200, 90), (366, 180)])
def test_the_window_of_the_rolling_figures_fits_twice(days: int, window: int | None) -> None:
    """Undefined until it is full."""
    content = document()
    tables = {**document_tables(content), "equity": curve(walk(1, days), walk(2, days))}
    rolling = report_data(content, tables)["daily"]["rolling"]
    assert (rolling and rolling["window_days"]) == window
    if rolling:
        for column in (rolling["sharpe"], rolling["sortino"], rolling["volatility"], rolling["beta"]):
            assert column is not None
            assert np.flatnonzero(np.isfinite(unpack(column)))[0] + 1 == window


def test_curves_per_day_have_a_value_for_each_day_with_a_bar() -> None:
    """Days without one are left out."""
    content = document(timezone="UTC")
    equity = curve(walk(1, 100), walk(2, 100)).filter(pa.array([day % 3 != 1 for day in range(100)]))
    daily = report_data(content, {**document_tables(content), "equity": equity})["daily"]
    assert daily["matched"] is not None
    assert daily["rolling"] is not None
    assert unpack(daily["time"]).tolist() == [time.timestamp() for time in equity["timestamp"].to_pylist()]
    assert len(unpack(daily["matched"]["equity"])) == len(unpack(daily["rolling"]["beta"])) == 67  # type: ignore[arg-type]


def test_candles_of_longer_timeframes_agree_with_pandas(found: ReportData, catalog: CandleCatalog) -> None:
    """Those that combine several of the candles shown, by days of the range's time zone."""
    for symbol in found["symbols"]:
        bars = bars_of(catalog, symbol["name"])
        frame = pd.DataFrame({name: getattr(bars, name) for name in ("open", "high", "low", "close")})
        frame["time"] = pd.to_datetime(bars.time, utc=True).tz_localize(None)
        assert [longer["period"] for longer in symbol["longer"]] == ["day", "week", "month"]
        for longer, code in zip(symbol["longer"], ("D", "W-SUN", "M"), strict=True):
            expected = frame.groupby(frame["time"].dt.to_period(code)).agg(
                {"time": "first", "open": "first", "high": "max", "low": "min", "close": "last"}
            )
            assert (unpack(longer["time"]) * 1e9).tolist() == expected["time"].astype("int64").tolist()
            for name in ("open", "high", "low", "close"):
                assert unpack(longer[name]).tolist() == expected[name].tolist()  # type: ignore[literal-required]


def test_combined_candles_leave_out_timeframes_that_are_hardly_longer(
    result: BacktestResult, catalog: CandleCatalog
) -> None:
    """Candles of nine hours have no days above them."""
    found = report_data(result.document, result.tables, ChartInputs(catalog), limits=Limits(candles=1000))
    assert [longer["period"] for longer in found["symbols"][0]["longer"]] == ["week", "month"]
