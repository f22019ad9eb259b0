"""Look-ahead check: recompute signals with the future removed or replaced at some bars. A test, not a proof."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from coin_pipeline.engine.bars import Bars, Ints
from coin_pipeline.engine.lookahead_futures import CRASH, SURGE, extend
from coin_pipeline.engine.lookahead_screen import Screening
from coin_pipeline.engine.lookahead_verdict import Recomputation, TooMuchRounding, decided_bars
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import StrategyFailed

MIN_BAR_BUDGET = 98_304
"""Bars that may be recomputed in any run, in about a hundred calls."""
BUDGET_DIVISOR = 6
"""On long series, the budget is the number of bars divided by this."""
_MIN_WINDOW = 64
"""Bars of the first window tried."""
_TAIL_DIVISOR = 8
"""The compared tail of a window is its length divided by this."""
_RESERVED_PREFIXES = 32
"""Recomputations from the first bar that must still fit the budget when a cut is drawn."""


class LookAheadReport(NamedTuple):
    """Coverage of a check that found no look-ahead.

    Attributes:
        cuts: Number of bars at which the future was removed and replaced.
        decisions: Number of cuts directly after a bar with an entry or an exit.
        total_decisions: Number of bars with an entry or an exit that have a bar after them.
        failure: Last error the strategy raised on fewer bars; None if it never failed.
        screened: Number of bars whose next candles were replaced in the screening.
        rounding: Number of decisions that later bars change by rounding errors only.
        is_complete: Whether the check ended before too many decisions of that kind were found.
    """

    cuts: int
    decisions: int
    total_decisions: int
    failure: str | None = None
    screened: int = 0
    rounding: int = 0
    is_complete: bool = True

    @property
    def is_conclusive(self) -> bool:
        """Whether the check is complete and any decision was compared, or there was none to compare."""
        return self.is_complete and (self.decisions > 0 or not self.total_decisions)


def run_and_check(
    bars: Bars, signals_of: Callable[[Bars], Signals], warm_up: int = 0
) -> tuple[Signals, LookAheadReport]:
    """Return a strategy's signals with the report of the look-ahead check.

    The first bars are decided before all bars. A strategy that learns once, and keeps it where `signals_of` cannot
    discard it, has then learned from these only.

    Args:
        bars: n candles.
        signals_of: The strategy, bound to its params; each call starts from the same state.
        warm_up: Number of earlier bars that a decision reads, as declared by the strategy.

    Raises:
        StrategyFailed: The strategy raised an exception or returned no signals.
        LookAhead: A decision changes with later bars.
        NotDeterministic: A decision changes when the strategy is called again with the same bars.
    """
    if (size := min(warm_up + _MIN_WINDOW, len(bars) // 2)) > warm_up:
        with suppress(StrategyFailed):  # too few bars for some
            signals_of(bars.head(size))
    signals = signals_of(bars)
    return signals, check_no_lookahead(bars, signals_of, signals, warm_up)


def check_no_lookahead(
    bars: Bars, signals_of: Callable[[Bars], Signals], full: Signals, warm_up: int = 0, seed: int = 0
) -> LookAheadReport:
    """Recompute signals with the bars after a cut removed, then with a crash and with a surge in their place.

    All decisions before the cut must be identical. A decision may also change because earlier bars are missing, so only
    two computations that start at the same bar are evidence of look-ahead. A window that does not reproduce the
    decisions of the run is extended, up to the first bar.

    Cuts are made directly after the first and the last decisions of each column and some in between, both positive and
    negative ones, and at random bars. A screening then replaces candles after thousands of bars. The work depends on
    the decisions and the seed, never on a clock: at most ``MIN_BAR_BUDGET`` bars are recomputed, or a sixth of all
    bars if that is more. Only a decision that has changed costs more: before a strategy is rejected, it is called again
    with the same bars, and with noise of the size of rounding errors.

    Args:
        bars: n candles.
        signals_of: The strategy, bound to its params; each call must start from the same state.
        full: Result of ``signals_of(bars)``.
        warm_up: Number of earlier bars that a decision reads, as declared by the strategy.
        seed: Seed of the random cuts.

    Returns:
        The coverage of the check.

    Raises:
        LookAhead: A decision changes with later bars.
        NotDeterministic: A decision changes when the strategy is called again with the same bars.
    """
    budget = max(MIN_BAR_BUDGET, len(bars) // BUDGET_DIVISOR)
    again = Recomputation(bars, signals_of, full, warm_up, budget // 2, np.random.default_rng(seed))
    cuts = _Cuts(again)
    screening = Screening(again, 0)
    is_complete = True
    try:
        cuts.compare_all()
        screening.history = cuts.history
        again.budget += budget - budget // 2
        screening.run(again.budget // 4 * 3)
    except TooMuchRounding:
        is_complete = False
    decided = decided_bars(again.columns)
    compared = sum(bool(again.columns[:, cut - 1].any()) for cut in cuts.passed)
    return LookAheadReport(
        len(cuts.passed),
        compared,
        len(decided),
        again.failure,
        screening.screened,
        len(again.rounding),
        is_complete,
    )


@dataclass
class _Cuts:
    """Comparisons at single bars.

    Attributes:
        again: The strategy and its budget.
        history: Length of a window in bars; n once no window is long enough and only prefixes can be compared.
        passed: Cuts before which no decision changed.
    """

    again: Recomputation
    passed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        warm_up = self.again.warm_up
        self.history = _MIN_WINDOW + warm_up + warm_up // (_TAIL_DIVISOR // 2)

    def compare_all(self) -> None:
        """Compare at the last and first decisions, at some between them, and at random bars."""
        columns = self.again.columns
        candidates = [np.flatnonzero(mask[:-1]) + 1 for column in columns for mask in (column, ~column)]
        for cuts in candidates:
            self._compare_at(cuts[-2:])
        for cuts in candidates:
            self._compare_at(cuts[cuts > self.again.warm_up][:2])
        for cuts in candidates:
            self._compare_at(self._draw(cuts, 1))
        self._compare_at(self._draw(np.arange(1, len(self.again.bars)), 4))

    def _draw(self, cuts: Ints, k: int) -> Ints:
        """Draw up to k random cuts; if only prefixes can be compared, draw short ones that leave budget for others."""
        if self.history >= len(self.again.bars):
            cuts = cuts[cuts <= self.again.budget // _RESERVED_PREFIXES]
        return self.again.random.choice(cuts, min(k, len(cuts)), replace=False)

    def _compare_at(self, cuts: Ints) -> None:
        """Compare the decisions before each cut, using the shortest window that reproduces those of the run."""
        for cut in map(int, cuts):
            while cut not in self.passed:
                if self._is_unchanged(max(0, cut - self.history), cut):
                    self.passed.add(cut)
                elif self.history >= cut:
                    break
                else:
                    longer = 2 * self.history
                    self.history = longer if 2 * longer <= self.again.budget else len(self.again.bars)

    def _is_unchanged(self, first: int, cut: int) -> bool:
        """Return whether bars ``first`` to ``cut`` reproduce the run's decisions, and compare them with other futures.

        Starting at the first bar, all decisions must match those of the run. Starting later, only the tail is expected
        to match. If it does not, either the window is too short or later bars of the run change the decisions.
        """
        again = self.again
        bars, tail = again.bars.window(first, cut), (cut - first) // _TAIL_DIVISOR
        signals = again.signals(bars)
        if signals is None:
            return False
        known = bars, signals
        if first == 0:
            again.compare(known, (again.bars, again.full), first, cut)
        elif not again.reproduces(signals, first, cut - tail):
            longer = again.bars.window(first, min(cut + tail, len(again.bars)))
            self._compare(known, extend(longer, CRASH), first)
            return again.reproduces(signals, first, cut - tail)
        for closes in (CRASH, SURGE):
            self._compare(known, extend(bars, closes), first)
        return True

    def _compare(self, known: tuple[Bars, Signals], other: Bars, first: int) -> None:
        """Compare the signals on fewer and on more bars, both starting at bar ``first``."""
        signals = self.again.signals(other)
        if signals is not None:
            self.again.compare(known, (other, signals), first, first + len(known[0]))
