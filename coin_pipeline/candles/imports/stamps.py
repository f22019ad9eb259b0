"""Times at which candles close instead of open: recognized, rejected, and converted on request."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.imports.times import Times
from coin_pipeline.candles.timeframe import DAY_NS, MINUTE_NS, SECOND_NS, Timeframe, format_utc
from coin_pipeline.errors import InvalidCandleFile

Stamps = Literal["auto", "open", "close"]
_LAST_INSTANTS = (1, 1_000, 1_000_000, SECOND_NS, MINUTE_NS)
"""How long before the end of a candle its last instant may be written, in ns."""

_MOST = 0.5


class Spacing(NamedTuple):
    """The most frequent distance of two times in ns, or None, and the candles' length if the user named it."""

    common: int | None
    timeframe: Timeframe | None

    @property
    def length(self) -> int | None:
        """Length of a candle in ns, or None."""
        return self.timeframe.ns if self.timeframe else self.common


def common_spacing(time: npt.NDArray[np.int64]) -> int | None:
    """Return the most frequent positive distance of sorted times in ns, the shortest of several; None without any."""
    distances = np.diff(time)
    if len(distances) and (distances == distances[0]).all() and distances[0] > 0:
        return int(distances[0])
    values, counts = np.unique(distances[distances > 0], return_counts=True)
    return int(values[counts.argmax()]) if len(values) else None


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
    before_end = _before_end(times, spacing.length)
    if "open" in (stamps, named) or (stamps == named == "auto" and before_end is None):
        return times.utc
    if stamps == "auto":
        example = format_utc(times.utc[0])
        reason = f"its candles are stamped with the times at which they close, such as {example}"
        advice = "pass --stamps close to convert them, or --stamps open if they open then"
        raise InvalidCandleFile(path, f"{reason}; {advice}")
    if spacing.length is None:
        raise InvalidCandleFile(
            path, "contains a single candle, so the length to subtract is unknown; pass its timeframe"
        )
    return times.utc + (before_end or 0) - spacing.length


def _before_end(times: Times, length: int | None) -> int | None:
    """Return how long before the end of their candles most times are, in ns; None if they are not.

    The last row of some downloads is the time of the download, so not all need to be.
    """
    clocks = [times.utc] if times.local is times.utc else [times.utc, times.local]
    for instant in _LAST_INSTANTS:
        unit = MINUTE_NS if instant < MINUTE_NS else min(length or MINUTE_NS, DAY_NS)
        if instant < unit and any(np.mean((clock + instant) % unit == 0) > _MOST for clock in clocks):
            return instant
    return None
