"""Proof by truncation that a strategy uses closed bars only."""

from collections.abc import Callable, Sequence

import numpy as np

from coin_pipeline.engine.bars import Bars, Bools
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import LookAhead


def cut_points(entries: Bools, seed: int, k: int = 4) -> list[int]:
    """Choose up to ``k`` numbers of known bars at which to recompute signals.

    Half of them end right after one of the last signals, where a strategy that reads the next bar loses a signal; the
    others are random, where one that reads the whole series decides differently.

    Args:
        entries: Signals on n bars, bool.
        seed: Of the random cuts.
        k: How many cuts at most.

    Returns:
        Different numbers in 1..n-1, ascending; none when n < 2.
    """
    n = len(entries)
    after_signals = np.flatnonzero(entries[: max(n - 1, 0)])[::-1][: k // 2] + 1
    candidates = np.setdiff1d(np.arange(1, n), after_signals)
    count = min(k - len(after_signals), len(candidates))
    random_cuts = np.random.default_rng(seed).choice(candidates, count, replace=False)
    return sorted(np.concatenate([after_signals, random_cuts]).astype(int).tolist())


def check_no_lookahead(bars: Bars, signals_of: Callable[[Bars], Signals], full: Signals, cuts: Sequence[int]) -> None:
    """Recompute the signals on the first bars only, once per cut, and compare them with those of all bars.

    Args:
        bars: n candles.
        signals_of: The strategy with its params.
        full: What ``signals_of(bars)`` returned.
        cuts: Numbers of known bars, each in 0..n.

    Raises:
        LookAhead: A decision changes when later bars are taken away.
    """
    for cut in cuts:
        known = signals_of(bars.head(cut))
        _compare("entries", known.entries, full.entries, cut)
        _compare("exits", _or_never(known.exits, cut), _or_never(full.exits, len(full)), cut)
        if known.hold != full.hold:
            raise LookAhead("hold", 0, cut)


def _or_never(exits: Bools | None, n: int) -> Bools:
    return np.zeros(n, np.bool_) if exits is None else exits


def _compare(column: str, known: Bools, full: Bools, cut: int) -> None:
    changed = np.flatnonzero(known != full[:cut])
    if len(changed):
        raise LookAhead(column, int(changed[0]), cut)
