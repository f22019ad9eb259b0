"""Reading a file of candles in any of the known layouts. Missing information is requested, never guessed."""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coin_pipeline.candles.imports.columns import VALUE_FIELDS, ColumnChoice, choose_columns
from coin_pipeline.candles.imports.content import open_source
from coin_pipeline.candles.imports.damage import translate_errors
from coin_pipeline.candles.imports.header import only_market
from coin_pipeline.candles.imports.imported_file import ImportedFile
from coin_pipeline.candles.imports.layouts import QUOTE_VOLUME
from coin_pipeline.candles.imports.left_out import NO_TRADE, idle_rows
from coin_pipeline.candles.imports.limits import DEFAULT_LIMITS, FileLimits
from coin_pipeline.candles.imports.mapping import FIELDS, check_columns, field_names
from coin_pipeline.candles.imports.numbers import parse_values
from coin_pipeline.candles.imports.source import Rows, Source
from coin_pipeline.candles.imports.spacing import common_spacing
from coin_pipeline.candles.imports.stamps import Spacing, Stamps, open_times
from coin_pipeline.candles.imports.times import Times, ZoneRule, parse_times
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.candles.timezones import parse_timezone
from coin_pipeline.candles.validation import check_prices, check_times, sorted_unique
from coin_pipeline.errors import InvalidCandleFile, InvalidCandles, InvalidInput, UnclearColumns, coded


class _Options(NamedTuple):
    tz: str | None
    columns: Mapping[str, str]
    stamps: Stamps
    timeframe: Timeframe | None


def read_candle_file(
    path: Path,
    *,
    tz: str | None = None,
    columns: Mapping[str, str] | None = None,
    stamps: Stamps = "auto",
    timeframe: Timeframe | None = None,
    limits: FileLimits = DEFAULT_LIMITS,
    file: BinaryIO | None = None,
) -> ImportedFile:
    """Read candles from a file; docs/candles.md lists the layouts.

    Args:
        path: The file; its suffix selects the format.
        tz: IANA name of the time zone of times without one.
        columns: Column of each field, as returned by `parse_columns`; fields that are not named are matched by name.
        stamps: Whether times are those at which candles open or close; "auto" rejects times that look like the latter.
        timeframe: Length of the candles, to convert closing times; defaults to their most frequent distance.
        limits: How large the content may be. What the format declares is checked before anything is decompressed: a
            small file can hold more candles than fit in memory.
        file: The file, if it is already open; `path` is then only its name.

    Raises:
        InvalidCandleFile: The file cannot be read, or leaves open what its columns or times mean.
        InvalidCandles: Rows repeat a time, lack one, or have impossible prices; row 1 is the first below the header.
        InvalidInput: `columns` has an unknown key.
    """
    if tz is not None:
        _check_zone(path, tz)
    options = _Options(tz, check_columns(columns or {}), stamps, timeframe)
    with ExitStack() as stack:
        if file is None:
            with translate_errors(path):
                file = stack.enter_context(path.open("rb"))
        source = open_source(path, file, options.columns, limits)
        choice = choose_columns(path, source, options.columns)
        rows, symbol = _read_rows(path, source, choice)
        source = source.without_content()
    return _to_candles(path, source, choice, rows, symbol, options)


def _check_zone(path: Path, tz: str) -> None:
    try:
        parse_timezone(tz)
    except InvalidInput as error:
        raise InvalidCandleFile(path, error.problems[0].message, "tz") from None


def _read_rows(path: Path, source: Source, choice: ColumnChoice) -> tuple[Rows, str | None]:
    """Return the rows that hold candles or faults, as time, open, high, low, close and volume, and the market."""
    values = [choice.values[field] for field in VALUE_FIELDS]
    more = [] if choice.symbol is None else [choice.symbol]
    rows = source.read([*choice.time, *values, *more])
    if not len(rows.numbers):
        raise InvalidCandleFile(path, coded("no_candles"))
    parts, rest = rows.columns[: len(choice.time)], rows.columns[len(choice.time) :]
    columns = [_nan_to_null(parts[0]) if len(parts) == 1 else _join_parts(*parts), *rest]
    masks = idle_rows(columns[0], source.names[choice.time[0]], columns[1:6])
    kept = ~np.logical_or.reduce([np.zeros(len(rows.numbers), bool), *masks.values()])
    skipped = rows.skipped + Counter({reason: int(mask.sum()) for reason, mask in masks.items()})
    if not kept.all():
        columns = [column.filter(pa.array(kept)) for column in columns]
    symbol = only_market(path, columns[6].cast(pa.string()).unique().drop_null().to_pylist()) if more else source.symbol
    return Rows(columns[:6], rows.numbers[kept], skipped), symbol


def _nan_to_null(times: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.is_nan(times), None, times) if pa.types.is_floating(times.type) else times


def _join_parts(dates: pa.ChunkedArray, clocks: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return dates and times of day as texts of both."""
    if pa.types.is_timestamp(dates.type):
        dates = pc.strftime(dates, format="%Y-%m-%d")
    return pc.binary_join_element_wise(dates.cast(pa.string()), clocks.cast(pa.string()), " ")


def _to_candles(
    path: Path, source: Source, choice: ColumnChoice, rows: Rows, symbol: str | None, options: _Options
) -> ImportedFile:
    names = choice.names(source)
    times = _parse_times(path, choice, rows, names["time"], options)
    values = parse_values(
        path,
        dict(zip(VALUE_FIELDS, rows.columns[1:], strict=True)),
        rows.numbers,
        options.columns.get("decimal"),
        decimal_unclear=source.decimal_unclear,
    )
    spacing = Spacing(common_spacing(sorted_unique(times.utc)), options.timeframe)
    candles = OHLCV(
        open_times(path, times, options.stamps, spacing, choice.named_stamps(source)), *values.columns.values()
    )
    _check_tick_volume(path, source, choice, candles.volume)
    traded = _traded(candles)
    selection = _oldest_first(candles.time, traded)
    result, numbers = candles.rows(selection), rows.numbers[selection]
    _check(path, result, numbers, headed=source.headed)
    return ImportedFile(
        result,
        numbers,
        layout=choice.layout.name,
        zone=times.zone,
        order=_order_of(candles.time),
        spacing=spacing.common,
        columns=names,
        file_columns=choice.file_columns(source),
        skipped=dict(+(rows.skipped + Counter({NO_TRADE: int((~traded).sum())}))),
        no_trade=np.sort(candles.time[~traded]),
        symbol=symbol,
        notes=(*_notes(source, choice, values.rounded), *_unused_zone(times, options.tz)),
    )


def _parse_times(path: Path, choice: ColumnChoice, rows: Rows, column: str, options: _Options) -> Times:
    time = rows.columns[0]
    if not len(time):
        raise InvalidCandleFile(path, coded("no_candles"))
    if time.null_count:
        row = rows.numbers[pc.index(time.is_null(), value=True).as_py()]
        raise InvalidCandles(path, time.null_count, coded("row_without_time", row=row))
    rule = ZoneRule(options.tz, choice.layout, column, chosen="time" not in options.columns)
    return parse_times(path, time, rows.numbers, rule, options.columns.get("dates"))


def _traded(candles: OHLCV) -> npt.NDArray[np.bool_]:
    """Return a mask of all rows but those with a time only, or with a volume of 0 and no price."""
    _, *prices, volume = candles
    if not np.isnan(candles.open).any():
        return np.ones(len(volume), bool)
    empty: npt.NDArray[np.bool_] = np.logical_and.reduce([*map(np.isnan, prices), np.isnan(volume) | (volume == 0)])
    return ~empty


def _oldest_first(time: npt.NDArray[np.int64], traded: npt.NDArray[np.bool_]) -> slice | npt.NDArray[np.intp]:
    """Return the rows with trades in the order of their times; a slice, which copies nothing, if those are all rows."""
    if traded.all() and (time[1:] > time[:-1]).all():
        return slice(None)
    rows = np.flatnonzero(traded)
    return rows[np.argsort(time[rows], kind="stable")]


def _check_tick_volume(path: Path, source: Source, choice: ColumnChoice, volume: npt.NDArray[np.float64]) -> None:
    ticks = choice.layout.tick_volume
    if ticks and not volume.any():
        name = choice.names(source)["volume"]
        reason = coded("ticks_without_amounts", name=name, ticks=ticks.upper(), column=ticks)
        raise UnclearColumns(path, reason, choice.file_columns(source))


def _check(path: Path, candles: OHLCV, numbers: npt.NDArray[np.int64], *, headed: bool) -> None:
    if not len(candles.time):
        raise InvalidCandleFile(path, coded("no_trades"))

    def locate(row: int) -> str:
        if headed:
            return coded("row_number", row=numbers[row])
        return coded("row_without_header", row=numbers[row], fields=field_names(FIELDS))

    check_times(path, candles.time, locate)
    check_prices(path, candles, locate)


def _order_of(time: npt.NDArray[np.int64]) -> str:
    if (time[1:] > time[:-1]).all():
        return "oldest first"
    return "newest first" if (time[1:] < time[:-1]).all() else "unordered"


def _notes(source: Source, choice: ColumnChoice, rounded: str | None) -> tuple[str, ...]:
    money = (QUOTE_VOLUME,) if choice.counts_money(source) and QUOTE_VOLUME not in choice.layout.notes else ()
    more = (coded("volumes_rounded", example=rounded),) if rounded else ()
    return (*map(coded, (*choice.layout.notes, *money)), *more)


def _unused_zone(times: Times, tz: str | None) -> tuple[str, ...]:
    """Return a note if the file decides the zone, and the user named another."""
    if tz is None or times.zone.name == tz:
        return ()
    return (coded("zone_not_used", tz=tz, zone=times.zone.message),)
