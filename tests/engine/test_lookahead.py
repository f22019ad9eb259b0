"""Strategies that read the future are caught, honest ones are not."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.lookahead import check_no_lookahead, cut_points
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import LookAhead
from tests.engine.candles import random_bars

BARS = random_bars(600, seed=3)


def honest(bars: Bars) -> Signals:
    """Compare the close with its average so far."""
    close = pd.Series(bars.close)
    above = close > close.rolling(10).mean()
    return Signals(above & ~above.shift(1, fill_value=False), exits=~above, hold=20)


def next_bar(bars: Bars) -> Signals:
    """Buy before a rise."""
    return Signals(pd.Series(bars.close).shift(-1) > bars.close + 10, hold=1)


def whole_series(bars: Bars) -> Signals:
    """Buy below the mean of everything."""
    return Signals(bars.close < bars.close.mean(), hold=1)


def centred(bars: Bars) -> Signals:
    """Buy at lows that only later bars reveal."""
    close = pd.Series(bars.close)
    return Signals(close == close.rolling(5, center=True).min(), hold=1)


def late_exits(bars: Bars) -> Signals:
    """Leave before a fall."""
    return Signals(bars.close > bars.open, exits=pd.Series(bars.close).shift(-1) < bars.close)


def fitted_hold(bars: Bars) -> Signals:
    """Choose how long to hold by the number of bars there will be."""
    return Signals(bars.close > bars.open, hold=max(1, len(bars) // 10))


def check(strategy: Callable[[Bars], Signals], bars: Bars = BARS) -> None:
    """Check a strategy as a backtest does."""
    full = strategy(bars)
    check_no_lookahead(bars, strategy, full, cut_points(full.entries, seed=7))


def test_an_honest_strategy_passes() -> None:
    """Rolling windows over closed bars are no look-ahead."""
    assert honest(BARS).entries.sum() > 10
    check(honest)


@pytest.mark.parametrize(
    ("strategy", "column"),
    [
        (next_bar, "entries"),
        (whole_series, "entries"),
        (centred, "entries"),
        (late_exits, "exits"),
        (fitted_hold, "hold"),
    ],
)
def test_look_ahead_is_caught(strategy: Callable[[Bars], Signals], column: str) -> None:
    """Each common way to read the future is found, with the column named."""
    with pytest.raises(LookAhead) as caught:
        check(strategy)
    assert caught.value.column == column


def test_the_first_changed_bar_is_named() -> None:
    """The error tells at which bar the decision changed and how many bars were known."""
    full = Signals(np.array([False, True, False, True]))
    with pytest.raises(LookAhead, match=r"entries at bar 1 change when only 3 bars") as caught:
        check_no_lookahead(random_bars(4, 0), lambda bars: Signals(np.zeros(len(bars), bool)), full, [1, 3])
    assert caught.value.bar == 1


def test_cuts_follow_the_last_signals_and_a_seed() -> None:
    """Half of the cuts end right after the last signals, the rest are drawn from the seed; none knows every bar."""
    entries = np.zeros(1000, bool)
    entries[[10, 500, 700, 999]] = True
    cuts = cut_points(entries, seed=1, k=4)
    assert {501, 701} <= set(cuts)
    assert len(set(cuts)) == 4
    assert all(1 <= cut < 1000 for cut in cuts)
    assert cuts == cut_points(entries, seed=1, k=4)
    assert cuts != cut_points(entries, seed=2, k=4)


@pytest.mark.parametrize(("n", "expected"), [(0, []), (1, []), (2, [1]), (3, [1, 2])])
def test_few_bars_have_few_cuts(n: int, expected: list[int]) -> None:
    """There are no more cuts than places to cut."""
    assert cut_points(np.ones(n, bool), seed=0, k=4) == expected
