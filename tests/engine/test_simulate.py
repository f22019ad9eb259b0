"""The simulation agrees with plain Python for every kind of exit."""

import numpy as np
import pytest

from coin_pipeline.engine.execution import Costs, Fill
from coin_pipeline.engine.outcomes import Samples
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from tests.engine.candles import bars_of, random_bars
from tests.engine.reference import Trade, drawdowns, outcomes_at_close, trade_next_open

COSTS = Costs(0.001, 0.0002)
RATES = [(0.02, 0.0), (0.3, 0.1), (1.0, 1.0), (0.1, 0.4)]


def random_signals(n: int, seed: int, exit_rule: str) -> Signals:
    """Draw entries and the exits of one of four rules."""
    random = np.random.default_rng(seed)
    entry_rate, exit_rate = RATES[seed % len(RATES)]
    exits = random.random(n) < exit_rate if "exits" in exit_rule else None
    hold = int(random.integers(1, 12)) if "hold" in exit_rule else None
    return Signals(random.random(n) < entry_rate, exits, hold)


def as_trades(samples: Samples) -> list[Trade]:
    """Convert samples to the format of the reference."""
    columns = (samples.signal_bar, samples.entry_bar, samples.exit_bar, samples.net_return, samples.open_at_end)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def assert_same(trades: list[Trade], expected: list[Trade]) -> None:
    """Compare bars and flags exactly, and returns up to rounding."""
    assert [(*t[:3], t[4]) for t in trades] == [(*t[:3], t[4]) for t in expected]
    assert [t[3] for t in trades] == pytest.approx([t[3] for t in expected], rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("exit_rule", ["hold", "exits", "hold and exits", "neither"])
@pytest.mark.parametrize("seed", range(8))
def test_account_agrees_with_the_reference(exit_rule: str, seed: int) -> None:
    """Trades, ignored signals, equity and drawdown equal those of a bar-by-bar account in plain Python."""
    bars = random_bars(400, seed)
    signals = random_signals(400, seed, exit_rule)
    simulation = simulate(bars, signals, COSTS, Fill.NEXT_OPEN)
    account = trade_next_open(bars, signals, COSTS)
    assert_same(as_trades(simulation.trades), account.trades)
    assert simulation.ignored == account.ignored
    assert simulation.equity.tolist() == pytest.approx(account.equity, rel=1e-11)
    assert simulation.drawdown.tolist() == pytest.approx(drawdowns(account.equity), rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("exit_rule", ["hold", "exits", "hold and exits", "neither"])
def test_sample_equals_the_trade_of_its_signal_alone(exit_rule: str) -> None:
    """Each sample equals the only trade of an account that sees no other signal."""
    n = 120
    bars = random_bars(n, seed=5)
    signals = random_signals(n, 1, exit_rule)
    samples = simulate(bars, signals, COSTS, Fill.NEXT_OPEN).samples
    alone: list[Trade] = []
    for bar in np.flatnonzero(signals.entries[:-1]):
        only = Signals(np.arange(n) == bar, signals.exits, signals.hold)
        alone += trade_next_open(bars, only, COSTS).trades
    assert len(alone) > 10
    assert_same(as_trades(samples)[: len(alone)], alone)
    assert len(samples) - len(alone) == int(signals.entries[-1])


@pytest.mark.parametrize("exit_rule", ["hold", "exits", "hold and exits", "neither"])
@pytest.mark.parametrize("seed", range(4))
def test_event_study_agrees_with_the_reference(exit_rule: str, seed: int) -> None:
    """Samples run from close to close, and the curve is the product of their returns at their exits."""
    bars = random_bars(150, seed)
    signals = random_signals(150, seed, exit_rule)
    simulation = simulate(bars, signals, COSTS, Fill.SIGNAL_CLOSE)
    expected = outcomes_at_close(bars, signals, COSTS)
    assert_same(as_trades(simulation.trades), expected)
    growth = np.ones(150)
    for trade in expected:
        growth[trade.exit_bar] *= 1 + trade.net_return
    assert simulation.equity.tolist() == pytest.approx(np.cumprod(growth).tolist(), rel=1e-11)
    assert simulation.drawdown.tolist() == pytest.approx(drawdowns(list(np.cumprod(growth))), rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("fill", list(Fill))
@pytest.mark.parametrize("n", [0, 1, 2])
def test_very_short_series(fill: Fill, n: int) -> None:
    """Zero, one and two bars give curves of that length and no invented trades."""
    bars = bars_of([(100, 110, 90, 105)] * n)
    simulation = simulate(bars, Signals(np.ones(n, bool), hold=1), Costs(0.0, 0.0), fill)
    assert len(simulation.equity) == len(simulation.drawdown) == n
    assert len(simulation.trades) == (n if fill is Fill.SIGNAL_CLOSE else max(n - 1, 0))


def test_signals_of_a_different_length_are_rejected() -> None:
    """Signals that are not as long as the bars raise an error instead of being truncated."""
    with pytest.raises(ValueError, match="signals have 4 bars, the candles have 5"):
        simulate(random_bars(5, 0), Signals(np.ones(4, bool)), COSTS, Fill.NEXT_OPEN)
