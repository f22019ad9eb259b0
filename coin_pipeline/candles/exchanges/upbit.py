"""Upbit's candles over its public REST API: newest first, 200 a request, each answer checked before it is believed."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2
import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.exchanges.base import FetchResult, last_closed_at, require_grid, require_valid
from coin_pipeline.candles.exchanges.http import RateLimitedClient, error_excerpt, parse_http_date
from coin_pipeline.candles.exchanges.rate_limit import Timer
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.symbol import upbit_market
from coin_pipeline.candles.timeframe import SECOND_NS, Timeframe, parse_timeframe, utc
from coin_pipeline.errors import ExchangeAnswer, InvalidTimeframe, MarketUnknown

TIME = "candle_date_time_utc"
PRICES = ("opening_price", "high_price", "low_price", "trade_price", "candle_acc_trade_volume")
_FORM = "%Y-%m-%dT%H:%M:%S"


def parse_candles(
    exchange: str, asked: str, answer: httpx2.Response, same: Mapping[str, object], to: int, count: int
) -> OHLCV:
    """Return the candles of an answer in order of time, which nobody has checked for order and prices yet.

    Args:
        exchange: Its name in an error.
        asked: What it was asked for, in an error.
        answer: A list of objects, newest candle first.
        same: What a candle says of itself if it is one of those asked for; None is not compared.
        to: The candles open before it, ns UTC.
        count: There are so many at most.

    Raises:
        ExchangeAnswer: It is anything else.
    """
    try:
        rows = answer.json()
    except (ValueError, RecursionError) as error:
        raise ExchangeAnswer(exchange, asked, f"what is no JSON: {error_excerpt(answer)}") from error
    if not isinstance(rows, list):
        raise ExchangeAnswer(exchange, asked, f"what is no list of candles: {error_excerpt(answer)}")
    if len(rows) > count:
        raise ExchangeAnswer(exchange, asked, f"{len(rows):,} candles")
    try:
        candles = [_candle(row, same, to) for row in reversed(rows)]
    except _Odd as odd:
        raise ExchangeAnswer(exchange, asked, str(odd)) from odd
    time = np.array([candle[0] for candle in candles], dtype=np.int64)
    prices = np.array([candle[1:] for candle in candles], dtype=np.float64).reshape(len(candles), len(PRICES))
    return OHLCV(time, *np.ascontiguousarray(prices.T))


def error_message(answer: httpx2.Response) -> str | None:
    """Return what Upbit says in a refusal; None of an answer that is not of its kind, of another server say."""
    try:
        return str(answer.json()["error"]["message"])[:120]
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return None


class _Odd(Exception):
    """What is odd about a row."""


def _candle(row: Any, same: Mapping[str, object], to: int) -> tuple[float, ...]:  # noqa: ANN401 - JSON
    if not isinstance(row, dict):
        raise _Odd(f"a candle that is no object: {row!r:.60}")
    for name, expected in same.items():
        if expected is not None and row.get(name, expected) != expected:
            raise _Odd(f"a candle whose {name} is {row[name]!r:.60}")
    opened = _instant(row)
    if not 0 <= opened < to:
        raise _Odd(f"a candle of {row[TIME]}, which is not before {utc(to):{_FORM}}")
    return (opened, *(_number(row, name) for name in PRICES))


def _instant(row: Mapping[str, Any]) -> int:
    text = _field(row, TIME)
    try:
        opened = datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise _Odd(f"a candle whose {TIME} is {text!r:.60}") from error
    return int(opened.timestamp()) * SECOND_NS


def _number(row: Mapping[str, Any], name: str) -> float:
    value = _field(row, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Odd(f"a candle of {row[TIME]} whose {name} is {value!r:.60}, no number")
    try:
        return float(value)
    except OverflowError as error:
        raise _Odd(f"a candle of {row[TIME]} whose {name} is beyond every price") from error


def _field(row: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON
    if name not in row:
        raise _Odd(f"a candle without {name}: {row!r:.120}")
    return row[name]


UPBIT_URL = "https://api.upbit.com"
PAGE_SIZE = 200
CLOCK_AGE_S = 5.0
MINUTES = (1, 3, 5, 10, 15, 30, 60, 240)
MONTHS = "months"
_HOUR = 60
_UNITS: Mapping[str, str] = MappingProxyType(
    {f"{n // _HOUR}h" if n >= _HOUR else f"{n}m": f"minutes/{n}" for n in MINUTES} | {"1d": "days", "1w": "weeks"}
)
_TIMEFRAMES = MappingProxyType({unit: parse_timeframe(name) for name, unit in _UNITS.items()})


class UpbitClient:
    """An Exchange.

    Args:
        transport: The network; None is the real one, with the proxies that the environment names.
        base_url: Where Upbit, or who speaks for it, answers.
        timer: The clock of all waiting.
        rate_limit_file: Rate-limit state shared by all processes on this machine, which Upbit counts together;
            None limits this client alone.
    """

    name = "upbit"

    def __init__(
        self,
        transport: httpx2.BaseTransport | None = None,
        base_url: str = UPBIT_URL,
        timer: Timer | None = None,
        rate_limit_file: Path | None = None,
    ) -> None:
        self._timer = timer or Timer()
        self._http = RateLimitedClient(self.name, base_url, transport, self._timer, rate_limit_file)
        self._clock, self._heard = 0, -math.inf
        self._seen: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def last_closed(self, timeframe: Timeframe) -> int:
        """Return the close of the newest candle that is finished by Upbit's own clock, ns UTC; ours may be wrong.

        Raises:
            ExchangeUnavailable: Upbit does not answer, or refuses.
            ExchangeAnswer: Its answer does not say when it was given.
        """
        if self._timer.now() - self._heard > CLOCK_AGE_S:
            self._get("days", {"market": "KRW-BTC", "count": 1})
        return last_closed_at(self._clock, timeframe)

    def fetch(self, symbol: str, timeframe: Timeframe, begin: int, end: int) -> FetchResult:
        """Return the last candles that open in [begin, end), 200 at most: all there are from `begin` of the batch on.

        Args:
            symbol: The market.
            timeframe: Length of the candles.
            begin: On the grid of the timeframe, ns UTC.
            end: The same; no later than `finished`, or the last candle is none yet.

        Raises:
            InvalidSymbol: The symbol is not a market.
            MarketUnknown: Upbit has no such market.
            ExchangeUnavailable: Upbit does not answer, or refuses for longer than is waited.
            ExchangeAnswer: Upbit answered something else than such candles.
        """
        count = min(PAGE_SIZE, (end - begin) // timeframe.ns)
        columns = self.page(_UNITS[timeframe.name], symbol, end, count)
        # Fewer than asked for may be a short answer; only an empty one says that there is nothing before.
        reached = int(columns.time[0]) if len(columns.time) else begin
        return FetchResult(columns.rows(columns.time >= begin), max(begin, reached), end)

    def page(self, unit: str, symbol: str, to: int, count: int = PAGE_SIZE) -> OHLCV:
        """Return the last candles that open before a moment, in order of time: what one request brings.

        Args:
            unit: Of which length: minutes/1 to minutes/240, days, weeks, or months, which are no timeframe of the
                catalogue, for they differ in length.
            symbol: The market.
            to: The moment, exclusive, ns UTC, a whole second.
            count: How many at most, 1 to 200.

        Raises:
            InvalidTimeframe: Upbit has no such unit.
            InvalidSymbol: The symbol is not a market.
            MarketUnknown: Upbit has no such market.
            ExchangeUnavailable: Upbit does not answer, or refuses for longer than is waited.
            ExchangeAnswer: Upbit answered something else than such candles.
        """
        if unit != MONTHS and unit not in _TIMEFRAMES:
            raise InvalidTimeframe(unit, (*_TIMEFRAMES, MONTHS))
        market = upbit_market(symbol)
        params: dict[str, str | int] = {"market": market, "to": f"{utc(to):%Y-%m-%dT%H:%M:%SZ}", "count": count}
        asked = f"{count} candles ({unit}) of {market} before {params['to']}"
        answer = self._get(unit, params)
        if answer.status_code == httpx2.codes.NOT_FOUND and (reason := error_message(answer)):
            raise MarketUnknown(self.name, symbol, reason)
        if answer.status_code != httpx2.codes.OK:
            raise ExchangeAnswer(self.name, asked, f"HTTP {answer.status_code}: {error_excerpt(answer)}")
        columns = parse_candles(self.name, asked, answer, {"market": market, "unit": _minutes(unit)}, to, count)
        require_valid(self.name, asked, columns)
        require_grid(self.name, asked, columns.time, _grid(unit, columns.time))
        self._require_seen(asked, (market, unit), columns, to)
        return columns

    def _require_seen(self, asked: str, series: tuple[str, str], columns: OHLCV, to: int) -> None:
        """Refuse an empty answer where there was a candle before: it would count as a time without trades."""
        earliest = self._seen.get(series)
        if len(columns.time):
            opened = int(columns.time[0])
            self._seen[series] = min(opened, earliest or opened)
        elif earliest is not None and earliest < to:
            raise ExchangeAnswer(self.name, asked, f"none, after one of {utc(earliest):%Y-%m-%dT%H:%M:%SZ} before")

    def _get(self, unit: str, params: dict[str, str | int]) -> httpx2.Response:
        try:
            answer = self._http.get(f"/v1/candles/{unit}", params)
        except httpx2.DecodingError as error:
            raise ExchangeAnswer(self.name, f"candles ({unit})", f"what cannot be unpacked ({error})") from error
        self._clock, self._heard = parse_http_date(self.name, answer.headers.get("Date")), self._timer.now()
        return answer


def _minutes(unit: str) -> int | None:
    _, slash, minutes = unit.partition("/")
    return int(minutes) if slash else None


def _grid(unit: str, time: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the open at or before each instant of candles of a unit."""
    if unit == MONTHS:
        return time.view("datetime64[ns]").astype("datetime64[M]").astype("datetime64[ns]").view(np.int64)
    timeframe = _TIMEFRAMES[unit]
    grid: npt.NDArray[np.int64] = time - (time - timeframe.phase_ns) % timeframe.ns
    return grid
