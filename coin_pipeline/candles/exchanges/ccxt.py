"""Client for the exchanges of the optional package ccxt, which page forward from `since`."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np

from coin_pipeline.candles.exchanges.base import (
    FetchResult,
    last_closed_at,
    not_fetched_hint,
    require_grid,
    require_valid,
)
from coin_pipeline.candles.exchanges.http import RequestLost, parse_http_date, send_with_retries
from coin_pipeline.candles.exchanges.rate_limit import Timer
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import TIMEFRAMES, Timeframe
from coin_pipeline.errors import ExchangeAnswer, InvalidTimeframe, MarketUnknown, UnknownExchange, coded, did_you_mean

T = TypeVar("T")
_MS = 1_000_000
_FIELDS = 6
_DEFAULT_PAGE_SIZE = 100
"""Candles per request if ccxt does not know the exchange's limit."""


class CcxtExchange:
    """An Exchange backed by ccxt.

    Args:
        api: A ccxt exchange, which limits its own request rate.
        timer: Clock for retries.
    """

    def __init__(self, api: Any, timer: Timer | None = None) -> None:  # noqa: ANN401 - ccxt has no types
        self.name: str = api.id
        self._api = api
        self._timer = timer or Timer()
        spot = (api.features or {}).get("spot") or {}
        self._page_size: int = (spot.get("fetchOHLCV") or {}).get("limit") or _DEFAULT_PAGE_SIZE

    def close(self) -> None:
        """Close the connections."""
        self._api.session.close()

    def last_closed(self, timeframe: Timeframe) -> int:
        """Return the close of the newest candle that is closed by the exchange's own clock, ns UTC.

        Raises:
            ExchangeUnavailable: The exchange does not respond.
            ExchangeAnswer: The response has no valid Date header.
        """
        if self._api.has["fetchTime"]:
            return last_closed_at(self._call("the time", self._api.fetch_time) * _MS, timeframe)
        self._call("its markets", lambda: self._api.load_markets(reload=True))
        return last_closed_at(parse_http_date(self.name, self._api.last_response_headers.get("Date")), timeframe)

    def fetch(self, symbol: str, timeframe: Timeframe, begin: int, end: int) -> FetchResult:
        """Return the first page of candles that open in [begin, end), ns UTC, on the grid of the timeframe.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidTimeframe: The exchange has no candles of that length.
            MarketUnknown: The exchange has no such spot market.
            ExchangeUnavailable: The exchange does not respond.
            ExchangeAnswer: The exchange returned something other than such candles, or keeps only newer ones.
        """
        pair = self._pair(symbol)
        candles = self._fetch_candles(pair, timeframe, begin)
        if not len(candles.time):
            return FetchResult(candles, begin, min(end, begin + self._page_size * timeframe.ns))
        if candles.time[0] > begin + self._page_size * timeframe.ns:
            self._require_no_trades(pair, timeframe, begin, int(candles.time[0]))
        reached = min(end, int(candles.time[-1]) + timeframe.ns)
        return FetchResult(candles.rows(candles.time < reached), begin, reached)

    def _fetch_candles(self, pair: str, timeframe: Timeframe, begin: int) -> OHLCV:
        if timeframe.name not in self._api.timeframes:
            known = [name for name in TIMEFRAMES if name in self._api.timeframes]
            raise InvalidTimeframe(timeframe.name, known, not_fetched_hint(self.name, timeframe))
        request = f"candles ({timeframe}) of {pair} since {begin // _MS} ms"
        rows = self._call(
            request, lambda: self._api.fetch_ohlcv(pair, timeframe.name, since=begin // _MS, limit=self._page_size)
        )
        if any(len(row) != _FIELDS or not all(isinstance(value, int | float) for value in row) for row in rows):
            raise ExchangeAnswer(self.name, request, coded("candle_incomplete"))
        time = np.array([row[0] for row in rows], dtype=np.int64) * _MS
        prices = np.array([row[1:] for row in rows], dtype=np.float64).reshape(len(rows), _FIELDS - 1)
        candles = OHLCV(time, *np.ascontiguousarray(prices.T))
        require_valid(self.name, request, candles)
        require_grid(self.name, request, time, time - (time - timeframe.phase_ns) % timeframe.ns)
        return candles.rows(time >= begin)

    def _require_no_trades(self, pair: str, timeframe: Timeframe, begin: int, first: int) -> None:
        """Reject a long gap at the beginning that contains trades: the exchange keeps only its newest candles."""
        longest = next(other for other in reversed(list(TIMEFRAMES.values())) if other.name in self._api.timeframes)
        opens = self._fetch_candles(pair, longest, begin).time
        if longest is not timeframe and np.any(opens + longest.ns <= first):
            request = f"candles ({timeframe}) of {pair} since {begin // _MS} ms"
            raise ExchangeAnswer(self.name, request, coded("older_not_kept", first=first // _MS))

    def _pair(self, symbol: str) -> str:
        pair = parse_symbol(symbol).replace("_", "/")
        markets = self._call("its markets", self._api.load_markets)
        if pair not in markets or not markets[pair]["spot"]:
            raise MarketUnknown(self.name, symbol, coded("no_spot_market", pair=pair))
        return pair

    def _call(self, request: str, send: Callable[[], T]) -> T:
        ccxt = import_module("ccxt")

        def send_once() -> T:
            try:
                return send()
            except ccxt.NetworkError as error:
                raise RequestLost(_first_line(error)) from error

        try:
            return send_with_retries(self.name, self._timer, send_once)
        except ccxt.BaseError as error:
            raise ExchangeAnswer(self.name, request, _first_line(error)) from error


def open_ccxt(name: str) -> CcxtExchange:
    """Return the ccxt exchange with this name.

    Raises:
        UnknownExchange: ccxt has no such exchange, or is not installed.
    """
    try:
        ccxt = import_module("ccxt")
    except ModuleNotFoundError as error:
        raise UnknownExchange(coded("ccxt_missing", name=name[:80])) from error
    if name not in ccxt.exchanges:
        hint = did_you_mean(name, ccxt.exchanges)
        raise UnknownExchange(coded("not_an_exchange", name=name[:80], hint=hint))
    return CcxtExchange(getattr(ccxt, name)({"requests_trust_env": True}))


def ccxt_names() -> list[str]:
    """Return the names of the exchanges that ccxt supports; none if it is not installed."""
    return list(import_module("ccxt").exchanges) if find_spec("ccxt") else []


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__
