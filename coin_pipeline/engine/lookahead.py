"""Proof by truncation that a strategy uses closed bars only."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from coin_pipeline.engine.bars import Bars, Bools, Ints
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import LookAhead

ALWAYS_AFFORDABLE = 8_000
"""Bars that may be computed again in any run; they take about a millisecond."""
_SHARE = 8


class Cut(NamedTuple):
    """Signals of bars ``first`` to ``cut`` must not change when the bars ``cut`` to ``end`` are known as well."""

    first: int
    cut: int
    end: int


def cuts_of(decisions: Bools, warm_up: int, seed: int) -> list[Cut]:
    """Choose where to compute signals again on truncated bars, about an eighth of the bars in all.

    Where bars are few, four heads are compared with the signals of all bars: two that end right after one of the last
    decisions, where a strategy that reads the next bar loses a signal, and two random ones, where one that reads the
    whole series decides differently. A head of many bars would cost as much as the run; so on long series the two heads
    are short, and after the last decisions, and at a random bar, windows of equal start are compared with each other.

    Args:
        decisions: Where the strategy decided anything, shape (n,).
        warm_up: How many bars before a bar its decision reads.
        seed: Of the random cuts.

    Returns:
        At most five cuts with ``first < cut < end``, ascending; none when n < 2.
    """
    n = len(decisions)
    random = np.random.default_rng(seed)
    decided = np.flatnonzero(decisions[: max(n - 1, 0)]) + 1
    if 4 * n <= 2 * ALWAYS_AFFORDABLE:
        return [Cut(0, cut, n) for cut in _heads(n, decided[::-1][:2], 4, random)]
    budget = max(ALWAYS_AFFORDABLE, n // _SHARE)
    # A third goes to the heads; each of the three windows is computed twice.
    short = budget // 6
    heads = [Cut(0, cut, n) for cut in _heads(short, decided[decided < short][::-1][:1], 2, random)]
    ends = {*decided[::-1][:2].tolist(), int(random.integers(short, n))}
    length = max(budget // 10, 4 * warm_up)
    return sorted({*heads, *(Cut(max(0, cut - length), cut, min(n, cut + length // 8 + 1)) for cut in ends)})


def check_no_lookahead(bars: Bars, signals_of: Callable[[Bars], Signals], full: Signals, cuts: Sequence[Cut]) -> None:
    """Recompute the signals on truncated bars, once per cut, and compare them exactly.

    Args:
        bars: n candles.
        signals_of: The strategy with its params.
        full: What ``signals_of(bars)`` returned.
        cuts: Where to take bars away.

    Raises:
        LookAhead: A decision changes when later bars are taken away.
    """
    for cut in cuts:
        more = full if (cut.first, cut.end) == (0, len(bars)) else signals_of(bars.window(cut.first, cut.end))
        known = signals_of(bars.window(cut.first, cut.cut))
        columns = {"entries": (known.entries, more.entries), "exits": (_exits(known), _exits(more))}
        for name, (now, then) in columns.items():
            changed = np.flatnonzero(now != then[: len(now)])
            if len(changed):
                raise _look_ahead(bars, name, cut.first + int(changed[0]), cut)
        if known.hold != more.hold:
            raise _look_ahead(bars, "hold", cut.first, cut)


def _heads(n: int, after_decisions: Ints, k: int, random: np.random.Generator) -> list[int]:
    """Return up to k numbers of bars in 1..n-1: those given, the rest at random."""
    candidates = np.setdiff1d(np.arange(1, n), after_decisions)
    count = max(min(k - len(after_decisions), len(candidates)), 0)
    drawn = random.choice(candidates, count, replace=False)
    return sorted(np.concatenate([after_decisions, drawn]).astype(int).tolist())


def _exits(signals: Signals) -> Bools:
    return np.zeros(len(signals), np.bool_) if signals.exits is None else signals.exits


def _look_ahead(bars: Bars, column: str, bar: int, cut: Cut) -> LookAhead:
    opened = np.datetime_as_string(bars.time[bar].view("datetime64[ns]"), unit="s", timezone="UTC")
    return LookAhead(column, bar, str(opened), cut.cut)
