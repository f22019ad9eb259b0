"""Reads the packed columns of a report, as its script does."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from coin_pipeline.report.payload import Column


def unpack(column: Column) -> npt.NDArray[np.float64]:
    """Return the numbers of a column, NaN for nulls."""
    if "values" in column:
        return _floats(column["values"])
    deltas = _floats(column["deltas"])
    return np.where(np.isnan(deltas), np.nan, np.nancumsum(deltas)) / column["divisor"]


def _floats(numbers: Sequence[float | None]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if number is None else number for number in numbers])
