"""Look-ahead check: recompute signals with the future removed or replaced at some bars. A test, not a proof."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import LookAhead, StrategyFailed

MIN_BAR_BUDGET = 32_768
"""Bars that may be recomputed in any run, in about a hundred calls."""
BUDGET_DIVISOR = 6
"""On long series, the budget is the number of bars divided by this."""
_MIN_WINDOW = 64
"""Bars of the first window tried."""
_TAIL_DIVISOR = 8
"""The compared tail of a window is its length divided by this."""
_RESERVED_PREFIXES = 32
"""Recomputations from the first bar that must still fit the budget when a cut is drawn."""
_CRASH = np.repeat([[0.1, 0.11], [10.0, 11.0]], 16, axis=0).ravel()
_SURGE = np.repeat([[10.0, 11.0], [0.1, 0.11]], 16, axis=0).ravel()
"""Closes of synthetic futures, in multiples of the last real close."""


class LookAheadReport(NamedTuple):
    """Coverage of a check that found no look-ahead.

    Attributes:
        cuts: Number of bars at which the future was removed and replaced.
        decisions: Number of cuts directly after a bar with an entry or an exit.
        total_decisions: Number of bars with an entry or an exit that have a bar after them.
        failure: Last error the strategy raised on fewer bars; None if it never failed.
    """

    cuts: int
    decisions: int
    total_decisions: int
    failure: str | None = None

    @property
    def is_conclusive(self) -> bool:
        """Whether any decision was compared, or there was none to compare."""
        return self.decisions > 0 or not self.total_decisions


def check_no_lookahead(
    bars: Bars, signals_of: Callable[[Bars], Signals], full: Signals, warm_up: int = 0, seed: int = 0
) -> LookAheadReport:
    """Recompute signals with the bars after a cut removed, then with a crash and with a surge in their place.

    All decisions before the cut must be identical. A decision may also change because earlier bars are missing, so only
    two computations that start at the same bar are evidence of look-ahead. A window that does not reproduce the
    decisions of the run is extended, up to the first bar.

    Cuts are made directly after the first and the last decisions of each column and some in between, both positive and
    negative ones, and at random bars. The work depends on the decisions and the seed, never on a clock: at most
    ``MIN_BAR_BUDGET`` bars are recomputed, or a sixth of all bars if that is more.

    Args:
        bars: n candles.
        signals_of: The strategy, bound to its params.
        full: Result of ``signals_of(bars)``.
        warm_up: Number of earlier bars that a decision reads, as declared by the strategy.
        seed: Seed of the random cuts.

    Returns:
        The coverage of the check.

    Raises:
        LookAhead: A decision changes with later bars.
    """
    check = _Check(bars, signals_of, full, warm_up, np.random.default_rng(seed))
    candidates = [np.flatnonzero(mask[:-1]) + 1 for column in check.columns for mask in (column, ~column)]
    for cuts in candidates:
        check.compare_at(cuts[-2:])
    for cuts in candidates:
        check.compare_at(cuts[cuts > warm_up][:2])
    for cuts in candidates:
        check.compare_at(check.draw(cuts, 2))
    check.compare_at(check.draw(np.arange(1, len(bars)), 8))
    decided = check.columns[0, :-1] | check.columns[1, :-1]
    compared = sum(bool(decided[cut - 1]) for cut in check.passed)
    return LookAheadReport(len(check.passed), compared, int(decided.sum()), check.failure)


@dataclass
class _Check:
    """State of a running check.

    Attributes:
        history: Length of a window in bars; n once no window is long enough and only prefixes can be compared.
        budget: Number of bars that may still be recomputed.
        passed: Cuts before which no decision changed.
    """

    bars: Bars
    signals_of: Callable[[Bars], Signals]
    full: Signals
    warm_up: int
    random: np.random.Generator
    passed: set[int] = field(default_factory=set)
    failure: str | None = None

    def __post_init__(self) -> None:
        self.columns = _columns(self.full)
        self.history = _MIN_WINDOW + self.warm_up + self.warm_up // (_TAIL_DIVISOR // 2)
        self.budget = max(MIN_BAR_BUDGET, len(self.bars) // BUDGET_DIVISOR)

    def draw(self, cuts: Ints, k: int) -> Ints:
        """Draw up to k random cuts; if only prefixes can be compared, draw short ones that leave budget for others."""
        if self.history >= len(self.bars):
            cuts = cuts[cuts <= self.budget // _RESERVED_PREFIXES]
        return self.random.choice(cuts, min(k, len(cuts)), replace=False)

    def compare_at(self, cuts: Ints) -> None:
        """Compare the decisions before each cut, using the shortest window that reproduces those of the run."""
        for cut in map(int, cuts):
            while cut not in self.passed:
                if self._is_unchanged(max(0, cut - self.history), cut):
                    self.passed.add(cut)
                elif self.history >= cut:
                    break
                else:
                    self.history = 2 * self.history if 4 * self.history <= self.budget else len(self.bars)

    def _is_unchanged(self, first: int, cut: int) -> bool:
        """Return whether bars ``first`` to ``cut`` reproduce the run's decisions, and compare them with other futures.

        Starting at the first bar, all decisions must match those of the run. Starting later, only the tail is expected
        to match. If it does not, either the window is too short or later bars of the run change the decisions.
        """
        bars, tail = self.bars.window(first, cut), (cut - first) // _TAIL_DIVISOR
        known = self._signals(bars)
        if known is None:
            return False
        if first == 0:
            self._compare(known, self.full, first)
        elif not np.array_equal(_columns(known)[:, -tail:], self.columns[:, cut - tail : cut]):
            longer = self.bars.window(first, min(cut + tail, len(self.bars)))
            self._compare(known, self._signals(_extend(longer, _CRASH)), first)
            return False
        for closes in (_CRASH, _SURGE):
            self._compare(known, self._signals(_extend(bars, closes)), first)
        return True

    def _compare(self, known: Signals, extended: Signals | None, first: int) -> None:
        """Compare the signals on fewer and on more bars, both starting at bar ``first``."""
        cut = first + len(known)
        if extended is None:
            return
        for name, before, after in zip(("entries", "exits"), _columns(known), _columns(extended), strict=True):
            changed = np.flatnonzero(before != after[: len(before)])
            if len(changed):
                raise self._look_ahead(name, first + int(changed[0]), cut)
        if known.hold != extended.hold and known.entries.any():
            raise self._look_ahead("hold", first, cut)

    def _signals(self, bars: Bars) -> Signals | None:
        """Return the signals, or None if there are too few bars or more than the remaining budget."""
        if not self.warm_up < len(bars) <= self.budget:
            return None
        self.budget -= len(bars)
        try:
            return self.signals_of(bars)
        except StrategyFailed as error:
            self.failure = str(error)
            return None

    def _look_ahead(self, column: str, bar: int, cut: int) -> LookAhead:
        open_time = np.datetime_as_string(self.bars.time[bar].view("datetime64[ns]"), unit="s", timezone="UTC")
        return LookAhead(column, bar, str(open_time), cut)


def _columns(signals: Signals) -> Bools:
    """Return entries and exits as two rows, shape (2, n)."""
    exits = np.zeros(len(signals), np.bool_) if signals.exits is None else signals.exits
    return np.stack([signals.entries, exits])


def _extend(bars: Bars, closes: Floats) -> Bars:
    """Append synthetic bars; each opens at the previous close, and every other one has a large volume."""
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
