"""Coverage of a range: stored candles, candles without trades, and candles that were never fetched."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.timeframe import Timeframe, next_open

_FIRST, _LAST = np.int64(-(2**63)), np.int64(2**63 - 1)
_Edges = npt.NDArray[np.int64]
CoverageVerdict = Literal["complete", "gaps", "insufficient"]
MIN_KNOWN_RATIO = 0.9
"""Below this fraction of known candles, a result depends more on the gaps than on the market."""


class Gap(NamedTuple):
    """Consecutive missing candles.

    Attributes:
        start: Open of the first missing candle, ns UTC.
        end: Open of the next candle, or end of the range's grid, exclusive, ns UTC.
        missing: Number of missing candles.
    """

    start: int
    end: int
    missing: int


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Coverage of a range; expected - present is the number of candles missing in the gaps.

    Attributes:
        expected: Grid candles of the range.
        present: How many of them are stored.
        off_grid: Stored candles of the range that open between grid candles.
        first: Open of the first candle in the range, ns UTC, or None.
        last: Open of the last candle in the range, ns UTC, or None.
        step: Length of a candle, ns.
        edges: Starts and ends of the gaps, ns UTC, shape (k, 2).
        unfetched: Starts and ends of the parts of gaps that were never fetched, ns UTC, shape (j, 2).
        closed_until: Close of the last candle that can exist, ns UTC, if the range ends later; else None.
    """

    expected: int
    present: int
    off_grid: int
    first: int | None
    last: int | None
    step: int
    edges: _Edges
    unfetched: _Edges
    closed_until: int | None = None

    @property
    def ratio(self) -> float:
        """Present candles as a fraction of the expected ones; 1.0 for an empty range."""
        return self.present / self.expected if self.expected else 1.0

    @property
    def not_fetched(self) -> int:
        """Missing candles that were never requested from the exchange."""
        return int((self.unfetched[:, 1] - self.unfetched[:, 0]).sum()) // self.step

    @property
    def no_trade(self) -> int:
        """Missing candles that were requested and do not exist, because there were no trades."""
        return self.expected - self.present - self.not_fetched

    @property
    def known_ratio(self) -> float:
        """Candles present or known not to exist, as a fraction of the expected ones; 1.0 for an empty range."""
        return _known_ratio(self.expected, self.not_fetched)

    @property
    def verdict(self) -> CoverageVerdict:
        """Whether all candles are known, at least `MIN_KNOWN_RATIO` of them, or fewer."""
        return coverage_verdict(self.expected, self.not_fetched)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """All gaps in order, including those before the first and after the last candle."""
        return self.list_gaps(self.edges)

    def list_gaps(self, edges: _Edges) -> tuple[Gap, ...]:
        """Return a selection of `edges` or `unfetched` as gaps; there can be hundreds of thousands."""
        return tuple(Gap(start, end, (end - start) // self.step) for start, end in edges.tolist())


def coverage_verdict(expected: int, not_fetched: int) -> CoverageVerdict:
    """Return whether all candles are known, at least `MIN_KNOWN_RATIO` of them, or fewer.

    Args:
        expected: Candles of a range without gaps.
        not_fetched: Missing candles that were never fetched.
    """
    if not not_fetched:
        return "complete"
    return "gaps" if _known_ratio(expected, not_fetched) >= MIN_KNOWN_RATIO else "insufficient"


def _known_ratio(expected: int, not_fetched: int) -> float:
    return 1 - not_fetched / expected if expected else 1.0


def coverage(
    time_ns: npt.NDArray[np.int64],
    timeframe: Timeframe,
    start_ns: int,
    end_ns: int,
    fetched: Iterable[Interval] = (),
    closed_at: int | None = None,
) -> Coverage:
    """Compare candles with the grid of their timeframe over [start_ns, end_ns).

    The phase of the grid is that of most candles (daily ones may open at 15:00 UTC, midnight in Seoul). Without
    candles the grid starts at the epoch, or on Monday for weeks.

    Args:
        time_ns: Opens of the candles, strictly increasing, ns UTC, shape (n,).
        timeframe: Length of the candles.
        start_ns: Start of the range, ns UTC.
        end_ns: End of the range, exclusive, ns UTC.
        fetched: Disjoint intervals in order for which the exchange was asked for every candle, ns UTC. A missing
            candle that is entirely within one of them does not exist.
        closed_at: An instant, ns UTC; candles that close later are not expected unless they are stored.
    """
    inside = time_ns[np.searchsorted(time_ns, start_ns) : np.searchsorted(time_ns, end_ns)]
    phase, uniform = phase_of(time_ns, timeframe)
    on_grid = inside if uniform else inside[inside % timeframe.ns == phase]
    begin = next_open(start_ns, phase, timeframe)
    requested = max(begin, next_open(end_ns, phase, timeframe))
    end = max(begin, min(requested, _closed_end(time_ns, phase, timeframe, closed_at)))
    edges = _gap_edges(on_grid, timeframe.ns, begin, end)
    return Coverage(
        expected=(end - begin) // timeframe.ns,
        present=len(on_grid),
        off_grid=len(inside) - len(on_grid),
        first=int(inside[0]) if len(inside) else None,
        last=int(inside[-1]) if len(inside) else None,
        step=timeframe.ns,
        edges=edges,
        unfetched=_subtract_fetched(edges, fetched, phase, timeframe),
        closed_until=end if end < requested else None,
    )


def _closed_end(time: npt.NDArray[np.int64], phase: int, timeframe: Timeframe, closed_at: int | None) -> int:
    """Return the close of the last candle that is stored or closed at an instant, ns UTC."""
    if closed_at is None:
        return int(_LAST)
    stored = int(time[-1]) if len(time) else closed_at - timeframe.ns
    return next_open(max(stored, closed_at - timeframe.ns) + 1, phase, timeframe)


def phase_of(time: npt.NDArray[np.int64], timeframe: Timeframe) -> tuple[int, bool]:
    """Return the phase of most candles, in ns after a multiple of their length, and whether all of them share it."""
    if not len(time):
        return timeframe.phase_ns, True
    steps = np.diff(time)
    breaks = np.flatnonzero(steps != timeframe.ns)
    if not (steps[breaks] % timeframe.ns).any():
        return int(time[0] % timeframe.ns), True
    runs = np.append(0, breaks + 1)  # starts of runs of adjacent candles
    phases, run_phase = np.unique(time[runs] % timeframe.ns, return_inverse=True)
    counts = np.bincount(run_phase, np.diff(np.append(runs, len(time))))
    return int(phases[counts.argmax()]), False


def _gap_edges(time: npt.NDArray[np.int64], step: int, begin: int, end: int) -> _Edges:
    if not len(time):
        return np.array([[begin, end]] if begin < end else [], np.int64).reshape(-1, 2)
    before = np.flatnonzero(np.diff(time) != step)
    starts = np.concatenate(([begin], time[before] + step, time[-1:] + step))
    ends = np.concatenate((time[:1], time[before + 1], [end]))
    edges = np.column_stack((starts, ends))
    return edges[int(starts[0] == ends[0]) : len(edges) - int(starts[-1] == ends[-1])]


def _subtract_fetched(edges: _Edges, fetched: Iterable[Interval], phase: int, timeframe: Timeframe) -> _Edges:
    """Return the parts of gaps without the candles that are entirely within a fetched interval."""
    intervals = np.array([*fetched], np.int64).reshape(-1, 2)
    if not len(intervals):
        return edges
    opens = intervals[:, 0] + (phase - intervals[:, 0]) % timeframe.ns
    closes = intervals[:, 1] - (intervals[:, 1] - phase) % timeframe.ns
    nonempty = opens < closes
    # The unfetched stretches: before, between and after the fetched ones.
    starts, ends = np.append(_FIRST, closes[nonempty]), np.append(opens[nonempty], _LAST)
    low, high = np.searchsorted(ends, edges[:, 0], side="right"), np.searchsorted(starts, edges[:, 1])
    counts = high - low
    gap = np.repeat(np.arange(len(edges)), counts)
    stretch = np.arange(len(gap)) - np.repeat(np.cumsum(counts) - counts - low, counts)
    return np.column_stack((np.maximum(edges[gap, 0], starts[stretch]), np.minimum(edges[gap, 1], ends[stretch])))
