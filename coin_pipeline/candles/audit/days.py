"""Candles of a series counted by Seoul day: present, nonexistent because there were no trades, and not fetched."""

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.coverage import Coverage, coverage, phase_of
from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.timeframe import DAY_NS, SEOUL_OFFSET_NS, Timeframe

PRESENT, NO_TRADE, NOT_FETCHED = range(3)
"""Columns of `DayCounter.days`."""
_EPOCH = date(1970, 1, 1)


class DayCounter:
    """Counts the candles of a range by day, one file after the other, so that one year is in memory at a time.

    Args:
        timeframe: Length of the candles, with the phase of most of them.
        provenance: What was fetched.
        bounds: The range, ns UTC.

    Attributes:
        days: Candles per Seoul day; int64, shape (n, 3), columns `PRESENT`, `NO_TRADE` and `NOT_FETCHED`.
    """

    def __init__(self, timeframe: Timeframe, provenance: Provenance, bounds: Interval) -> None:
        self._timeframe, self._fetched = timeframe, provenance.fetched
        self._begin, end = bounds
        self._cursor = self._begin
        self._first_day = _day(self._begin)
        self.days = np.zeros((max(0, _day(end - 1) - self._first_day + 1), 3), np.int64)

    @property
    def first_day(self) -> date:
        """Seoul day of the first row of `days`."""
        return _EPOCH + timedelta(days=self._first_day)

    def add(self, time: npt.NDArray[np.int64], end: int) -> Coverage | None:
        """Count the candles of a file and those missing before it; return its coverage, None if it has nothing new.

        Args:
            time: Opens of its candles, strictly increasing, ns UTC, shape (n,).
            end: Counts up to here, exclusive, ns UTC.
        """
        if end <= self._cursor:
            return None
        part = coverage(time, self._timeframe, self._cursor, end, self._fetched)
        self._cursor = end
        phase, _ = phase_of(time, self._timeframe)
        missing, unfetched = (self._by_day(_opens(edges, part.step)) for edges in (part.edges, part.unfetched))
        on_grid = time[(time >= self._begin) & ((time - phase) % part.step == 0)]
        self.days += np.stack((self._by_day(on_grid), missing - unfetched, unfetched), axis=1)
        return part

    def _by_day(self, opens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        days = (opens + SEOUL_OFFSET_NS) // DAY_NS - self._first_day
        counts: npt.NDArray[np.int64] = np.bincount(days, minlength=len(self.days))
        return counts


def _opens(edges: npt.NDArray[np.int64], step: int) -> npt.NDArray[np.int64]:
    """Return the opens of the candles missing in gaps."""
    counts = (edges[:, 1] - edges[:, 0]) // step
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    opens: npt.NDArray[np.int64] = np.repeat(edges[:, 0], counts) + step * within
    return opens


def _day(ns: int) -> int:
    """Return the Seoul day of an instant, counted from the epoch."""
    return (ns + SEOUL_OFFSET_NS) // DAY_NS
