"""Backtests with the price ticks of an exchange: each market by its own table, each fill by that of its day."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

import coin_pipeline as cp
from coin_pipeline.errors import InvalidSpec
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams

FREE = {"fee_rate": 0.0, "slippage_rate": 0.0, "tick_sizes": "upbit", "min_coverage": 0}


class Holding(StrategyParams):
    """How long to hold."""

    hold: int = Field(1, ge=1, le=1000)


class EverySecond(Strategy[Holding]):
    """Buys on every second bar."""

    name = "every_second"
    Params = Holding

    def signals(self, bars: Bars, params: Holding) -> Signals:
        """Mark every second bar by its day."""
        return Signals(bars.time // (24 * 3600 * 10**9) % 2 == 0, hold=params.hold)


def daily(prices: Sequence[float], start: str = "2024-01-01") -> pd.DataFrame:
    """Return daily candles whose four prices are equal."""
    columns = {name: list(prices) for name in ("open", "high", "low", "close")}
    index = pd.date_range(start, periods=len(prices), tz="UTC", name="timestamp")
    return pd.DataFrame({**columns, "volume": 1.0}, index=index)


def run(symbol: str, prices: Sequence[float], start: str = "2024-01-01", **fields: object) -> dict[str, Any]:
    """Run the strategy on one market with ticks as the only costs."""
    return cp.run_backtest(EverySecond, {symbol: daily(prices, start)}, **{**FREE, **fields}).document


@pytest.mark.parametrize(
    ("symbol", "price", "start"),
    [
        ("BTC_USDT", 60001.23, "2024-01-01"),
        ("BTC_USDT", 60001.23, "2024-09-01"),
        ("ETH_BTC", 0.03456789, "2024-01-01"),
        ("DOGE_KRW", 137.4, "2024-02-01"),
        ("USDT_KRW", 1390.5, "2025-04-01"),
        ("USDC_KRW", 1390.5, "2025-07-01"),
        ("XRP_KRW", 3_001.0, "2025-07-01"),
        ("XRP_KRW", 3_001.0, "2025-08-01"),
    ],
)
def test_a_price_that_the_market_quotes_costs_nothing(symbol: str, price: float, start: str) -> None:
    """Buying and selling at a quoted price without fee and slippage returns zero."""
    document = run(symbol, [price] * 6, start)
    assert document["metrics"]["trades"] > 1
    assert document["metrics"]["total_return"] == 0.0
    assert not any("tick_sizes" in warning for warning in document["warnings"])


@pytest.mark.parametrize(
    ("symbol", "price", "start"),
    [
        ("BTC_USDT", 60001.2345, "2024-01-01"),
        ("DOGE_KRW", 137.4, "2025-08-01"),
        ("DOGE_KRW", 137.4, "2024-01-01"),
        ("ADA_KRW", 500.5, "2024-11-01"),
        ("USDT_KRW", 1390.5, "2025-01-01"),
    ],
)
def test_a_price_that_the_market_does_not_quote_is_rounded_and_warned_of(symbol: str, price: float, start: str) -> None:
    """The share of such prices and the first of them are named."""
    document = run(symbol, [price] * 6, start)
    assert document["metrics"]["total_return"] < 0
    (warning,) = (warning for warning in document["warnings"] if "tick_sizes" in warning)
    assert f"{symbol}: tick_sizes: only 0.00% of 24 prices" in warning
    assert f"the first that is not is {price} on {start}" in warning


def test_prices_on_either_side_of_a_change_are_those_of_their_day() -> None:
    """With the table of each day, no fill moves; the candle of the day before the change holds prices of both."""
    prices = [137.0, 138.0, 139.0, 140.0, 137.4, 138.2, 139.1]  # from 2024-01-25; the tick is 0.1 since 2024-01-29
    document = run("DOGE_KRW", prices, "2024-01-25")
    with_ticks, without = (
        run("DOGE_KRW", prices, "2024-01-25", tick_sizes=name)["metrics"] for name in ("upbit", "none")
    )
    assert with_ticks == without
    (check,) = (check for check in document["symbols"][0]["checks"] if check["name"] == "tick_sizes")
    assert check == {
        "name": "tick_sizes",
        "passed": True,
        "detail": "100.00% of 28 prices are prices that the market quoted on their day",
        "code": "ticks_fit",
        "values": {"share": "100.00%", "prices": 28},
    }


def test_without_ticks_nothing_is_checked() -> None:
    """Results without ticks have the same checks as ever."""
    document = run("DOGE_KRW", [137.4] * 4, tick_sizes="none")
    assert [check["name"] for check in document["symbols"][0]["checks"]] == ["candles", "no_look_ahead"]


@pytest.mark.parametrize("extra", [{}, {"max_positions": 1}], ids=["own accounts", "shared account"])
@pytest.mark.parametrize("symbols", [("DOGE_KRW",), ("DOGE_KRW", "ADA_KRW")])
def test_zero_times_the_costs_is_the_gross_return(symbols: tuple[str, ...], extra: dict[str, Any]) -> None:
    """Neither has fee, slippage or ticks; break-even starts from prices on ticks."""
    frames = {symbol: daily([10.009, 10.09, 11.009, 12.02, 13.009, 14.02], "2023-01-01") for symbol in symbols}
    costs = cp.run_backtest(EverySecond, frames, **{**FREE, **extra}).document["costs"]
    assert costs["stress"]["0x"] == costs["gross_return"] > costs["net_return"] > 0
    free = cp.run_backtest(EverySecond, frames, **{**FREE, **extra, "tick_sizes": "none"}).document["costs"]
    assert free["gross_return"] == costs["gross_return"]
    assert 0 < costs["break_even_rate"] < free["break_even_rate"]
    fee = {**FREE, **extra, "fee_rate": costs["break_even_rate"]}
    assert cp.run_backtest(EverySecond, frames, **fee).document["costs"]["net_return"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("extra", [{}, {"max_positions": 1}], ids=["own account", "shared account"])
def test_no_cost_breaks_even_where_the_trades_lose_without_costs(extra: dict[str, Any]) -> None:
    """The rate is null; where only the ticks turn a gain into a loss, it is zero."""
    falling = run("DOGE_KRW", [15.0, 14.0, 13.0, 12.0, 11.0, 10.0], "2023-01-01", **extra)
    assert falling["costs"]["break_even_rate"] is None
    eaten = run("DOGE_KRW", [10.01, 10.02, 10.03, 10.04, 10.05, 10.06, 10.07], "2023-01-02", **extra)
    assert eaten["costs"]["gross_return"] > 0 > eaten["costs"]["net_return"]
    assert eaten["costs"]["break_even_rate"] == 0.0


@pytest.mark.parametrize("symbols", [("BTC_EUR",), ("BTC_KRW", "BTC_USD")])
def test_ticks_of_other_markets_are_refused(symbols: tuple[str, ...]) -> None:
    """The message names the markets, and the quote currencies whose ticks are known; sweeps refuse it alike."""
    frames = {symbol: daily([100.0] * 6) for symbol in symbols}
    message = rf"^tick_sizes: the ticks of {symbols[-1]} are not known; upbit has ticks for markets in KRW, USDT, BTC"
    with pytest.raises(InvalidSpec, match=message):
        cp.run_backtest(EverySecond, frames, **FREE)
    with pytest.raises(InvalidSpec, match=message):
        cp.sweep(EverySecond, frames, {"hold": [1, 2]}, **FREE)


@pytest.mark.parametrize(
    ("symbol", "cash"),
    [
        ("DOGE_KRW", 10_000_000.0),
        ("DOGE_BTC", 1.0),
        ("DOGE_ETH", 10.0),
        ("DOGE_USDT", 10_000.0),
        ("DOGE_EUR", 10_000.0),
    ],
)
def test_money_is_in_the_quote_currency(symbol: str, cash: float) -> None:
    """The default cash is a usual amount of it, and trades spend it."""
    document = run(symbol, [10.0, 11.0, 12.0, 13.0], tick_sizes="none")
    assert document["quote_currency"] == symbol.partition("_")[2]
    assert document["spec"]["initial_cash"] == cash
    assert document["symbols"][0]["trades"][0]["spent"] == cash


def test_separate_accounts_in_several_currencies_share_only_ratios() -> None:
    """Each account has the default cash of its own currency, and the figures are those of equal ratios."""
    frames = {symbol: daily([10.0, 10.0, 11.0, 11.0]) for symbol in ("DOGE_KRW", "DOGE_BTC")}
    document = cp.run_backtest(EverySecond, frames, **{**FREE, "tick_sizes": "none"}).document
    assert (document["quote_currency"], document["spec"]["initial_cash"]) == (None, None)
    assert [part["trades"][0]["spent"] for part in document["symbols"]] == [10_000_000.0, 1.0]
    returns = [part["metrics"]["total_return"] for part in document["symbols"]]
    assert returns[0] == returns[1] == pytest.approx(document["metrics"]["total_return"])


def test_a_shared_account_has_one_currency() -> None:
    """Markets with different quotes are refused, and each currency is named with a market."""
    frames = {symbol: daily([10.0] * 4) for symbol in ("DOGE_KRW", "ETH_KRW", "DOGE_USDT")}
    message = "^max_positions: .* several quote currencies: KRW .DOGE_KRW., USDT .DOGE_USDT.; omit this"
    with pytest.raises(InvalidSpec, match=message):
        cp.run_backtest(EverySecond, frames, max_positions=2)


def test_orders_below_the_minimum_of_their_day_are_warned_of() -> None:
    """The minimum in USDT rose on 2024-08-19; only orders after it are below it."""
    prices, money = [10.0] * 8, {"initial_cash": 0.1, "params": {"hold": 1}}
    document = run("DOGE_USDT", prices, "2024-08-15", **money)
    trades = document["symbols"][0]["trades"]
    after = sum(trade["entry_time"] >= "2024-08-18T15" for trade in trades)
    assert 0 < after < len(trades)
    warning = (
        f"DOGE_USDT: {after} of {len(trades)} orders spent less than Upbit's minimum of 0.50 USDT; min_order skips them"
    )
    assert warning in document["warnings"]
    assert not any("minimum" in text for text in run("DOGE_USDT", prices, "2024-08-01", **money)["warnings"])
