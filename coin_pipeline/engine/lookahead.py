"""A check that a strategy uses closed bars only, by other futures at some bars: a test, not a proof."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import LookAhead, StrategyFailed

MIN_BAR_BUDGET = 32_768
"""Bars that may be computed again in any run, in about a hundred calls."""
BUDGET_DIVISOR = 6
"""On long series: one bar in so many."""
_SHORTEST = 64
"""Bars of the first window that is tried."""
_PART = 8
"""Of a window, one part in so many is compared at its end."""
_OTHERS = 32
"""Heads that can still be afforded after any one that is drawn."""
_CRASH = np.repeat([[0.1, 0.11], [10.0, 11.0]], 16, axis=0).ravel()
_SURGE = np.repeat([[10.0, 11.0], [0.1, 0.11]], 16, axis=0).ravel()
"""Closes of futures that never were, in multiples of the last one."""


class LookAheadReport(NamedTuple):
    """What a check that found nothing has compared.

    Attributes:
        cuts: At how many places later bars were taken away and replaced.
        decisions: How many of these come right after a bar with an entry or an exit.
        total_decisions: How many bars with an entry or an exit have a bar after them.
        failure: What the strategy said last where it failed on fewer bars; None where it never did.
    """

    cuts: int
    decisions: int
    total_decisions: int
    failure: str | None = None

    @property
    def is_conclusive(self) -> bool:
        """Whether decisions were compared, where there are any."""
        return self.decisions > 0 or not self.total_decisions


def check_no_lookahead(
    bars: Bars, signals_of: Callable[[Bars], Signals], full: Signals, warm_up: int = 0, seed: int = 0
) -> LookAheadReport:
    """Compute signals again with the bars after a cut taken away, and with a crash and a surge in their place.

    All decisions before the cut must be exactly the same. They may also change for want of earlier bars: so only two
    computations that begin at the same bar convict a strategy, and a window that does not come to the decisions of the
    run is made longer, up to the first bar.

    Cuts are right after the first and the last decisions of each column and some between, those for and those against,
    and at random. What is computed depends on decisions and seed, never on a clock: at most ``MIN_BAR_BUDGET`` bars,
    or a sixth of all if that is more.

    Args:
        bars: n candles.
        signals_of: The strategy with its params.
        full: What ``signals_of(bars)`` returned.
        warm_up: How many bars before a bar its decision reads, as far as the strategy tells.
        seed: Of what is drawn.

    Raises:
        LookAhead: A decision changes with later bars.
    """
    check = _Check(bars, signals_of, full, warm_up, np.random.default_rng(seed))
    kinds = [np.flatnonzero(kind[:-1]) + 1 for column in check.columns for kind in (column, ~column)]
    for kind in kinds:
        check.compare_at(kind[-2:])
    for kind in kinds:
        check.compare_at(kind[kind > warm_up][:2])
    for kind in kinds:
        check.compare_at(check.some(kind, 2))
    check.compare_at(check.some(np.arange(1, len(bars)), 8))
    decided = check.columns[0, :-1] | check.columns[1, :-1]
    compared = sum(bool(decided[cut - 1]) for cut in check.points)
    return LookAheadReport(len(check.points), compared, int(decided.sum()), check.failure)


@dataclass
class _Check:
    """A check under way.

    Attributes:
        history: Bars of a window; n where none was long enough, then only heads are left.
        left: Bars that may still be computed.
        points: Cuts before which nothing changed.
    """

    bars: Bars
    signals_of: Callable[[Bars], Signals]
    full: Signals
    warm_up: int
    random: np.random.Generator
    points: set[int] = field(default_factory=set)
    failure: str | None = None

    def __post_init__(self) -> None:
        self.columns = _columns(self.full)
        self.history = _SHORTEST + self.warm_up + self.warm_up // (_PART // 2)
        self.left = max(MIN_BAR_BUDGET, len(self.bars) // BUDGET_DIVISOR)

    def some(self, cuts: Ints, k: int) -> Ints:
        """Draw up to k cuts; where only heads are left, of those that leave something for others."""
        if self.history >= len(self.bars):
            cuts = cuts[cuts <= self.left // _OTHERS]
        return self.random.choice(cuts, min(k, len(cuts)), replace=False)

    def compare_at(self, cuts: Ints) -> None:
        """Compare the decisions before each cut, from as few bars as come to those of the run."""
        for cut in map(int, cuts):
            while cut not in self.points:
                if self._unchanged(max(0, cut - self.history), cut):
                    self.points.add(cut)
                elif self.history >= cut:
                    break
                else:
                    self.history = 2 * self.history if 4 * self.history <= self.left else len(self.bars)

    def _unchanged(self, first: int, cut: int) -> bool:
        """Say whether bars ``first`` to ``cut`` come to the decisions of the run, and compare them with other futures.

        From the first bar on, all decisions are those of the run; from a later one, only the last should be. If they
        are not, the bars are too few, or else what comes next in the run changes them.
        """
        bars, part = self.bars.window(first, cut), (cut - first) // _PART
        known = self._signals(bars)
        if known is None:
            return False
        if first == 0:
            self._compare(known, self.full, first)
        elif not np.array_equal(_columns(known)[:, -part:], self.columns[:, cut - part : cut]):
            longer = self.bars.window(first, min(cut + part, len(self.bars)))
            self._compare(known, self._signals(_continued(longer, _CRASH)), first)
            return False
        for closes in (_CRASH, _SURGE):
            self._compare(known, self._signals(_continued(bars, closes)), first)
        return True

    def _compare(self, known: Signals, more: Signals | None, first: int) -> None:
        """Compare signals on fewer and on more bars, both from bar ``first`` on."""
        cut = first + len(known)
        if more is None:
            return
        for name, now, then in zip(("entries", "exits"), _columns(known), _columns(more), strict=True):
            changed = np.flatnonzero(now != then[: len(now)])
            if len(changed):
                raise self._look_ahead(name, first + int(changed[0]), cut)
        if known.hold != more.hold and known.entries.any():
            raise self._look_ahead("hold", first, cut)

    def _signals(self, bars: Bars) -> Signals | None:
        """Return the signals, or nothing where there are too few bars, or more than may still be computed."""
        if not self.warm_up < len(bars) <= self.left:
            return None
        self.left -= len(bars)
        try:
            return self.signals_of(bars)
        except StrategyFailed as error:
            self.failure = str(error)
            return None

    def _look_ahead(self, column: str, bar: int, cut: int) -> LookAhead:
        opened = np.datetime_as_string(self.bars.time[bar].view("datetime64[ns]"), unit="s", timezone="UTC")
        return LookAhead(column, bar, str(opened), cut)


def _columns(signals: Signals) -> Bools:
    """Return entries and exits as two rows."""
    exits = np.zeros(len(signals), np.bool_) if signals.exits is None else signals.exits
    return np.stack([signals.entries, exits])


def _continued(bars: Bars, closes: Floats) -> Bars:
    """Return bars followed by made-up ones; each opens at the close before, every other one has a large volume."""
    k = len(closes)
    step = bars.time[-1] - bars.time[-2] if len(bars) > 1 else 1
    close = bars.close[-1] * closes
    opening = np.append(bars.close[-1], close[:-1])
    volume = np.where(np.arange(k) % 2 == (closes[0] < 1), 100 * (1 + bars.volume.max()), 0.0)
    return Bars(
        np.append(bars.time, bars.time[-1] + step * np.arange(1, k + 1)),
        np.append(bars.open, opening),
        np.append(bars.high, np.maximum(opening, close)),
        np.append(bars.low, np.minimum(opening, close)),
        np.append(bars.close, close),
        np.append(bars.volume, volume),
    )
