"""Stored candles as a file for other people: reading it back brings the same bits."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from pyarrow import csv, feather, parquet

from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import InvalidCandleFile
from coin_pipeline.market.candle_table import TIME, stored_table
from coin_pipeline.market.quality import Columns
from coin_pipeline.market.timeframe import SECOND_NS
from coin_pipeline.storage.atomic import storing, write_whole


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
    columns = Columns(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume)
    sink = pa.BufferOutputStream()
    write(columns, sink)
    with storing(path):
        write_whole(path, sink.getvalue(), path.with_name(f".{path.name}.tmp"), replace=True)


def _write_csv(columns: Columns, sink: pa.BufferOutputStream) -> None:
    whole = not (columns.time % SECOND_NS).any()
    stamps = np.datetime_as_string(columns.time.view("datetime64[ns]"), unit="s" if whole else "ns", timezone="UTC")
    table = stored_table(columns).set_column(0, TIME, pa.array(stamps))
    csv.write_csv(table, sink, csv.WriteOptions(quoting_style="none"))


def _write_parquet(columns: Columns, sink: pa.BufferOutputStream) -> None:
    parquet.write_table(stored_table(columns), sink, write_page_checksum=True)


def _write_feather(columns: Columns, sink: pa.BufferOutputStream) -> None:
    feather.write_feather(stored_table(columns), sink)


_WRITERS: Mapping[str, Callable[[Columns, pa.BufferOutputStream], None]] = MappingProxyType(
    {".csv": _write_csv, ".parquet": _write_parquet, ".feather": _write_feather}
)
