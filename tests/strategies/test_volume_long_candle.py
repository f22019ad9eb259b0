"""``volume_long_candle`` follows its rule to the last bit."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.decimals import AT_LEAST
from coin_pipeline.strategies.builtin.volume_long_candle import BLOCK, VolumeLongCandle, VolumeLongCandleParams
from tests.engine.candles import bars_of, market_bars, random_bars
from tests.strategies.reference import long_candles


def entries(bars: Bars, **params: float) -> list[bool]:
    """Run the strategy and return its entries."""
    return VolumeLongCandle().signals(bars, VolumeLongCandleParams(**params)).entries.tolist()


@pytest.mark.parametrize(
    "params",
    [
        {"body_pct": 0.003},
        {"body_pct": 0.001, "vol_ma_window": 1, "vol_multiplier": 1.0},
        {"body_pct": 0.002, "vol_ma_window": 500, "vol_multiplier": 2},
        {"body_pct": 0.004, "vol_ma_window": 7, "vol_multiplier": 0.3},
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_reference_on_random_bars(params: dict[str, Any], seed: int) -> None:
    """Every decision equals that of the rule in plain Python."""
    bars = random_bars(1500, seed)
    expected = long_candles(bars, VolumeLongCandleParams(**params))
    assert sum(expected) > 5
    assert entries(bars, **params) == expected


@pytest.mark.parametrize("window", [1, 7, 500])
def test_the_plotted_volume_is_the_multiple_of_the_mean(window: int) -> None:
    """Of fewer bars at the start; no signal has less."""
    bars, params = random_bars(1500, 1), VolumeLongCandleParams(body_pct=0.001, vol_ma_window=window)
    ((needed, pane, label),) = VolumeLongCandle().plot(bars, params).values()
    mean = pd.Series(bars.volume).rolling(window, min_periods=1).mean()
    assert pane == "volume"
    assert label == (f"1.5 x mean volume of {window} bars", f"거래량 {window}봉 평균의 1.5배")
    np.testing.assert_allclose(needed, 1.5 * mean, rtol=1e-12)
    signals = VolumeLongCandle().signals(bars, params).entries
    assert (bars.volume >= needed * AT_LEAST)[signals].all()


def test_agrees_with_the_reference_on_real_candles(market_data: Path) -> None:
    """Every decision on four thousand hours of KRW-BTC equals that of the rule in plain Python."""
    bars = market_bars(market_data, 4000)
    expected = long_candles(bars, VolumeLongCandleParams(body_pct=0.005))
    assert sum(expected) > 20
    assert entries(bars, body_pct=0.005) == expected


@pytest.mark.parametrize(
    ("candle", "signal"),
    [
        ((100, 102, 100, 102, 3), True),
        ((100, 102, 100, 101.9, 3), False),
        ((100, 105.9, 100, 102, 3), True),
        ((100, 106, 100, 102, 3), False),
        ((100, 102, 96.1, 102, 3), True),
        ((100, 102, 96, 102, 3), False),
        ((102, 102, 100, 100, 3), False),
        ((100, 102, 100, 102, 1.8), True),
        ((100, 102, 100, 102, 1.7), False),
    ],
)
def test_thresholds_of_each_condition(candle: tuple[float, ...], signal: bool) -> None:  # noqa: FBT001 - an outcome
    """Body, wicks and volume decide at their limits: 1.8 is 1.5 times the mean of 1, 1, 1 and 1.8."""
    quiet = [(100, 101, 99, 100, 1)] * 3
    assert entries(bars_of([*quiet, candle])) == [False] * 3 + [signal]


@pytest.mark.parametrize(
    ("candle", "signal"),
    [
        ((10.1, 10.302, 10.1, 10.302, 3), True),
        ((10.1, 10.302, 10.1, 10.301, 3), False),
        ((0.0312, 0.033072, 0.0312, 0.031824, 3), False),
        ((0.0312, 0.033071, 0.0312, 0.031824, 3), True),
        ((31.2, 31.824, 29.952, 31.824, 3), False),
        ((31.2, 31.824, 29.953, 31.824, 3), True),
    ],
)
def test_decimal_limits_of_body_and_wicks(candle: tuple[float, ...], signal: bool) -> None:  # noqa: FBT001 - an outcome
    """A body of exactly 2 % is enough, and wicks of exactly 4 % are too long, whatever the floats are."""
    assert entries(bars_of([(100, 101, 99, 100, 1), candle])) == [False, signal]


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.integers(0, 9)] * 4, st.sampled_from([0, 0.1, 0.3, 1.2, 1.8])), max_size=40),
    unit=st.sampled_from([1, 10, 1000, 10**7]),
    base=st.sampled_from([100, 1250, 80_000]),
    vol_ma_window=st.sampled_from([1, 2, 3, 10]),
    vol_multiplier=st.sampled_from([0.5, 1, 1.2, 1.5, 3]),
    steps=st.integers(1, 5),
)
def test_ties_are_decided_exactly(
    rows: list[tuple[float, ...]], unit: int, base: int, steps: int, **volumes: float
) -> None:
    """If bodies, wicks and volumes equal their limits, the decision is that of exact fractions."""
    table = [([(base + n) / unit for n in prices], volume) for *prices, volume in rows]
    bars = bars_of([(p[0], max(p), min(p), p[1], volume) for p, volume in table])
    params = {"body_pct": steps / base, **volumes}
    assert entries(bars, **params) == long_candles(bars, VolumeLongCandleParams(**params), Fraction)


def test_summation_order_does_not_matter() -> None:
    """A volume within rounding of its threshold is decided by the sum from left to right."""
    outcomes = []
    for seed in range(200):
        volume = np.random.default_rng(seed).lognormal(0, 1, 50)
        bars = bars_of([(100, 103, 100, 103, amount) for amount in volume])
        params = {"vol_ma_window": 50, "vol_multiplier": min(volume[-1] / (sum(volume.tolist()) / 50) / AT_LEAST, 10.0)}
        outcomes.append(entries(bars, **params)[-1])
        assert outcomes[-1] == long_candles(bars, VolumeLongCandleParams(**params))[-1]
    assert 20 < sum(outcomes) < 200


def test_mean_at_the_start_uses_available_bars() -> None:
    """The first bar is its own mean."""
    assert entries(bars_of([(100, 103, 100, 103, 5)]), vol_multiplier=1.0) == [True]
    assert entries(bars_of([(100, 103, 100, 103, 5)]), vol_multiplier=1.01) == [False]


def test_hold_and_warm_up_come_from_the_params() -> None:
    """The warm-up is the window without the signal bar."""
    params = VolumeLongCandleParams(hold_period_bars=7, vol_ma_window=12)
    assert VolumeLongCandle().signals(random_bars(30, 1), params).hold == 7
    assert VolumeLongCandle().warm_up_bars(params) == 11


def test_decisions_depend_only_on_the_window() -> None:
    """Starting later changes nothing after the warm-up, because no running sum is carried along."""
    bars = random_bars(800, seed=9)
    later = Bars(*(getattr(bars, name)[300:] for name in ("time", "open", "high", "low", "close", "volume")))
    params = {"body_pct": 0.002, "vol_multiplier": 1.1}
    assert np.array_equal(entries(later, **params)[19:], entries(bars, **params)[319:])


def test_blocks_that_threads_decide_fit_together() -> None:
    """A series of several blocks repeats the decisions of a short one, also where a window spans two blocks."""
    period, params = 1_000, {"body_pct": 0.002, "vol_multiplier": 1.1}
    n = 2 * BLOCK + period  # the period does not divide a block
    short = random_bars(period, seed=3)
    columns = (np.resize(getattr(short, name), n) for name in ("open", "high", "low", "close", "volume"))
    long = VolumeLongCandle().signals(Bars(np.arange(n), *columns), VolumeLongCandleParams(**params)).entries
    assert long[period : 2 * period].sum() > 5
    assert np.array_equal(long[period:], np.resize(long[period : 2 * period], n - period))
