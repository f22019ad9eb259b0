"""An exchange through ccxt: Binance's spot market, spoken by a server of ours."""

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
    """The same server with Binance's answers; `keeps` is how many of the newest candles it still has."""

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
    told = [str(price) for price in prices]
    return [time // 10**6, *told, (time + length) // 10**6 - 1, "0", 1, "0", "0", "0"]


CANDLES = {
    ("BTCUSDT", "1m"): market_candles(1, "1m", date(2024, 1, 7), 60 * 24 * 10),
    ("BTCUSDT", "1h"): market_candles(2, "1h", LISTED, 24 * 60),
    ("BTCUSDT", "1d"): market_candles(3, "1d", LISTED, 60, traded=1.1),
    ("BTCUSDT", "1w"): market_candles(4, "1w", LISTED, 9, traded=1.1),
}


@pytest.fixture
def server() -> Iterator[BinanceServer]:
    """A server whose clock stands in the middle of an hour."""
    with serving(BinanceServer(CANDLES, Clock(NOW))) as running:
        yield running


@pytest.fixture
def binance(server: BinanceServer) -> Iterator[CcxtExchange]:
    """Binance's spot market there."""
    api = ccxt.binance({"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}}})
    api.urls["api"]["public"] = f"{server.url}/api/v3"
    with closing(CcxtExchange(api, server.clock)) as exchange:
        yield exchange


def test_a_series_is_collected_forward(catalog: CandleCatalog, binance: CcxtExchange, server: BinanceServer) -> None:
    """More than a page, from before the market was listed to the last finished candle, under the exchange's name."""
    minutely = parse_timeframe("1m")
    begin, end = day_range(date(2024, 1, 1), date(2024, 1, 31))
    done = collect(catalog, binance, "BTC_USDT", minutely, begin, end)
    finished = int(NOW.replace(second=0).timestamp()) * 10**9
    candles = CANDLES["BTCUSDT", "1m"]
    expected = candles.rows(candles.time < finished)
    bars = catalog.read("BTC_USDT", minutely, date(2023, 1, 1), date(2025, 1, 1))
    for mine, theirs in zip((bars.time, bars.open, bars.volume), (expected[i] for i in (0, 1, 5)), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    known = catalog.provenance("BTC_USDT", minutely)
    assert (known.fetched, known.source) == (((begin, finished),), "binance")
    assert done.added == len(expected.time)
    assert done.requests < 20
    assert {asked.get("limit") for asked in server.asked if asked["path"].endswith("klines")} == {"1000"}


@pytest.mark.parametrize("tells_time", [True, False])
def test_the_exchanges_clock_says_what_is_finished(
    binance: CcxtExchange, server: BinanceServer, hourly: Timeframe, *, tells_time: bool
) -> None:
    """It is asked for the time; one that does not tell it dates its answers."""
    binance._api.has = {**binance._api.has, "fetchTime": tells_time}
    assert utc(binance.last_closed(hourly)) == NOW.replace(minute=0, second=0)
    assert server.asked[-1]["path"] == f"/api/v3/{'time' if tells_time else 'exchangeInfo'}"


def test_a_batch_says_for_what_it_stands(binance: CcxtExchange, hourly: Timeframe) -> None:
    """Only for what was asked for, though the exchange gives more; for a page's length where it gives nothing."""
    day = day_range(date(2023, 12, 10), date(2023, 12, 10))
    batch = binance.fetch("BTC_USDT", hourly, *day)
    assert (batch.begin, batch.end) == day
    assert np.all((batch.columns.time >= day[0]) & (batch.columns.time < day[1]))
    late = day_range(date(2024, 2, 1), date(2024, 12, 31))
    batch = binance.fetch("BTC_USDT", hourly, *late)
    assert (len(batch.columns.time), batch.begin, batch.end) == (0, late[0], late[0] + 1000 * HOUR_NS)


def test_history_that_an_exchange_does_not_keep_is_not_taken_for_no_trades(
    binance: CcxtExchange, server: BinanceServer
) -> None:
    """Where only the newest minutes are kept and weeks say that there were trades before, that is an error."""
    server.keeps = {"1m": 720}
    begin, end = day_range(date(2024, 1, 1), date(2024, 1, 31))
    with pytest.raises(ExchangeAnswer, match=r"none before .*, when there were trades already"):
        binance.fetch("BTC_USDT", parse_timeframe("1m"), begin, end)


def test_what_cannot_be_is_refused(binance: CcxtExchange, hourly: Timeframe) -> None:
    """Markets that the exchange does not have, and lengths that it does not offer."""
    day = day_range(date(2023, 12, 10), date(2023, 12, 10))
    with pytest.raises(MarketUnknown, match="binance has no market XYZ_USDT"):
        binance.fetch("XYZ_USDT", hourly, *day)
    with pytest.raises(InvalidTimeframe, match="'10m' is not a timeframe; choose one of 1m, 3m, 5m, 15m"):
        binance.fetch("BTC_USDT", parse_timeframe("10m"), *day)


def test_faults_of_the_network_are_retried(binance: CcxtExchange, server: BinanceServer, hourly: Timeframe) -> None:
    """A few cost pauses; more of them are an exchange that does not answer."""
    day = day_range(date(2023, 12, 10), date(2023, 12, 10))
    binance.fetch("BTC_USDT", hourly, *day)
    for fault in (reset, half_sent, status(503)):
        server.plan(fault)
    assert binance.fetch("BTC_USDT", hourly, *day).end == day[1]
    server.plan(reset, times=100)
    with pytest.raises(ExchangeUnavailable, match=rf"binance does not answer \(.*, {http.MAX_ATTEMPTS} tries\)"):
        binance.fetch("BTC_USDT", hourly, *day)


@pytest.mark.parametrize(
    "answered",
    [b'[[1702166400000, "1", "2"]]', b'[[1702166400000, null, "2", "1", "1", "1"]]', b'{"code": -1, "msg": "no"}'],
)
def test_answers_that_are_no_candles_are_refused(
    binance: CcxtExchange, server: BinanceServer, hourly: Timeframe, answered: bytes
) -> None:
    """What ccxt hands on is checked as Upbit's answers are."""
    day = day_range(date(2023, 12, 10), date(2023, 12, 10))
    binance.fetch("BTC_USDT", hourly, *day)
    server.plan(status(200, answered))
    with pytest.raises(ExchangeAnswer, match="binance was asked for"):
        binance.fetch("BTC_USDT", hourly, *day)


def test_names_of_exchanges_are_ccxts() -> None:
    """A typo is answered with the exchange that was meant."""
    with closing(open_exchange("kraken", load_settings())) as exchange:
        assert exchange.name == "kraken"
    with pytest.raises(UnknownExchange, match=r"'binanse' is no exchange that ccxt knows \(did you mean 'binance'\?\)"):
        open_exchange("binanse", load_settings())


def test_without_ccxt_the_error_says_what_to_install() -> None:
    """The package is needed by nobody who asks Upbit, and named to whoever asks another exchange."""
    program = (
        "import sys; sys.modules['ccxt'] = None\n"
        "from coin_pipeline.candles.exchanges.registry import open_exchange\n"
        "from coin_pipeline.settings import load_settings\n"
        "open_exchange('upbit', load_settings()).close()\n"
        "open_exchange('binance', load_settings())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "UnknownExchange: exchange: 'binance' is asked through ccxt, which is not installed" in done.stderr
    assert "pip install 'coin-pipeline[exchanges]'" in done.stderr
