"""One file to import: read, without open candles, and checked against its market and timeframe."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.imports.closed import closed_candles
from coin_pipeline.candles.imports.imported_file import ImportedFile
from coin_pipeline.candles.imports.limits import DEFAULT_LIMITS, FileLimits
from coin_pipeline.candles.imports.phase import check_phase
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.imports.stamps import Stamps
from coin_pipeline.candles.imports.target import name_note, target_symbol, target_timeframe
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.candles.validation import check_length, check_spacing


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to read files.

    Attributes:
        symbol: Canonical symbol of all files; None if their names or contents have it.
        timeframe: Length of the candles of all files; None if their names have it.
        tz: IANA name of the time zone of times without one.
        columns: Column of each field, as returned by `parse_columns`.
        stamps: Whether times are those at which candles open or close.
    """

    symbol: str | None = None
    timeframe: Timeframe | None = None
    tz: str | None = None
    columns: Mapping[str, str] | None = None
    stamps: Stamps = "auto"


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file that can be stored.

    Attributes:
        path: The file.
        symbol: Its market.
        timeframe: Length of its candles.
        understood: What was read.
        candles: Its closed candles.
        rows: Row of each in the file, counted from 1 below the header, shape (n,).
        left_out: Number of rows that are not stored, by reason.
        no_trade: Open times of its closed candles in which no trade happened, ns UTC, shape (m,).
        notes: Sentences on what a user should know.
    """

    path: Path
    symbol: str
    timeframe: Timeframe
    understood: ImportedFile
    candles: OHLCV
    rows: npt.NDArray[np.int64]
    left_out: Mapping[str, int]
    no_trade: npt.NDArray[np.int64]
    notes: tuple[str, ...]


def prepare_file(
    path: Path,
    options: ImportOptions,
    now: int,
    *,
    alone: bool,
    limits: FileLimits = DEFAULT_LIMITS,
    file: BinaryIO | None = None,
) -> PreparedFile:
    """Read a file and check it.

    Args:
        path: The file.
        options: How to read it.
        now: The current instant, ns UTC; candles that are open at it are left out.
        alone: Whether it is the only file; see `target_symbol`.
        limits: How large its content may be.
        file: The file, if it is already open; `path` is then only its name.

    Raises:
        InvalidCandleFile: The file cannot be read, its market or timeframe is unknown, or its times fit no exchange.
        InvalidCandles: Rows are impossible, or off the grid of the others.
        InvalidInput: They are longer than the timeframe.
        InvalidSymbol, InvalidTimeframe: Its name contains an invalid one.
    """
    timeframe = target_timeframe(path, options.timeframe, alone=alone)
    read = read_candle_file(
        path,
        tz=options.tz,
        columns=options.columns,
        stamps=options.stamps,
        timeframe=timeframe,
        limits=limits,
        file=file,
    )
    symbol = target_symbol(path, options.symbol, read.symbol, alone=alone)
    check_spacing(path, read.candles.time, timeframe, read.rows)
    check_length(path, read.candles.time, timeframe)
    note = check_phase(path, read, timeframe)
    closed = closed_candles(path, read.candles, read.rows, timeframe, now)
    return PreparedFile(
        path,
        symbol,
        timeframe,
        read,
        closed.candles,
        closed.rows,
        {**read.skipped, **closed.left_out},
        read.no_trade[read.no_trade + timeframe.ns <= now],
        (*read.notes, *name_note(path, symbol), *((note,) if note else ())),
    )
