"""Upbit's price ticks and minimum orders, by market and by day in Seoul."""

from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coin_pipeline.candles.exchanges.upbit_rules import min_orders, tick_table
from coin_pipeline.engine.ticks import TickTable
from tests.engine.candles import real_bars

SEOUL = ZoneInfo("Asia/Seoul")
COARSE = ["ADA", "ALGO", "BLUR", "CELO", "ELF", "EOS", "GRS", "GRT"]
COARSE += ["ICX", "MANA", "MINA", "POL", "SAND", "SEI", "STG", "TRX"]
NEVER, JAN_2024, AUG_2024, OCT_2024, MAR_2025, JUL_2025 = (
    date(2020, 1, 1),
    date(2024, 1, 29),
    date(2024, 8, 19),
    date(2024, 10, 14),
    date(2025, 3, 21),
    date(2025, 7, 31),
)


def table_of(symbol: str) -> TickTable:
    """Return the tick table of a market that has one."""
    table = tick_table(symbol)
    assert table is not None
    return table


def midnight(day: date) -> int:
    """Return midnight in Seoul, ns UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=SEOUL).astimezone(UTC).timestamp()) * 10**9


def tick(symbol: str, price: float, day: date, offset_ns: int = 0) -> float:
    """Return the distance between a price on the grid and the next one above it."""
    table, time = table_of(symbol), np.array([midnight(day) + offset_ns])
    above = table.round_up(np.array([price * (1 + 1e-9)]), time)[0]
    return float(Fraction(str(above)) - Fraction(str(price)))


KRW_ROWS = [
    (2_000_000.0, 1000, 1000, 1000),
    (1_000_000.0, 500, 500, 1000),
    (500_000.0, 100, 100, 500),
    (100_000.0, 50, 50, 100),
    (50_000.0, 10, 10, 50),
    (10_000.0, 10, 10, 10),
    (5_000.0, 5, 1, 5),
    (1_000.0, 5, 1, 1),
    (100.0, 1, 0.1, 1),
    (10.0, 0.1, 0.01, 0.1),
    (1.0, 0.01, 0.001, 0.01),
    (0.1, 0.001, 0.0001, 0.001),
    (0.01, 0.0001, 0.00001, 0.0001),
    (0.001, 0.0001, 0.000001, 0.00001),
    (0.0001, 0.0001, 0.0000001, 0.000001),
]
LOW_ROWS = [(0.00001, 0.00000001, 0.0000001), (0.00000002, 0.00000001, 0.00000001)]


@pytest.mark.parametrize("row", KRW_ROWS)
def test_krw_ticks_of_each_period(row: tuple[float, float, float, float]) -> None:
    """Each band has the tick that the exchange announced, up to the last nanosecond before a change and from it on."""
    price, *expected = row
    found = [tick("DOGE_KRW", price, day) for day in (NEVER, JAN_2024, JUL_2025)]
    assert found == expected
    assert [tick("DOGE_KRW", price, day, -1) for day in (JAN_2024, JUL_2025)] == expected[:2]


@pytest.mark.parametrize(("price", "middle", "last"), LOW_ROWS)
def test_krw_ticks_of_the_lowest_prices(price: float, middle: float, last: float) -> None:
    """Bands below 0.0001 KRW exist since 2024."""
    assert [tick("PEPE_KRW", price, day) for day in (JAN_2024, JUL_2025)] == [middle, last]


@pytest.mark.parametrize("coin", COARSE)
def test_coins_with_a_coarse_tick(coin: str) -> None:
    """16 coins have a tick of 1 from 100 to 1,000 KRW since 2024-10-14; their other bands are unchanged."""
    symbol = f"{coin}_KRW"
    assert [tick(symbol, 500.0, OCT_2024, offset) for offset in (-1, 0)] == [0.1, 1]
    assert [tick(symbol, price, OCT_2024) for price in (50.0, 5_000.0)] == [0.01, 1]
    assert [tick(symbol, 5_000.0, JUL_2025), tick(symbol, 500.0, JUL_2025)] == [5, 1]
    assert tick(f"{coin}_USDT", 500.0, OCT_2024) == 0.01


@pytest.mark.parametrize("coin", ["USDT", "USDC"])
def test_stablecoins_have_half_a_won(coin: str) -> None:
    """USDT and USDC have a tick of 0.5 from 1,000 to 10,000 KRW between 2025-03-21 and 2025-07-30."""
    symbol = f"{coin}_KRW"
    assert [tick(symbol, 1_400.0, MAR_2025, offset) for offset in (-1, 0)] == [1, 0.5]
    assert [tick(symbol, 1_400.0, JUL_2025, offset) for offset in (-1, 0)] == [0.5, 1]
    assert [tick(symbol, price, MAR_2025) for price in (999.0, 9_999.5, 10_000.0)] == [0.1, 0.5, 10]
    assert tick("XRP_KRW", 1_400.0, MAR_2025) == 1


@pytest.mark.parametrize(
    ("price", "expected"),
    [(60_000.0, 0.01), (10.0, 0.01), (1.0, 0.001), (0.1, 0.0001), (0.01, 0.00001), (0.001, 0.000001), (0.0001, 1e-7)],
)
def test_usdt_ticks_of_each_period(price: float, expected: float) -> None:
    """USDT markets had one tick of 0.001 until 2024-08-19."""
    assert tick("BTC_USDT", price, AUG_2024) == expected
    assert tick("BTC_USDT", max(price, 0.001), AUG_2024, -1) == 0.001


@pytest.mark.parametrize("price", [0.05, 0.00000002, 1.0])
def test_btc_markets_have_one_tick(price: float) -> None:
    """BTC markets are quoted in hundred-millionths at any price."""
    assert [tick("ETH_BTC", price, day) for day in (NEVER, JUL_2025)] == [1e-8, 1e-8]


@pytest.mark.parametrize("symbol", ["BTC_EUR", "BTC_USD", "BTC_USDC", "KRW_ETH"])
def test_other_quote_currencies_have_no_known_ticks(symbol: str) -> None:
    """Nothing is assumed about the rules of a market that has none."""
    assert tick_table(symbol) is None


days = st.dates(date(2023, 12, 1), date(2025, 12, 31))
symbols = st.sampled_from(["DOGE_KRW", "ADA_KRW", "USDT_KRW", "BTC_USDT", "ETH_BTC"])


@given(symbols, days, st.integers(1, 10**9), st.integers(-8, 0))
def test_quoted_prices_survive_a_round_trip(symbol: str, day: date, digits: int, exponent: int) -> None:
    """A price that was rounded to a tick is a multiple of it, and rounding it again either way changes nothing."""
    table, time = table_of(symbol), np.array([midnight(day)])
    price = np.array([float(digits * Fraction(10) ** exponent)])
    assume(price[0] < 1e12 * tick(symbol, price[0], day))  # beyond, a double is no longer within a thousandth of a tick
    for quoted in (table.round_up(price, time), table.round_down(price, time)):
        if quoted[0] > 0:
            assert table.on_grid(quoted, time).all()
            assert table.round_up(quoted, time).tolist() == table.round_down(quoted, time).tolist() == quoted.tolist()


@pytest.mark.parametrize(
    ("symbol", "before", "after"),
    [("XRP_KRW", 5_000.0, 5_000.0), ("ETH_BTC", 0.0005, 0.00005), ("BTC_USDT", 0.0005, 0.5)],
)
def test_minimum_orders_of_each_period(symbol: str, before: float, after: float) -> None:
    """The minimum of a quote currency changes at midnight in Seoul."""
    change = midnight(AUG_2024)
    least = min_orders(symbol, np.array([midnight(NEVER), change - 1, change, midnight(JUL_2025)]))
    assert least is not None
    assert least.tolist() == [before, before, after, after]


@pytest.mark.parametrize(
    ("file", "symbol"),
    [
        ("upbit_KRW-BTC_1h.csv", "BTC_KRW"),
        ("upbit_KRW-BTC_1m.csv", "BTC_KRW"),
        ("binance-spot_BTCUSDT_1h.feather", "BTC_USDT"),
    ],
)
def test_real_prices_lie_on_the_grid_of_their_day(market_data: Path, file: str, symbol: str) -> None:
    """Every price of these candles is one that the table of its day quotes."""
    bars = real_bars(market_data, file)
    table = table_of(symbol)
    for column in (bars.open, bars.high, bars.low, bars.close):
        assert table.on_grid(column, bars.time).mean() >= 0.999
