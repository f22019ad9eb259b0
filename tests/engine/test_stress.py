"""Results at different costs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.decimals import TOLERANCE
from coin_pipeline.engine.execution import Costs, Fill, Stops
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.engine.stress import break_even_rate, find_break_even, interpolate_break_even, total_return_at
from coin_pipeline.engine.ticks import TickEra, TickTable
from tests.engine.candles import HOUR_NS, bars_of, random_bars

COSTS = Costs(0.001, 0.0002)
TICKS = TickTable((TickEra(None, (("0", "0.7"),)), TickEra(60 * HOUR_NS, (("0", "1"), ("1000", "5")))))


@settings(deadline=None)  # the first call may compile kernels
@given(
    st.integers(0, 50),
    st.sampled_from([0.0, 0.5, 2.0, 5.0]),
    st.sampled_from([1.0, 0.3]),
    st.sampled_from([COSTS, replace(COSTS, ticks=TICKS)]),
)
def test_stressed_return_equals_a_simulation_at_those_costs(
    seed: int, factor: float, fraction: float, costs: Costs
) -> None:
    """The trades do not depend on the costs, so their compounded return equals that of a new simulation."""
    bars = random_bars(200, seed)
    signals = Signals(np.random.default_rng(seed).random(200) < 0.2, hold=5)
    sizing, stops = Sizing(fraction), Stops(stop_loss=0.02)
    trades = simulate(bars, signals, costs, Fill.NEXT_OPEN, stops, sizing).trades
    again = simulate(bars, signals, costs.scaled(factor), Fill.NEXT_OPEN, stops, sizing)
    assert total_return_at(trades, bars.time, costs.scaled(factor), fraction) == pytest.approx(
        again.equity[-1] - 1, abs=1e-9
    )


@given(st.lists(st.lists(st.floats(0.5, 2.0), max_size=8), min_size=1, max_size=4), st.sampled_from([1.0, 0.4]))
def test_return_is_zero_at_the_break_even_rate(accounts: list[list[float]], fraction: float) -> None:
    """The mean of the accounts is 1; the rate is null if they lose even without costs."""
    ratios = [np.array(account) for account in accounts]
    rate = break_even_rate(ratios, fraction)
    if rate is None:
        assert np.mean([np.prod(1 - fraction + fraction * ratio) for ratio in ratios]) < 1 or not any(accounts)
        return
    kept = [np.prod(1 - fraction + fraction * ratio * (1 - rate) / (1 + rate)) for ratio in ratios]
    gained = np.mean([np.prod(1 - fraction + fraction * ratio) for ratio in ratios]) > 1
    assert np.mean(kept) == pytest.approx(1.0, abs=1e-9) if gained else rate == pytest.approx(0, abs=1e-12)


@settings(deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([1, 3, 50, 2000]),
    st.sampled_from([0.0005, 0.05, 0.5]),
    st.sampled_from([1.0, 0.3, 1e-3, 1e-6]),
)
def test_the_break_even_rate_is_that_of_a_plain_bisection(seed: int, trades: int, mean: float, fraction: float) -> None:
    """The bracket saves evaluations and changes no bit."""
    random = np.random.default_rng(seed)
    ratios = [np.exp(random.normal(mean, random.choice([1e-4, 0.01, 0.3]), trades)) for _ in range(1 + seed % 3)]

    def loses(rate: float) -> bool:
        kept = fraction * (1 - rate) / (1 + rate)
        logs = np.array([np.log(1 - fraction + kept * ratio).sum() for ratio in ratios])
        return bool(np.logaddexp.reduce(logs) < np.log(len(logs)) - TOLERANCE)

    assert break_even_rate(ratios, fraction) == (None if loses(0.0) else find_break_even(loses))


@pytest.mark.parametrize("trades", [1, 30, 1000])
def test_an_interpolated_break_even_rate_is_exact_to_the_digits_shown(trades: int) -> None:
    """A thousand trades of +1 % each: the error is below 1e-8 of cost."""
    rate = interpolate_break_even(lambda cost: (1.01 * (1 - cost) / (1 + cost)) ** trades - 1)
    assert rate == pytest.approx(0.01 / 2.01, abs=1e-8)


def test_an_account_without_gain_breaks_even_at_no_cost() -> None:
    """Exactly 0, not a rounding error."""
    assert interpolate_break_even(lambda cost: -cost) == interpolate_break_even(lambda cost: 1e-16 - cost) == 0.0


def test_overflowing_return_is_undefined() -> None:
    """Growth beyond the range of a float is None, not infinite."""
    bars = bars_of([(1.0, 1e300, 1.0, 1e300)] * 3)
    many = simulate(bars, Signals(np.ones(3, bool), hold=1), Costs(0, 0), Fill.SIGNAL_CLOSE)
    prices = many.samples.where(np.zeros(3, bool))
    assert total_return_at(prices, bars.time, COSTS) == 0.0
    huge = simulate(
        bars_of([(1.0, 1e300, 1.0, 1.0), (1.0, 1e300, 1.0, 1e300)] * 2),
        Signals(np.array([True, False, True, False]), hold=1),
        Costs(0, 0),
        Fill.SIGNAL_CLOSE,
    )
    assert total_return_at(huge.trades, np.arange(4), Costs(0, 0)) is None


@pytest.mark.parametrize("fraction", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("ratio", [1e12, 1e17, 1e36])
def test_a_break_even_cost_close_to_one_is_that_of_bisection(ratio: float, fraction: float) -> None:
    """No cost beyond one, at which a trade would return less than nothing, is tried."""
    gross = [np.array([ratio, ratio])]
    kept = 1 / ratio  # the growth is 1 where (1 - cost) / (1 + cost) is this
    assert break_even_rate(gross, fraction) == pytest.approx((1 - kept) / (1 + kept), abs=2e-12)
