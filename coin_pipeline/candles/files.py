"""Import and export of candle files: CSV, Parquet and Feather. Missing information is requested, never guessed."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from zoneinfo import available_timezones

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, feather, parquet

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import SECOND_NS
from coin_pipeline.candles.validation import check_prices, check_times, row_label
from coin_pipeline.candles.year_files.arrow import (
    PRICE_COLUMNS,
    TIME_COLUMN,
    index_column,
    normalize_table,
    to_ohlcv,
    to_table,
)
from coin_pipeline.errors import InvalidCandleFile
from coin_pipeline.storage.atomic import atomic_write, translate_os_errors

_UPBIT_TIME = "candle_date_time_utc"
_TIME_NAMES = ("timestamp", "datetime", "date", "time")
_PRICE_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "open": ("open", "opening_price"),
        "high": ("high", "high_price"),
        "low": ("low", "low_price"),
        "close": ("close", "trade_price"),
        "volume": ("volume", "candle_acc_trade_volume"),
    }
)
_EPOCH_UNITS = MappingProxyType({10: "s", 13: "ms", 16: "us", 19: "ns"})  # digits of an instant from 2001 to 2262
_ZONED = r"(Z|[+-]\d\d:?\d\d)$"


def read_candle_file(path: Path, tz: str | None, max_rows: int = sys.maxsize) -> OHLCV:
    """Read candles from a CSV, Parquet or Feather file.

    Columns are matched by name, in any order and letter case; others are ignored. Names are timestamp, datetime, date
    or time (or the index of a stored DataFrame), open, high, low, close and volume, or Upbit's names, whose
    candle_date_time_utc is in UTC. Times are timestamps, ISO 8601 texts, or integers since the epoch in s, ms, us or
    ns.

    Args:
        path: The file; its suffix selects the format.
        tz: IANA name of the time zone of times without one.
        max_rows: Maximum number of rows. If the format stores the count, larger files are rejected before any row is
            decompressed: a small file can hold more candles than fit in memory.

    Returns:
        The candles, validated and in strictly increasing order.

    Raises:
        InvalidCandleFile: The file cannot be read or parsed, has too many rows, or `tz` is required or unknown.
        InvalidCandles: Rows repeat a time, lack one, or have impossible prices; row 1 is the first below the header.
    """
    if tz is not None and tz not in available_timezones():
        raise InvalidCandleFile(path, f"{tz!r} is not a time zone; pass an IANA name such as UTC or Asia/Seoul")
    table = _read_table(path, max_rows)
    zone = "UTC" if table.column_names[0].strip().lower() == _UPBIT_TIME else tz
    with _translate_errors(path, "has times that cannot be parsed"):
        table = table.set_column(0, TIME_COLUMN, _to_utc(path, table.column(0), zone))
        candles = to_ohlcv(normalize_table(path, table))
    order = np.argsort(candles.time, kind="stable")
    candles = candles.rows(order)
    check_times(path, candles.time, lambda row: row_label(order[row]))
    check_prices(path, candles, lambda row: row_label(order[row]))
    return candles


def _read_table(path: Path, max_rows: int) -> pa.Table:
    """Return six columns in the file's types: the times under their original name, then open to volume."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidCandleFile(path, f"{path.suffix or 'no suffix'!r} is not one of {', '.join(_READERS)}")
    with _translate_errors(path, f"cannot be read as {path.suffix.lower()[1:]}"):
        table = reader(path, max_rows)
    if not table.num_rows:
        raise InvalidCandleFile(path, "contains no candles")
    return table


def _read_csv(path: Path, max_rows: int) -> pa.Table:
    with csv.open_csv(path) as reader:
        time, *prices = names = _column_names(path, reader.schema.names, None)
    types = {time: pa.string(), **dict.fromkeys(prices, pa.float64())}
    options = csv.ConvertOptions(column_types=types, include_columns=names, strings_can_be_null=True)
    table = csv.read_csv(path, convert_options=options)
    _check_row_count(path, table.num_rows, max_rows)
    return table.rename_columns([time, *PRICE_COLUMNS])


def _read_parquet(path: Path, max_rows: int) -> pa.Table:
    with parquet.ParquetFile(path, page_checksum_verification=True) as file:
        _check_row_count(path, file.metadata.num_rows, max_rows)
        names = _column_names(path, file.schema_arrow.names, index_column(file.schema_arrow))
        return file.read(columns=names).select(names).rename_columns([names[0], *PRICE_COLUMNS])


def _read_feather(path: Path, max_rows: int) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_file(file)
        _check_row_count(path, reader.count_rows(), max_rows)
        names = _column_names(path, reader.schema.names, index_column(reader.schema))
        return reader.read_all().select(names).rename_columns([names[0], *PRICE_COLUMNS])


def _check_row_count(path: Path, rows: int, max_rows: int) -> None:
    if rows > max_rows:
        raise InvalidCandleFile(path, f"has {rows:,} rows, more than the limit of {max_rows:,}; split it")


_READERS: Mapping[str, Callable[[Path, int], pa.Table]] = MappingProxyType(
    {
        ".csv": _read_csv,
        ".parquet": _read_parquet,
        ".pq": _read_parquet,
        ".feather": _read_feather,
        ".arrow": _read_feather,
    }
)


def _column_names(path: Path, names: Sequence[str], index: str | None) -> list[str]:
    """Return the names of the columns with time, open, high, low, close and volume."""
    # In Upbit's own format, `timestamp` is the time of the last trade in the candle.
    upbit = any(name.strip().lower() == _UPBIT_TIME for name in names)
    time = _match_column(path, names, TIME_COLUMN, (_UPBIT_TIME,) if upbit else _TIME_NAMES, index)
    return [time, *(_match_column(path, names, name, _PRICE_NAMES[name]) for name in PRICE_COLUMNS)]


def _match_column(
    path: Path, names: Sequence[str], column: str, aliases: Sequence[str], default: str | None = None
) -> str:
    matches = [name for name in names if name.strip().lower() in aliases] or ([default] if default else [])
    if len(matches) != 1:
        several = f"more than one column for {column}: {', '.join(map(repr, matches))}"
        reason = several if matches else f"no column {column}"
        raise InvalidCandleFile(path, f"has {reason}; name exactly one {' or '.join(aliases)}")
    return matches[0]


def _to_utc(path: Path, times: pa.ChunkedArray, tz: str | None) -> pa.ChunkedArray:
    """Return times of any type as timestamps, in UTC where they have a zone or `tz` is given; nulls stay null."""
    if pa.types.is_string(times.type) or pa.types.is_large_string(times.type):
        times = _parse_text(path, times)
    if pa.types.is_integer(times.type):
        times = _parse_epoch(path, times)
    if not pa.types.is_timestamp(times.type):
        raise InvalidCandleFile(path, f"has times of type {times.type}; write timestamps or ISO 8601 texts")
    if times.type.tz is None and tz is not None:
        return _localize(times, tz)
    return times


def _parse_text(path: Path, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    if pc.all(pc.match_substring_regex(texts, r"^\d{1,19}$")).as_py():
        return texts.cast(pa.int64())
    zoned = pc.match_substring_regex(texts, _ZONED)
    if pc.any(zoned).as_py() != pc.all(zoned).as_py():
        raise InvalidCandleFile(path, "has times with and without a time zone; write all of them alike")
    times = pd.DatetimeIndex(pd.to_datetime(texts.to_pandas(), format="ISO8601", utc=True)).as_unit("ns")
    return pa.chunked_array([pa.array(times if pc.any(zoned).as_py() else times.tz_localize(None))])


def _parse_epoch(path: Path, numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    digits = {len(str(value)) for value in pc.min_max(numbers).as_py().values()}
    unit = _EPOCH_UNITS.get(digits.pop()) if len(digits) == 1 else None
    if unit is None:
        raise InvalidCandleFile(path, "has integer times that are not all s, ms, us or ns since the epoch")
    return numbers.cast(pa.int64()).cast(pa.timestamp(unit, "UTC"))


def _localize(naive: pa.ChunkedArray, tz: str) -> pa.ChunkedArray:
    """Localize times to a zone; pandas rejects those that its clock changes skip or repeat."""
    local = pd.DatetimeIndex(naive.cast(pa.timestamp("ns")).to_pandas()).tz_localize(tz)
    return pa.chunked_array([pa.array(local.tz_convert("UTC"))])


@contextmanager
def _translate_errors(path: Path, problem: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InvalidCandleFile(path, f"{problem} ({str(error).partition(chr(10))[0]})") from error


def write_candle_file(path: Path, candles: OHLCV, *, force: bool = False) -> None:
    """Write candles to a CSV, Parquet or Feather file, atomically.

    Columns are timestamp (UTC, with the zone), open, high, low, close, volume. A CSV contains the shortest decimal
    that reads back as the same float.

    Args:
        path: The file; its suffix selects the format.
        candles: The candles.
        force: Replace an existing file.

    Raises:
        InvalidCandleFile: The suffix is not a supported format, or the file exists.
        StorageFull: No space; an existing file is unchanged.
        StorageFailed: The file cannot be written; an existing file is unchanged.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise InvalidCandleFile(path, f"{path.suffix or 'no suffix'!r} is not one of {', '.join(_WRITERS)}")
    if path.exists() and not force:
        raise InvalidCandleFile(path, "the file already exists; choose another name, or replace it with --force")
    sink = pa.BufferOutputStream()
    write(candles, sink)
    with translate_os_errors(path):
        atomic_write(path, sink.getvalue(), path.with_name(f".{path.name}.tmp"), replace=True)


def _write_csv(candles: OHLCV, sink: pa.BufferOutputStream) -> None:
    sub_second = (candles.time % SECOND_NS).any()
    times = np.datetime_as_string(candles.time.view("datetime64[ns]"), unit="ns" if sub_second else "s", timezone="UTC")
    table = to_table(candles).set_column(0, TIME_COLUMN, pa.array(times))
    csv.write_csv(table, sink, csv.WriteOptions(quoting_style="none"))


def _write_parquet(candles: OHLCV, sink: pa.BufferOutputStream) -> None:
    parquet.write_table(to_table(candles), sink, write_page_checksum=True)


def _write_feather(candles: OHLCV, sink: pa.BufferOutputStream) -> None:
    feather.write_feather(to_table(candles), sink)


_WRITERS: Mapping[str, Callable[[OHLCV, pa.BufferOutputStream], None]] = MappingProxyType(
    {".csv": _write_csv, ".parquet": _write_parquet, ".feather": _write_feather}
)
