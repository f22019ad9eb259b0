"""Candles of the exchanges that the optional package ccxt speaks to; it pages forward, from `since` on."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from coin_pipeline.candles.exchanges.base import FetchResult, last_closed_at, require_grid, require_valid
from coin_pipeline.candles.exchanges.http import RequestLost, parse_http_date, send_with_retries
from coin_pipeline.candles.exchanges.rate_limit import Timer
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import TIMEFRAMES, Timeframe
from coin_pipeline.errors import ExchangeAnswer, InvalidTimeframe, MarketUnknown, UnknownExchange, did_you_mean

T = TypeVar("T")
_MS = 1_000_000
_FIELDS = 6
_PAGE = 100
"""So many candles are asked for where ccxt does not say how many an exchange gives at once."""


class CcxtExchange:
    """An Exchange; `api` is one of ccxt's, which does its own pacing."""

    def __init__(self, api: Any, timer: Timer | None = None) -> None:  # noqa: ANN401 - ccxt has no types
        self.name: str = api.id
        self._api = api
        self._timer = timer or Timer()
        spot = (api.features or {}).get("spot") or {}
        self._page: int = (spot.get("fetchOHLCV") or {}).get("limit") or _PAGE

    def close(self) -> None:
        """Close the connections."""
        self._api.session.close()

    def last_closed(self, timeframe: Timeframe) -> int:
        """Return the close of the newest candle that is finished by the exchange's own clock, ns UTC.

        Raises:
            ExchangeUnavailable: It does not answer.
            ExchangeAnswer: Its answer does not say when it was given.
        """
        if self._api.has["fetchTime"]:
            return last_closed_at(self._ask("the time", self._api.fetch_time) * _MS, timeframe)
        self._ask("its markets", lambda: self._api.load_markets(reload=True))
        return last_closed_at(parse_http_date(self.name, self._api.last_response_headers.get("Date")), timeframe)

    def fetch(self, symbol: str, timeframe: Timeframe, begin: int, end: int) -> FetchResult:
        """Return the first candles that open in [begin, end), ns UTC, on the grid of the timeframe.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidTimeframe: The exchange has no candles of that length.
            MarketUnknown: It has no such spot market.
            ExchangeUnavailable: It does not answer.
            ExchangeAnswer: It answered something else than such candles, or keeps only newer ones.
        """
        pair = self._pair(symbol)
        columns = self._candles(pair, timeframe, begin)
        if not len(columns.time):
            return FetchResult(columns, begin, min(end, begin + self._page * timeframe.ns))
        if columns.time[0] > begin + self._page * timeframe.ns:
            self._require_no_trades(pair, timeframe, begin, int(columns.time[0]))
        reached = min(end, int(columns.time[-1]) + timeframe.ns)
        return FetchResult(columns.rows(columns.time < reached), begin, reached)

    def _candles(self, pair: str, timeframe: Timeframe, begin: int) -> OHLCV:
        if timeframe.name not in self._api.timeframes:
            raise InvalidTimeframe(timeframe.name, [name for name in TIMEFRAMES if name in self._api.timeframes])
        asked = f"candles ({timeframe}) of {pair} from {begin // _MS} ms on"
        rows = self._ask(
            asked, lambda: self._api.fetch_ohlcv(pair, timeframe.name, since=begin // _MS, limit=self._page)
        )
        if any(len(row) != _FIELDS or not all(isinstance(each, int | float) for each in row) for row in rows):
            raise ExchangeAnswer(self.name, asked, "a candle in which a number is missing")
        time = np.array([row[0] for row in rows], dtype=np.int64) * _MS
        prices = np.array([row[1:] for row in rows], dtype=np.float64).reshape(len(rows), _FIELDS - 1)
        columns = OHLCV(time, *np.ascontiguousarray(prices.T))
        require_valid(self.name, asked, columns)
        require_grid(self.name, asked, time, time - (time - timeframe.phase_ns) % timeframe.ns)
        return columns.rows(time >= begin)

    def _require_no_trades(self, pair: str, timeframe: Timeframe, begin: int, first: int) -> None:
        """Refuse a long hole at the beginning in which trades happened: the exchange keeps only its newest candles."""
        longest = next(each for each in reversed(list(TIMEFRAMES.values())) if each.name in self._api.timeframes)
        opens = self._candles(pair, longest, begin).time
        if longest is not timeframe and np.any(opens + longest.ns <= first):
            asked = f"candles ({timeframe}) of {pair} from {begin // _MS} ms on"
            raise ExchangeAnswer(self.name, asked, f"none before {first // _MS} ms, when there were trades already")

    def _pair(self, symbol: str) -> str:
        pair = parse_symbol(symbol).replace("_", "/")
        markets = self._ask("its markets", self._api.load_markets)
        if pair not in markets or not markets[pair]["spot"]:
            raise MarketUnknown(self.name, symbol, f"no spot market {pair}")
        return pair

    def _ask(self, asked: str, request: Callable[[], T]) -> T:
        ccxt = import_module("ccxt")

        def send() -> T:
            try:
                return request()
            except ccxt.NetworkError as error:
                raise RequestLost(_first_line(error)) from error

        try:
            return send_with_retries(self.name, self._timer, send)
        except ccxt.BaseError as error:
            raise ExchangeAnswer(self.name, asked, _first_line(error)) from error


def open_ccxt(name: str) -> CcxtExchange:
    """Return an exchange that ccxt knows.

    Raises:
        UnknownExchange: It knows none of this name, or is not installed.
    """
    try:
        ccxt = import_module("ccxt")
    except ModuleNotFoundError as error:
        reason = "is asked through ccxt, which is not installed: pip install 'coin-pipeline[exchanges]'"
        raise UnknownExchange(name, f"{reason}; or choose 'upbit', which needs nothing") from error
    if name not in ccxt.exchanges:
        raise UnknownExchange(name, f"is no exchange that ccxt knows{did_you_mean(name, ccxt.exchanges)}")
    return CcxtExchange(getattr(ccxt, name)({"requests_trust_env": True}))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__
