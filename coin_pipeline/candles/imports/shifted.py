"""Stored candles that an earlier import of the same rows put at other times: in another zone, or at their closes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.timeframe import HOUR_NS, Timeframe, format_duration, format_utc
from coin_pipeline.errors import Coded, InvalidCandleFile, coded

MIN_MATCHES = 3
"""Fewer candles may repeat by chance."""
_ZONES_NS = 26 * HOUR_NS
"""Distance of the time zones that are furthest apart."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class ShiftedRows:
    """Stored candles that equal those of a file at a constant distance.

    Attributes:
        time: Opens of the stored candles, int64 ns UTC, shape (k,).
        shift: What must be added to them to get the opens in the file, ns.
    """

    time: npt.NDArray[np.int64]
    shift: int

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> Coded:
        """A sentence that describes them."""
        first, last = format_utc(self.time[0]), format_utc(self.time[-1])
        distance = coded("later" if self.shift > 0 else "earlier", distance=format_duration(abs(self.shift)))
        return coded("stored_at_other_times", count=len(self.time), first=first, last=last, distance=distance)


def max_shift(timeframe: Timeframe) -> int:
    """Return how far an earlier import may have put candles of a length, ns."""
    return _ZONES_NS + timeframe.ns


def find_shifted(stored: OHLCV, new: OHLCV, limit: int) -> ShiftedRows | None:
    """Return the stored candles that a file has too, all at one other distance in time.

    Only candles whose five values are unique in each series count, so a market without trades proves nothing.

    Args:
        stored: Candles within the limit of those of the file.
        new: Candles of the file.
        limit: The largest distance, ns, as returned by `max_shift`.
    """
    rest = stored.rows(~_contained(stored, new))
    keys, new_keys = _hashes(rest), _hashes(new)
    unique, first, counts = np.unique(keys, return_index=True, return_counts=True)
    new_unique, new_first, new_counts = np.unique(new_keys, return_index=True, return_counts=True)
    _, at, new_at = np.intersect1d(unique[counts == 1], new_unique[new_counts == 1], True, return_indices=True)
    old_rows, new_rows = first[counts == 1][at], new_first[new_counts == 1][new_at]
    shifts = new.time[new_rows] - rest.time[old_rows]
    possible = (shifts != 0) & (np.abs(shifts) <= limit)
    found, found_counts = np.unique(shifts[possible], return_counts=True)
    if not len(found) or found_counts.max() < MIN_MATCHES:
        return None
    shift = int(found[found_counts.argmax()])
    # With the shift known, candles whose values repeat are recognized too.
    return ShiftedRows(rest.time[_contained(rest._replace(time=rest.time + shift), new)], shift)


def require_not_fetched(source: object, shifted: ShiftedRows, provenance: Provenance) -> None:
    """Reject a file whose candles are stored at other times by a fetch: then the file's times are the wrong ones.

    Raises:
        InvalidCandleFile: A stored candle was fetched from an exchange; the message contains the distance.
    """
    fetched = provenance.fetched if provenance.source else ()  # times without a trade may come from a file, too
    if any(((shifted.time >= start) & (shifted.time < end)).any() for start, end in fetched):
        raise InvalidCandleFile(source, coded("other_times_fetched", shifted=shifted.message), "tz")


def _contained(candles: OHLCV, others: OHLCV) -> npt.NDArray[np.bool_]:
    """Return a mask of the candles that occur in others with the same time and values."""
    if not len(others.time):
        return np.zeros(len(candles.time), np.bool_)
    place = np.minimum(np.searchsorted(others.time, candles.time), len(others.time) - 1)
    pairs = zip(candles, others.rows(place), strict=True)
    equal: npt.NDArray[np.bool_] = np.logical_and.reduce([column == other for column, other in pairs])
    return equal


def _hashes(candles: OHLCV) -> npt.NDArray[np.uint64]:
    """Return a number for the prices and the volume of each candle; equal values have equal numbers."""
    total = np.zeros(len(candles.time), np.uint64)
    for column in candles[1:]:
        total = (total ^ np.ascontiguousarray(column).view(np.uint64)) * _FACTOR
        total ^= total >> np.uint64(29)
    return total
