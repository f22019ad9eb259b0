"""Refresh requests, and the specs they resolve to with the defaults of the settings."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from coin_pipeline.candles.exchanges.base import UPBIT
from coin_pipeline.candles.exchanges.registry import require_timeframe
from coin_pipeline.candles.fields import (
    TIMEFRAME_NAMES,
    Day,
    RequestModel,
    Symbols,
    Timeframes,
    as_value_error,
    parse_fields,
)
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import parse_timeframe, seoul_day
from coin_pipeline.errors import InvalidInput, InvalidSettings, Problem, coded
from coin_pipeline.settings import Settings


class RefreshRequest(RequestModel):
    """Candles to collect, as submitted over HTTP or from the Dagster UI; the settings provide defaults."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"symbols": ["BTC_KRW"], "timeframes": ["1h", "1d"]}]})

    symbols: Annotated[
        Symbols | None, Field(description="Markets, as BTC_KRW or Upbit's KRW-BTC; defaults to SCHEDULER_SYMBOLS.")
    ] = None
    timeframes: Annotated[
        Timeframes | None,
        Field(description=f"Candle lengths: {TIMEFRAME_NAMES}; defaults to SCHEDULER_TIMEFRAMES."),
    ] = None
    start: Annotated[
        Day | None,
        Field(description="First calendar day in Asia/Seoul, YYYY-MM-DD; by default, the end of what is fetched."),
    ] = None
    end: Annotated[
        Day | None,
        Field(
            description="Last calendar day in Asia/Seoul, YYYY-MM-DD, inclusive; by default, the newest closed candle."
        ),
    ] = None
    exchange: Annotated[
        str, Field(min_length=1, max_length=40, validate_default=True, description="Exchange to fetch from.")
    ] = UPBIT

    @field_validator("exchange")
    @classmethod
    def _has_timeframes(cls, exchange: str, known: ValidationInfo) -> str:
        for timeframe in map(parse_timeframe, known.data.get("timeframes") or ()):
            as_value_error(partial(require_timeframe, exchange), timeframe)
        return exchange

    @field_validator("start")
    @classmethod
    def _has_begun(cls, start: Day | None) -> Day | None:
        if start:
            as_value_error(require_begun, start)
        return start

    @field_validator("end")
    @classmethod
    def _in_order(cls, end: Day | None, known: ValidationInfo) -> Day | None:
        if "start" not in known.data:
            return end  # a rejected start has an error of its own
        start = known.data["start"]
        if end and start is None:
            raise ValueError(coded("end_without_start"))
        if end and start and end < start:
            raise ValueError(coded("end_before_start", end=end, field="start", start=start))
        return end


class RefreshSpec(RefreshRequest):
    """A request with markets and timeframes."""

    symbols: Symbols
    timeframes: Timeframes

    @property
    def series(self) -> tuple[tuple[str, str], ...]:
        """Every combination of market and timeframe."""
        return tuple(product(self.symbols, self.timeframes))


def require_begun(day: Day) -> None:
    """Reject a first day in the future, of which no candle exists.

    Raises:
        InvalidInput: The day has not begun in Seoul.
    """
    today = seoul_day(datetime.now(UTC))
    if day > today:
        raise InvalidInput([Problem("start", coded("start_in_future", start=day, today=today))])


def parse_refresh(fields: Mapping[str, Any]) -> RefreshRequest:
    """Parse the fields of a request.

    Raises:
        InvalidSpec: Names each invalid field.
    """
    return parse_fields(RefreshRequest, fields)


def resolve_refresh(request: RefreshRequest, settings: Settings) -> RefreshSpec:
    """Return a request completed with the daily markets and timeframes.

    Raises:
        InvalidSettings: SCHEDULER_SYMBOLS or SCHEDULER_TIMEFRAMES has an invalid entry.
    """
    symbols = request.symbols or daily_symbols(settings)
    timeframes = request.timeframes or daily_timeframes(settings)
    return RefreshSpec(**{**request.model_dump(), "symbols": symbols, "timeframes": timeframes})


def daily_symbols(settings: Settings) -> tuple[str, ...]:
    """Return the canonical symbols of the markets that are collected daily.

    Raises:
        InvalidSettings: An entry is not a market.
    """
    return _read("SCHEDULER_SYMBOLS", settings.scheduler_symbols, parse_symbol)


def daily_timeframes(settings: Settings) -> tuple[str, ...]:
    """Return the timeframes that are collected daily.

    Raises:
        InvalidSettings: An entry is not a timeframe of Upbit's.
    """
    return _read("SCHEDULER_TIMEFRAMES", settings.scheduler_timeframes, _upbit_timeframe)


def _upbit_timeframe(text: str) -> str:
    timeframe = parse_timeframe(text)
    require_timeframe(UPBIT, timeframe)
    return timeframe.name


def _read(variable: str, names: tuple[str, ...], parse: Callable[[str], str]) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(parse(name) for name in names))  # KRW-BTC and BTC_KRW are equal
    except InvalidInput as error:
        message = coded("separate_by_commas", message=error.problems[0].message)
        raise InvalidSettings([Problem(variable, message)]) from None
