"""Reading a file of candles in any of the known layouts. Missing information is requested, never guessed."""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from coin_pipeline.candles import files
from coin_pipeline.candles.imports.imported_file import ImportedFile, Zone
from coin_pipeline.candles.timeframe import Timeframe

Stamps = Literal["auto", "open", "close"]


def read_candle_file(
    path: Path,
    *,
    tz: str | None = None,
    columns: Mapping[str, str] | None = None,  # noqa: ARG001 -- follows
    stamps: Stamps = "auto",  # noqa: ARG001 -- follows
    timeframe: Timeframe | None = None,  # noqa: ARG001 -- follows
    max_rows: int = sys.maxsize,
) -> ImportedFile:
    """Read candles from a file.

    Args:
        path: The file; its suffix selects the format.
        tz: IANA name of the time zone of times without one.
        columns: Column of each field, as returned by `parse_columns`; fields that are not named are matched by name.
        stamps: Whether times are those at which candles open or close; "auto" rejects times that look like the latter.
        timeframe: Length of the candles, to convert closing times.
        max_rows: Maximum number of rows.

    Raises:
        InvalidCandleFile: The file cannot be read, or leaves open what its columns or times mean.
        InvalidCandles: Rows repeat a time, lack one, or have impossible prices; row 1 is the first below the header.
    """
    candles = files.read_candle_file(path, tz, max_rows)
    spacing = Counter(np.diff(candles.time).tolist()).most_common(1)
    return ImportedFile(
        candles,
        np.arange(1, len(candles.time) + 1),
        layout="plain",
        zone=Zone(tz or "UTC", "given by --tz" if tz else "in the file"),
        order="oldest first",
        spacing=spacing[0][0] if spacing else None,
        columns={},
    )
