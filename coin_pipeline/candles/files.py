"""Export of candles to CSV, Parquet and Feather files; `imports` reads them and many others."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
from pyarrow import csv, feather, parquet

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import format_times
from coin_pipeline.candles.year_files.arrow import TIME_COLUMN, to_table
from coin_pipeline.errors import InvalidCandleFile
from coin_pipeline.storage.atomic import atomic_write, translate_os_errors


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
    table = to_table(candles).set_column(0, TIME_COLUMN, pa.array(format_times(candles.time)))
    csv.write_csv(table, sink, csv.WriteOptions(quoting_style="none"))


def _write_parquet(candles: OHLCV, sink: pa.BufferOutputStream) -> None:
    parquet.write_table(to_table(candles), sink, write_page_checksum=True)


def _write_feather(candles: OHLCV, sink: pa.BufferOutputStream) -> None:
    feather.write_feather(to_table(candles), sink)


_WRITERS: Mapping[str, Callable[[OHLCV, pa.BufferOutputStream], None]] = MappingProxyType(
    {".csv": _write_csv, ".parquet": _write_parquet, ".feather": _write_feather}
)
