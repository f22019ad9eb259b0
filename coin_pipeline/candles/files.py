"""Candle files of other people, CSV, Parquet or Feather: what they do not say is asked for, never guessed."""

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
from coin_pipeline.candles.validation import check_prices, check_times
from coin_pipeline.candles.year_files.arrow import (
    PRICE_COLUMNS,
    TIME_COLUMN,
    index_column,
    normalize_table,
    to_frame,
    to_ohlcv,
    to_table,
)
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import InvalidCandleFile
from coin_pipeline.storage.atomic import atomic_write, translate_os_errors

_UPBIT_TIME = "candle_date_time_utc"
_TIMES = ("timestamp", "datetime", "date", "time")
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


def read_candle_file(path: Path, tz: str | None, most_rows: int = sys.maxsize) -> pd.DataFrame:
    """Read candles from a CSV, Parquet or Feather file.

    Columns are found by name, in any order and letter case, further ones ignored: timestamp, datetime, date or time
    (or the index of a stored frame), open, high, low, close and volume, or Upbit's names, whose candle_date_time_utc is
    in UTC as it says. Times are timestamps, ISO 8601 texts, or integers since the epoch in s, ms, us or ns.

    Args:
        path: The file; its suffix tells the format.
        tz: IANA name of the zone that times without a zone are meant in.
        most_rows: How many rows it may have. Where the format tells, more are refused before any is unpacked: a small
            file can hold more candles than there is memory.

    Returns:
        Columns timestamp (ns, UTC), open, high, low, close, volume (float64), in order of time.

    Raises:
        InvalidCandleFile: The file cannot be read or understood, has too many rows, or `tz` is needed or unknown.
        InvalidCandles: Rows repeat a time, lack one, or have impossible prices; row 1 is the first below the header.
    """
    if tz is not None and tz not in available_timezones():
        raise InvalidCandleFile(path, f"{tz!r} is not a time zone; pass an IANA name such as UTC or Asia/Seoul")
    table = _read_table(path, most_rows)
    zone = "UTC" if table.column_names[0].strip().lower() == _UPBIT_TIME else tz
    with _understanding(path, "has times that cannot be placed"):
        table = table.set_column(0, TIME_COLUMN, _instants(path, table.column(0), zone))
        columns = to_ohlcv(normalize_table(path, table))
    order = np.argsort(columns.time, kind="stable")
    columns = columns.rows(order)
    check_times(path, columns.time, lambda row: f"row {order[row] + 1}")
    check_prices(path, columns, lambda row: f"row {order[row] + 1}")
    return to_frame(columns)


def _read_table(path: Path, most_rows: int) -> pa.Table:
    """Return the six columns as the file types them: the times first, under their own name, then open to volume."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidCandleFile(path, f"{path.suffix or 'no suffix'!r} is not one of {', '.join(_READERS)}")
    with _understanding(path, f"cannot be read as {path.suffix.lower()[1:]}"):
        table = reader(path, most_rows)
    if not table.num_rows:
        raise InvalidCandleFile(path, "holds no candles")
    return table


def _read_csv(path: Path, most_rows: int) -> pa.Table:
    with csv.open_csv(path) as reader:
        time, *prices = names = _found_names(path, reader.schema.names, None)
    types = {time: pa.string(), **dict.fromkeys(prices, pa.float64())}
    options = csv.ConvertOptions(column_types=types, include_columns=names, strings_can_be_null=True)
    table = csv.read_csv(path, convert_options=options)
    _check_rows(path, table.num_rows, most_rows)
    return table.rename_columns([time, *PRICE_COLUMNS])


def _read_parquet(path: Path, most_rows: int) -> pa.Table:
    with parquet.ParquetFile(path, page_checksum_verification=True) as file:
        _check_rows(path, file.metadata.num_rows, most_rows)
        names = _found_names(path, file.schema_arrow.names, index_column(file.schema_arrow))
        return file.read(columns=names).select(names).rename_columns([names[0], *PRICE_COLUMNS])


def _read_feather(path: Path, most_rows: int) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_file(file)
        _check_rows(path, reader.count_rows(), most_rows)
        names = _found_names(path, reader.schema.names, index_column(reader.schema))
        return reader.read_all().select(names).rename_columns([names[0], *PRICE_COLUMNS])


def _check_rows(path: Path, rows: int, most_rows: int) -> None:
    if rows > most_rows:
        raise InvalidCandleFile(path, f"holds {rows:,} rows, more than the {most_rows:,} that are taken; split it")


_READERS: Mapping[str, Callable[[Path, int], pa.Table]] = MappingProxyType(
    {
        ".csv": _read_csv,
        ".parquet": _read_parquet,
        ".pq": _read_parquet,
        ".feather": _read_feather,
        ".arrow": _read_feather,
    }
)


def _found_names(path: Path, names: Sequence[str], index: str | None) -> list[str]:
    """Return the names of the columns with the times, open, high, low, close and volume."""
    # Upbit's own `timestamp` is the moment of the last trade in the candle.
    upbit = any(name.strip().lower() == _UPBIT_TIME for name in names)
    time = _only_one(path, names, TIME_COLUMN, (_UPBIT_TIME,) if upbit else _TIMES, index)
    return [time, *(_only_one(path, names, name, _PRICE_NAMES[name]) for name in PRICE_COLUMNS)]


def _only_one(path: Path, names: Sequence[str], wanted: str, known: Sequence[str], default: str | None = None) -> str:
    found = [name for name in names if name.strip().lower() in known] or ([default] if default else [])
    if len(found) != 1:
        what = f"more than one column for {wanted}: {', '.join(map(repr, found))}" if found else f"no column {wanted}"
        raise InvalidCandleFile(path, f"has {what}; name exactly one {' or '.join(known)}")
    return found[0]


def _instants(path: Path, stamps: pa.ChunkedArray, tz: str | None) -> pa.ChunkedArray:
    """Return times of any kind as timestamps in UTC, nulls as nulls."""
    if pa.types.is_string(stamps.type) or pa.types.is_large_string(stamps.type):
        stamps = _from_text(path, stamps)
    if pa.types.is_integer(stamps.type):
        stamps = _from_epoch(path, stamps)
    if not pa.types.is_timestamp(stamps.type):
        raise InvalidCandleFile(path, f"has times of type {stamps.type}; write timestamps or ISO 8601 texts")
    if stamps.type.tz is None and tz is not None:
        return _in_zone(stamps, tz)
    return stamps


def _from_text(path: Path, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    if pc.all(pc.match_substring_regex(texts, r"^\d{1,19}$")).as_py():
        return texts.cast(pa.int64())
    zoned = pc.match_substring_regex(texts, _ZONED)
    if pc.any(zoned).as_py() != pc.all(zoned).as_py():
        raise InvalidCandleFile(path, "has times with a zone and times without one; write all of them alike")
    times = pd.DatetimeIndex(pd.to_datetime(texts.to_pandas(), format="ISO8601", utc=True)).as_unit("ns")
    return pa.chunked_array([pa.array(times if pc.any(zoned).as_py() else times.tz_localize(None))])


def _from_epoch(path: Path, numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    digits = {len(str(value)) for value in pc.min_max(numbers).as_py().values()}
    unit = _EPOCH_UNITS.get(digits.pop()) if len(digits) == 1 else None
    if unit is None:
        raise InvalidCandleFile(path, "has integer times that are not all s, ms, us or ns since the epoch")
    return numbers.cast(pa.int64()).cast(pa.timestamp(unit, "UTC"))


def _in_zone(naive: pa.ChunkedArray, tz: str) -> pa.ChunkedArray:
    """Place times in a zone; pandas refuses those that its clock changes skip or repeat."""
    local = pd.DatetimeIndex(naive.cast(pa.timestamp("ns")).to_pandas()).tz_localize(tz)
    return pa.chunked_array([pa.array(local.tz_convert("UTC"))])


@contextmanager
def _understanding(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InvalidCandleFile(path, f"{what} ({str(error).partition(chr(10))[0]})") from error


def write_candle_file(path: Path, bars: Bars, *, force: bool = False) -> None:
    """Write candles as a CSV, Parquet or Feather file, whole or not at all.

    Columns timestamp (UTC, with the zone), open, high, low, close, volume; in a CSV floats have the fewest digits that
    tell them apart.

    Args:
        path: The file; its suffix tells the format.
        bars: The candles.
        force: Replace a file that is there.

    Raises:
        InvalidCandleFile: The suffix tells no format, or the file is there.
        StorageFull: No space; what was there is as it was.
        StorageFailed: The file cannot be written; what was there is as it was.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise InvalidCandleFile(path, f"{path.suffix or 'no suffix'!r} is not one of {', '.join(_WRITERS)}")
    if path.exists() and not force:
        raise InvalidCandleFile(path, "it is there already; choose another name, or replace it with --force")
    columns = OHLCV(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume)
    sink = pa.BufferOutputStream()
    write(columns, sink)
    with translate_os_errors(path):
        atomic_write(path, sink.getvalue(), path.with_name(f".{path.name}.tmp"), replace=True)


def _write_csv(columns: OHLCV, sink: pa.BufferOutputStream) -> None:
    whole = not (columns.time % SECOND_NS).any()
    stamps = np.datetime_as_string(columns.time.view("datetime64[ns]"), unit="s" if whole else "ns", timezone="UTC")
    table = to_table(columns).set_column(0, TIME_COLUMN, pa.array(stamps))
    csv.write_csv(table, sink, csv.WriteOptions(quoting_style="none"))


def _write_parquet(columns: OHLCV, sink: pa.BufferOutputStream) -> None:
    parquet.write_table(to_table(columns), sink, write_page_checksum=True)


def _write_feather(columns: OHLCV, sink: pa.BufferOutputStream) -> None:
    feather.write_feather(to_table(columns), sink)


_WRITERS: Mapping[str, Callable[[OHLCV, pa.BufferOutputStream], None]] = MappingProxyType(
    {".csv": _write_csv, ".parquet": _write_parquet, ".feather": _write_feather}
)
