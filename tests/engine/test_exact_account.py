"""On price ticks, the engine makes exactly the trades of an account in fractions."""

from fractions import Fraction

import numpy as np
import pytest

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.execution import Costs, Fill, Stops
from coin_pipeline.engine.outcomes import ExitReason
from coin_pipeline.engine.shared_account import SharedRules, SymbolSamples, simulate_shared_account
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from tests.engine.exact_account import Account, Levels, Ticks, trade, walk

YEAR = 365
FREE = Costs(0.0, 0.0)


def draw_levels(random: np.random.Generator) -> Levels:
    """Draw exits with one to four decimals, and a minimum order that is often exactly the first order."""

    def fraction(most: float) -> str | None:
        places = int(random.choice([1, 2, 2, 2, 3, 4]))
        digits = max(int(random.random() ** 3 * most * 10**places), 1)
        return None if random.random() < 0.3 else f"{digits / 10**places:.{places}f}"

    size = f"{random.integers(1, 101) / 100:.2f}"
    cash = str(random.choice([100_000, 123_457, 10_000_000]))
    order = Fraction(size) * Fraction(cash) * Fraction(int(random.choice([0, 80, 100, 101])), 100)
    return Levels(fraction(0.6), fraction(1.2), fraction(0.6), size, cash, f"{float(order):.12g}")


def draw_case(seed: int) -> tuple[Ticks, Signals, Levels]:
    """Draw a year of candles, decisions and rules."""
    random = np.random.default_rng(seed)
    hold = int(random.integers(1, 60)) if random.random() < 0.5 else None
    signals = Signals(random.random(YEAR) < random.choice([0.1, 1.0]), hold=hold)
    return walk(random, YEAR), signals, draw_levels(random)


def differences(seed: int) -> tuple[int, Account]:
    """Return how many trades and counts differ from those in fractions, in an account of its own and a shared one."""
    ticks, signals, levels = draw_case(seed)
    exact = trade(ticks, signals.entries.tolist(), signals.hold, levels)
    stops = Stops(*(None if level is None else float(level) for level in levels[:3]))
    sizing = Sizing(float(levels.size), float(levels.initial_cash), float(levels.min_order))
    bars = ticks.bars()
    simulation = simulate(bars, signals, FREE, Fill.NEXT_OPEN, stops, sizing)
    rules = SharedRules(sizing.fraction, sizing.initial_cash, sizing.min_order, max_positions=1)
    shared = simulate_shared_account([SymbolSamples.from_bars("A", bars, simulation.samples)], rules, [FREE])
    trades = simulation.trades
    made = zip(
        trades.entry_bar.tolist(),
        trades.exit_bar.tolist(),
        [Fraction(repr(price)) for price in trades.exit_price.tolist()],
        [ExitReason(code).name for code in trades.exit_reason.tolist()],
        strict=True,
    )
    wrong = len(set(made) ^ {tuple(item) for item in exact.trades})
    wrong += int(np.count_nonzero(shared.taken[0] != simulation.taken))
    return wrong + abs(simulation.too_small - exact.too_small) + abs(int(shared.too_small[0]) - exact.too_small), exact


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_a_year_on_price_ticks_is_traded_as_in_fractions(first: int) -> None:
    """Bars, reasons and prices of all trades and the number of orders below the minimum are equal."""
    assert [seed for seed in range(first, first + 20) if differences(seed)[0]] == []


def test_cases_cover_every_exit_and_orders_of_exactly_the_minimum() -> None:
    """The comparison is only meaningful if levels are touched exactly, and orders are exactly the minimum."""
    reasons, touched, smallest = set(), 0, 0
    for seed in range(60):
        ticks, _, levels = draw_case(seed)
        account = differences(seed)[1]
        reasons |= {trade.reason for trade in account.trades}
        touched += sum(
            trade.price * 10**ticks.places in ticks.rows[trade.exit_bar][1:3]
            for trade in account.trades
            if trade.reason in {"STOP_LOSS", "TAKE_PROFIT", "TRAILING_STOP"}
        )
        smallest += Fraction(levels.size) * Fraction(levels.initial_cash) == Fraction(levels.min_order)
    assert reasons == {"HOLD", "END", "STOP_LOSS", "TAKE_PROFIT", "TRAILING_STOP"}
    assert min(touched, smallest) > 10
