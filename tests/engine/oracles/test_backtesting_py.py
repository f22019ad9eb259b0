"""Agreement with backtesting.py: its broker fills the orders, charges the fees and keeps the account."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from backtesting import Backtest, Strategy

from coin_pipeline.engine.bars import Bars
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

# The peer's statistics are computed with an attribute that pandas is going to rename.
pytestmark = pytest.mark.filterwarnings("ignore:DatetimeIndex.dayofweek is deprecated")

CASH = 1e19
"""So much that whole units, all the peer trades in, are as good as fractions."""
NO_STOPS = Stops()
COSTS = {"free": Costs(0.0, 0.0), "fee": Costs(0.001, 0.0), "fee and slippage": Costs(0.0005, 0.0003)}


class Follower(Strategy):  # type: ignore[misc]
    """Submits decisions as orders, one position at a time; the peer skips its first bar, which is an extra one."""

    bars = bars_of([])
    signals = Signals(np.zeros(0, bool))
    stops = NO_STOPS

    def init(self) -> None:
        """Use no indicators."""

    def next(self) -> None:
        """Decide at the close of a bar."""
        bar, last = len(self.data) - 2, len(self.bars) - 1
        if bar > last:
            return
        if not self.trades:
            if self.signals.entries[bar] and bar < last:
                self.buy(sl=self.stop_level(bar + 1, bar), tp=self.target(bar + 1))
            return
        (trade,) = self.trades
        first = trade.entry_bar - 1
        exits = self.signals.exits
        if bar == last or bar - first + 1 == self.signals.hold or (exits is not None and exits[bar]):
            trade.close()
        elif self.stops.trailing_stop:
            trade.sl = self.stop_level(first, bar)

    def stop_level(self, first: int, bar: int) -> float | None:
        """Return the stop order's level after a bar."""
        entry = self.bars.open[first]
        highest = max([entry, *self.bars.high[first : bar + 1]])
        fixed = entry * (1 - self.stops.stop_loss) if self.stops.stop_loss else 0.0
        trailing = highest * (1 - self.stops.trailing_stop) if self.stops.trailing_stop else 0.0
        return max(fixed, trailing) or None

    def target(self, first: int) -> float | None:
        """Return the limit order's level."""
        return self.bars.open[first] * (1 + self.stops.take_profit) if self.stops.take_profit else None


def run(bars: Bars, signals: Signals, costs: Costs, stops: Stops = NO_STOPS) -> Peer:
    """Run the peer.

    It charges a commission on both legs and a spread on buys only, so the slippage of a sale is added to the
    commission, and the spread compensates for the effect on a buy. Open positions are sold at the open of one extra
    bar.
    """
    commission = 1 - (1 - costs.slippage_rate) * (1 - costs.fee_rate)
    spread = (1 + costs.slippage_rate) * (1 + costs.fee_rate) / (1 + commission) - 1
    names = ("open", "high", "low", "close")
    padded = {name.title(): np.concatenate([bars.open[:1], getattr(bars, name), bars.close[-1:]]) for name in names}
    index = pd.date_range("2020-01-01", periods=len(bars) + 2, freq="h")
    backtest = Backtest(pd.DataFrame(padded, index), Follower, cash=CASH, commission=commission, spread=spread)
    stats = backtest.run(bars=bars, signals=signals, stops=stops)
    trades = stats["_trades"].sort_values("EntryBar")
    size = trades["Size"].to_numpy(float)
    paid = trades["EntryPrice"].to_numpy(float) * (1 + commission)
    equity = stats["_equity_curve"]["Equity"].to_numpy(float)[1:] / CASH
    return Peer(
        (trades["EntryBar"] - 1).tolist(),
        np.minimum(trades["ExitBar"] - 1, len(bars) - 1).tolist(),
        paid,
        paid + trades["PnL"].to_numpy(float) / size,
        np.append(equity[:-2], equity[-1]),
    )


@pytest.mark.parametrize("costs", COSTS.values(), ids=COSTS)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("seed", range(2))
def test_planned_exits_agree(seed: int, plan: str, costs: Costs) -> None:
    """Holds and exit signals give the same trades, amounts and equity, without signals during a position."""
    bars = random_bars(1_500, seed)
    random = np.random.default_rng(seed)
    hold = 7 if "hold" in plan else None
    signals = Signals(random.random(1_500) < 0.2, random.random(1_500) < 0.1 if "exits" in plan else None, hold)
    simulation = simulate(bars, signals, costs, Fill.NEXT_OPEN)
    assert simulation.ignored > 50
    assert_agrees(simulation, run(bars, signals, costs), bars, costs, np.zeros(len(simulation.trades), bool))


@pytest.mark.parametrize("stops", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("gaps", [True, False])
def test_stops_agree(plan: str, stops: Stops, *, gaps: bool) -> None:
    """Stop orders are filled at the same bars and prices, including through gaps."""
    bars, costs = volatile_bars(1, gaps=gaps), COSTS["fee"]
    signals = spaced_signals(len(bars), 0, plan)
    simulation = simulate(bars, signals, costs, Fill.NEXT_OPEN, stops)
    jumped = gapped_over_target(simulation, bars, stops, stop_first=True)
    assert jumped.any() == (gaps and stops.take_profit is not None)
    assert_agrees(simulation, run(bars, signals, costs, stops), bars, costs, jumped)


@pytest.mark.parametrize("stops", [NO_STOPS, *STOPS.values()], ids=["none", *STOPS])
@pytest.mark.parametrize("plan", PLANS)
def test_real_candles_agree(market_data: Path, plan: str, stops: Stops) -> None:
    """The results agree on real hourly candles."""
    bars, costs = market_bars(market_data, 6_000), COSTS["fee and slippage"]
    signals = spaced_signals(len(bars), 1, plan)
    simulation = simulate(bars, signals, costs, Fill.NEXT_OPEN, stops)
    assert len(simulation.trades) > 30
    jumped = gapped_over_target(simulation, bars, stops, stop_first=True)
    assert_agrees(simulation, run(bars, signals, costs, stops), bars, costs, jumped)


def test_gap_over_the_target_is_filled_at_the_target() -> None:
    """The peer fills at the open of 130; this engine assumes no more than the target of 125."""
    bars = bars_of([(100, 101, 99, 100), (100, 101, 99, 100), (130, 140, 128, 135), (135, 135, 135, 135)])
    signals, costs, stops = Signals(np.arange(4) == 0), COSTS["free"], Stops(take_profit=0.25)
    trades = simulate(bars, signals, costs, Fill.NEXT_OPEN, stops).trades
    peer = run(bars, signals, costs, stops)
    assert (trades.exit_bar.tolist(), trades.exit_price.tolist()) == ([2], [125])
    assert trades.exit_reason.tolist() == [ExitReason.TAKE_PROFIT]
    assert (peer.exit_bar, peer.received.tolist()) == ([2], pytest.approx([130]))
