"""Stops and sizing: figures by hand, and agreement with plain Python on random bars."""

from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pytest

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.execution import Costs, Fill, Stops
from coin_pipeline.engine.outcomes import ExitReason
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from tests.engine.candles import bars_of, random_bars
from tests.engine.reference import (
    assert_same_account,
    assert_same_trades,
    drawdowns,
    outcomes_at_close,
    trade_next_open,
)

COSTS = Costs(0.001, 0.0002)
FREE = Costs(0.0, 0.0)
CALM = (100, 101, 99, 100)
"""A bar in which no stop of these tests is hit."""


class Case(NamedTuple):
    """A signal at bar 0, the bars after it (open, high, low, close), and how the position is closed."""

    name: str
    stops: Stops
    bars: list[tuple[float, ...]]
    left: tuple[int, float, ExitReason, int]
    """Bar, price, reason, bars held."""
    planned: dict[str, Any] = {}  # noqa: RUF012 - of a constant table
    fill: Fill = Fill.NEXT_OPEN


LOSS, TARGET, TRAIL = Stops(stop_loss=0.25), Stops(take_profit=0.25), Stops(trailing_stop=0.25)
CASES = [
    Case("on the bar of the entry", LOSS, [(100, 101, 74, 80)], (1, 75, ExitReason.STOP_LOSS, 1)),
    Case("a low at the level", LOSS, [CALM, (80, 81, 75, 80)], (2, 75, ExitReason.STOP_LOSS, 2)),
    Case("an open at the level", LOSS, [CALM, (75, 90, 75, 80)], (2, 75, ExitReason.STOP_LOSS, 2)),
    Case("a gap through the level", LOSS, [CALM, (60, 90, 50, 80)], (2, 60, ExitReason.STOP_LOSS, 2)),
    Case("a high at the target", TARGET, [CALM, (100, 125, 99, 100)], (2, 125, ExitReason.TAKE_PROFIT, 2)),
    Case("the target on the bar of the entry", TARGET, [(100, 126, 99, 100)], (1, 125, ExitReason.TAKE_PROFIT, 1)),
    Case("a gap over the target", TARGET, [CALM, (130, 140, 128, 135)], (2, 125, ExitReason.TAKE_PROFIT, 2)),
    Case("both in a bar", Stops(0.25, 0.25), [(100, 130, 70, 110)], (1, 75, ExitReason.STOP_LOSS, 1)),
    Case(
        "a gap over the target, then the stop",
        Stops(0.25, 0.25),
        [CALM, (130, 140, 70, 110)],
        (2, 125, ExitReason.TAKE_PROFIT, 2),
    ),
    Case(
        "the high of the bar of the entry counts once it is closed",
        TRAIL,
        [(100, 200, 76, 190), (190, 190, 150, 160)],
        (2, 150, ExitReason.TRAILING_STOP, 2),
    ),
    Case(
        "a high raises nothing within its bar",
        TRAIL,
        [CALM, (100, 400, 76, 390), (380, 390, 301, 310), (310, 310, 299, 305)],
        (4, 300, ExitReason.TRAILING_STOP, 4),
    ),
    Case(
        "a gap through the trailing level",
        TRAIL,
        [(100, 200, 90, 190), (140, 145, 139, 140)],
        (2, 140, ExitReason.TRAILING_STOP, 2),
    ),
    Case(
        "the trailing level starts at the entry price",
        TRAIL,
        [(100, 101, 75, 80)],
        (1, 75, ExitReason.TRAILING_STOP, 1),
    ),
    Case(
        "equal levels are the stop-loss's",
        Stops(0.25, None, 0.25),
        [(100, 101, 75, 80)],
        (1, 75, ExitReason.STOP_LOSS, 1),
    ),
    Case(
        "the higher level counts: stop-loss",
        Stops(0.25, None, 0.5),
        [(100, 140, 90, 130), (130, 130, 60, 65)],
        (2, 75, ExitReason.STOP_LOSS, 2),
    ),
    Case(
        "the higher level counts: trailing",
        Stops(0.25, None, 0.5),
        [(100, 180, 90, 170), (170, 170, 60, 65)],
        (2, 90, ExitReason.TRAILING_STOP, 2),
    ),
    Case(
        "an exit at an open leaves nothing to stop",
        LOSS,
        [CALM, (90, 91, 50, 60)],
        (2, 90, ExitReason.HOLD, 1),
        {"hold": 1},
    ),
    Case(
        "an exit at an open beyond the level", LOSS, [CALM, (60, 91, 50, 60)], (2, 60, ExitReason.HOLD, 1), {"hold": 1}
    ),
    Case(
        "the bar before an exit is watched",
        LOSS,
        [CALM, (90, 91, 50, 60), CALM],
        (2, 75, ExitReason.STOP_LOSS, 2),
        {"hold": 2},
    ),
    Case("the last bar is watched", LOSS, [CALM, CALM, (90, 91, 50, 60)], (3, 75, ExitReason.STOP_LOSS, 3)),
    Case("no level reached", Stops(0.25, 0.25, 0.25), [CALM, CALM, (90, 91, 80, 85)], (3, 85, ExitReason.END, 3)),
    Case(
        "close to close: the bar of an exit is watched",
        LOSS,
        [(100, 101, 70, 90)],
        (1, 75, ExitReason.STOP_LOSS, 1),
        {"hold": 1},
        Fill.SIGNAL_CLOSE,
    ),
    Case(
        "close to close: no level reached",
        LOSS,
        [(100, 101, 76, 90), CALM],
        (1, 90, ExitReason.HOLD, 1),
        {"hold": 1},
        Fill.SIGNAL_CLOSE,
    ),
    Case(
        "close to close: gap",
        LOSS,
        [CALM, (70, 71, 60, 65), CALM],
        (2, 70, ExitReason.STOP_LOSS, 2),
        {},
        Fill.SIGNAL_CLOSE,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_stops_by_hand(case: Case) -> None:
    """Bar, price, reason and bars held follow the rule, in the engine and in the reference."""
    # Prices before the close of the signal bar are irrelevant for an entry at that close or later.
    bars = bars_of([(100, 400, 10, 100), *case.bars])
    signals = Signals(np.arange(len(bars)) == 0, **case.planned)
    trades = simulate(bars, signals, FREE, case.fill, case.stops).trades
    actual = [item.tolist() for item in (trades.exit_bar, trades.exit_price, trades.exit_reason, trades.bars_held)]
    assert actual == [[item] for item in case.left]
    if case.fill is Fill.NEXT_OPEN:
        expected = trade_next_open(bars, signals, FREE, case.stops).trades
    else:
        expected = outcomes_at_close(bars, signals, FREE, case.stops)
    assert_same_trades(trades, expected)


def test_account_is_flat_at_the_close_after_a_stop() -> None:
    """A signal at the close of the bar of a stop is traded; an earlier one is ignored."""
    bars = bars_of([CALM, CALM, (90, 91, 70, 80), (200, 200, 200, 200), (220, 220, 220, 220)])
    simulation = simulate(bars, Signals(np.array([1, 1, 1, 0, 0], bool)), FREE, Fill.NEXT_OPEN, LOSS)
    assert simulation.trades.signal_bar.tolist() == [0, 2]
    assert simulation.ignored == 1
    assert simulation.equity.tolist() == pytest.approx([1, 1, 0.75, 0.75, 0.75 * 1.1])
    assert simulation.drawdown.tolist() == pytest.approx([0, 0, 0.25, 0.25, 1 - 0.75 * 1.1])


def test_position_size_leaves_the_rest_in_cash() -> None:
    """Half of the account halves the effect of a trade, and the next trade uses half of the new equity."""
    bars = bars_of([(100, 100, 100, 100), (100, 120, 100, 120), (140, 140, 140, 140), (140, 140, 70, 70)])
    signals = Signals(np.array([1, 0, 1, 0], bool), hold=1)
    simulation = simulate(bars, signals, FREE, Fill.NEXT_OPEN, sizing=Sizing(fraction=0.5))
    assert simulation.equity.tolist() == pytest.approx([1, 1.1, 1.2, 0.9])


def test_order_below_the_minimum_is_skipped() -> None:
    """After a loss, the position size is below the minimum: the signal is counted and nothing is bought."""
    bars = bars_of([(100, 100, 100, 100), (100, 100, 40, 40), (40, 40, 40, 40), (40, 40, 40, 40)])
    signals = Signals(np.array([1, 0, 1, 0], bool), hold=1)
    sizing = Sizing(fraction=0.5, initial_cash=10_000, min_order=5_000)
    simulation = simulate(bars, signals, FREE, Fill.NEXT_OPEN, sizing=sizing)
    assert simulation.trades.signal_bar.tolist() == [0]
    assert (simulation.too_small, simulation.ignored, simulation.unfilled) == (1, 0, 0)
    assert simulation.equity.tolist() == pytest.approx([1, 0.7, 0.7, 0.7])


@pytest.mark.parametrize(
    ("fraction", "initial_cash", "min_order", "traded"),
    [
        (0.57, 10_000, 5_700, True),
        (0.57, 10_000, 5_700.01, False),
        (0.29, 1_000_000, 290_000, True),
        (0.07, 123_457.0, 8641.99, True),
        (0.07, 123_457.0, 8642, False),
        (1 / 3, 10_000, 3_333.33, True),
    ],
)
def test_order_of_exactly_the_minimum_is_placed(
    fraction: float, initial_cash: float, min_order: float, *, traded: bool
) -> None:
    """0.57 of 10,000 is 5,700, although the product of the floats is less."""
    sizing = Sizing(fraction=fraction, initial_cash=initial_cash, min_order=min_order)
    simulation = simulate(bars_of([CALM] * 3), Signals(np.array([1, 0, 0], bool)), FREE, Fill.NEXT_OPEN, sizing=sizing)
    assert (len(simulation.trades), simulation.too_small) == (int(traded), int(not traded))


@pytest.mark.parametrize(
    ("entry", "low", "loss"),
    [(10, 9.3, 0.07), (0.0021, 0.000021, 0.99), (7, 0.0007, 0.9999), (123_456_000, 111_110_400, 0.1)],
)
def test_low_that_equals_the_stop_level_in_decimals_reaches_it(entry: float, low: float, loss: float) -> None:
    """The fill is that decimal; the next lower price that a candle file may contain is not needed."""
    bars = bars_of([(entry,) * 4, (entry, entry, low, entry)])
    trades = simulate(bars, Signals(np.array([1, 0], bool)), FREE, Fill.NEXT_OPEN, Stops(loss)).trades
    assert (trades.exit_reason.tolist(), trades.exit_price.tolist()) == ([ExitReason.STOP_LOSS], [low])


@pytest.mark.parametrize(("entry", "gain"), [(100, 0.1), (0.00000123, 0.07), (57_300_000, 0.0003), (3.1, 2.3)])
@pytest.mark.parametrize(("missed_by", "reached"), [(0, True), (1e-9, False)])
def test_high_that_equals_the_target_in_decimals_reaches_it(
    entry: float, gain: float, missed_by: float, *, reached: bool
) -> None:
    """The high may be computed with other roundings; a high one part in a billion lower misses the target."""
    target = float(Decimal(str(entry)) * (1 + Decimal(str(gain))))
    high = target * (1 - missed_by)
    bars = bars_of([(entry,) * 4, (entry, high, entry, entry)])
    trades = simulate(bars, Signals(np.array([1, 0], bool)), FREE, Fill.NEXT_OPEN, Stops(None, gain)).trades
    assert trades.exit_price.tolist() == [target if reached else entry]


RULES = {
    "loss": Stops(stop_loss=0.02),
    "profit": Stops(take_profit=0.03),
    "trail": Stops(trailing_stop=0.03),
    "all": Stops(0.03, 0.05, 0.04),
    "wide": Stops(0.12, 0.15, 0.1),
}
PLANS = ["hold", "exits", "hold and exits", "neither"]


def random_signals(n: int, seed: int, plan: str) -> Signals:
    """Draw entries and planned exits; exits are rare and holds long, so that stops have time to be hit."""
    random = np.random.default_rng(seed)
    exits = random.random(n) < 0.02 if "exits" in plan else None
    hold = int(random.integers(2, 150)) if "hold" in plan else None
    return Signals(random.random(n) < (0.05, 0.5)[seed % 2], exits, hold)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(3))
def test_stops_and_sizing_agree_with_the_reference(seed: int, rule: str, plan: str) -> None:
    """Trades, counts, equity and drawdown equal those of cash, coins and resting orders moved bar by bar."""
    bars, signals = random_bars(600, seed), random_signals(600, seed, plan)
    sizing = Sizing(fraction=(1.0, 0.4, 0.9)[seed], min_order=(0.0, 3_990_000.0, 0.0)[seed])
    simulation = simulate(bars, signals, COSTS, Fill.NEXT_OPEN, RULES[rule], sizing)
    assert_same_account(simulation, trade_next_open(bars, signals, COSTS, RULES[rule], sizing))


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("rule", RULES)
def test_stopped_sample_equals_the_trade_of_its_signal_alone(rule: str, plan: str) -> None:
    """Each sample equals the only trade of an account that sees no other signal."""
    n = 300
    bars, signals = random_bars(n, 7), random_signals(n, 1, plan)
    samples = simulate(bars, signals, COSTS, Fill.NEXT_OPEN, RULES[rule]).samples
    alone = []
    for bar in np.flatnonzero(signals.entries[:-1]):
        only = Signals(np.arange(n) == bar, signals.exits, signals.hold)
        alone += trade_next_open(bars, only, COSTS, RULES[rule]).trades
    assert_same_trades(samples.where(samples.entry_bar >= 0), alone)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("rule", RULES)
def test_event_study_with_stops_agrees_with_the_reference(rule: str, plan: str) -> None:
    """Samples start at closes, and the curve is the product of their returns in order of exit."""
    bars, signals = random_bars(300, 2), random_signals(300, 2, plan)
    simulation = simulate(bars, signals, COSTS, Fill.SIGNAL_CLOSE, RULES[rule])
    expected = outcomes_at_close(bars, signals, COSTS, RULES[rule])
    assert_same_trades(simulation.trades, expected)
    growth = np.ones(300)
    for trade in expected:
        growth[trade.exit_bar] *= 1 + trade.net_return
    assert simulation.equity.tolist() == pytest.approx(np.cumprod(growth).tolist(), rel=1e-11)
    assert simulation.drawdown.tolist() == pytest.approx(drawdowns(list(np.cumprod(growth))), rel=1e-9, abs=1e-11)


def test_random_cases_cover_every_exit_reason() -> None:
    """The comparisons above are only meaningful if every exit reason occurs."""
    reasons = set()
    for seed, plan in enumerate(PLANS):
        signals = random_signals(600, seed, plan)
        reasons |= set(
            simulate(random_bars(600, seed), signals, COSTS, Fill.NEXT_OPEN, RULES["all"]).trades.exit_reason.tolist()
        )
    assert reasons == set(ExitReason)
