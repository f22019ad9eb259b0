"""Screening for look-ahead on rare bars: thousands of candles are replaced in a few calls of the strategy.

A cut tests the few decisions before it, and a strategy that looks ahead on one bar in hundreds is seldom on one of
them. Here, candles all over the series are replaced at once. A decision that changes just before a replaced candle is
suspect. It may also have changed because of a replaced candle before it. So suspects are decided once more in one call,
each after real candles only, and those that change again are tested on their own: with the real candle and with the
replaced one, after identical bars.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from coin_pipeline.engine.bars import Bars, Bools, Ints
from coin_pipeline.engine.lookahead_futures import reflect
from coin_pipeline.engine.lookahead_verdict import Recomputation, columns_of, decided_bars

MAX_SUSPECTS = 64
"""Suspects that are decided once more."""
MAX_TESTS = 16
"""Suspects that are tested on their own."""
_MAX_PASSES = 12
_SEGMENTS = 3
"""Parts of a long series that are screened: the first bars, the last, and some between them."""


class _Pass(NamedTuple):
    """One way of replacing candles: blocks of ``length`` bars, one in each ``spacing`` bars.

    Attributes:
        reach: Bars before a block in which a changed decision is suspect.
        strength: Size of the moves in multiples of the real ones.
    """

    length: int
    spacing: int
    reach: int
    strength: float


_PASSES = (_Pass(1, 16, 4, 1.0), _Pass(1, 16, 4, 4.0), _Pass(1, 16, 4, 1.0), _Pass(12, 64, 24, 2.0))


class _Suspect(NamedTuple):
    """A decision that changed.

    Attributes:
        doubt: Number of passes in which it changed, also without a replaced candle after it.
        bar: The bar of the decision.
        cut: First bar of the block after it.
        replaced: The segment with the replaced candles.
        offset: First bar of the segment.
        length: Bars of the block.
    """

    doubt: int
    bar: int
    cut: int
    replaced: Bars
    offset: int
    length: int


@dataclass
class Screening:
    """A screening of one run.

    Attributes:
        again: The strategy and its budget.
        history: Bars that a decision needs before it, as far as the check knows; n if only prefixes reproduce the run.
        screened: Bars after which a candle was replaced.
    """

    again: Recomputation
    history: int
    screened: int = 0

    def run(self, budget: int) -> None:
        """Screen the series and test the suspects.

        Args:
            budget: Bars that may be recomputed for the screening; testing suspects uses what remains of the check's.
        """
        suspects: list[_Suspect] = []
        segments = self._segments(budget // len(_PASSES))
        size = sum(end - first for first, end in segments)
        rounds = min(_MAX_PASSES, budget // size) if size else 0
        for first, end in segments:
            suspects += self._screen(first, end, rounds)
        suspects.sort(key=lambda suspect: suspect.doubt)
        for suspect in self._confirmed(suspects)[:MAX_TESTS]:
            self._test(suspect)

    def _confirmed(self, suspects: list[_Suspect]) -> list[_Suspect]:
        """Return the suspects that change again when all candles before the replaced ones are real.

        The windows of the suspects are joined to one series. Windows that would overlap are left out.
        """
        chosen: dict[int, _Suspect] = {}
        width = self.history + max(kind.length for kind in _PASSES)
        for suspect in suspects:
            slot = suspect.cut // width
            if len(chosen) < MAX_SUSPECTS and chosen.keys().isdisjoint((slot - 1, slot, slot + 1)):
                chosen[slot] = suspect
        if not chosen or self.history >= len(self.again.bars):
            return suspects
        in_order = [chosen[slot] for slot in sorted(chosen)]
        parts = [self._with_block(suspect) for suspect in in_order]
        signals = self.again.signals(_joined(*parts))
        if signals is None:
            return suspects
        decided, confirmed, start = columns_of(signals), [], 0
        for suspect, part in zip(in_order, parts, strict=True):
            at = start + suspect.bar - self._window(suspect)[0]
            if not np.array_equal(decided[:, at], self.again.columns[:, suspect.bar]):
                confirmed.append(suspect)
            start += len(part)
        return sorted(confirmed, key=lambda suspect: suspect.doubt)

    def _window(self, suspect: _Suspect) -> tuple[int, int]:
        """Return the bars from the first one that the decision needs to the end of the block."""
        end = min(suspect.cut + suspect.length, suspect.offset + len(suspect.replaced))
        return max(0, suspect.cut - self.history), end

    def _with_block(self, suspect: _Suspect) -> Bars:
        """Return the window of a suspect with its block of replaced candles."""
        first, end = self._window(suspect)
        block = suspect.replaced.window(suspect.cut - suspect.offset, end - suspect.offset)
        return _joined(self.again.bars.window(first, suspect.cut), block)

    def _segments(self, bars: int) -> list[tuple[int, int]]:
        """Return the parts to screen, ``bars`` bars together if the series is longer."""
        n, each = len(self.again.bars), bars // _SEGMENTS
        if n <= bars:
            return [(0, n)]
        if self.history > each // 2:
            return [(0, bars)]
        middle = int(self.again.random.integers(each, n - 2 * each + 1)) if n > 3 * each else each
        return [(0, each), (middle, middle + each), (n - each, n)]

    def _screen(self, first: int, end: int, rounds: int) -> list[_Suspect]:
        bars, run = self.again.bars.window(first, end), self.again.columns[:, first:end]
        decided = np.zeros(len(bars) + 1, np.bool_)
        decided[decided_bars(run) + 1] = True
        start = min(self.history, len(bars)) if first else 1
        tested, changes, found = np.zeros(len(bars), np.bool_), np.zeros(len(bars), np.int64), []
        for number in range(rounds):
            kind = _PASSES[number % len(_PASSES)]
            cuts = _cuts(decided[:-1], tested, start, kind.spacing, number, self.again.random)
            if not len(cuts):
                continue
            replaced = reflect(bars, cuts, kind.length, kind.strength, self.again.random)
            signals = self.again.signals(replaced)
            if signals is None:
                continue
            tested[cuts] = True
            changed = np.any(columns_of(signals) != run, axis=0)
            changes += changed
            at = np.flatnonzero(changed)
            following = np.searchsorted(cuts, at, side="right")
            at, following = at[following < len(cuts)], following[following < len(cuts)]
            near = cuts[following] - at <= kind.reach
            found += [
                (int(bar), int(cut), replaced, kind.length)
                for bar, cut in zip(at[near], cuts[following[near]], strict=True)
            ]
        self.screened += int(tested.sum())
        order = self.again.random.permutation(len(found))
        return [
            _Suspect(int(changes[bar]), first + bar, first + cut, replaced, first, length)
            for bar, cut, replaced, length in (found[i] for i in order)
        ]

    def _test(self, suspect: _Suspect) -> None:
        """Compare the decisions before a block with the real candles after them and with the replaced ones."""
        again, (first, end) = self.again, self._window(suspect)
        real, other = again.bars.window(first, end), self._with_block(suspect)
        before, after = again.signals(real), again.signals(other)
        if before is not None and after is not None:
            again.compare((real, before), (other, after), first, suspect.cut)


def _cuts(decided: Bools, tested: Bools, start: int, spacing: int, number: int, random: np.random.Generator) -> Ints:
    """Return one bar in each ``spacing`` bars, preferably after a decision, and rather one that was not chosen before.

    Only the first or, in every other round, the second half of the bars is considered, so that there is room between.
    """
    half = spacing // 2
    slots = (len(decided) - start) // spacing
    if slots <= 0:
        return np.empty(0, np.int64)
    first = start + spacing * np.arange(slots) + half * (number % 2)
    index = first[:, None] + np.arange(half)
    score = random.random(index.shape) + decided[index] - 2.0 * tested[index]
    chosen: Ints = first + np.argmax(score, axis=1)
    return chosen


def _joined(*parts: Bars) -> Bars:
    names = ("time", "open", "high", "low", "close", "volume")
    return Bars(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
