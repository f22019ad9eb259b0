"""Fill rules and costs, each as a table of six candles and the resulting trades."""

from typing import Any

import numpy as np
import pytest

from coin_pipeline.engine.execution import Costs, Fill, Stops
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import Simulation, simulate
from tests.engine.candles import bars_of

FREE = Costs(0.0, 0.0)
SIX = bars_of(
    [
        # open high low close
        (100, 112, 98, 110),
        (120, 125, 115, 121),
        (130, 133, 129, 132),
        (140, 145, 131, 133),
        (150, 156, 149, 155),
        (160, 161, 150, 151),
    ]
)


def at(*bars: int) -> np.ndarray:
    """Return six booleans, True at the given bars."""
    return np.isin(np.arange(6), bars)


def rows(simulation: Simulation) -> list[tuple[Any, ...]]:
    """List the trades as (entry bar, exit bar, entry price, exit price, open at end)."""
    t = simulation.trades
    return list(
        zip(
            *(x.tolist() for x in (t.entry_bar, t.exit_bar, t.entry_price, t.exit_price, t.open_at_end)),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("signals", "trades", "ignored", "unfilled"),
    [
        (Signals(at()), [], 0, 0),
        (Signals(at(0), hold=1), [(1, 2, 120, 130, False)], 0, 0),
        (Signals(at(0), hold=3), [(1, 4, 120, 150, False)], 0, 0),
        (Signals(at(1), hold=3), [(2, 5, 130, 160, False)], 0, 0),
        (Signals(at(2), hold=3), [(3, 5, 140, 151, True)], 0, 0),
        (Signals(at(4), hold=1), [(5, 5, 160, 151, True)], 0, 0),
        (Signals(at(5), hold=1), [], 0, 1),
        (Signals(at(0), hold=10**30), [(1, 5, 120, 151, True)], 0, 0),
        (Signals(at(0, 1), hold=1), [(1, 2, 120, 130, False)], 1, 0),
        (Signals(at(0, 2), hold=1), [(1, 2, 120, 130, False), (3, 4, 140, 150, False)], 0, 0),
        (Signals(at(0, 1, 2, 3), hold=2), [(1, 3, 120, 140, False), (4, 5, 150, 151, True)], 2, 0),
        (Signals(at(0)), [(1, 5, 120, 151, True)], 0, 0),
        (Signals(at(0, 4, 5)), [(1, 5, 120, 151, True)], 1, 1),
        (Signals(at(0), exits=at(0)), [(1, 5, 120, 151, True)], 0, 0),
        (Signals(at(0), exits=at(1)), [(1, 2, 120, 130, False)], 0, 0),
        (Signals(at(0), exits=at(5)), [(1, 5, 120, 151, True)], 0, 0),
        (Signals(at(0), exits=at(2), hold=4), [(1, 3, 120, 140, False)], 0, 0),
        (Signals(at(0), exits=at(4), hold=2), [(1, 3, 120, 140, False)], 0, 0),
        (Signals(at(0, 2), exits=at(2)), [(1, 3, 120, 140, False)], 1, 0),
        (Signals(at(0, 3), exits=at(2, 4)), [(1, 3, 120, 140, False), (4, 5, 150, 160, False)], 0, 0),
    ],
)
def test_next_open(signals: Signals, trades: list[tuple[Any, ...]], ignored: int, unfilled: int) -> None:
    """Decisions at a close are filled at the next open, one position at a time."""
    simulation = simulate(SIX, signals, FREE, Fill.NEXT_OPEN)
    assert rows(simulation) == trades
    assert (simulation.ignored, simulation.unfilled) == (ignored, unfilled)


@pytest.mark.parametrize(
    ("signals", "trades"),
    [
        (Signals(at(0), hold=1), [(0, 1, 110, 121, False)]),
        (Signals(at(0, 1), hold=2), [(0, 2, 110, 132, False), (1, 3, 121, 133, False)]),
        (Signals(at(3), hold=2), [(3, 5, 133, 151, False)]),
        (Signals(at(4), hold=2), [(4, 5, 155, 151, True)]),
        (Signals(at(5), hold=1), [(5, 5, 151, 151, True)]),
        (Signals(at(0, 2), exits=at(0, 2)), [(0, 2, 110, 132, False), (2, 5, 132, 151, True)]),
        (Signals(at(0, 1), exits=at(3), hold=2), [(0, 2, 110, 132, False), (1, 3, 121, 133, False)]),
    ],
)
def test_signal_close(signals: Signals, trades: list[tuple[Any, ...]]) -> None:
    """Every signal is a sample from its own close to the close of its exit."""
    simulation = simulate(SIX, signals, FREE, Fill.SIGNAL_CLOSE)
    assert rows(simulation) == trades
    assert (simulation.ignored, simulation.unfilled) == (0, 0)


def test_signal_on_the_last_bar_has_no_outcome() -> None:
    """An unfilled signal is marked by -1 and NaN, not by an invented price."""
    samples = simulate(SIX, Signals(at(5), hold=1), FREE, Fill.NEXT_OPEN).samples
    assert (samples.entry_bar[0], samples.exit_bar[0], samples.bars_held[0]) == (-1, -1, 0)
    assert np.isnan([samples.entry_price[0], samples.exit_price[0], samples.net_return[0]]).all()
    assert not samples.open_at_end[0]


def test_both_legs_pay_fee_and_slippage() -> None:
    """A trade from 120 to 130 at 1 % fee and 2 % slippage matches the calculation by hand."""
    simulation = simulate(SIX, Signals(at(0), hold=1), Costs(0.01, 0.02), Fill.NEXT_OPEN)
    paid = 120 * 1.02 * 1.01
    received = 130 * 0.98 * 0.99
    assert simulation.trades.net_return[0] == pytest.approx(received / paid - 1, rel=1e-14)
    assert simulation.trades.entry_price[0] == 120
    assert simulation.equity.tolist() == pytest.approx([1, 121 / paid] + [received / paid] * 4, rel=1e-14)


@pytest.mark.parametrize("scale", [1, 2, 7, 1000, 45_000])
def test_trade_that_breaks_even_in_decimals_is_not_a_win(scale: int) -> None:
    """From 999 to 1001 at a fee of 0.1 %, 999.999 is paid and received; floats would make it a gain of 2e-16."""
    bars = bars_of([(999 * scale,) * 4] * 2 + [(1001 * scale,) * 4])
    simulation = simulate(bars, Signals(np.array([1, 0, 0], bool), hold=1), Costs(0.001, 0.0), Fill.NEXT_OPEN)
    assert simulation.trades.net_return.tolist() == [0.0]
    assert simulation.equity[-1] == 1.0


def test_entry_costs_are_paid_at_entry_and_exit_costs_at_exit() -> None:
    """With constant prices, the equity steps down once per leg."""
    still = bars_of([(100, 100, 100, 100)] * 5)
    signals = Signals(np.arange(5) == 0, hold=2)
    simulation = simulate(still, signals, Costs(0.01, 0.0), Fill.NEXT_OPEN)
    after_exit = 0.99 / 1.01
    assert simulation.equity.tolist() == pytest.approx([1, 1 / 1.01, 1 / 1.01, after_exit, after_exit], rel=1e-14)
    assert simulation.drawdown.tolist() == pytest.approx(1 - simulation.equity, rel=1e-12)


def test_open_position_is_sold_at_the_last_close_with_costs() -> None:
    """The last equity value includes the costs of the final sale."""
    simulation = simulate(SIX, Signals(at(0)), Costs(0.01, 0.02), Fill.NEXT_OPEN)
    assert simulation.equity[-1] == pytest.approx(151 * 0.98 * 0.99 / (120 * 1.02 * 1.01), rel=1e-14)


def test_signal_close_compounds_samples_at_their_exits() -> None:
    """Overlapping samples are compounded into the curve at their exits."""
    simulation = simulate(SIX, Signals(at(0, 1), hold=2), FREE, Fill.SIGNAL_CLOSE)
    first, second = 132 / 110, 133 / 121
    expected = [1, 1, first, *[first * second] * 3]
    assert simulation.equity.tolist() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("price", [3.3333333333e-18, 1e-9 / 3, 1 / 3])
def test_a_level_of_a_tiny_price_keeps_its_digits(price: float) -> None:
    """No rounding to decimal places turns a stop of 5 % into another one."""
    bars = bars_of([(price, price, price, price), (price, price, price, price), (price, price, price / 2, price / 2)])
    simulation = simulate(bars, Signals(np.array([True, False, False])), FREE, Fill.NEXT_OPEN, Stops(stop_loss=0.05))
    assert simulation.trades.exit_price[0] == pytest.approx(0.95 * price, rel=1e-12, abs=0)
