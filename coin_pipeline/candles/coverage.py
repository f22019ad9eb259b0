"""How much of a range is there, and of what is missing, how much does not exist and how much was never fetched."""

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
"""Below this share of candles that are known, a result says more of the gaps than of the market."""


class Gap(NamedTuple):
    """Candles in a row that are not there.

    Attributes:
        start: Open of the first missing candle, ns UTC.
        end: Where the next candle opens, or the grid of the range ends, ns UTC, exclusive.
        missing: How many candles.
    """

    start: int
    end: int
    missing: int


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """How much of a range is there; expected - present is the sum of what the gaps miss.

    Attributes:
        expected: Candles that open in the range.
        present: How many of them are there.
        off_grid: Candles in the range that open between those expected.
        first: Open of the first candle in the range, ns UTC, or None.
        last: Open of the last candle in the range, ns UTC, or None.
        step: Length of a candle, ns.
        edges: Starts and ends of the gaps, ns UTC, shape (k, 2).
        unfetched: Starts and ends of the parts of them that nobody has fetched, ns UTC, shape (j, 2).
    """

    expected: int
    present: int
    off_grid: int
    first: int | None
    last: int | None
    step: int
    edges: _Edges
    unfetched: _Edges

    @property
    def ratio(self) -> float:
        """Present candles as a fraction of those expected; 1.0 of an empty range."""
        return self.present / self.expected if self.expected else 1.0

    @property
    def not_fetched(self) -> int:
        """Missing candles that the exchange was never asked for."""
        return int((self.unfetched[:, 1] - self.unfetched[:, 0]).sum()) // self.step

    @property
    def no_trade(self) -> int:
        """Missing candles that the exchange was asked for and does not have: nobody traded."""
        return self.expected - self.present - self.not_fetched

    @property
    def known_ratio(self) -> float:
        """Candles that are there, or known not to exist, as a fraction of those expected; 1.0 of an empty range."""
        return 1 - self.not_fetched / self.expected if self.expected else 1.0

    @property
    def verdict(self) -> CoverageVerdict:
        """Whether all is known, enough of it, or too little to believe what is computed from it."""
        if not self.not_fetched:
            return "complete"
        return "gaps" if self.known_ratio >= MIN_KNOWN_RATIO else "insufficient"

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What is missing, in order, before the first and after the last candle too."""
        return self.list_gaps(self.edges)

    def list_gaps(self, edges: _Edges) -> tuple[Gap, ...]:
        """Return some of `edges` or `unfetched` as gaps; there can be hundreds of thousands."""
        return tuple(Gap(start, end, (end - start) // self.step) for start, end in edges.tolist())


def coverage(
    time_ns: npt.NDArray[np.int64], timeframe: Timeframe, start_ns: int, end_ns: int, fetched: Iterable[Interval] = ()
) -> Coverage:
    """Compare candles with the grid of their timeframe over [start_ns, end_ns).

    The grid is that of most candles given (daily ones may open at 15:00 UTC, a Seoul midnight); without any it starts
    at the epoch, or on Monday for weeks.

    Args:
        time_ns: Opens of the candles, strictly increasing, ns UTC, shape (n,).
        timeframe: Their length.
        start_ns: Start of the range, ns UTC.
        end_ns: End of the range, exclusive, ns UTC.
        fetched: When the exchange was asked for every candle, in order and apart from each other: one that is missing
            there, with its whole length, does not exist.
    """
    inside = time_ns[np.searchsorted(time_ns, start_ns) : np.searchsorted(time_ns, end_ns)]
    phase, only = phase_of(time_ns, timeframe)
    on_grid = inside if only else inside[inside % timeframe.ns == phase]
    begin = next_open(start_ns, phase, timeframe)
    end = max(begin, next_open(end_ns, phase, timeframe))
    edges = _gap_edges(on_grid, timeframe.ns, begin, end)
    return Coverage(
        expected=(end - begin) // timeframe.ns,
        present=len(on_grid),
        off_grid=len(inside) - len(on_grid),
        first=int(inside[0]) if len(inside) else None,
        last=int(inside[-1]) if len(inside) else None,
        step=timeframe.ns,
        edges=edges,
        unfetched=_without(edges, fetched, phase, timeframe),
    )


def phase_of(time: npt.NDArray[np.int64], timeframe: Timeframe) -> tuple[int, bool]:
    """Return where on the clock most candles open, ns after a multiple of their length, and whether all of them do."""
    if not len(time):
        return timeframe.phase_ns, True
    steps = np.diff(time)
    breaks = np.flatnonzero(steps != timeframe.ns)
    if not (steps[breaks] % timeframe.ns).any():
        return int(time[0] % timeframe.ns), True
    runs = np.append(0, breaks + 1)  # in each, candles follow one another
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


def _without(edges: _Edges, fetched: Iterable[Interval], phase: int, timeframe: Timeframe) -> _Edges:
    """Return the parts of gaps of which no candle lies in an interval with its whole length."""
    known = np.array([*fetched], np.int64).reshape(-1, 2)
    if not len(known):
        return edges
    opens, closes = (
        known[:, 0] + (phase - known[:, 0]) % timeframe.ns,
        known[:, 1] - (known[:, 1] - phase) % timeframe.ns,
    )
    whole = opens < closes
    starts, ends = np.append(_FIRST, closes[whole]), np.append(opens[whole], _LAST)  # between what was fetched
    low, high = np.searchsorted(ends, edges[:, 0], side="right"), np.searchsorted(starts, edges[:, 1])
    counts = high - low
    gap = np.repeat(np.arange(len(edges)), counts)
    between = np.arange(len(gap)) - np.repeat(np.cumsum(counts) - counts - low, counts)
    return np.column_stack((np.maximum(edges[gap, 0], starts[between]), np.minimum(edges[gap, 1], ends[between])))
