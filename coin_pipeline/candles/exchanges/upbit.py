"""Client for Upbit's public candle API, which returns up to 200 candles per request, newest first."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2
import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.exchanges.base import (
    UPBIT,
    FetchResult,
    last_closed_at,
    not_fetched_hint,
    require_grid,
    require_valid,
)
from coin_pipeline.candles.exchanges.http import RateLimitedClient, describe_response, error_excerpt, parse_http_date
from coin_pipeline.candles.exchanges.rate_limit import Timer
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.symbol import upbit_market
from coin_pipeline.candles.timeframe import SECOND_NS, Timeframe, format_utc, parse_timeframe, utc
from coin_pipeline.errors import ExchangeAnswer, InvalidTimeframe, MarketUnknown, coded

TIME_FIELD = "candle_date_time_utc"
PRICE_FIELDS = ("opening_price", "high_price", "low_price", "trade_price", "candle_acc_trade_volume")
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"


def parse_candles(
    exchange: str, request: str, response: httpx2.Response, expected: Mapping[str, object], to: int, count: int
) -> OHLCV:
    """Return the candles of a response, oldest first; their order and prices are not validated.

    Args:
        exchange: Name of the exchange in an error message.
        request: Description of the request in an error message.
        response: The response: a list of objects, newest candle first.
        expected: Required values of fields that identify the series; None accepts any value.
        to: Upper bound of the opens, exclusive, ns UTC.
        count: Maximum number of candles.

    Raises:
        ExchangeAnswer: The response is anything else.
    """
    try:
        rows = response.json()
    except (ValueError, RecursionError) as error:
        raise ExchangeAnswer(exchange, request, coded("invalid_json", excerpt=error_excerpt(response))) from error
    if not isinstance(rows, list):
        raise ExchangeAnswer(exchange, request, coded("not_a_candle_list", excerpt=error_excerpt(response)))
    if len(rows) > count:
        raise ExchangeAnswer(exchange, request, coded("number_of_candles", count=len(rows)))
    try:
        candles = [_parse_candle(row, expected, to) for row in reversed(rows)]
    except _InvalidRow as invalid:
        raise ExchangeAnswer(exchange, request, invalid.args[0]) from invalid
    time = np.array([candle[0] for candle in candles], dtype=np.int64)
    prices = np.array([candle[1:] for candle in candles], dtype=np.float64).reshape(len(candles), len(PRICE_FIELDS))
    return OHLCV(time, *np.ascontiguousarray(prices.T))


def error_message(response: httpx2.Response) -> str | None:
    """Return the message of an Upbit error response, or None if the response does not have Upbit's format."""
    try:
        return str(response.json()["error"]["message"])[:120]
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return None


class _InvalidRow(Exception):
    """Description of an invalid row."""


def _parse_candle(row: Any, expected: Mapping[str, object], to: int) -> tuple[float, ...]:  # noqa: ANN401 - JSON
    if not isinstance(row, dict):
        raise _InvalidRow(coded("candle_not_an_object", row=f"{row!r:.60}"))
    for name, value in expected.items():
        if value is not None and row.get(name, value) != value:
            raise _InvalidRow(coded("candle_with_value", name=name, value=f"{row[name]!r:.60}"))
    opened = _parse_time(row)
    if not 0 <= opened < to:
        limit = f"{utc(to):{_TIME_FORMAT}}"
        raise _InvalidRow(coded("candle_too_late", time=row[TIME_FIELD], limit=limit))
    return (opened, *(_parse_number(row, name) for name in PRICE_FIELDS))


def _parse_time(row: Mapping[str, Any]) -> int:
    text = _field(row, TIME_FIELD)
    try:
        opened = datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise _InvalidRow(coded("candle_with_value", name=TIME_FIELD, value=f"{text!r:.60}")) from error
    return int(opened.timestamp()) * SECOND_NS


def _parse_number(row: Mapping[str, Any], name: str) -> float:
    value = _field(row, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        shown = f"{value!r:.60}"
        raise _InvalidRow(coded("candle_without_number", time=row[TIME_FIELD], name=name, value=shown))
    try:
        return float(value)
    except OverflowError as error:
        raise _InvalidRow(coded("candle_too_large", time=row[TIME_FIELD], name=name)) from error


def _field(row: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON
    if name not in row:
        raise _InvalidRow(coded("candle_without_field", name=name, row=f"{row!r:.120}"))
    return row[name]


UPBIT_URL = "https://api.upbit.com"
PAGE_SIZE = 200
CLOCK_AGE_S = 5.0
"""Maximum age of the last known server time."""
MINUTES = (1, 3, 5, 10, 15, 30, 60, 240)
MONTHS = "months"
_MINUTES_PER_HOUR = 60
_UNITS: Mapping[str, str] = MappingProxyType(
    {f"{n // _MINUTES_PER_HOUR}h" if n >= _MINUTES_PER_HOUR else f"{n}m": f"minutes/{n}" for n in MINUTES}
    | {"1d": "days", "1w": "weeks"}
)
_TIMEFRAMES = MappingProxyType({unit: parse_timeframe(name) for name, unit in _UNITS.items()})


class UpbitClient:
    """An Exchange backed by Upbit's REST API.

    Args:
        transport: Replaces the network; None uses the real one, with the proxies of the environment.
        base_url: URL of Upbit, or of a server with the same API.
        timer: Clock for all waiting.
        rate_limit_file: State shared by all processes on this machine, whose requests Upbit counts together; None
            limits this client alone.
    """

    name = UPBIT

    def __init__(
        self,
        transport: httpx2.BaseTransport | None = None,
        base_url: str = UPBIT_URL,
        timer: Timer | None = None,
        rate_limit_file: Path | None = None,
    ) -> None:
        self._timer = timer or Timer()
        self._http = RateLimitedClient(self.name, base_url, transport, self._timer, rate_limit_file)
        self._server_time, self._received = 0, -math.inf
        self._earliest: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def last_closed(self, timeframe: Timeframe) -> int:
        """Return the close of the newest candle that is closed by Upbit's clock, ns UTC; the local one may be wrong.

        Raises:
            ExchangeUnavailable: Upbit does not respond, or rejects requests.
            ExchangeAnswer: The response has no valid Date header.
            InvalidTimeframe: Upbit has no candles of this length.
        """
        candle_unit(timeframe)
        if self._timer.now() - self._received > CLOCK_AGE_S:
            self._get("days", {"market": "KRW-BTC", "count": 1})
        return last_closed_at(self._server_time, timeframe)

    def fetch(self, symbol: str, timeframe: Timeframe, begin: int, end: int) -> FetchResult:
        """Return the last candles, at most 200, that open in [begin, end).

        Args:
            symbol: The market.
            timeframe: Length of the candles.
            begin: Start of the range, on the grid of the timeframe, ns UTC.
            end: Its end, likewise; not after `last_closed`, or the last candle is still open.

        Raises:
            InvalidSymbol: The symbol is not a market.
            InvalidTimeframe: Upbit has no candles of this length.
            MarketUnknown: Upbit does not have the market.
            ExchangeUnavailable: Upbit does not respond, or rejects requests for too long.
            ExchangeAnswer: Upbit returned something other than such candles.
        """
        count = min(PAGE_SIZE, (end - begin) // timeframe.ns)
        candles = self.page(candle_unit(timeframe), symbol, end, count)
        # A response with fewer candles than requested may be incomplete; only an empty one proves that none are left.
        reached = int(candles.time[0]) if len(candles.time) else begin
        return FetchResult(candles.rows(candles.time >= begin), max(begin, reached), end)

    def page(self, unit: str, symbol: str, to: int, count: int = PAGE_SIZE) -> OHLCV:
        """Return the last candles that open before an instant, oldest first, as one request returns them.

        Args:
            unit: Upbit's name of the length: minutes/1 to minutes/240, days, weeks, or months, which the catalog does
                not support because their length varies.
            symbol: The market.
            to: The instant, exclusive, ns UTC, a whole second.
            count: Maximum number of candles, 1 to 200.

        Raises:
            InvalidTimeframe: Upbit does not have the unit.
            InvalidSymbol: The symbol is not a market.
            MarketUnknown: Upbit does not have the market.
            ExchangeUnavailable: Upbit does not respond, or rejects requests for too long.
            ExchangeAnswer: Upbit returned something other than such candles.
        """
        if unit != MONTHS and unit not in _TIMEFRAMES:
            raise InvalidTimeframe(unit, (*_TIMEFRAMES, MONTHS))
        market = upbit_market(symbol)
        params: dict[str, str | int] = {"market": market, "to": format_utc(to), "count": count}
        request = f"{count} candles ({unit}) of {market} before {params['to']}"
        response = self._get(unit, params)
        if response.status_code == httpx2.codes.NOT_FOUND and (reason := error_message(response)):
            raise MarketUnknown(self.name, symbol, reason)
        if response.status_code != httpx2.codes.OK:
            raise ExchangeAnswer(self.name, request, describe_response(response))
        candles = parse_candles(self.name, request, response, {"market": market, "unit": _minutes(unit)}, to, count)
        require_valid(self.name, request, candles)
        require_grid(self.name, request, candles.time, _grid(unit, candles.time))
        self._check_empty(request, (market, unit), candles, to)
        return candles

    def _check_empty(self, request: str, series: tuple[str, str], candles: OHLCV, to: int) -> None:
        """Reject an empty response where an earlier candle is known: it would be stored as a time without trades."""
        earliest = self._earliest.get(series)
        if len(candles.time):
            opened = int(candles.time[0])
            self._earliest[series] = min(opened, earliest or opened)
        elif earliest is not None and earliest < to:
            raise ExchangeAnswer(self.name, request, coded("none_although_before", earliest=format_utc(earliest)))

    def _get(self, unit: str, params: dict[str, str | int]) -> httpx2.Response:
        try:
            response = self._http.get(f"/v1/candles/{unit}", params)
        except httpx2.DecodingError as error:
            message = coded("undecodable_body", detail=error)
            raise ExchangeAnswer(self.name, f"candles ({unit})", message) from error
        self._server_time, self._received = parse_http_date(self.name, response.headers.get("Date")), self._timer.now()
        return response


def candle_unit(timeframe: Timeframe) -> str:
    """Return the path of a timeframe's candles in Upbit's API.

    Raises:
        InvalidTimeframe: Upbit has no candles of this length.
    """
    if timeframe.name not in _UNITS:
        raise InvalidTimeframe(timeframe.name, _UNITS, not_fetched_hint("upbit", timeframe))
    return _UNITS[timeframe.name]


def _minutes(unit: str) -> int | None:
    _, slash, minutes = unit.partition("/")
    return int(minutes) if slash else None


def _grid(unit: str, time: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the valid open at or before each instant for candles of a unit, ns UTC."""
    if unit == MONTHS:
        return time.view("datetime64[ns]").astype("datetime64[M]").astype("datetime64[ns]").view(np.int64)
    timeframe = _TIMEFRAMES[unit]
    grid: npt.NDArray[np.int64] = time - (time - timeframe.phase_ns) % timeframe.ns
    return grid
