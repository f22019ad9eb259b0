"""``volume_zone_breakout`` agrees with actual bins, including ties, and with the golden figures."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.decimals import AT_LEAST
from coin_pipeline.engine.execution import Costs, Fill
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.strategies.builtin.volume_zone_breakout import VolumeZoneBreakout, VolumeZoneBreakoutParams
from tests.engine.candles import bars_of, golden_bars, market_bars, random_bars
from tests.strategies.reference import breakouts, profile_prices, zone_levels

PARAMS = [
    {},
    {"volume_window": 1},
    {"volume_window": 3, "num_bins": 1},
    {"volume_window": 4, "num_bins": 7, "top_percentile": 1.0},
    {"volume_window": 25, "num_bins": 50, "top_percentile": 0.5, "breakout_buffer": 0.003},
    {"include_wicks": False},
    {"include_wicks": False, "volume_window": 2, "top_percentile": 0.01, "num_bins": 3},
]


def entries(bars: Bars, **params: float) -> list[bool]:
    """Run the strategy and return its entries."""
    return VolumeZoneBreakout().signals(bars, VolumeZoneBreakoutParams(**params)).entries.tolist()


@pytest.mark.parametrize(
    ("n", "signals", "win_rate", "mean_return", "signals_at_10"),
    [(100, 45, "42.2", "-0.154", 44), (300, 117, "53.8", "-0.047", 136), (1000, 412, "50.2", "-0.030", 443)],
)
def test_golden_figures(n: int, signals: int, win_rate: str, mean_return: str, signals_at_10: int) -> None:
    """The figures of the legacy platform are reproduced to the digit."""
    bars = golden_bars(n)
    decided = VolumeZoneBreakout().signals(bars, VolumeZoneBreakoutParams(volume_window=20))
    returns = simulate(bars, decided, Costs(0.0, 0.0), Fill.SIGNAL_CLOSE).samples.net_return
    assert len(returns) == signals
    assert (f"{(returns > 0).mean():.1%}", f"{returns.mean():.3%}") == (f"{win_rate}%", f"{mean_return}%")
    assert sum(entries(bars, volume_window=10)) == signals_at_10


@pytest.mark.parametrize("params", PARAMS)
def test_agrees_with_bins_in_exact_fractions(params: dict[str, Any]) -> None:
    """Every decision on random bars, including flat and empty ones, is exact."""
    bars = random_bars(90, seed=2)
    assert entries(bars, **params) == breakouts(bars, VolumeZoneBreakoutParams(**params), Fraction)


@pytest.mark.parametrize("params", PARAMS)
def test_agrees_with_bins_in_floats(params: dict[str, Any]) -> None:
    """Every decision on more random bars equals that of bins in floats."""
    bars = random_bars(400, seed=4)
    assert entries(bars, **params) == breakouts(bars, VolumeZoneBreakoutParams(**params), float)


@pytest.mark.parametrize("params", PARAMS)
def test_plotted_levels_are_those_of_the_bins(params: dict[str, Any]) -> None:
    """Except where there is none: in the first window, and without a price range or a volume."""
    bars, own = random_bars(400, seed=4), VolumeZoneBreakoutParams(**params)
    (zone, *_) = VolumeZoneBreakout().plot(bars, own).values()
    expected = [np.nan if level is None else level for level in zone_levels(bars, own, float)]
    assert np.isnan(expected).any()
    np.testing.assert_array_equal(zone.values, expected)


@pytest.mark.parametrize("params", PARAMS)
def test_signals_are_the_bars_that_reach_the_last_plotted_level(params: dict[str, Any]) -> None:
    """That of the zone, or above it if the strategy requires a distance."""
    bars, own = random_bars(1500, seed=6), VolumeZoneBreakoutParams(**params)
    *_, level = VolumeZoneBreakout().plot(bars, own).values()
    tops, _ = profile_prices(bars, own)
    assert entries(bars, **params) == (np.array(tops) >= level.values * AT_LEAST).tolist()


def test_agrees_with_bins_on_real_candles(market_data: Path) -> None:
    """Decisions on hours of KRW-BTC equal those of bins: 2,000 in floats, 100 in exact fractions."""
    bars, params = market_bars(market_data, 2000), VolumeZoneBreakoutParams()
    decided = entries(bars)
    assert 500 < sum(decided) < 1500
    assert decided == breakouts(bars, params, float)
    assert decided[:100] == breakouts(bars.head(100), params, Fraction)


@st.composite
def coarse_bars(draw: st.DrawFn) -> Bars:
    """Draw bars with few distinct decimal prices and volumes, so that ties, flat bars and empty windows are common."""
    unit = draw(st.sampled_from([1, 10, 1000, 10**7]))  # the price step is one part of it
    base, spread = draw(st.sampled_from([100, 912, 123_450, 98_765_430])), draw(st.sampled_from([6, 10, 20]))
    price, volume = st.integers(base, base + spread).map(lambda n: n / unit), st.sampled_from([0, 1, 1, 2, 0.1])
    candle = st.tuples(price, price, price, price) | price.map(lambda flat: (flat,) * 4)
    rows = []
    for prices in draw(st.lists(candle, max_size=14)):
        opening, close = prices[:2]
        rows.append((opening, max(prices), min(prices), close, draw(volume)))
    return bars_of(rows)


@settings(max_examples=250, deadline=None)
@given(
    bars=coarse_bars(),
    volume_window=st.integers(1, 6),
    top_percentile=st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.9, 1.0]),
    breakout_buffer=st.sampled_from([0.0, 0.0, 0.01, 0.0002, 1.0]),
    num_bins=st.sampled_from([1, 2, 3, 5, 10, 20, 200]),
    include_wicks=st.booleans(),
)
def test_ties_are_decided_exactly(bars: Bars, **params: float) -> None:
    """If volumes tie with their share and prices with edges, the decision is that of exact fractions."""
    assert entries(bars, **params) == breakouts(bars, VolumeZoneBreakoutParams(**params), Fraction)


@pytest.mark.parametrize("traded", [91.9, 91.8])
def test_high_that_equals_the_level_in_decimals_breaks_out(traded: float) -> None:
    """The level is 89.4 + 6 * 0.4, 91.80000000000001 in floats; a bar at that price belongs to the bin above it."""
    past = [(89.4, 93.4, 89.4, 93.4, 0), (traded, traded, traded, traded, 4), (89.5, 89.5, 89.5, 89.5, 3)]
    params = {"volume_window": 3, "num_bins": 10, "top_percentile": 0.5}
    for high, signal in ((91.8, True), (91.7, False)):
        assert entries(bars_of([*past, (91.7, high, 91.7, 91.7, 1)]), **params)[-1] is signal


@pytest.mark.parametrize("volume", [0.1, 1.0, 0.3, 7.7])
def test_two_of_ten_equal_volumes_reach_a_fifth(volume: float) -> None:
    """The level is the lower edge of the second highest of ten bars, however their sum is rounded."""
    past = [(100 + i, 101 + i, 100 + i, 101 + i, volume) for i in range(10)]
    params = {"volume_window": 10, "num_bins": 10, "top_percentile": 0.2}
    assert entries(bars_of([*past, (107, 108, 107, 108, 1)]), **params)[-1]
    assert not entries(bars_of([*past, (107, 107.99, 107, 107, 1)]), **params)[-1]


@pytest.mark.parametrize("lo", [0.0, 1e8, 123_456_789.0])
@pytest.mark.parametrize("height", [1001, 1002, 1003, 1004])
def test_high_price_level_does_not_affect_a_tie(lo: float, height: int) -> None:
    """One bar over 20 bins reaches a fifth at its 16th edge, a fractional price, even at 100 million."""
    past, edge = (lo, lo + height, lo, lo, 7.0), lo + height * 0.8
    for price, signal in ((np.floor(edge), False), (np.ceil(edge), True)):
        assert entries(bars_of([past, (price, price, price, price, 1)]), volume_window=1) == [False, signal]


def test_flat_bar_on_an_edge_belongs_to_the_bin_above() -> None:
    """All volume at the edge between two bins belongs to the upper one, so its lower edge is the level."""
    past = [(100, 104, 100, 104, 0), (102, 102, 102, 102, 5)]
    for price, signal in ((101, False), (102, True)):
        bars = bars_of([*past, (price, price, price, price, 1)])
        assert entries(bars, volume_window=2, num_bins=2) == [False, False, signal]


@pytest.mark.parametrize(
    "past",
    [
        [(100, 100, 100, 100, 5)] * 10,
        [(100, 110, 90, 105, 0)] * 10,
        [(100, 110, 90, 105, 5)] * 9,
        [],
    ],
)
def test_no_signal_without_a_level(past: list[tuple[float, ...]]) -> None:
    """No price range, no volume or too few bars give no level, even for a bar far above."""
    assert not any(entries(bars_of([*past, (500, 900, 500, 900, 9)])))


def test_empty_bars_give_no_signals() -> None:
    """Empty input does not raise an error."""
    assert entries(bars_of([])) == []


def test_hold_and_warm_up_come_from_the_params() -> None:
    """The warm-up is the window before the signal bar."""
    params = VolumeZoneBreakoutParams(hold_period_bars=7, volume_window=12)
    assert VolumeZoneBreakout().signals(random_bars(30, 1), params).hold == 7
    assert VolumeZoneBreakout().warm_up_bars(params) == 12
