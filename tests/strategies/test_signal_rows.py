"""Points decided together equal points decided one by one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signals import Signals
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandle, VolumeLongCandleParams
from coin_pipeline.strategies.builtin.volume_zone_breakout import VolumeZoneBreakout, VolumeZoneBreakoutParams
from tests.engine.candles import random_bars

LONG_CANDLES = st.builds(
    VolumeLongCandleParams,
    vol_ma_window=st.sampled_from([1, 2, 20, 500]) | st.integers(1, 500),
    vol_multiplier=st.sampled_from([1.0, 1.5, 10.0]) | st.floats(1e-300, 10),
    body_pct=st.sampled_from([0.001, 0.004, 1.0]) | st.floats(1e-300, 0.02),
    hold_period_bars=st.sampled_from([1, 5, 1000]),
)
BREAKOUTS = st.builds(
    VolumeZoneBreakoutParams,
    volume_window=st.sampled_from([1, 10, 500]) | st.integers(1, 500),
    top_percentile=st.sampled_from([0.2, 0.5, 1.0]) | st.floats(0, 1, exclude_min=True),
    breakout_buffer=st.sampled_from([0.0, 0.001, 1.0]) | st.floats(0, 0.01),
    hold_period_bars=st.sampled_from([1, 5, 1000]),
    num_bins=st.sampled_from([1, 20, 200]),
    include_wicks=st.booleans(),
)


class Rising(Strategy[StrategyParams]):
    """Enter when the close is above an earlier one, exit when it is below."""

    name = "rising"

    class Params(StrategyParams):
        """Lag in bars."""

        bars: int = 1

    def signals(self, bars: Bars, params: Any) -> Signals:  # noqa: ANN401 - its own params
        """Compare closes."""
        earlier = bars.close[np.maximum(np.arange(len(bars)) - params.bars, 0)]
        return Signals(bars.close > earlier, exits=bars.close < earlier)


def assert_same(strategy: Strategy[Any], bars: Bars, points: Sequence[Any], workers: int = 1) -> int:
    """Compare each point with its own signals, and return the number of entries."""
    rows, entries = strategy.signal_rows(bars, points, workers), 0
    assert (rows.n, rows.points) == (len(bars), len(points))
    for k, params in enumerate(points):
        together, alone = rows.signals(k), strategy.signals(bars, params)
        assert np.array_equal(together.entries, alone.entries)
        assert together.hold == alone.hold
        assert (together.exits is None) == (alone.exits is None)
        assert alone.exits is None or np.array_equal(together.exits, alone.exits)
        entries += int(alone.entries.sum())
    return entries


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 700),
    seed=st.integers(0, 99),
    points=st.lists(LONG_CANDLES, min_size=1, max_size=12),
    workers=st.integers(1, 2),
)
def test_long_candles(n: int, seed: int, points: list[VolumeLongCandleParams], workers: int) -> None:
    """Any mix of points and bars, including the ends of the ranges."""
    assert_same(VolumeLongCandle(), random_bars(n, seed), points, workers)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 700),
    seed=st.integers(0, 99),
    points=st.lists(BREAKOUTS, min_size=1, max_size=12),
    workers=st.integers(1, 2),
)
def test_breakouts(n: int, seed: int, points: list[VolumeZoneBreakoutParams], workers: int) -> None:
    """Any mix of points and bars, including the ends of the ranges."""
    assert_same(VolumeZoneBreakout(), random_bars(n, seed), points, workers)


@pytest.mark.parametrize("n", [4095, 4096, 4097, 9000])
def test_long_candles_of_a_grid(n: int) -> None:
    """Bars that need several passes, and points that share rows."""
    points = [
        VolumeLongCandleParams(vol_ma_window=w, vol_multiplier=m, body_pct=b, hold_period_bars=h)
        for w in (5, 40)
        for m in (1, 1.2)
        for b in (0.002, 0.003)
        for h in (1, 2)
    ]
    strategy, bars = VolumeLongCandle(), random_bars(n, 1)
    assert assert_same(strategy, bars, points) > 1000
    assert [len(factor) for factor in strategy.signal_rows(bars, points).factors] == [2, 4]


@pytest.mark.parametrize("n", [2048 + 9, 2048 + 10, 2048 + 11, 9000])
def test_breakouts_of_a_grid(n: int) -> None:
    """Bars that need several passes, and points that share rows."""
    points = [
        VolumeZoneBreakoutParams(volume_window=w, top_percentile=p, breakout_buffer=b, hold_period_bars=h)
        for w in (10, 60)
        for p in (0.2, 0.5)
        for b in (0, 0.002)
        for h in (1, 2)
    ]
    strategy, bars = VolumeZoneBreakout(), random_bars(n, 1)
    assert assert_same(strategy, bars, points, workers=2) > 1000
    assert [len(factor) for factor in strategy.signal_rows(bars, points).factors] == [8]


def test_breakouts_that_differ_in_one_param_each() -> None:
    """Rows that share all but one of their parameters do not share their sums."""
    params = VolumeZoneBreakoutParams(volume_window=20, top_percentile=0.4, num_bins=3)
    for update in ({"num_bins": 4}, {"breakout_buffer": 0.002}, {"volume_window": 21}, {"include_wicks": False}):
        assert_same(VolumeZoneBreakout(), random_bars(500, 4), [params, params.model_copy(update=update)])


def test_many_rows_are_decided_in_blocks_of_bars() -> None:
    """A block that starts in the middle of the bars is decided like the whole series."""
    shares = np.linspace(0.01, 1, 3000).tolist()
    points = [VolumeZoneBreakoutParams(volume_window=3, top_percentile=share) for share in shares]
    strategy, bars = VolumeZoneBreakout(), random_bars(5000, 2)
    rows = strategy.signal_rows(bars, points, workers=2)
    for k in range(0, len(points), 300):
        assert np.array_equal(rows.signals(k).entries, strategy.signals(bars, points[k]).entries)
    multipliers = np.linspace(0.01, 10, 3000).tolist()
    candles = [VolumeLongCandleParams(vol_ma_window=30, vol_multiplier=m, body_pct=0.002) for m in multipliers]
    rows = VolumeLongCandle().signal_rows(bars, candles, workers=2)
    for k in range(0, len(candles), 300):
        assert np.array_equal(rows.signals(k).entries, VolumeLongCandle().signals(bars, candles[k]).entries)


def test_custom_strategy_is_packed_point_by_point() -> None:
    """By default, a strategy's signals are packed one point at a time, exits included."""
    assert assert_same(Rising(), random_bars(200, 3), [Rising.Params(bars=n) for n in (1, 2)]) > 50
