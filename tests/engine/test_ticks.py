"""Tick tables: rounding by price and by time, and costs that use them."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.engine.execution import Costs, Fill
from coin_pipeline.engine.metrics import buy_and_hold
from coin_pipeline.engine.shared_account import SharedRules, SymbolSamples, simulate_shared_account
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.engine.ticks import TickEra, TickTable
from tests.engine.candles import HOUR_NS, bars_of

BAR = np.array([0])
CHANGE = 2 * HOUR_NS
DATED = TickTable((TickEra(None, (("0", "1"), ("1000", "10"))), TickEra(CHANGE, (("0", "0.1"), ("500", "5")))))


def test_ticks_round_against_the_trader() -> None:
    """A buy is rounded up and a sell down to a quoted price; a price on a tick is unchanged."""
    costs, price, time = Costs(0.0, 0.0, DATED), np.array([7.2, 7.0, 1001.0]), np.zeros(3, np.int64)
    assert costs.paid(price, time, np.arange(3)).tolist() == [8.0, 7.0, 1010.0]
    assert costs.received(price, time, np.arange(3)).tolist() == [7.0, 7.0, 1000.0]


@pytest.mark.parametrize(("time", "up"), [(CHANGE - 1, 8.0), (CHANGE, 7.7), (CHANGE + 1, 7.7)])
def test_a_table_is_in_force_from_its_first_instant(time: int, up: float) -> None:
    """The change applies at its own nanosecond, not before."""
    assert DATED.round_up(np.array([7.62]), np.array([time])).tolist() == [up]


def test_each_leg_uses_the_table_of_its_own_bar() -> None:
    """An entry before a change and an exit after it are rounded by different tables, in every account alike."""
    bars = bars_of([(7.5, 7.5, 7.5, 7.5)] * 4)
    costs, signals = Costs(0.0, 0.0, DATED), Signals(np.arange(4) == 0, hold=2)
    alone = simulate(bars, signals, costs, Fill.NEXT_OPEN)
    shared = simulate_shared_account(
        [SymbolSamples.from_bars("A", bars, alone.samples)], SharedRules(max_positions=1), [costs]
    )
    assert alone.trades.growth.tolist() == [7.5 / 8.0]
    assert shared.equity[-1] == alone.equity[-1] == 7.5 / 8.0
    assert buy_and_hold(bars, costs) == 7.5 / 8.0 - 1


def test_each_symbol_of_a_shared_account_has_its_own_ticks() -> None:
    """The costs of one symbol are not those of another."""
    bars = bars_of([(7.5, 7.5, 7.5, 7.5)] * 2)
    samples = simulate(bars, Signals(np.array([True, False])), Costs(0.0, 0.0), Fill.NEXT_OPEN).samples
    books = [SymbolSamples.from_bars(name, bars, samples) for name in ("B", "A")]
    costs = [Costs(0.0, 0.0), Costs(0.0, 0.0, DATED)]
    account = simulate_shared_account(books, SharedRules(fraction=0.5, max_positions=2), costs)
    assert account.equity[-1] == pytest.approx(0.5 + 0.5 * 7 / 8)


@given(st.integers(1, 10**7), st.sampled_from([0, CHANGE]), st.sampled_from(["0.1", "0.3", "0.7", "1"]))
def test_a_multiple_of_a_tick_stays(count: int, time: int, tick: str) -> None:
    """A decimal price on the grid is unchanged in both directions, however its double is rounded."""
    table = TickTable((TickEra(None, (("0", tick),)), TickEra(CHANGE, (("0", "5"), ("1", tick)))))
    price, when = np.array([float(count * Fraction(tick))]), np.array([time])
    expected = price if time == 0 or price[0] >= 1 else None
    if expected is not None:
        assert table.on_grid(price, when).all()
        assert table.round_up(price, when).tolist() == table.round_down(price, when).tolist() == expected.tolist()


@given(st.floats(1e-3, 1e6), st.sampled_from(["0.1", "0.7", "5", "0.00001"]))
def test_rounding_is_that_of_exact_fractions(price: float, tick: str) -> None:
    """Rounded prices are the neighbouring multiples of the tick; a price on one up to binary rounding is kept."""
    table, exact, step = TickTable((TickEra(None, (("0", tick),)),)), Fraction(price), Fraction(tick)
    nearest = round(exact / step)
    on_tick = nearest and abs(exact - nearest * step) <= min(exact * Fraction(1, 10**12), step / 1000)
    up, down = (nearest, nearest) if on_tick else (ceil(exact / step), floor(exact / step))
    assert table.round_up(np.array([price]), BAR)[0] == float(up * step)
    assert table.round_down(np.array([price]), BAR)[0] == float(down * step)
    assert bool(table.on_grid(np.array([price]), BAR)[0]) is bool(on_tick)


def test_undefined_prices_stay_undefined() -> None:
    """A fill that does not exist has no price."""
    assert np.isnan(DATED.round_up(np.array([np.nan]), BAR)).all()
    assert not DATED.on_grid(np.array([np.nan]), BAR).any()


@pytest.mark.parametrize("since", [(), (5,), (None, 7, 7), (None, 7, 6), (None, None)])
def test_tables_must_be_in_order_of_time(since: tuple[int | None, ...]) -> None:
    """The first table covers all of the past, and each later one starts after the one before."""
    with pytest.raises(ValueError, match="in order of time"):
        TickTable(tuple(TickEra(start, (("0", "1"),)) for start in since))
