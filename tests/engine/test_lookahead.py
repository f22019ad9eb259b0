"""Strategies that read the future are caught, honest ones are not."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.lookahead import ALWAYS_AFFORDABLE, Cut, check_no_lookahead, cuts_of
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import LookAhead
from tests.engine.candles import random_bars

BARS = random_bars(600, seed=3)
BARS_LONG = random_bars(30_000, seed=8)


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
    decisions = full.entries if full.exits is None else full.entries | full.exits
    check_no_lookahead(bars, strategy, full, cuts_of(decisions, warm_up=10, seed=7))


def test_an_honest_strategy_passes() -> None:
    """Rolling windows over closed bars are no look-ahead."""
    assert honest(BARS).entries.sum() > 10
    check(honest)


TRAPS = [
    (next_bar, "entries"),
    (whole_series, "entries"),
    (centred, "entries"),
    (late_exits, "exits"),
    (fitted_hold, "hold"),
]


@pytest.mark.parametrize(("strategy", "column"), TRAPS)
@pytest.mark.parametrize("n", [600, 30_000])
def test_look_ahead_is_caught(strategy: Callable[[Bars], Signals], column: str, n: int) -> None:
    """Each common way to read the future is found on few and on many bars, with the column named."""
    with pytest.raises(LookAhead) as caught:
        check(strategy, random_bars(n, seed=8))
    assert caught.value.column == column


def test_the_first_changed_bar_is_named() -> None:
    """The error tells at which bar and candle the decision changed, and which candles were taken away."""
    full = Signals(np.array([False, True, False, True]))
    cuts = [Cut(0, 1, 4), Cut(0, 3, 4)]
    where = r"entries at bar 1 \(the candle of 1970-01-01T01:00:00Z\).* from bar 3"
    with pytest.raises(LookAhead, match=where) as caught:
        check_no_lookahead(random_bars(4, 0), lambda bars: Signals(np.zeros(len(bars), bool)), full, cuts)
    assert caught.value.bar == 1


def test_cuts_follow_the_last_signals_and_a_seed() -> None:
    """Half of the cuts end right after the last signals, the rest are drawn from the seed; none knows every bar."""
    entries = np.zeros(1000, bool)
    entries[[10, 500, 700, 999]] = True
    cuts = cuts_of(entries, 0, seed=1)
    assert {Cut(0, 501, 1000), Cut(0, 701, 1000)} <= set(cuts)
    assert len(set(cuts)) == 4
    assert all(1 <= cut.cut < 1000 for cut in cuts)
    assert cuts == cuts_of(entries, 0, seed=1)
    assert cuts != cuts_of(entries, 0, seed=2)


@pytest.mark.parametrize(("n", "expected"), [(0, []), (1, []), (2, [1]), (3, [1, 2])])
def test_few_bars_have_few_cuts(n: int, expected: list[int]) -> None:
    """There are no more cuts than places to cut."""
    assert [cut.cut for cut in cuts_of(np.ones(n, bool), 0, seed=0)] == expected


@pytest.mark.parametrize("n", [20_000, 500_000])
@pytest.mark.parametrize("rate", [0.0, 0.0005, 0.3, 1.0])
def test_many_bars_are_not_computed_many_times(n: int, rate: float) -> None:
    """On long series about an eighth of the bars is computed again, after the last decisions too."""
    decisions = np.random.default_rng(0).random(n) < rate
    cuts = cuts_of(decisions, warm_up=20, seed=0)
    work = sum(cut.cut - cut.first + (cut.end - cut.first if cut.end < n or cut.first else 0) for cut in cuts)
    assert work <= 1.05 * max(ALWAYS_AFFORDABLE, n / 8)
    assert all(cut.first < cut.cut < n and cut.cut <= cut.end <= n for cut in cuts)
    ends = {cut.cut for cut in cuts}
    assert set(np.flatnonzero(decisions[:-1])[-2:] + 1) <= ends


def test_a_peek_at_the_last_decisions_of_a_long_series_is_caught() -> None:
    """A strategy that is honest until the very end is found where it decided last."""

    def late_peek(bars: Bars) -> Signals:
        late = bars.time >= BARS_LONG.time[29_000]
        return Signals((pd.Series(bars.close).shift(-1) > bars.close + 10) & late, hold=1)

    with pytest.raises(LookAhead):
        check(late_peek, BARS_LONG)
