"""Times at which candles close instead of open: recognized, rejected, and converted on request."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.imports.spacing import time_to_end
from coin_pipeline.candles.imports.times import Times
from coin_pipeline.candles.timeframe import Timeframe, utc
from coin_pipeline.errors import InvalidCandleFile, coded

Stamps = Literal["auto", "open", "close"]


class Spacing(NamedTuple):
    """The most frequent distance of two times in ns, or None, and the candles' length if the user named it."""

    common: int | None
    timeframe: Timeframe | None

    @property
    def length(self) -> int | None:
        """Length of a candle in ns, or None."""
        return self.timeframe.ns if self.timeframe else self.common


def open_times(path: object, times: Times, stamps: Stamps, spacing: Spacing, named: Stamps) -> npt.NDArray[np.int64]:
    """Return the times at which candles open, ns UTC.

    Args:
        path: Name of the file in error messages.
        times: The times of the file.
        stamps: What they are; "auto" rejects those that look like closing times.
        spacing: Distance of the candles.
        named: What the name of the column stands for; opening times need no conversion, whatever `stamps` is.

    Raises:
        InvalidCandleFile: They are closing times and `stamps` is "auto", or the length of the candles is unknown.
    """
    clocks = [times.utc] if times.local is times.utc else [times.utc, times.local]
    before_end = time_to_end(clocks, spacing.length)
    if "open" in (stamps, named) or (stamps == named == "auto" and before_end is None):
        return times.utc
    if stamps == "auto":
        example = f"{utc(times.local[0]):%Y-%m-%d %H:%M:%S}"
        raise InvalidCandleFile(path, coded("closing_times", example=example), "stamps")
    if spacing.length is None:
        raise InvalidCandleFile(path, coded("single_candle"))
    return times.utc + (before_end or 0) - spacing.length
