"""A backtest as plain function calls, and the document that results."""

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coin_pipeline.backtest import preflight, runner
from coin_pipeline.backtest.document import MAX_CURVE_POINTS
from coin_pipeline.backtest.fingerprint import candles_digest, code_digest
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import BacktestSpec, resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, parse_timeframe
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import CandlesChanged, CandlesNotFound, InvalidSpec, LookAhead
from coin_pipeline.results.store import to_bytes
from coin_pipeline.strategies import Bars, Field, Strategy, StrategyParams
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry


class At(StrategyParams):
    """On which bars to buy."""

    first: int = Field(0, ge=0)
    again: int = Field(3, ge=0)
    hold: int = Field(2, ge=1)


class BuyAt(Strategy[At]):
    """Buys at two given bars."""

    name = "buy_at"
    Params = At

    def signals(self, bars: Bars, params: At) -> Signals:
        """Mark the two bars."""
        rows = np.arange(len(bars))
        return Signals(entries=(rows == params.first) | (rows == params.again), hold=params.hold)


class EveryBar(Strategy[At]):
    """Buys at every bar."""

    name = "every_bar"
    Params = At

    def signals(self, bars: Bars, params: At) -> Signals:
        """Mark every bar."""
        return Signals(entries=np.ones(len(bars), dtype=bool), hold=params.hold)


class LeavesBeforeFalls(Strategy[StrategyParams]):
    """Its entries use past bars only; its exits read the next bar."""

    name = "leaves_before_falls"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Leave on the bar before the last one that falls."""
        assert params
        falls = np.append(bars.close[1:] < bars.open[1:], False)
        return Signals(entries=np.arange(len(bars)) == 1, exits=falls)


class WantsAWeek(Strategy[StrategyParams]):
    """It fails if candles are removed."""

    name = "wants_a_week"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Buy on a Monday."""
        assert params
        if len(bars) < len(ROWS):
            raise ValueError("wants a week")
        return Signals(entries=np.arange(len(bars)) == 1, hold=1)


REGISTRY = StrategyRegistry([BuyAt(), LeavesBeforeFalls(), WantsAWeek()])
# open, high, low, close; six days from 2024-01-01 00:00 UTC
ROWS = [(10, 11, 9, 10), (10, 13, 10, 12), (12, 14, 11, 13), (20, 21, 18, 19), (18, 19, 15, 16), (16, 17, 14, 15)]


def catalog_with(root: Path, rows: list[tuple[int, int, int, int]] = ROWS) -> CandleCatalog:
    """Store these daily candles of BTC_KRW."""
    start = np.datetime64("2024-01-01", "ns").astype(np.int64)
    prices = np.array(rows, np.float64).T
    candles = OHLCV(start + DAY_NS * np.arange(len(rows)), *prices, volume=np.ones(len(rows)))
    catalog = CandleCatalog(root)
    catalog.merge("BTC_KRW", parse_timeframe("1d"), candles)
    return catalog


def spec_of(**fields: object) -> BacktestSpec:
    """A spec over the six days without costs."""
    request = {"strategy": "buy_at", "symbols": ["BTC_KRW"], "start_date": "2024-01-01", "end_date": "2024-01-06"}
    return resolve(parse_request({**request, "fee_rate": 0, "slippage_rate": 0, **fields}), REGISTRY)


def run(catalog: CandleCatalog, spec: BacktestSpec) -> dict[str, Any]:
    """Run everything but publication and return the document."""
    parts = [runner.simulate_symbol(catalog, REGISTRY, piece) for piece in runner.find_candles(catalog, spec, "tasks")]
    return runner.assemble_result("run-1", parts, catalog, REGISTRY, "test", datetime.now(UTC)).document


def test_trades_and_signals_have_times_and_prices(tmp_path: Path) -> None:
    """Decided at the close of day 1, bought at the open of day 2, sold two bars later at the open of day 4."""
    document = run(catalog_with(tmp_path), spec_of())
    (part,) = document["symbols"]
    assert part["trades"] == [
        {
            "symbol": "BTC_KRW",
            "entry_time": "2024-01-02T00:00:00Z",
            "exit_time": "2024-01-04T00:00:00Z",
            "entry_price": 10.0,
            "exit_price": 20.0,
            "return_pct": 1.0,
            "bars_held": 2,
            "exit_reason": "hold",
            "open_at_end": False,
            "spent": 10_000_000.0,
        },
        {
            "symbol": "BTC_KRW",
            "entry_time": "2024-01-05T00:00:00Z",
            "exit_time": "2024-01-07T00:00:00Z",
            "entry_price": 18.0,
            "exit_price": 15.0,
            "return_pct": pytest.approx(15 / 18 - 1),
            "bars_held": 2,
            "exit_reason": "end",
            "open_at_end": True,
            "spent": 20_000_000.0,
        },
    ]
    assert part["signals"][0] == {
        "symbol": "BTC_KRW",
        "type": "buy",
        "timestamp": "2024-01-01T00:00:00Z",
        "entry_price": 10.0,
        "exit_price": 20.0,
        "return_pct": 1.0,
        "traded": True,
    }
    assert document["total_signals"] == 2
    assert document["warnings"][-1] == "BTC_KRW: the last position was still open and is valued at the last close"


def test_units_of_schema_1_1_are_kept(tmp_path: Path) -> None:
    """Win rate is a share, average return and drawdown are percent, the curve starts at 1.0."""
    (part,) = run(catalog_with(tmp_path), spec_of())["symbols"]
    assert part["win_rate"] == 0.5
    assert part["avg_return"] == pytest.approx(100 * (1 + 15 / 18 - 1) / 2)
    assert part["max_drawdown"] == pytest.approx(100 * (1 - 15 / 18))
    assert part["avg_hold_bars"] == 2.0
    curve = part["performance_curve"]
    assert curve[0] == {"timestamp": "2024-01-01T00:00:00Z", "equity": 1.0, "drawdown": 0.0}
    assert [point["equity"] for point in curve] == pytest.approx([1, 1.2, 1.3, 2, 2 * 16 / 18, 2 * 15 / 18])


def test_the_document_has_every_key_of_the_contract(tmp_path: Path) -> None:
    """All keys of schema 1.1.0, plus those that 1.2.0 adds."""
    document = run(catalog_with(tmp_path), spec_of(params={"hold": 3}))
    assert {
        "version",
        "run_id",
        "strategy",
        "params",
        "start_date",
        "end_date",
        "timeframe",
        "symbols",
        "total_signals",
        "execution_time",
        "metadata",
        "description",
    } <= set(document)
    assert document["params"] == {"first": 0, "again": 3, "hold": 3}
    assert document["fingerprint"]["candles"]["BTC_KRW"] == document["symbols"][0]["candles"]["sha256"]
    assert document["fingerprint"]["spec"] == spec_of(params={"hold": 3}).digest
    assert set(document["fingerprint"]["versions"]) >= {"coin-pipeline", "numba", "numpy"}


def test_the_event_study_stamps_fills_at_the_close(tmp_path: Path) -> None:
    """With signal_close a sample runs from the end of its candle to the end of a later one."""
    (part,) = run(catalog_with(tmp_path), spec_of(fill="signal_close"))["symbols"]
    first = part["trades"][0]
    assert (first["entry_time"], first["entry_price"]) == ("2024-01-02T00:00:00Z", 10.0)
    assert (first["exit_time"], first["exit_price"]) == ("2024-01-04T00:00:00Z", 13.0)
    assert first["spent"] is None


def test_a_stop_has_its_reason_and_candle(tmp_path: Path) -> None:
    """Bought at the open of day 2 for 10; the high of day 2 reaches 12.5."""
    document = run(catalog_with(tmp_path), spec_of(take_profit=0.25, stop_loss=0.5, params={"again": 0}))
    (trade,) = document["symbols"][0]["trades"]
    assert (trade["exit_price"], trade["exit_reason"], trade["bars_held"]) == (12.5, "take_profit", 1)
    assert (trade["entry_time"], trade["exit_time"]) == ("2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z")
    assert document["stops"] == {"stop_loss": 0.5, "take_profit": 0.25, "trailing_stop": None}


def test_a_part_of_the_equity_stays_in_cash(tmp_path: Path) -> None:
    """Half of the account doubles, then half of it loses a sixth; an order below the minimum is skipped."""
    document = run(catalog_with(tmp_path), spec_of(position_size=0.5))
    assert document["metrics"]["total_return"] == pytest.approx(1.5 * (0.5 + 0.5 * 15 / 18) - 1)
    assert [trade["spent"] for trade in document["symbols"][0]["trades"]] == pytest.approx([5e6, 7.5e6])
    document = run(catalog_with(tmp_path), spec_of(initial_cash=4_000.0, min_order=5_000.0))
    assert document["warnings"][-1] == "BTC_KRW: 2 signals not traded, for lack of cash or below the minimum order"


def test_every_result_is_stressed_at_other_costs(tmp_path: Path) -> None:
    """A trade that doubles the money breaks even at a cost rate of one third per leg."""
    spec = spec_of(fee_rate=0.1, slippage_rate=0.01, params={"again": 0})
    document = run(catalog_with(tmp_path), spec)
    costs = document["costs"]
    assert costs["break_even_rate"] == pytest.approx(1 / 3)
    assert costs["stress"]["0x"] == costs["gross_return"] == pytest.approx(1.0)
    assert costs["stress"]["1x"] == document["metrics"]["total_return"]
    assert costs["stress"]["2x"] == pytest.approx(2 * (0.98 * 0.8) / (1.02 * 1.2) - 1)
    assert costs == {"fee_rate": 0.1, "slippage_rate": 0.01, "legs": 2} | document["symbols"][0]["costs"]


def test_a_signal_on_the_last_candle_has_no_outcome(tmp_path: Path) -> None:
    """Its fill would be at an open that does not exist: it is listed apart, with a warning."""
    document = run(catalog_with(tmp_path), spec_of(params={"first": 5, "again": 5}))
    (part,) = document["symbols"]
    assert (part["signals"], len(part["unfilled_signals"])) == ([], 1)
    assert document["warnings"][0] == "BTC_KRW: the strategy never traded"
    assert "2024-01-06T00:00:00Z cannot be filled" in document["warnings"][1]


def test_gross_and_net_returns_differ_by_costs(tmp_path: Path) -> None:
    """Gross and net return differ by the costs of both legs of each trade."""
    spec = spec_of(fee_rate=0.01, slippage_rate=0.002, params={"again": 0})
    (part,) = run(catalog_with(tmp_path), spec)["symbols"]
    assert part["costs"]["gross_return"] == pytest.approx(1.0)
    assert part["costs"]["net_return"] == pytest.approx(2 * (0.998 * 0.99) / (1.002 * 1.01) - 1)


def test_missing_candles_cause_a_warning(tmp_path: Path) -> None:
    """A range beyond the stored candles causes a warning with counts and dates."""
    document = run(catalog_with(tmp_path), spec_of(end_date="2024-01-10", params={"again": 0}))
    warning = document["warnings"][-1]
    assert warning.startswith("BTC_KRW: 4 of 10 candles (40.00%) are missing, in 1 gap;")
    gaps = document["symbols"][0]["candles"]["gaps"]
    assert gaps == [{"start": "2024-01-07T00:00:00Z", "end": "2024-01-11T00:00:00Z", "missing": 4}]


def test_every_symbol_without_candles_is_named_with_what_is_stored(tmp_path: Path) -> None:
    """The checks of file footers and of the candles raise the same message."""
    spec = spec_of(symbols=["AAA_KRW", "BTC_KRW"], start_date="2025-01-01", end_date="2025-01-02")
    fetch = "; fetch with 'coin candles get {} --timeframe 1d --from 2025-01-01'"
    stored = "stored: 1d 2024-01-01..2024-01-06"
    message = f"AAA_KRW (nothing stored{fetch.format('AAA_KRW')}); BTC_KRW ({stored}{fetch.format('BTC_KRW')})"
    expected = re.escape(message)
    for check in (preflight.require_candles, lambda *known: runner.find_candles(*known, "tasks")):
        with pytest.raises(CandlesNotFound, match=expected):
            check(catalog_with(tmp_path), spec)


def test_candles_that_changed_after_loading_are_refused(tmp_path: Path) -> None:
    """A run never mixes two versions of the candles."""
    catalog = catalog_with(tmp_path)
    (piece,) = runner.find_candles(catalog, spec_of(), "tasks")
    catalog_with(tmp_path, [*ROWS[:-1], (16, 17, 14, 16)])
    with pytest.raises(CandlesChanged, match="BTC_KRW"):
        runner.simulate_symbol(catalog, REGISTRY, piece)


def test_exits_that_look_ahead_are_found(tmp_path: Path) -> None:
    """The truncation check covers exits, not only entries."""
    rows = [(10, 12, 8, 11 if day % 2 else 9) for day in range(20)]
    catalog = catalog_with(tmp_path, rows)
    (piece,) = runner.find_candles(catalog, spec_of(strategy="leaves_before_falls"), "tasks")
    with pytest.raises(LookAhead, match="its exits at bar"):
        runner.simulate_symbol(catalog, REGISTRY, piece)


def test_an_impossible_check_has_not_passed(tmp_path: Path) -> None:
    """A strategy that fails on fewer candles has a result, with its error in a warning."""
    document = run(catalog_with(tmp_path), spec_of(strategy="wants_a_week"))
    _, ahead = document["symbols"][0]["checks"]
    assert (ahead["name"], ahead["passed"]) == ("no_look_ahead", False)
    assert ahead["detail"].startswith("not checked")
    assert "ValueError: wants a week" in document["warnings"][-1]


def test_checks_report_how_much_they_compared(tmp_path: Path) -> None:
    """Six candles can be truncated at five points; the two entries are after the first and the fourth."""
    _, ahead = run(catalog_with(tmp_path), spec_of())["symbols"][0]["checks"]
    counts = "at 5 points, 2 of 2 decisions among them"
    assert (ahead["passed"], ahead["detail"]) == (True, f"signals unchanged with other later candles {counts}")


def test_a_long_curve_is_thinned_in_the_document_only(tmp_path: Path) -> None:
    """The table keeps every bar; the document keeps the first, the last and evenly spaced bars between."""
    minute = parse_timeframe("1m")
    catalog = CandleCatalog(tmp_path)
    catalog.merge("BTC_KRW", minute, synthetic_candles(1, minute, date(2024, 1, 1), 25_000))
    spec = spec_of(timeframe="1m", end_date="2024-01-18")
    parts = [runner.simulate_symbol(catalog, REGISTRY, piece) for piece in runner.find_candles(catalog, spec, "tasks")]
    result = runner.assemble_result("run-1", parts, catalog, REGISTRY, "test", datetime.now(UTC))
    curve = result.document["symbols"][0]["performance_curve"]
    assert len(result.tables["equity"]) == 25_000
    assert len(curve) <= MAX_CURVE_POINTS
    assert curve[0]["timestamp"] == "2023-12-31T15:00:00Z"
    assert curve[-1]["timestamp"] == "2024-01-17T23:39:00Z"


def test_a_curve_of_twenty_thousand_points_keeps_the_bound(tmp_path: Path) -> None:
    """The last point counts towards the limit of ten thousand."""
    minute = parse_timeframe("1m")
    catalog = CandleCatalog(tmp_path)
    catalog.merge("BTC_KRW", minute, synthetic_candles(1, minute, date(2024, 1, 1), 20_000))
    document = run(catalog, spec_of(timeframe="1m", end_date="2024-01-18"))
    assert len(document["symbols"][0]["performance_curve"]) <= MAX_CURVE_POINTS


def test_an_account_consumed_by_costs_has_finite_figures(tmp_path: Path) -> None:
    """Thousands of trades at the highest costs lose everything, and every figure is still a number or null."""
    minute = parse_timeframe("1m")
    catalog = CandleCatalog(tmp_path)
    catalog.merge("BTC_KRW", minute, synthetic_candles(1, minute, date(2024, 1, 1), 9_000))
    registry = load_registry()
    request = {"strategy": "volume_zone_breakout", "symbols": ["BTC_KRW"], "timeframe": "1m"}
    days = {"start_date": "2024-01-01", "end_date": "2024-01-07"}
    for fill in ("next_open", "signal_close"):
        costs = {"fee_rate": 0.1, "slippage_rate": 0.1, "fill": fill}
        spec = resolve(parse_request({**request, **days, **costs}), registry)
        parts = [
            runner.simulate_symbol(catalog, registry, piece) for piece in runner.find_candles(catalog, spec, "tasks")
        ]
        document = runner.assemble_result("run-1", parts, catalog, registry, "test", datetime.now(UTC)).document
        assert document["metrics"]["total_return"] == -1.0
        assert -1 < document["symbols"][0]["costs"]["gross_return"] < 10
        assert json.loads(to_bytes(document))


def test_samples_that_compound_beyond_all_numbers_are_refused(tmp_path: Path) -> None:
    """The event study of a market that only rises exceeds the range of a float."""
    catalog = catalog_with(tmp_path, [(10 * 2**day, 10 * 2**day, 10 * 2**day, 10 * 2**day) for day in range(50)])
    registry = StrategyRegistry([EveryBar()])
    request = {"strategy": "every_bar", "symbols": ["BTC_KRW"], "fill": "signal_close", "params": {"hold": 40}}
    spec = resolve(parse_request({**request, "start_date": "2024-01-01", "end_date": "2024-03-01"}), registry)
    (piece,) = runner.find_candles(catalog, spec, "tasks")
    with pytest.raises(InvalidSpec, match="use next_open"):
        runner.simulate_symbol(catalog, registry, piece)


def test_fingerprints_change_with_a_single_bit(tmp_path: Path) -> None:
    """A changed price changes the candle digest; another strategy changes the code digest."""
    bars = catalog_with(tmp_path).read("BTC_KRW", parse_timeframe("1d"), date(2024, 1, 1), date(2024, 1, 6))
    close = bars.close.copy()
    close[3] = np.nextafter(close[3], 100)
    changed = Bars(bars.time, bars.open, bars.high, bars.low, close, bars.volume)
    assert candles_digest(changed) != candles_digest(bars)
    assert candles_digest(bars.head(6)) == candles_digest(bars)
    assert len(code_digest(BuyAt())) == 64


@pytest.mark.parametrize("timeframe", ["1h", "1m"])
def test_real_candles_run(market_data: Path, tmp_path: Path, timeframe: str) -> None:
    """The real market files import and run, with their known gaps."""
    catalog, registry = CandleCatalog(tmp_path), load_registry()
    length = parse_timeframe(timeframe)
    catalog.merge("BTC_KRW", length, read_candle_file(market_data / f"upbit_KRW-BTC_{timeframe}.csv", tz="UTC").candles)
    request = {"strategy": "volume_zone_breakout", "symbols": ["KRW-BTC"], "timeframe": timeframe}
    spec = resolve(parse_request({**request, "start_date": "2025-09-02", "end_date": "2025-09-28"}), registry)
    (piece,) = runner.find_candles(catalog, spec, "results")
    facts = runner.simulate_symbol(catalog, registry, piece).facts
    part = {**facts["symbol"], **facts["facts"]}
    assert part["candles"]["expected"] - part["candles"]["present"] <= 2
    assert part["metrics"]["trades"] > 50


@pytest.mark.parametrize("timeframe", ["2h", "6h", "12h"])
def test_a_backtest_on_resampled_bars_equals_one_on_stored_ones(tmp_path: Path, timeframe: str) -> None:
    """Its figures and inputs are the same; only the origin of the candles is reported."""
    hourly, length = parse_timeframe("1h"), parse_timeframe(timeframe)
    shorter, longer = CandleCatalog(tmp_path / "shorter"), CandleCatalog(tmp_path / "longer")
    shorter.merge("AAA_KRW", hourly, synthetic_candles(1, hourly, date(2024, 1, 1), 24 * 200))
    longer.merge("AAA_KRW", length, shorter.load("AAA_KRW", length, date.min, date.max).candles)
    spec = spec_of(symbols=["AAA_KRW"], timeframe=timeframe, start_date="2024-02-01", end_date="2024-06-30")
    resampled, stored = (runner.run_backtest(spec, catalog, REGISTRY).document for catalog in (shorter, longer))
    assert resampled["symbols"][0]["candles"]["resampled_from"] == "1h"
    assert "resampled_from" not in stored["symbols"][0]["candles"]
    assert resampled["fingerprint"] == stored["fingerprint"]
    assert resampled["result_sha256"] == stored["result_sha256"]
