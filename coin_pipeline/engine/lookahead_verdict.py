"""Recomputed decisions, and what a difference between two of them means: look-ahead, rounding or chance."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from coin_pipeline.engine.bars import Bars, Bools, Ints
from coin_pipeline.engine.lookahead_futures import CRASH, SURGE, add_noise, extend
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import LookAhead, NotDeterministic, StrategyFailed

COLUMNS = ("entries", "exits")
MAX_ROUNDING_CASES = 16
"""Differences by rounding after which a check ends: a strategy that has more does not get a verdict."""
_DRAWS = 24
"""Draws of rounding noise without any change of a decision that show that rounding does not explain a difference."""


class TooMuchRounding(Exception):
    """Too many decisions depend on rounding; the check ends."""


class _Draws(NamedTuple):
    """Decisions with noise: those of the first draw, and which of them differ in others, both of shape (2, n)."""

    value: Bools
    varies: Bools


@dataclass
class Recomputation:
    """A strategy that is called with other candles, within a budget.

    Attributes:
        bars: n candles of the run.
        signals_of: The strategy, bound to its params.
        full: Its signals on the n candles.
        warm_up: Number of earlier bars that a decision reads, as declared by the strategy.
        budget: Number of bars that may still be recomputed.
        random: Source of the noise.
        failure: Last error the strategy raised on fewer bars; None if it never failed.
        rounding: Decisions (row, bar) that rounding explains.
    """

    bars: Bars
    signals_of: Callable[[Bars], Signals]
    full: Signals
    warm_up: int
    budget: int
    random: np.random.Generator
    failure: str | None = None
    rounding: set[tuple[int, int]] = field(default_factory=set)
    _cases: int = 0

    def __post_init__(self) -> None:
        self.columns = columns_of(self.full)

    def signals(self, bars: Bars) -> Signals | None:
        """Return the signals, or None if there are too few bars or more than the remaining budget."""
        if not self.warm_up < len(bars) <= self.budget:
            return None
        self.budget -= len(bars)
        return self._recomputed(bars)

    def reproduces(self, signals: Signals, first: int, start: int) -> bool:
        """Return whether signals from bar ``first`` on equal the run's from bar ``start`` on, except for rounding."""
        end = first + len(signals)
        differs = columns_of(signals)[:, start - first :] != self.columns[:, start:end]
        return all((row, start + bar) in self.rounding for row, bar in np.argwhere(differs).tolist())

    def compare(self, known: tuple[Bars, Signals], other: tuple[Bars, Signals], first: int, cut: int) -> None:
        """Compare the decisions before a cut of two computations that start at the same bar and differ after the cut.

        Args:
            known: Bars ``first`` to ``cut - 1`` of the run, possibly followed by others, and the signals on them.
            other: The same bars followed by different ones, and the signals on them.
            first: Bar of the run at which both start.
            cut: Bar of the run from which they differ.

        Raises:
            LookAhead: A decision differs because of the later bars.
            NotDeterministic: A decision differs when the strategy is called again with the same bars.
            TooMuchRounding: Rounding explains the differences, as it did for many before.
        """
        size = cut - first
        differs = columns_of(known[1])[:, :size] != columns_of(other[1])[:, :size]
        places = np.argwhere(differs).tolist() if differs.any() else []
        changed = [at for at in places if (at[0], first + at[1]) not in self.rounding]
        if changed:
            self._require_determinism(known, first)
            self._require_determinism(other, first)
            unexplained = self._without_rounding(changed, known[0], other[0], size)
            if unexplained:
                row, bar = unexplained[0]
                raise LookAhead(COLUMNS[row], first + bar, self._opened(first + bar), cut)
            self.rounding.update((row, first + bar) for row, bar in changed)
            self._cases += 1
            if self._cases >= MAX_ROUNDING_CASES:
                raise TooMuchRounding
        elif known[1].hold != other[1].hold and known[1].entries.any():
            self._require_determinism(known, first)
            self._require_determinism(other, first)
            raise LookAhead("hold", first, self._opened(first), cut)

    def _require_determinism(self, computed: tuple[Bars, Signals], first: int) -> None:
        """Raise NotDeterministic if another call with the same bars returns other decisions."""
        bars, before = computed
        again = self._recomputed(bars)
        if again is None:
            return
        changed = np.argwhere(columns_of(before) != columns_of(again))
        if len(changed):
            row, bar = (int(at) for at in changed[0])
            raise NotDeterministic(COLUMNS[row], first + bar, self._opened(first + bar))
        if before.hold != again.hold and before.entries.any():
            raise NotDeterministic("hold", first, self._opened(first))

    def _without_rounding(self, changed: list[list[int]], known: Bars, other: Bars, size: int) -> list[list[int]]:
        """Return the changed decisions that rounding does not explain.

        An FFT over all bars rounds each value differently with every later bar, a matrix product with every number of
        bars. Where such a value equals a threshold, any later bar can change the decision, although none has an
        influence. Rounding explains a change if noise of the size of rounding errors in *earlier* bars moves the
        decision to and fro, so that it is on the edge, and if no two futures, each with such noise and with different
        numbers of bars, lead to different decisions reliably.
        """
        edge = self._draw(known, range(size), size)
        if edge is None:
            return changed
        sharp = [at for at in changed if not edge.varies[*at]]
        if sharp:
            return sharp
        head = known.head(size)
        futures = [extend(head, CRASH), extend(head, SURGE), *(bars for bars in (known, other) if len(bars) > size)]
        draws = [draw for bars in futures if (draw := self._draw(bars, range(size, len(bars)), size)) is not None]
        decided = [{bool(draw.value[*at]) for draw in draws if not draw.varies[*at]} for at in changed]
        return [at for at, values in zip(changed, decided, strict=True) if len(values) > 1]

    def _draw(self, bars: Bars, noisy: range, size: int) -> "_Draws | None":
        """Decide the first ``size`` bars with noise in some bars, and with fewer and fewer bars after them."""
        draws = []
        for draw in range(_DRAWS):
            shorter = bars.head(len(bars) - draw % max(len(bars) - size, 1))
            signals = self._recomputed(add_noise(shorter, noisy.start, min(noisy.stop, len(shorter)), self.random))
            if signals is None:
                return None
            draws.append(columns_of(signals)[:, :size])
        return _Draws(draws[0], np.any(np.stack(draws) != draws[0], axis=0))

    def _recomputed(self, bars: Bars) -> Signals | None:
        try:
            return self.signals_of(bars)
        except StrategyFailed as error:
            self.failure = str(error)
            return None

    def _opened(self, bar: int) -> str:
        return str(np.datetime_as_string(self.bars.time[bar].view("datetime64[ns]"), unit="s", timezone="UTC"))


def columns_of(signals: Signals) -> Bools:
    """Return entries and exits as two rows, shape (2, n)."""
    columns = np.zeros((2, len(signals)), np.bool_)
    columns[0] = signals.entries
    if signals.exits is not None:
        columns[1] = signals.exits
    return columns


def decided_bars(columns: Bools) -> Ints:
    """Return the bars with an entry or an exit that have a bar after them."""
    return np.flatnonzero(columns[0, :-1] | columns[1, :-1])
