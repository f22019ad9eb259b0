"""Strategies that read the future are detected; honest ones pass."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.engine.bars import Bars, Bools
from coin_pipeline.engine.lookahead import BUDGET_DIVISOR, MIN_BAR_BUDGET, LookAheadReport, check_no_lookahead
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import LookAhead, StrategyFailed
from tests.engine.candles import random_bars, real_bars

Rule = Callable[[Bars], Signals]
RANDOM = [370, 10_000, 60_000]
REAL = ["upbit_KRW-BTC_1d_2025.parquet", "upbit_KRW-BTC_1h.csv", "upbit_KRW-BTC_1m.csv"]

made = cache(random_bars)
read = cache(real_bars)


def column(bars: Bars, name: str = "close") -> pd.Series:
    """Return a column as a pandas Series, as users have it."""
    return pd.Series(getattr(bars, name))


def above(bars: Bars, window: int, quick: int = 1) -> pd.Series:
    """Return where a fast mean is above a slow one."""
    close = column(bars)
    return close.rolling(quick).mean() > close.rolling(window).mean()


def rises(above: pd.Series) -> pd.Series:
    """Return where a condition becomes true."""
    return above & ~above.shift(1, fill_value=False)


def cross(bars: Bars) -> pd.Series:
    """Return where a fast mean crosses above a slow one; this reads no future bars."""
    return rises(above(bars, 20, 5))


def falls_next(bars: Bars, by: float = 0.0, name: str = "close") -> pd.Series:
    """Return where the next close is below the close."""
    return column(bars, name).shift(-1) < column(bars) * (1 - by)


def scaled(values: pd.Series) -> pd.Series:
    """Return z-scores with the mean and deviation of the whole series."""
    return (values - values.mean()) / values.std()


def hold_of(mean: float) -> int:
    """Return a longer hold in a rising market."""
    return 20 if mean > 0 else 5


TRAPS: dict[str, tuple[str, Rule]] = {
    "next close": ("entries", lambda b: Signals(column(b).shift(-1) > b.close, hold=1)),
    "next close behind 100 bars": ("entries", lambda b: Signals(~falls_next(b) & above(b, 100), hold=1)),
    "next close behind 250 bars": ("entries", lambda b: Signals(~falls_next(b) & above(b, 250), hold=1)),
    "next close behind 2,000 bars": ("entries", lambda b: Signals(~falls_next(b) & above(b, 2_000), hold=1)),
    "a close five bars on": ("entries", lambda b: Signals(cross(b) & (column(b).shift(-5) > b.close), hold=1)),
    "lowest of all": ("entries", lambda b: Signals(b.close <= 1.01 * b.close.min(), hold=1)),
    "highest of all": ("entries", lambda b: Signals(b.close >= 0.99 * b.close.max(), hold=1)),
    "mean of all": ("entries", lambda b: Signals(b.close < b.close.mean(), hold=1)),
    "deviations of all": ("entries", lambda b: Signals(scaled(column(b)) < -1, hold=1)),
    "volume against all": ("entries", lambda b: Signals(scaled(column(b, "volume")) > 1, hold=1)),
    "against the last close": ("entries", lambda b: Signals(b.close / b.close[-1] < 0.98, hold=1)),
    "centred window": ("entries", lambda b: Signals(b.close == column(b).rolling(5, center=True).min(), hold=1)),
    "filled backwards": ("entries", lambda b: Signals(column(b).where(cross(b)).bfill() > b.close, hold=1)),
    "veto of the next low": ("entries", lambda b: Signals(cross(b) & ~falls_next(b, 0.002, "low"), hold=1)),
    "veto of a rare fall": ("entries", lambda b: Signals(cross(b) & ~falls_next(b, 0.01), hold=1)),
    "veto of a day": (
        "entries",
        lambda b: Signals(cross(b) & ~(column(b, "low").rolling(24).min().shift(-24) < 0.98 * b.close), hold=1),
    ),
    "dense exits": ("exits", lambda b: Signals(cross(b), ~(column(b).shift(-1) > b.close))),
    "rare exits": ("exits", lambda b: Signals(cross(b), falls_next(b, 0.01))),
    "exits with a veto": ("exits", lambda b: Signals(cross(b), rises(~above(b, 20, 5)) & falls_next(b))),
    "hold by the mean return": ("hold", lambda b: Signals(cross(b), hold=hold_of(column(b).pct_change().mean()))),
    "hold by later returns": (
        "hold",
        lambda b: Signals(cross(b), hold=hold_of((column(b).shift(-10) / b.close - 1).mean())),
    ),
    "hold by the number of bars": ("hold", lambda b: Signals(b.close > b.open, hold=max(1, len(b) // 10))),
}


def new_highs(window: int) -> Rule:
    """Return the rule of the README, which fails on fewer bars than its window."""

    def rule(bars: Bars) -> Signals:
        highs = np.lib.stride_tricks.sliding_window_view(bars.high, window)
        entries = np.zeros(len(bars), bool)
        entries[window:] = bars.close[window:] > highs[:-1].max(axis=1)
        return Signals(entries, hold=5)

    return rule


def recursive(span: int) -> Rule:
    """Return a rule on an exponential mean, which depends on every bar since the first."""

    def rule(bars: Bars) -> Signals:
        over = column(bars).ewm(span=span, adjust=False).mean() < bars.close
        return Signals(rises(over), exits=~over)

    return rule


def since_the_first(bars: Bars) -> Signals:
    """Return a rule that compares with the mean of all bars so far."""
    deviations = (column(bars) - column(bars).expanding(50).mean()) / column(bars).expanding(50).std()
    return Signals(deviations < -1, exits=deviations > 1)


def stateful(bars: Bars) -> Signals:
    """Buy only while no position is held, with its own stop: state is carried from bar to bar."""
    entries, exits, paid = np.zeros(len(bars), bool), np.zeros(len(bars), bool), 0.0
    for i in range(1, len(bars)):
        if not paid and bars.close[i] > 1.001 * bars.close[i - 1]:
            entries[i], paid = True, bars.close[i]
        elif paid and not 0.98 * paid < bars.close[i] < 1.03 * paid:
            exits[i], paid = True, 0.0
    return Signals(entries, exits)


def measured_hold(bars: Bars) -> Signals:
    """Derive the hold from the first 200 bars, and enter only after them."""
    entries = cross(bars).to_numpy() & (np.arange(len(bars)) >= 200)
    return Signals(entries, hold=1 + int(bars.volume[:200].mean()))


HONEST: dict[str, Rule] = {
    "crossing": lambda b: Signals(cross(b), exits=~above(b, 20, 5)),
    "highs of 20 bars": new_highs(20),
    "highs of 250 bars": new_highs(250),
    "mean of 250 bars": lambda b: Signals(rises(above(b, 250, 50)), hold=5),
    "mean of 3,000 bars": lambda b: Signals(rises(above(b, 3_000, 50)), exits=rises(~above(b, 3_000, 50))),
    "exponential mean of 50 bars": recursive(50),
    "exponential mean of 2,000 bars": recursive(2_000),
    "all bars so far": since_the_first,
    "highest so far": lambda b: Signals(b.close >= np.maximum.accumulate(b.close), hold=3),
    "one after the other": stateful,
    "measured hold": measured_hold,
    "always": lambda b: Signals(np.ones(len(b), bool), hold=1),
    "never": lambda b: Signals(np.zeros(len(b), bool)),
}


class CountedStrategy:
    """A strategy as called by a run: it counts its calls, and its exceptions become strategy failures."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.lengths = rule, list[int]()

    def __call__(self, bars: Bars) -> Signals:
        """Return the rule's signals."""
        self.lengths.append(len(bars))
        try:
            return self.rule(bars)
        except ValueError as error:
            raise StrategyFailed("own", "A_KRW", str(error)) from error


def check(rule: Rule, bars: Bars, warm_up: int = 0) -> LookAheadReport:
    """Check a strategy as a backtest does."""
    return check_no_lookahead(bars, CountedStrategy(rule), rule(bars), warm_up)


def detected_column(rule: Rule, bars: Bars) -> str:
    """Return the column in which look-ahead was detected."""
    with pytest.raises(LookAhead) as caught:
        check(rule, bars)
    return caught.value.column


def decides(rule: Rule, bars: Bars) -> bool:
    """Return whether a strategy makes the decisions it cheats on; one with a long window does not on few bars."""
    signals = rule(bars)
    return bool(signals.entries.any() or (signals.exits is not None and signals.exits.any()))


@pytest.mark.parametrize("n", RANDOM)
@pytest.mark.parametrize("trap", TRAPS)
def test_look_ahead_is_detected(trap: str, n: int) -> None:
    """Each way of reading the future is detected on few and on many bars, and the column is named."""
    name, rule = TRAPS[trap]
    if n >= 10_000 or "2,000" not in trap:
        assert decides(rule, made(n, 8))
        assert detected_column(rule, made(n, 8)) == name


@pytest.mark.parametrize("file", REAL)
@pytest.mark.parametrize("trap", TRAPS)
def test_look_ahead_is_detected_on_real_candles(trap: str, file: str, market_data: Path) -> None:
    """It is detected on days, hours and minutes, even if the future changed none of the run's decisions."""
    name, rule = TRAPS[trap]
    bars = read(market_data, file)
    if decides(rule, bars):
        assert detected_column(rule, bars) == name
    else:
        assert (trap, len(bars) < 2_000) == ("next close behind 2,000 bars", True)


@pytest.mark.parametrize("n", RANDOM)
@pytest.mark.parametrize("rule", HONEST.values(), ids=HONEST)
def test_honest_strategy_passes(rule: Rule, n: int) -> None:
    """Neither a long window nor statistics since the first bar are look-ahead, and decisions are compared."""
    evidence = check(rule, made(n, 8))
    assert evidence.cuts > 0 or not evidence.total_decisions
    assert evidence.is_conclusive
    assert evidence.decisions <= evidence.cuts


@pytest.mark.parametrize("file", REAL)
@pytest.mark.parametrize("rule", HONEST.values(), ids=HONEST)
def test_honest_strategy_passes_on_real_candles(rule: Rule, file: str, market_data: Path) -> None:
    """Honest strategies pass on days, hours and minutes."""
    assert check(rule, read(market_data, file)).is_conclusive


def test_error_names_the_bar() -> None:
    """The error gives the bar and candle whose decision changed, and the bar from which candles were replaced."""
    bars = random_bars(4, 0)

    def third(bars: Bars) -> Signals:
        return Signals(np.arange(len(bars)) == len(bars) - 2)

    with pytest.raises(LookAhead, match=r"its entries at bar 1 \(the candle of 1970-01-01T01:00:00Z\).* bar 3 on"):
        check(third, bars)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_very_short_series_pass(n: int) -> None:
    """The number of cuts is limited by the number of bars."""
    assert check(HONEST["always"], random_bars(n, 0)).cuts == max(n - 1, 0)


@pytest.mark.parametrize("n", [370, 10_000, 500_000])
@pytest.mark.parametrize("warm_up", [0, 1_440])
@pytest.mark.parametrize("rate", [0.0, 0.0005, 0.3, 1.0])
def test_recomputed_bars_stay_within_the_budget(n: int, warm_up: int, rate: float) -> None:
    """At most a sixth of the bars, or the minimum budget, in about a hundred calls, each longer than the warm-up."""
    entries = np.random.default_rng(0).random(n) < rate
    full, bars = Signals(entries), made(n, 8)
    strategy = CountedStrategy(lambda known: Signals(entries[np.searchsorted(bars.time, known.time) % n]))
    check_no_lookahead(bars, strategy, full, warm_up)
    assert sum(strategy.lengths) <= max(MIN_BAR_BUDGET, n // BUDGET_DIVISOR)
    assert len(strategy.lengths) < 120
    assert min(strategy.lengths, default=warm_up + 1) > warm_up


def test_cuts_depend_only_on_the_seed() -> None:
    """The same bars are recomputed in each run; another seed selects others."""
    bars = made(10_000, 8)

    def firsts(seed: int) -> list[int]:
        seen = []

        def rule(known: Bars) -> Signals:
            seen.append(int(known.time[0]))
            return measured_hold(known)

        check_no_lookahead(bars, rule, measured_hold(bars), 0, seed)
        return seen

    assert firsts(1) == firsts(1)
    assert firsts(1) != firsts(2)


def test_failure_on_fewer_bars_is_inconclusive() -> None:
    """The strategy is not rejected, the check is inconclusive, and the error message is kept."""

    def rule(bars: Bars) -> Signals:
        if len(bars) < 370:
            raise ValueError("wants a year")
        return Signals(~falls_next(bars))

    evidence = check(rule, made(370, 8))
    assert (evidence.cuts, evidence.is_conclusive) == (0, False)
    assert evidence.failure is not None
    assert "wants a year" in evidence.failure


@pytest.mark.parametrize("undeclared", [True, False])
def test_windows_over_budget_are_inconclusive(undeclared: bool) -> None:  # noqa: FBT001
    """Look-ahead behind a window this long passes, and the report shows that no decision was compared."""
    bars = made(100_000, 8)

    def rule(bars: Bars) -> Signals:
        return Signals(~falls_next(bars) & above(bars, 50_000))

    evidence = check(rule, bars, 0 if undeclared else 50_000)
    assert (evidence.decisions, evidence.is_conclusive) == (0, False)
    assert evidence.total_decisions > 1_000


def test_look_ahead_near_the_end_is_detected() -> None:
    """A strategy that is honest until near the end is detected at its last decisions."""
    bars = made(30_000, 8)

    def late(known: Bars) -> Bools:
        return known.time >= bars.time[29_000]

    assert detected_column(lambda b: Signals(cross(b) & ~(late(b) & falls_next(b)), hold=1), bars) == "entries"
