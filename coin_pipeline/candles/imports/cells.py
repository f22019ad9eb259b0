"""Columns of cells of mixed types, as Python values."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from coin_pipeline.candles.imports.text import NULLS


def cell_array(cells: Sequence[Any]) -> pa.Array:
    """Return cells as timestamps or numbers if all of them are, else as texts."""
    cells = [None if isinstance(cell, str) and cell.strip() in NULLS else cell for cell in cells]
    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds and all(issubclass(kind, date) for kind in kinds):
        return pa.array(pd.DatetimeIndex(cells).as_unit("ns").round("ms"))  # Excel counts days in floats
    if kinds == {int}:
        with suppress(OverflowError):
            return pa.array(cells, pa.int64())
    if kinds <= {int, float}:
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    return pa.array([None if cell is None else _text(cell) for cell in cells], pa.string())


def _text(cell: object) -> str:
    return cell.isoformat(sep=" ") if isinstance(cell, datetime) else str(cell)
