"""A sweep gives exactly the figures of individual runs."""

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars, Floats
from coin_pipeline.engine.execution import Costs, ExitRule, Fill, Stops
from coin_pipeline.engine.signal_rows import SignalRows, pack
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.engine.sweep import Trials, sweep
from coin_pipeline.engine.ticks import TickEra, TickTable
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandle, VolumeLongCandleParams
from tests.engine.candles import HOUR_NS, bars_of, market_bars, random_bars

COSTS = Costs(0.001, 0.0002)
FREE = Costs(0.0, 0.0)
TICKS = TickTable((TickEra(None, (("0", "0.7"),)), TickEra(60 * HOUR_NS, (("0", "1"), ("1000", "5")))))
OPEN, CLOSE = Fill.NEXT_OPEN, Fill.SIGNAL_CLOSE


def bits(trials: Trials, k: int) -> dict[str, bytes]:
    """Return the figures of a point as bytes."""
    columns = {field.name: getattr(trials, field.name) for field in fields(Trials)}
    return {name: column[k : k + 1].tobytes() for name, column in columns.items()}


def check(
    bars: Bars, rows: SignalRows, stops: Sequence[Stops] | None, costs: Costs, fill: Fill, sizing: Sizing, workers: int
) -> Trials:
    """Run a sweep, and compare every figure of every point with the point's own run."""
    trials = sweep(bars, rows, stops, costs, fill, sizing, workers)
    assert [getattr(trials, field.name).shape for field in fields(Trials)] == [(rows.points,)] * 7
    for k in range(rows.points):
        run = simulate(bars, rows.signals(k), costs, fill, stops[k] if stops else Stops(), sizing)
        assert bits(trials, k) == bits(Trials.from_simulation(run), 0), f"point {k}"
    return trials


@st.composite
def several_rows(draw: st.DrawFn, n: int) -> SignalRows:
    """Draw points of two factors, rare or frequent, some equal, and of a few rules with any planned exits."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    factors = [random.random((3, n)) < draw(st.sampled_from([0.02, 0.3, 0.9])) for _ in range(2)]
    exits = st.none() | st.sampled_from([0.0, 0.01, 0.2]).map(lambda share: random.random(n) < share)
    rules = draw(st.lists(st.builds(ExitRule, st.none() | st.integers(1, 120), exits), min_size=1, max_size=3))
    points = draw(st.integers(1, 8))
    index, rule = random.integers(0, 3, (points, 2)), random.integers(0, len(rules), points)
    return SignalRows(n, tuple(pack(factor) for factor in factors), index, tuple(rules), rule)


level = st.none() | st.sampled_from([0.004, 0.02, 0.1, 0.6])
lengths = st.sampled_from([0, 1, 2, 63, 64, 65, 129, 700])
cases = lengths.flatmap(lambda n: st.tuples(st.builds(random_bars, st.just(n), st.integers(0, 99)), several_rows(n)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cases,
    st.none() | st.lists(st.builds(Stops, level, level, level), min_size=1, max_size=2),
    st.builds(Costs, st.sampled_from([0.0, 0.001, 0.03]), st.just(0.0002), st.none() | st.just(TICKS)),
    st.sampled_from([1.0, 0.37, 0.01]),
    st.sampled_from([0.0, 0.6, 0.97, 1.02]),
    st.integers(1, 3),
)
def test_points_equal_their_own_runs(
    case: tuple[Bars, SignalRows],
    given_stops: list[Stops] | None,
    costs: Costs,
    fraction: float,
    least: float,
    workers: int,
) -> None:
    """Figures are equal to the last bit for any rows, stops, costs, sizing and shared rules."""
    bars, rows = case
    stops = None if given_stops is None else [given_stops[k % len(given_stops)] for k in range(rows.points)]
    check(bars, rows, stops, costs, OPEN, Sizing(fraction, min_order=least * fraction * 1e7), workers)
    check(bars, rows, stops, costs, CLOSE, Sizing(), workers)


@pytest.mark.parametrize("share", [0.01, 0.5])
@pytest.mark.parametrize("hold", [3, 50, 5000, None])
@pytest.mark.parametrize("stops", [Stops(), Stops(0.03, 0.05, 0.02)])
def test_long_series_with_rare_and_frequent_entries(share: float, hold: int | None, stops: Stops) -> None:
    """Accounts that hold few or many bars, and positions that together span far more bars than one account."""
    bars, random = random_bars(20_000, seed=3), np.random.default_rng(7)
    rows = SignalRows.of([Signals(random.random(20_000) < share, hold=hold) for _ in range(3)])
    trials = check(bars, rows, [stops] * 3, COSTS, OPEN, Sizing(0.5), workers=2)
    assert np.all(trials.trades > 0)


def at_prices(bars: Bars, move: Callable[[Floats], Floats]) -> Bars:
    """Return the bars at other prices."""
    return Bars(bars.time, *map(move, (bars.open, bars.high, bars.low, bars.close)), bars.volume)


@pytest.mark.parametrize(
    ("bars", "costs"),
    [
        (random_bars(130, seed=4), FREE),
        (
            at_prices(random_bars(130, seed=4), lambda prices: np.where(np.arange(130) // 40 == 1, 1000.0, prices)),
            COSTS,
        ),
        (at_prices(random_bars(130, seed=4), lambda prices: prices + 1e12), FREE),
    ],
    ids=["lively", "with a stretch that does not move", "in steps of next to nothing"],
)
def test_path_of_every_possible_trade_is_measured(bars: Bars, costs: Costs) -> None:
    """The account includes the whole path, wherever a trade starts and ends."""
    rows = SignalRows.of([Signals(row, hold=hold) for row in np.eye(130, dtype=bool)[:70] for hold in range(1, 50)])
    check(bars, rows, None, costs, OPEN, Sizing(), workers=1)


@pytest.mark.parametrize("exit_bar", range(20, 60))
def test_close_after_an_exit_at_the_open_is_excluded(exit_bar: int) -> None:
    """It is twice as high, which would make the next trade's loss a larger drawdown than that within the first."""
    close = np.full(80, 100.0)
    close[5], close[exit_bar], close[62:] = 50, 200, 80
    opening = np.where(np.arange(80) > 62, 80.0, 100.0)
    bars = bars_of(np.column_stack([opening, np.maximum(opening, close), np.minimum(opening, close), close]))
    entries, exits = np.zeros((2, 80), bool)
    entries[[0, 60]], exits[exit_bar - 1] = True, True
    rows = SignalRows.of([Signals(entries, exits)])
    assert check(bars, rows, None, FREE, OPEN, Sizing(), workers=1).max_drawdown.tolist() == [0.5]


@pytest.mark.parametrize("fraction", [1.0, 0.5])
@pytest.mark.parametrize(("dip", "last"), [(90, 95), (80, 80)], ids=["measured block", "skipped block"])
def test_fall_from_a_peak_within_a_whole_block_is_the_largest(fraction: float, dip: float, last: float) -> None:
    """After a dip, a block of 16 bars rises from 91 to 106; the fall from there is deeper than the dip."""
    close = np.full(50, 100.0)
    close[5], close[16:32], close[32:] = dip, np.arange(91, 107), last
    bars = bars_of(np.column_stack([close, close, close, close]))
    rows = SignalRows.of([Signals(np.arange(50) == 0)])
    trials = check(bars, rows, None, FREE, OPEN, Sizing(fraction), workers=1)
    peak, end = (1 - fraction + fraction * price / 100 for price in (106, last))
    assert trials.max_drawdown.tolist() == pytest.approx([1 - end / peak], rel=1e-14)


def test_grid_on_real_candles(market_data: Path) -> None:
    """Points of a strategy that share conditions, with more words than are processed at a time."""
    bars = market_bars(market_data, 20_000)
    params = [
        VolumeLongCandleParams(vol_ma_window=20, vol_multiplier=1 + k / 50, body_pct=body, hold_period_bars=hold)
        for k in range(55)
        for body in (0.002, 0.004, 0.01, 0.02)
        for hold in (1, 24)
    ]
    rows = VolumeLongCandle().signal_rows(bars, params)
    trials = check(bars, rows, None, COSTS, OPEN, Sizing(), workers=1)
    assert len(np.unique(trials.total_return)) > 200
    for workers in (2, 8):
        again = sweep(bars, rows, None, COSTS, OPEN, Sizing(), workers)
        assert [bits(again, k) for k in range(rows.points)] == [bits(trials, k) for k in range(rows.points)]


def test_figures_of_three_trades_by_hand() -> None:
    """One gain, one loss and one trade without return; the max drawdown is within the second."""
    prices = [(100, 100, 100, 100), (100, 150, 100, 150), (125, 125, 100, 100), (100, 100, 40, 50), (80, 80, 80, 80)]
    bars = bars_of([*prices, (80, 80, 80, 80), (80, 80, 80, 80)])
    rows = SignalRows.of([Signals(np.array([1, 0, 1, 0, 1, 0, 0], bool), hold=1)])
    trials = check(bars, rows, None, FREE, OPEN, Sizing(), workers=1)
    assert {field.name: getattr(trials, field.name).tolist() for field in fields(Trials)} == {
        "trades": [3],
        "wins": [1],
        "bars_held": [3],
        "total_return": [1.25 * 0.8 - 1],
        "max_drawdown": [1 - 1.25 * 0.5 / 1.5],
        "gains": [0.25],
        "losses": [1 - 0.8],
    }
    assert not np.signbit(trials.losses + trials.gains).any()


def test_no_trades_give_positive_zeros() -> None:
    """Neither a trade without return nor the absence of trades gives a loss of -0.0."""
    rows = SignalRows.of([Signals(np.array(row, bool), hold=1) for row in ([1, 0, 0, 0], [0, 0, 0, 0])])
    trials = check(bars_of([(100, 100, 100, 100)] * 4), rows, None, FREE, OPEN, Sizing(), workers=1)
    assert trials.trades.tolist() == [1, 0]
    for name in ("total_return", "max_drawdown", "gains", "losses"):
        assert getattr(trials, name).tobytes() == np.zeros(2).tobytes()


def test_no_points_give_an_empty_table() -> None:
    """A search may have no points left to evaluate."""
    none = np.zeros(0, np.int64)
    rows = SignalRows(10, (pack(np.zeros((1, 10), bool)),), none.reshape(0, 1), (ExitRule(),), none)
    assert len(sweep(random_bars(10, seed=1), rows, None, COSTS, OPEN, Sizing()).trades) == 0


def test_inconsistent_input_is_rejected() -> None:
    """Bars, stops and sizing must match the points."""
    bars, rows = random_bars(10, seed=1), SignalRows.of([Signals(np.ones(10, bool), hold=1)] * 2)
    with pytest.raises(ValueError, match="rows have 10 bars, the candles have 9"):
        sweep(bars.head(9), rows, None, COSTS, OPEN, Sizing())
    with pytest.raises(ValueError, match="3 stops given for 2 points"):
        sweep(bars, rows, [Stops()] * 3, COSTS, OPEN, Sizing())
    with pytest.raises(ValueError, match="cannot be combined with a sizing"):
        sweep(bars, rows, None, COSTS, CLOSE, Sizing(0.5), workers=2)


def test_memory_does_not_grow_with_points() -> None:
    """Ten times the points of the same rows use the same memory, apart from the table of their figures."""
    n, random = 20_000, np.random.default_rng(5)
    bars, factors = random_bars(n, seed=2), tuple(pack(random.random((10, n)) < 0.6) for _ in range(2))

    def peak(points: int) -> int:
        index, rule = random.integers(0, 10, (points, 2)), np.zeros(points, np.int64)
        rows = SignalRows(n, factors, index, (ExitRule(hold=5),), rule)
        tracemalloc.start()
        try:
            sweep(bars, rows, None, COSTS, OPEN, Sizing())
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # allocates what stays allocated
    assert peak(4_000) < 1.3 * peak(400)
