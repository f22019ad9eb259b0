"""``volume_long_candle`` follows its rule to the last bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coin_pipeline.engine.bars import Bars
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandle, VolumeLongCandleParams
from tests.engine.candles import bars_of, market_bars, random_bars
from tests.strategies.reference import long_candles


def entries(bars: Bars, **params: float) -> list[bool]:
    """Run the strategy."""
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
def test_it_agrees_with_the_rule_on_random_bars(params: dict[str, Any], seed: int) -> None:
    """Every bar is decided as by the rule written out in plain Python."""
    bars = random_bars(1500, seed)
    expected = long_candles(bars, VolumeLongCandleParams(**params))
    assert sum(expected) > 5
    assert entries(bars, **params) == expected


def test_it_agrees_with_the_rule_on_the_real_market(market_data: Path) -> None:
    """Four thousand hours of KRW-BTC are decided as by the rule."""
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
def test_each_condition_has_its_own_edge(candle: tuple[float, ...], signal: bool) -> None:  # noqa: FBT001 - an outcome
    """Body, wicks and volume decide at the stated limits: 1.8 is 1.5 times the mean of 1, 1, 1 and 1.8."""
    quiet = [(100, 101, 99, 100, 1)] * 3
    assert entries(bars_of([*quiet, candle])) == [False] * 3 + [signal]


def test_the_order_of_a_sum_never_decides() -> None:
    """A volume that is its multiple of the mean but for the last bits is decided as by the sum from left to right."""
    outcomes = []
    for seed in range(200):
        volume = np.random.default_rng(seed).lognormal(0, 1, 50)
        bars = bars_of([(100, 103, 100, 103, one) for one in volume])
        params = {"vol_ma_window": 50, "vol_multiplier": min(volume[-1] / (sum(volume.tolist()) / 50), 10.0)}
        outcomes.append(entries(bars, **params)[-1])
        assert outcomes[-1] == long_candles(bars, VolumeLongCandleParams(**params))[-1]
    assert 20 < sum(outcomes) < 200


def test_the_first_bar_is_its_own_mean() -> None:
    """At the start the mean is taken over the bars there are."""
    assert entries(bars_of([(100, 103, 100, 103, 5)]), vol_multiplier=1.0) == [True]
    assert entries(bars_of([(100, 103, 100, 103, 5)]), vol_multiplier=1.01) == [False]


def test_the_hold_and_the_look_back_come_from_the_params() -> None:
    """Signals carry the hold, and the warm-up is the window without the signal bar."""
    params = VolumeLongCandleParams(hold_period_bars=7, vol_ma_window=12)
    assert VolumeLongCandle().signals(random_bars(30, 1), params).hold == 7
    assert VolumeLongCandle().warm_up_bars(params) == 11


def test_decisions_do_not_depend_on_what_lies_before_the_window() -> None:
    """Starting later changes nothing once the warm-up is over, because no sum is carried along."""
    bars = random_bars(800, seed=9)
    later = Bars(*(getattr(bars, name)[300:] for name in ("time", "open", "high", "low", "close", "volume")))
    params = {"body_pct": 0.002, "vol_multiplier": 1.1}
    assert np.array_equal(entries(later, **params)[19:], entries(bars, **params)[319:])
