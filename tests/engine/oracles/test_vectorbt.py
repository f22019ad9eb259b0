"""Agreement with vectorbt's ``from_signals``: it fills the orders, charges the fees and keeps the account."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coin_pipeline.engine.bars import Bars, Bools, Floats
from coin_pipeline.engine.execution import Costs, Fill, Stops
from coin_pipeline.engine.outcomes import ExitReason
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from tests.engine.candles import bars_of, market_bars, random_bars
from tests.engine.oracles.peers import (
    PLANS,
    STOPS,
    Peer,
    assert_agrees,
    gapped_over_target,
    spaced_signals,
    volatile_bars,
)

pytestmark = pytest.mark.long
CASH = 1e9
NO_STOPS = Stops()
COSTS = Costs(0.001, 0.0002)


def run(bars: Bars, signals: Signals, costs: Costs, stops: Stops = NO_STOPS) -> Peer:
    """Run the peer with two steps per bar: its open, where orders are filled, and then the rest of the bar.

    The peer accepts one order per step and does not check stops in the step of an entry. With two steps, the whole bar
    of an entry is checked, and a planned exit comes before the rest of its bar. One extra step sells at the last close.
    """
    n = len(bars)
    sell = np.zeros(n, bool) if signals.exits is None else signals.exits.copy()
    if signals.hold is not None:  # entries are further apart than the hold, so each has its own exit
        sell[signals.hold :] |= signals.entries[: -signals.hold]
    moments = {
        "close": _steps(bars.open, bars.close, bars.close[-1]),
        "open": _steps(bars.open, bars.open, bars.close[-1]),
        "high": _steps(bars.open, bars.high, bars.close[-1]),
        "low": _steps(bars.open, bars.low, bars.close[-1]),
    }
    import vectorbt  # noqa: PLC0415 -- takes seconds, and every test process collects this file

    portfolio = vectorbt.Portfolio.from_signals(
        **{name: pd.Series(column) for name, column in moments.items()},
        entries=_orders(signals.entries, at_end=False),
        exits=_orders(sell, at_end=True),
        price=-np.inf,  # the open
        fees=costs.fee_rate,
        slippage=costs.slippage_rate,
        sl_stop=stops.trailing_stop or stops.stop_loss,
        sl_trail=stops.trailing_stop is not None,
        tp_stop=stops.take_profit,
        stop_entry_price="price",
        stop_exit_price="stopmarket",
        init_cash=CASH,
    )
    trades = portfolio.trades.records
    return Peer(
        (trades["entry_idx"] // 2).tolist(),
        np.minimum(trades["exit_idx"] // 2, n - 1).tolist(),
        (trades["entry_price"] + trades["entry_fees"] / trades["size"]).to_numpy(),
        (trades["exit_price"] - trades["exit_fees"] / trades["size"]).to_numpy(),
        np.append(portfolio.value().to_numpy()[1:-2:2], portfolio.final_value()) / CASH,
    )


def _steps(at_open: Floats, whole: Floats, end: float) -> Floats:
    return np.append(np.column_stack([at_open, whole]).ravel(), end)


def _orders(decided: Bools, *, at_end: bool) -> Bools:
    """Place each decision at the open of the next bar."""
    orders = np.zeros(2 * len(decided) + 1, bool)
    orders[2:-1:2] = decided[:-1]
    orders[-1] = at_end
    return orders


@pytest.mark.parametrize("costs", [Costs(0.0, 0.0), COSTS], ids=["free", "costs"])
@pytest.mark.parametrize("plan", PLANS)
def test_planned_exits_agree(plan: str, costs: Costs) -> None:
    """Holds and exit signals give the same trades, amounts and equity, without signals during a position."""
    bars, signals = random_bars(3_000, 3), spaced_signals(3_000, 3, plan, hold=5)
    simulation = simulate(bars, signals, costs, Fill.NEXT_OPEN)
    assert len(simulation.trades) > 50
    assert_agrees(simulation, run(bars, signals, costs), bars, costs, np.zeros(len(simulation.trades), bool))


SINGLE_STOPS = {**STOPS, "all": Stops(0.02, 0.03), "trail and profit": Stops(None, 0.03, 0.025)}
"""The peer's stop-loss either trails or does not."""


@pytest.mark.parametrize("stops", SINGLE_STOPS.values(), ids=SINGLE_STOPS)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("gaps", [True, False])
def test_stops_agree(plan: str, stops: Stops, *, gaps: bool) -> None:
    """Stop orders are filled at the same bars and prices, including through gaps."""
    bars = volatile_bars(1, gaps=gaps)
    signals = spaced_signals(len(bars), 0, plan)
    simulation = simulate(bars, signals, COSTS, Fill.NEXT_OPEN, stops)
    jumped = gapped_over_target(simulation, bars, stops, stop_first=False)
    assert jumped.any() == (gaps and stops.take_profit is not None)
    assert_agrees(simulation, run(bars, signals, COSTS, stops), bars, COSTS, jumped)


@pytest.mark.parametrize("stops", [NO_STOPS, *SINGLE_STOPS.values()], ids=["none", *SINGLE_STOPS])
@pytest.mark.parametrize("plan", PLANS)
def test_real_candles_agree(market_data: Path, plan: str, stops: Stops) -> None:
    """The results agree on real hourly candles."""
    bars = market_bars(market_data, 30_000)
    signals = spaced_signals(len(bars), 1, plan)
    simulation = simulate(bars, signals, COSTS, Fill.NEXT_OPEN, stops)
    assert len(simulation.trades) > 300
    jumped = gapped_over_target(simulation, bars, stops, stop_first=False)
    assert_agrees(simulation, run(bars, signals, COSTS, stops), bars, COSTS, jumped)


@pytest.mark.parametrize("low", [128, 70])
def test_gap_over_the_target_is_filled_at_the_target(low: float) -> None:
    """The peer fills the open of 130; this engine the target of 125, even if the bar later falls to the stop of 75."""
    bars = bars_of([(100, 101, 99, 100), (100, 101, 99, 100), (130, 140, low, 135), (135, 135, 135, 135)])
    signals, costs, stops = Signals(np.arange(4) == 0), Costs(0.0, 0.0), Stops(0.25, 0.25)
    trades = simulate(bars, signals, costs, Fill.NEXT_OPEN, stops).trades
    peer = run(bars, signals, costs, stops)
    assert (peer.exit_bar, peer.received.tolist()) == ([2], pytest.approx([130]))
    assert trades.exit_bar.tolist() == [2]
    assert (trades.exit_reason[0], trades.exit_price[0]) == (ExitReason.TAKE_PROFIT, 125)
