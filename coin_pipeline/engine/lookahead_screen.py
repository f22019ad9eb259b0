"""Screening for look-ahead on rare bars: thousands of candles are replaced in a few calls of the strategy.

A cut tests the few decisions before it, and a strategy that looks ahead on one bar in hundreds is seldom on one of
them. Here, candles all over the series are replaced at once. A decision that changes just before a replaced candle is
suspect. It may also have changed because of a replaced candle before it. So suspects are decided once more, with real
candles before each, and those that change again are tested on their own: with the real candle and with the replaced
one, after identical bars.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from coin_pipeline.engine.bars import Bars, Bools, Ints
from coin_pipeline.engine.lookahead_futures import Reflection
from coin_pipeline.engine.lookahead_verdict import Recomputation, columns_of

CONFIRMATIONS = 3
"""Times that suspects are decided once more."""
_NEAR, _FAR = 24, 256
"""Real candles before a suspect when it is decided once more: at least these, and at most those."""
MAX_TESTS = 16
"""Suspects that are tested on their own."""
_MAX_ROUNDS = 24
_PIECES = 8
"""Pieces of a long series that are screened, apart from its first bars."""
_MAX_CHOSEN = 2_000
"""Suspects among which those to decide once more are chosen."""


class _Replacement(NamedTuple):
    """One way of replacing candles: blocks of ``length`` bars, one in each ``spacing`` bars.

    Attributes:
        reach: Bars before a block in which a changed decision is suspect.
        strength: Size of the moves in multiples of the real ones.
    """

    length: int
    spacing: int
    reach: int
    strength: float


_KINDS = (
    _Replacement(1, 8, 3, 1.0),
    _Replacement(1, 16, 4, 4.0),
    _Replacement(8, 32, 12, 2.0),
    _Replacement(1, 8, 3, 1.0),
)
_LONGEST = max(kind.length for kind in _KINDS)


class _Suspect(NamedTuple):
    """A decision that changed.

    Attributes:
        bar: The bar of the decision.
        cut: First bar of the replaced block after it.
        source: Series with the block.
        begin: Bar of that series with which the block begins.
        end: Bar of that series after the block.
    """

    bar: int
    cut: int
    source: Bars
    begin: int
    end: int


@dataclass(frozen=True)
class _Part:
    """Bars of the run that are screened together, as one series.

    Attributes:
        index: Their numbers, ascending.
        allowed: Where a block may begin: it has enough bars before it, and ends before the next piece.
    """

    index: Ints
    allowed: Bools

    @classmethod
    def of(cls, pieces: list[tuple[int, int]], history: int) -> "_Part":
        """Return the part of some pieces, each from its first bar to the one before its end."""
        index = np.concatenate([np.arange(first, end) for first, end in pieces])
        allowed = [
            (history <= np.arange(end - first)) & (np.arange(first, end) <= end - _LONGEST) for first, end in pieces
        ]
        return cls(index, np.concatenate(allowed))


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
        parts = self._parts(budget // (len(_KINDS) + CONFIRMATIONS))
        size = sum(len(part.index) for part in parts)
        if not size:
            return
        rounds = min(_MAX_ROUNDS, budget // size - CONFIRMATIONS)
        suspects = [suspect for part in parts for suspect in self._screen(part, rounds)]
        for suspect in suspects[:MAX_TESTS]:
            self._test(suspect)

    def _parts(self, bars: int) -> list[_Part]:
        """Return the parts to screen, ``bars`` bars together if the series is longer.

        Half of them are the first bars: only there has a decision the same number as in the run. The others are pieces
        of equal length from the rest of the series, joined; the last one is its end.
        """
        n, half = len(self.again.bars), bars // 2
        if n <= bars or self.history > half // 2:
            return [_Part.of([(0, min(n, bars))], 1)]
        count = min(_PIECES, half // (2 * self.history))
        length, room = half // count, (n - half) // count
        offsets = [*self.again.random.integers(0, room - length + 1, count - 1), room - length]
        starts = [half + number * room + int(offset) for number, offset in enumerate(offsets)]
        return [_Part.of([(0, half)], 1), _Part.of([(start, start + length) for start in starts], self.history)]

    def _screen(self, part: _Part, rounds: int) -> list[_Suspect]:
        """Replace candles in a part several times; return the suspects that changed again on their own."""
        bars, run = _taken(self.again.bars, part.index), self.again.columns[:, part.index]
        decided = np.append(False, np.any(run[:, :-1], axis=0))
        tested, doubt = np.zeros(len(bars), np.bool_), np.zeros(len(bars), np.int64)
        found: list[tuple[Ints, Ints, int]] = []
        series: list[Bars] = []
        reflection = Reflection(bars)
        for number in range(rounds):
            kind = _KINDS[number % len(_KINDS)]
            cuts = _cuts(decided, tested, part.allowed, kind.spacing, number, self.again.random)
            if not len(cuts):
                continue
            replaced = reflection.replace(cuts, kind.length, kind.strength, self.again.random)
            signals = self.again.signals(replaced)
            if signals is None:
                continue
            tested[cuts] = True
            changed = np.any(columns_of(signals) != run, axis=0)
            doubt += changed
            at = np.flatnonzero(changed & (np.arange(len(bars)) < cuts[-1]))
            following = cuts[np.searchsorted(cuts, at, side="right")]
            near = following - at <= kind.reach
            doubt[at[near]] -= 2
            found.append((at[near], following[near], number))
            series.append(replaced)
        self.screened += int(tested.sum())
        return self._confirmed(part, bars, self._ordered(found, series, doubt))

    def _ordered(self, found: list[tuple[Ints, Ints, int]], series: list[Bars], doubt: Ints) -> list[_Suspect]:
        """Return the suspects, those first that changed most often and only before replaced candles.

        Args:
            found: Bars, the block after each, and the round, for each round.
            series: The series with replaced candles of each round.
            doubt: Number of rounds in which each bar changed although the candles after it were real, minus that of
                the others in which it changed.
        """
        if not found:
            return []
        bar, cut = (np.concatenate([item[i] for item in found]) for i in (0, 1))
        source = np.repeat(np.arange(len(found)), [len(item[0]) for item in found])
        order = np.lexsort((self.again.random.random(len(bar)), doubt[bar]))[:_MAX_CHOSEN]
        suspects = []
        for at, begin, row in zip(bar[order].tolist(), cut[order].tolist(), source[order].tolist(), strict=True):
            end = min(begin + _KINDS[found[row][2] % len(_KINDS)].length, len(series[row]))
            suspects.append(_Suspect(at, begin, series[row], begin, end))
        return suspects

    def _confirmed(self, part: _Part, bars: Bars, suspects: list[_Suspect]) -> list[_Suspect]:
        """Return the suspects, at their bars of the run, that change again with more and more real candles before them.

        Those that could not be decided again, because others are too near, come last.
        """
        remaining, confirmed = suspects, list[_Suspect]()
        for distance in (_NEAR, _NEAR, min(self.history, _FAR)):
            if distance > _NEAR:
                remaining, confirmed = confirmed, []
            chosen = _apart(remaining, distance + _LONGEST)
            signals = self.again.signals(_with_blocks(bars, 0, chosen)) if chosen else None
            if signals is None:
                continue
            changed = np.any(columns_of(signals) != self.again.columns[:, part.index], axis=0)
            confirmed += [suspect for suspect in chosen if changed[suspect.bar]]
            taken = {suspect.bar for suspect in chosen}
            remaining = [suspect for suspect in remaining if suspect.bar not in taken]
        at = part.index
        ordered = (*confirmed, *remaining)
        return [item._replace(bar=int(at[item.bar]), cut=int(at[item.cut])) for item in ordered[:MAX_TESTS]]

    def _test(self, suspect: _Suspect) -> None:
        """Compare the decisions before a block with the real candles after them and with the replaced ones.

        They are computed from a window, and again from the first bar: a decision may depend on the number of its bar.
        """
        again = self.again
        for first in sorted({0, max(0, suspect.cut - self.history)}, reverse=True):
            real = again.bars.window(first, suspect.cut + suspect.end - suspect.begin)
            other = _with_blocks(real, first, [suspect])
            before, after = again.signals(real), again.signals(other)
            if before is not None and after is not None:
                again.compare((real, before), (other, after), first, suspect.cut)


def _cuts(
    decided: Bools, tested: Bools, allowed: Bools, spacing: int, number: int, random: np.random.Generator
) -> Ints:
    """Return one bar in each ``spacing`` bars, preferably after a decision, and rather one that was not chosen before.

    Only the first or, in every other round, the second half of the bars is considered, so that there is room between.
    """
    half = spacing // 2
    first = spacing * np.arange(len(decided) // spacing) + half * (number % 2)
    if not len(first):
        return first
    index = first[:, None] + np.arange(half)
    score = random.random(index.shape) + decided[index] - 2.0 * tested[index] - 9.0 * ~allowed[index]
    chosen: Ints = first + np.argmax(score, axis=1)
    return chosen[allowed[chosen]]


def _apart(suspects: list[_Suspect], distance: int) -> list[_Suspect]:
    """Return suspects at least ``distance`` bars apart, the first ones if there is a choice."""
    chosen: dict[int, _Suspect] = {}
    for suspect in suspects:
        slot = suspect.cut // distance
        if chosen.keys().isdisjoint((slot - 1, slot, slot + 1)):
            chosen[slot] = suspect
    return list(chosen.values())


def _with_blocks(bars: Bars, first: int, suspects: list[_Suspect]) -> Bars:
    """Return bars, of which the first has the number ``first``, with the replaced candles of some suspects."""
    changed = {field.name: getattr(bars, field.name).copy() for field in fields(bars)}
    for suspect in suspects:
        start, size = suspect.cut - first, suspect.end - suspect.begin
        for name, column in changed.items():
            column[start : start + size] = getattr(suspect.source, name)[suspect.begin : suspect.end]
    return Bars(**changed)


def _taken(bars: Bars, index: Ints) -> Bars:
    return Bars(*(getattr(bars, field.name)[index] for field in fields(bars)))
