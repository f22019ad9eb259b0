"""Statistics agree with empyrical and with figures calculated by hand."""

import numpy as np
import pytest

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.execution import Costs, Fill
from coin_pipeline.engine.metrics import Metrics, bar_returns, compute_metrics
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import Simulation, simulate
from tests.engine.candles import bars_of, random_bars

HOURS = 365 * 24
COSTS = Costs(0.001, 0.0002)
FREE = Costs(0.0, 0.0)


def run(bars: Bars, signals: Signals, costs: Costs = FREE, fill: Fill = Fill.NEXT_OPEN) -> tuple[Simulation, Metrics]:
    """Simulate hourly bars and compute the metrics."""
    simulation = simulate(bars, signals, costs, fill)
    return simulation, compute_metrics(simulation, bars, HOURS, costs)


@pytest.mark.parametrize("fill", list(Fill))
@pytest.mark.parametrize("seed", range(3))
def test_curve_statistics_agree_with_empyrical(fill: Fill, seed: int) -> None:
    """Return, growth rate, volatility, Sharpe, Sortino and drawdown equal those of the reference library."""
    import empyrical  # noqa: PLC0415 -- takes seconds, and every test process collects this file

    signals = Signals(np.random.default_rng(seed).random(2000) < 0.02, hold=5)
    simulation, metrics = run(random_bars(2000, seed), signals, COSTS, fill)
    returns = bar_returns(simulation.equity)
    expected = {
        "total_return": empyrical.cum_returns_final(returns),
        "cagr": empyrical.annual_return(returns, annualization=HOURS),
        "volatility": empyrical.annual_volatility(returns, annualization=HOURS),
        "sharpe": empyrical.sharpe_ratio(returns, annualization=HOURS),
        "sortino": empyrical.sortino_ratio(returns, annualization=HOURS),
        "max_drawdown": -empyrical.max_drawdown(returns),
    }
    assert {name: getattr(metrics, name) for name in expected} == pytest.approx(expected, rel=1e-11)


def test_trade_statistics_by_hand() -> None:
    """Two trades, +10 % and -5 %, on twelve bars, with one ignored signal."""
    closes = [100, 100, 110, 110, 110, 200, 190, 190, 190, 190, 190, 190]
    opens = [100, 100, 100, 110, 110, 110, 200, 190, 190, 190, 190, 190]
    bars = bars_of([(o, max(o, c), min(o, c), c) for o, c in zip(opens, closes, strict=True)])
    _, metrics = run(bars, Signals(np.isin(np.arange(12), [1, 2, 5]), exits=np.isin(np.arange(12), [2, 7])))
    assert (metrics.signals, metrics.trades, metrics.ignored) == (3, 2, 1)
    assert metrics.win_rate == 0.5
    assert metrics.avg_return == metrics.expectancy == pytest.approx((0.10 - 0.05) / 2)
    assert metrics.profit_factor == pytest.approx(0.10 / 0.05)
    assert metrics.avg_hold_bars == (1 + 2) / 2
    assert metrics.exposure == 3 / 12
    assert metrics.total_return == pytest.approx(1.10 * 0.95 - 1)
    assert metrics.max_drawdown == pytest.approx(0.05)
    assert metrics.buy_and_hold == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("fill", "exposure", "hold"),
    [(Fill.NEXT_OPEN, 3 / 10, 3.0), (Fill.SIGNAL_CLOSE, 5 / 10, 3.0)],
)
def test_overlapping_samples_count_once_in_exposure(fill: Fill, exposure: float, hold: float) -> None:
    """Signals at bars 1 and 3 held for 3 bars cover bars 2-4 and 4-6: five bars of ten, or three for the account."""
    bars = bars_of([(100, 101, 99, 100)] * 10)
    _, metrics = run(bars, Signals(np.isin(np.arange(10), [1, 3]), hold=3), fill=fill)
    assert metrics.exposure == exposure
    assert metrics.avg_hold_bars == hold


def test_open_position_is_held_to_the_last_bar() -> None:
    """The bar of the last close counts as held."""
    _, metrics = run(bars_of([(100, 101, 99, 100)] * 10), Signals(np.arange(10) == 6))
    assert metrics.exposure == 3 / 10
    assert metrics.avg_hold_bars == 3


def test_buy_and_hold_pays_both_legs() -> None:
    """Buy and hold is charged the same costs as the strategy."""
    _, metrics = run(bars_of([(100, 130, 90, 95), (110, 130, 90, 120)]), Signals(np.zeros(2, bool)), Costs(0.01, 0.02))
    assert metrics.buy_and_hold == pytest.approx(120 * 0.98 * 0.99 / (100 * 1.02 * 1.01) - 1, rel=1e-14)


def test_missing_bars_do_not_raise_the_growth_rate() -> None:
    """Doubling over two years is 41 % per year, regardless of the number of bars."""
    bars = bars_of([(100, 200, 100, 100), (100, 200, 100, 100), (200, 200, 200, 200)])
    hour = 3600 * 10**9
    sparse = Bars(np.array([0, hour, (2 * HOURS - 1) * hour]), bars.open, bars.high, bars.low, bars.close, bars.volume)
    _, metrics = run(sparse, Signals(np.array([True, False, False]), hold=1))
    assert metrics.cagr == pytest.approx(2**0.5 - 1)


def test_trade_statistics_are_undefined_without_trades() -> None:
    """They are None, not zero and not NaN."""
    _, metrics = run(random_bars(50, 1), Signals(np.zeros(50, bool)))
    assert (metrics.total_return, metrics.max_drawdown, metrics.exposure, metrics.volatility) == (0, 0, 0, 0)
    undefined = ("sharpe", "sortino", "win_rate", "avg_return", "expectancy", "profit_factor", "avg_hold_bars")
    assert [getattr(metrics, name) for name in undefined] == [None] * len(undefined)


def test_metrics_without_bars_are_undefined_or_zero() -> None:
    """Empty input raises neither an error nor a warning."""
    _, metrics = run(bars_of([]), Signals(np.zeros(0, bool)))
    undefined = ("cagr", "volatility", "sharpe", "sortino", "exposure", "buy_and_hold", "win_rate")
    assert [getattr(metrics, name) for name in undefined] == [None] * len(undefined)
    assert (metrics.total_return, metrics.trades) == (0, 0)


def test_overflowing_growth_rate_is_undefined() -> None:
    """A tenfold gain in three hours has an annual rate beyond the range of a float."""
    bars = bars_of([(1, 1, 1, 1), (1, 1, 1, 1), (10, 10, 10, 10)])
    assert run(bars, Signals(np.array([True, False, False]), hold=1))[1].cagr is None


def test_profit_factor_and_sortino_are_undefined_without_losses() -> None:
    """Without a loss, the denominator is zero."""
    bars = bars_of([(100, 100, 100, 100), (100, 110, 100, 110), (120, 120, 120, 120)])
    metrics = run(bars, Signals(np.array([True, False, False]), hold=1))[1]
    assert (metrics.profit_factor, metrics.sortino, metrics.win_rate) == (None, None, 1.0)


def test_equity_may_reach_zero() -> None:
    """Costs that reduce the equity below the smallest float give -100 %, without a warning."""
    n = 2_000
    bars = bars_of([(100, 100, 100, 100)] * n)
    simulation, metrics = run(bars, Signals(np.ones(n, bool), hold=1), Costs(0.5, 0.0))
    assert simulation.equity[-1] == 0
    assert (metrics.total_return, metrics.cagr, metrics.max_drawdown) == (-1, -1, 1)
