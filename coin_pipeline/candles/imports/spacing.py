"""Distances of times, and times that look like the last instants of candles."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.timeframe import DAY_NS, MINUTE_NS, SECOND_NS

_LAST_INSTANTS = (1, 1_000, 1_000_000, SECOND_NS, MINUTE_NS)
"""How long before the end of a candle its last instant may be written, in ns."""
_MOST = 0.5


def common_spacing(time: npt.NDArray[np.int64]) -> int | None:
    """Return the most frequent positive distance of sorted times in ns, the shortest of several; None without any.

    >>> common_spacing(np.array([0, 60, 120, 300]))
    60
    """
    distances = np.diff(time)
    if len(distances) and (distances == distances[0]).all() and distances[0] > 0:
        return int(distances[0])
    values, counts = np.unique(distances[distances > 0], return_counts=True)
    return int(values[counts.argmax()]) if len(values) else None


def time_to_end(clocks: Iterable[npt.NDArray[np.int64]], length: int | None) -> int | None:
    """Return how long before the end of their candles most times are, in ns; None if they are not.

    The last row of some downloads is the time of the download, so not all need to be.

    Args:
        clocks: The times in ns, in UTC and on the clock of another zone; on one of them they must be last instants.
        length: Length of a candle in ns, if known.
    """
    clocks = list(clocks)
    for instant in _LAST_INSTANTS:
        unit = MINUTE_NS if instant < MINUTE_NS else min(length or MINUTE_NS, DAY_NS)
        if instant < unit and any(np.mean((clock + instant) % unit == 0) > _MOST for clock in clocks):
            return instant
    return None
