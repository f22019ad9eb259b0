"""An exchange through ccxt: Binance's spot market, served locally."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.collect import collect
from coin_pipeline.candles.exchanges import http
from coin_pipeline.candles.exchanges.ccxt import CcxtExchange
from coin_pipeline.candles.exchanges.registry import open_exchange
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, MINUTE_NS, Timeframe, day_range, parse_timeframe, utc
from coin_pipeline.errors import (
    ExchangeAnswer,
    ExchangeUnavailable,
    InvalidTimeframe,
    MarketUnknown,
    UnknownExchange,
)
from coin_pipeline.settings import load_settings
from tests.upbit_server import Answer, Clock, UpbitServer, half_sent, market_candles, reset, serving, status

ccxt: ModuleType = pytest.importorskip("ccxt", reason="ccxt, the extra 'exchanges', is not installed")
NOW = datetime(2024, 1, 10, 9, 30, 30, tzinfo=UTC)
LISTED = date(2023, 12, 1)
LENGTHS = {"1h": HOUR_NS, "1d": DAY_NS, "1w": 7 * DAY_NS, "1m": MINUTE_NS}
INFO = {
    "timezone": "UTC",
    "serverTime": 0,
    "rateLimits": [],
    "exchangeFilters": [],
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "orderTypes": ["LIMIT"],
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": [],
            "permissions": [],
            "permissionSets": [["SPOT"]],
        }
    ],
}


@dataclass
class BinanceServer(UpbitServer):
    """The same server with Binance's responses; `keeps` limits the candles it returns, by length."""

    keeps: Mapping[str, int] = field(default_factory=dict)

    def _candles(self, path: str, query: Mapping[str, str]) -> Answer:
        now = int(self.clock.now() * 1000)
        if path.endswith("/exchangeInfo"):
            return Answer(200, json.dumps(INFO).encode())
        if path.endswith("/time"):
            return Answer(200, json.dumps({"serverTime": now}).encode())
        length = query["interval"]
        candles = self.candles[query["symbol"], length]
        shown = candles.rows(candles.time // 10**6 <= now).rows(slice(-self.keeps.get(length, 10**9), None))
        first = int(np.searchsorted(shown.time, int(query["startTime"]) * 10**6))
        page = shown.rows(slice(first, first + int(query["limit"])))
        rows = [_kline(LENGTHS[length], *row) for row in zip(*(column.tolist() for column in page), strict=True)]
        return Answer(200, json.dumps(rows).encode())


def _kline(length: int, time: int, *prices: float) -> list[Any]:
    values = [str(price) for price in prices]
    return [time // 10**6, *values, (time + length) // 10**6 - 1, "0", 1, "0", "0", "0"]


CANDLES = {
    ("BTCUSDT", "1m"): market_candles(1, "1m", date(2024, 1, 7), 60 * 24 * 10),
    ("BTCUSDT", "1h"): market_candles(2, "1h", LISTED, 24 * 60),
    ("BTCUSDT", "1d"): market_candles(3, "1d", LISTED, 60, traded=1.1),
    ("BTCUSDT", "1w"): market_candles(4, "1w", LISTED, 9, traded=1.1),
}


@pytest.fixture
def server() -> Iterator[BinanceServer]:
    """A server whose clock shows the middle of an hour."""
    with serving(BinanceServer(CANDLES, Clock(NOW))) as running:
        yield running


@pytest.fixture
def binance(server: BinanceServer) -> Iterator[CcxtExchange]:
    """Binance's spot market on that server."""
    api = ccxt.binance({"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}}})
    api.urls["api"]["public"] = f"{server.url}/api/v3"
    with closing(CcxtExchange(api, server.clock)) as exchange:
        yield exchange


def test_a_series_is_collected_forward(catalog: CandleCatalog, binance: CcxtExchange, server: BinanceServer) -> None:
    """Over several pages, from before the listing to the last closed candle, with the exchange as source."""
    minutely = parse_timeframe("1m")
    begin, end = day_range(date(2024, 1, 1), date(2024, 1, 31))
    report = collect(catalog, binance, "BTC_USDT", minutely, begin, end)
    closed = int(NOW.replace(second=0).timestamp()) * 10**9
    candles = CANDLES["BTCUSDT", "1m"]
    expected = candles.rows(candles.time < closed)
    bars = catalog.read("BTC_USDT", minutely, date(2023, 1, 1), date(2025, 1, 1))
    for actual, column in zip((bars.time, bars.open, bars.volume), (expected[i] for i in (0, 1, 5)), strict=True):
        np.testing.assert_array_equal(actual, column)
    provenance = catalog.provenance("BTC_USDT", minutely)
    assert (provenance.fetched, provenance.source) == (((begin, closed),), "binance")
    assert report.added == len(expected.time)
    assert report.requests < 20
    assert {request.get("limit") for request in server.asked if request["path"].endswith("klines")} == {"1000"}


@pytest.mark.parametrize("has_fetch_time", [True, False])
def test_the_exchange_clock_decides_what_is_closed(
    binance: CcxtExchange, server: BinanceServer, hourly: Timeframe, *, has_fetch_time: bool
) -> None:
    """It is asked for the time; without that method, the Date header counts."""
    binance._api.has = {**binance._api.has, "fetchTime": has_fetch_time}
    assert utc(binance.last_closed(hourly)) == NOW.replace(minute=0, second=0)
    assert server.asked[-1]["path"] == f"/api/v3/{'time' if has_fetch_time else 'exchangeInfo'}"


def test_a_result_covers_the_request(binance: CcxtExchange, hourly: Timeframe) -> None:
    """Even if the exchange returns more; an empty page covers the length of a page."""
    day = day_range(date(2023, 12, 10), date(2023, 12, 10))
    result = binance.fetch("BTC_USDT", hourly, *day)
    assert (result.begin, result.end) == day
    assert np.all((result.candles.time >= day[0]) & (result.candles.time < day[1]))
    late = day_range(date(2024, 2, 1), date(2024, 12, 31))
    result = binance.fetch("BTC_USDT", hourly, *late)
    assert (len(result.candles.time), result.begin, result.end) == (0, late[0], late[0] + 1000 * HOUR_NS)


def test_truncated_history_is_not_treated_as_no_trades(binance: CcxtExchange, server: BinanceServer) -> None:
    """If only the newest minutes are kept and weeks show earlier trades, that is an error."""
    server.keeps = {"1m": 720}
    begin, end = day_range(date(2024, 1, 1), date(2024, 1, 31))
    with pytest.raises(ExchangeAnswer, match=r"none before .*, although there were trades"):
        binance.fetch("BTC_USDT", parse_timeframe("1m"), begin, end)


def test_unknown_markets_and_timeframes_are_rejected(binance: CcxtExchange, hourly: Timeframe) -> None:
    """The errors name the market and the supported timeframes."""
    day = day_range(date(2023, 12, 10), date(2023, 12, 10))
    with pytest.raises(MarketUnknown, match="binance has no market XYZ_USDT"):
        binance.fetch("XYZ_USDT", hourly, *day)
    with pytest.raises(InvalidTimeframe, match="'10m' is not a timeframe of binance; choose one of 1m, 3m, 5m, 15m"):
        binance.fetch("BTC_USDT", parse_timeframe("10m"), *day)


def test_network_errors_are_retried(binance: CcxtExchange, server: BinanceServer, hourly: Timeframe) -> None:
    """A few cost pauses; more make the exchange unavailable."""
    day = day_range(date(2023, 12, 10), date(2023, 12, 10))
    binance.fetch("BTC_USDT", hourly, *day)
    for fault in (reset, half_sent, status(503)):
        server.plan(fault)
    assert binance.fetch("BTC_USDT", hourly, *day).end == day[1]
    server.plan(reset, times=100)
    with pytest.raises(ExchangeUnavailable, match=rf"binance does not respond \(.*, {http.MAX_ATTEMPTS} attempts\)"):
        binance.fetch("BTC_USDT", hourly, *day)


@pytest.mark.parametrize(
    "content",
    [b'[[1702166400000, "1", "2"]]', b'[[1702166400000, null, "2", "1", "1", "1"]]', b'{"code": -1, "msg": "no"}'],
)
def test_malformed_responses_are_rejected(
    binance: CcxtExchange, server: BinanceServer, hourly: Timeframe, content: bytes
) -> None:
    """Results of ccxt are validated like Upbit's."""
    day = day_range(date(2023, 12, 10), date(2023, 12, 10))
    binance.fetch("BTC_USDT", hourly, *day)
    server.plan(status(200, content))
    with pytest.raises(ExchangeAnswer, match="binance was asked for"):
        binance.fetch("BTC_USDT", hourly, *day)


def test_exchange_names_are_those_of_ccxt() -> None:
    """A typo gets a suggestion."""
    with closing(open_exchange("kraken", load_settings())) as exchange:
        assert exchange.name == "kraken"
    with pytest.raises(
        UnknownExchange, match=r"'binanse' is not an exchange that ccxt supports \(did you mean 'binance'\?\)"
    ):
        open_exchange("binanse", load_settings())


def test_without_ccxt_the_error_names_the_package() -> None:
    """Upbit does not need it."""
    program = (
        "import sys; sys.modules['ccxt'] = None\n"
        "from coin_pipeline.candles.exchanges.registry import open_exchange\n"
        "from coin_pipeline.settings import load_settings\n"
        "open_exchange('upbit', load_settings()).close()\n"
        "open_exchange('binance', load_settings())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "UnknownExchange: exchange: 'binance' requires ccxt, which is not installed" in done.stderr
    assert "pip install 'coin-pipeline[exchanges]'" in done.stderr
