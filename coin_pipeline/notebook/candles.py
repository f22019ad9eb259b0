"""Candle arguments: pandas frames or names of stored symbols, as a source of candles with a default range."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from time import time_ns
from typing import TypeAlias

import numpy as np
import pandas as pd

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.memory_candles import MemoryCandles
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.frames import to_frame
from coin_pipeline.candles.local_time import UnclearLocalTime, to_utc
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.open_catalog import open_catalog
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import (
    TIMEFRAMES,
    Timeframe,
    day_of,
    format_utc,
    parse_timeframe,
    utc,
)
from coin_pipeline.candles.timezones import parse_timezone
from coin_pipeline.candles.validation import check_length, check_prices, check_spacing, check_times
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.settings import load_settings

Candles: TypeAlias = "pd.DataFrame | Mapping[str, pd.DataFrame] | str | Sequence[str]"
Day: TypeAlias = date | str
DEFAULT_SYMBOL = "DATA_KRW"
"""Name of the market of a single frame."""
_TIMES = ("timestamp", "datetime", "date", "time")
_COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class CandleInput:
    """Candles to run on.

    Attributes:
        source: Where to read them.
        symbols: Names of the markets.
        timeframe: Length of a candle.
        start: First day in the time zone of the request, inclusive.
        end: Last day in it, inclusive.
    """

    source: CandleSource
    symbols: tuple[str, ...]
    timeframe: str
    start: Day
    end: Day


def resolve_candles(
    candles: Candles,
    *,
    start: Day | None,
    end: Day | None,
    timeframe: str | None,
    tz: str | None,
    symbol: str | None,
    catalog: CandleCatalog | None,
    timezone: str,
) -> CandleInput:
    """Return the source, the symbols and the range of a candle argument; see `run_backtest` for the arguments.

    Raises:
        InvalidInput: The argument is not understood; names the columns or symbols that were found.
        InvalidCandles: Candles break a market's rules.
    """
    if isinstance(candles, pd.DataFrame):
        return _from_frames({symbol or DEFAULT_SYMBOL: candles}, start, end, timeframe, tz, timezone)
    if isinstance(candles, Mapping):
        return _from_frames(candles, start, end, timeframe, tz, timezone)
    names = [candles] if isinstance(candles, str) else list(candles)
    if not names or not all(isinstance(name, str) for name in names):
        raise _invalid("pass a DataFrame, a dict of DataFrames by symbol, or names of stored symbols")
    stored = catalog or open_catalog(load_settings())
    symbols, length = tuple(map(parse_symbol, names)), parse_timeframe(timeframe or "1d")
    return _from_catalog(stored, symbols, start, end, length, timezone)


def example_candles(days: int = 366, seed: int = 1, start: Day = "2024-01-01") -> pd.DataFrame:
    """Return synthetic daily candles for examples: a seeded random walk of no real market.

    Args:
        days: Number of candles.
        seed: Equal seeds give equal candles.
        start: Day of the first candle, in Asia/Seoul.

    Returns:
        Columns open, high, low, close, volume (float64); index `timestamp`, UTC.

    >>> example_candles(days=2).shape
    (2, 5)
    """
    first = date.fromisoformat(start) if isinstance(start, str) else start
    return to_frame(synthetic_candles(seed, parse_timeframe("1d"), first, days)).set_index("timestamp")


def bars_from_frame(symbol: str, frame: pd.DataFrame, tz: str | None = None) -> Bars:
    """Return the candles of a frame, sorted by time and validated.

    Args:
        symbol: Name of the market, for errors.
        frame: Times in a DatetimeIndex or in a column timestamp, datetime, date or time; columns open, high, low, close
            and volume. Other columns are ignored; letter case does not matter.
        tz: IANA name of the time zone of times without one.

    Raises:
        InvalidInput: A column is missing or not numeric, or times have no time zone.
        InvalidCandles: Candles repeat a time or break a market's rules.
    """
    by_name = {str(name).strip().lower(): name for name in frame.columns}
    missing = [name for name in _COLUMNS if name not in by_name]
    if missing:
        found = ", ".join(map(str, frame.columns)) or "none"
        raise _invalid(f"{symbol} has no column {', '.join(missing)}; columns found: {found}")
    if frame.empty:
        raise _invalid(f"{symbol} has no rows")
    try:
        columns = [frame[by_name[name]].to_numpy(np.float64, copy=True) for name in _COLUMNS]
    except (TypeError, ValueError) as error:
        raise _invalid(f"{symbol} has a column that is not numeric: {error}") from None
    time = _utc_ns(symbol, frame, by_name, tz)
    order = np.argsort(time, kind="stable")
    rows = OHLCV(time, *columns).rows(order)
    check_times(symbol, rows.time, lambda row: f"row {order[row] + 1}")
    check_prices(symbol, rows, lambda row: f"row {order[row] + 1}")
    return Bars(*rows)


def infer_timeframe(symbol: str, bars: Bars) -> Timeframe:
    """Return the timeframe that equals the most frequent distance between candles.

    Raises:
        InvalidInput: There is none.
    """
    distances, counts = np.unique(np.diff(bars.time), return_counts=True)
    if len(distances):
        usual = int(distances[counts.argmax()])
        for timeframe in TIMEFRAMES.values():
            if timeframe.ns == usual:
                return timeframe
    raise _invalid(
        f"{symbol}: the distance between candles is not a timeframe; pass timeframe=, one of " + ", ".join(TIMEFRAMES)
    )


def _from_frames(
    frames: Mapping[str, pd.DataFrame],
    start: Day | None,
    end: Day | None,
    timeframe: str | None,
    tz: str | None,
    timezone: str,
) -> CandleInput:
    if not frames or not all(isinstance(frame, pd.DataFrame) for frame in frames.values()):
        raise _invalid("a dict of candles needs a DataFrame for each symbol")
    if tz is not None:
        parse_timezone(tz, "tz")
    series = {parse_symbol(name): bars_from_frame(name, frame, tz) for name, frame in frames.items()}
    name, first = next(iter(series.items()))
    length = parse_timeframe(timeframe) if timeframe else infer_timeframe(name, first)
    for symbol, bars in series.items():
        check_spacing(symbol, bars.time, length)
        check_length(symbol, bars.time, length)
        series[symbol] = _without_open_candle(symbol, bars, length)
    days = [_days(bars.time, timezone) for bars in series.values()]
    return CandleInput(MemoryCandles(series), tuple(series), length.name, *_range(days, start, end))


def _without_open_candle(symbol: str, bars: Bars, timeframe: Timeframe) -> Bars:
    """Return candles without the last one, and warn, if it is still open; simulated later ones are left alone."""
    if not 0 <= time_ns() - int(bars.time[-1]) < timeframe.ns:
        return bars
    if len(bars) == 1:
        raise _invalid(f"{symbol}: its only candle is still open")
    opened = format_utc(bars.time[-1])
    warnings.warn(f"{symbol}: the candle of {opened} is left out, because it is still open", stacklevel=2)
    return bars.window(0, len(bars) - 1)


def _from_catalog(
    catalog: CandleCatalog,
    symbols: tuple[str, ...],
    start: Day | None,
    end: Day | None,
    timeframe: Timeframe,
    timezone: str,
) -> CandleInput:
    if start is None or end is None:
        days = []
        for symbol in symbols:
            stored = catalog.available(symbol, timeframe)
            if stored is None:
                raise _invalid(f"{symbol} has no {timeframe} candles ({catalog.describe(symbol, timeframe)})")
            days.append((day_of(stored.first, timezone), day_of(stored.last, timezone)))
        start, end = _range(days, start, end)
    return CandleInput(catalog, symbols, timeframe.name, start, end)


def _range(days: Sequence[tuple[date, date]], start: Day | None, end: Day | None) -> tuple[Day, Day]:
    """Return the range, by default the days that all symbols have in common."""
    first, last = max(first for first, _ in days), min(last for _, last in days)
    if start is None and end is None and first > last:
        raise _invalid(f"the symbols have no day in common: one starts on {first}, another ends on {last}")
    return first if start is None else start, last if end is None else end


def _utc_ns(
    symbol: str, frame: pd.DataFrame, by_name: Mapping[str, object], tz: str | None
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    if isinstance(frame.index, pd.DatetimeIndex):
        times = frame.index
    else:
        names = [name for name in _TIMES if name in by_name]
        if len(names) != 1:
            found = ", ".join(map(str, frame.columns))
            raise _invalid(
                f"{symbol} needs a DatetimeIndex or exactly one column of {', '.join(_TIMES)}; columns found: {found}"
            )
        column = frame[by_name[names[0]]]
        if not pd.api.types.is_datetime64_any_dtype(column.dtype):
            raise _invalid(f"{symbol}: times of type {column.dtype}; convert them with pandas.to_datetime")
        times = pd.DatetimeIndex(column)
    if times.hasnans:
        raise _invalid(f"{symbol} has a row without a time")
    if times.tz is None:
        if tz is None:
            raise _invalid(f"{symbol}: times without a time zone; localize them or pass tz='UTC' or tz='Asia/Seoul'")
        try:
            return to_utc(np.array(times.as_unit("ns").asi8), tz)
        except UnclearLocalTime as error:
            raise _invalid(f"{symbol}, row {error.row + 1}: {error}") from None
    return np.array(times.tz_convert("UTC").as_unit("ns").asi8)


def _days(time: "np.ndarray[tuple[int], np.dtype[np.int64]]", timezone: str) -> tuple[date, date]:
    return day_of(utc(time[0]), timezone), day_of(utc(time[-1]), timezone)


def _invalid(reason: str) -> InvalidInput:
    return InvalidInput([Problem("candles", reason)])
