"""Bars decided side by side equal bars decided individually."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.engine.bars import Bools, Floats, read_only
from coin_pipeline.engine.decimals import AT_LEAST
from coin_pipeline.strategies.builtin.volume_profile import CHUNK, LANES, ULP, find_breakouts, is_breakout

Columns = tuple[Floats, Floats, Floats]


def read_only_column(values: npt.ArrayLike) -> Floats:
    """Return a read-only column, as in bars."""
    return read_only(np.ascontiguousarray(values, float))


def side_by_side(
    columns: Columns, window: int, bins: int, factor: float, share: float, at_least: float = AT_LEAST, start: int = 0
) -> Bools:
    """Decide all bars from ``start`` on in one call; an ``at_least`` of 1 compares floats without a tolerance."""
    entries = np.zeros((1, len(columns[0]) - start), bool)
    rule = np.array([bins]), np.array([factor * at_least]), np.array([share * at_least])
    find_breakouts(*columns, window, *rule, at_least, start, entries)
    return entries[0]


def one_by_one(
    columns: Columns, window: int, bins: int, factor: float, share: float, at_least: float = AT_LEAST
) -> list[bool]:
    """Decide each bar individually."""
    n, rule = len(columns[0]), (window, bins, factor * at_least, share * at_least, at_least)
    return [t >= window and is_breakout(*columns, t, *rule) for t in range(n)]


def rough_bars(n: int, seed: int, level: float, sizes: int, flat: float) -> Columns:
    """Return bars between one ulp and a tenth of the price level high, some or all flat, with tied volumes."""
    random = np.random.default_rng(seed)
    size = random.choice([1, 3, 100, 10**6, 10**10, 10**14][:sizes], (n, 2)) * random.integers(0, 5, (n, 2))
    ends = np.sort(level + size * np.spacing(level), axis=1)
    top = np.where(random.random(n) < flat, ends[:, 0], ends[:, 1])
    return (
        read_only_column(top),
        read_only_column(ends[:, 0]),
        read_only_column(random.choice([0.0, 0.1, 1.0, 1.0, 3.3, 1e6], n)),
    )


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(1, 400),
    seed=st.integers(0, 10_000),
    level=st.sampled_from([1e-8, 0.001, 1.0, 1.999, 4096.0, 1e8, 1.5e8]),
    sizes=st.integers(1, 6),
    flat=st.sampled_from([0.2, 1.0]),
    window=st.integers(1, 70) | st.sampled_from([128, 200, 500]),
    bins=st.sampled_from([1, 2, 7, 20, 200]),
    factor=st.sampled_from([1.0, 1.0, 1.001, 1.03125, 2.0]),
    share=st.sampled_from([0.05, 0.2, 0.25, 0.5, 1.0]) | st.floats(0, 1, exclude_min=True),
    at_least=st.sampled_from([1.0, AT_LEAST]),
)
def test_rounding_does_not_affect_decisions(
    n: int,
    seed: int,
    level: float,
    sizes: int,
    flat: float,
    window: int,
    bins: int,
    factor: float,
    share: float,
    at_least: float,
) -> None:
    """Decisions agree for bars and edge distances of about one ulp, ties, and empty windows."""
    columns, rule = rough_bars(n, seed, level, sizes, flat), (window, bins, factor, share, at_least)
    assert side_by_side(columns, *rule).tolist() == one_by_one(columns, *rule)


def test_summation_order_does_not_matter() -> None:
    """A share reached up to rounding of the sum is decided by the sum from left to right."""
    outcomes = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        volume, bottom = random.lognormal(0, 3, 101), np.arange(100.0, 201.0)
        bottom[-1] = 149.5
        above = sum(volume[50:100].tolist())
        share = above / sum(volume[:100].tolist()) / AT_LEAST * (1 + random.integers(-3, 4) * ULP)
        columns, rule = (
            (read_only_column(bottom), read_only_column(bottom), read_only_column(volume)),
            (100, 99, 1.0, share),
        )
        outcomes.append(side_by_side(columns, *rule)[-1])
        assert outcomes[-1] == one_by_one(columns, *rule)[-1]
    assert 20 < sum(outcomes) < 180


@pytest.mark.parametrize("level", [1.0, 1.5e8])
@pytest.mark.parametrize("bins", [3, 20, 200])
def test_edges_closer_than_one_ulp(level: float, bins: int) -> None:
    """If many edges round to one price, the first unreachable edge is not adjacent to the nearest one."""
    for seed in range(20):
        columns, rule = rough_bars(100, seed, level, sizes=1, flat=1.0), (5, bins, 1.0, 0.3, 1.0)
        decided = side_by_side(columns, *rule)
        assert decided.tolist() == one_by_one(columns, *rule)
        assert 10 < decided.sum() < 90


def test_price_on_an_edge_reaches_it() -> None:
    """An edge is reached by its own price, however it was rounded, and not by the next lower price."""
    random = np.random.default_rng(5)
    for _ in range(500):
        lo, span, bins = random.uniform(1, 1e4), random.uniform(1e-3, 10), int(random.integers(2, 200))
        hi, j = lo + span, int(random.integers(0, bins))
        edge = lo + (hi - lo) * j / bins
        for price in (edge, np.nextafter(edge, 0)):
            columns = read_only_column([hi, edge, price]), read_only_column([lo, edge, lo]), read_only_column([0, 1, 0])
            assert side_by_side(columns, 2, bins, 1.0, 0.5, 1.0)[-1] == (price == edge)


@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 10, 63, 64, 65, 127, 128, 200, 500])
@pytest.mark.parametrize("n", [2 * LANES + 1, CHUNK + 1, 2 * CHUNK + 77])
def test_decisions_do_not_depend_on_the_start(n: int, window: int) -> None:
    """Passes that start or end elsewhere, and bars without those before the window, change nothing."""
    first, second, volume = np.random.default_rng(n).normal(100, 2, (3, n))
    columns = (
        read_only_column(np.maximum(first, second)),
        read_only_column(np.minimum(first, second)),
        read_only_column(volume),
    )
    rule = (window, 20, 1.001, 0.3)
    complete = side_by_side(columns, *rule)
    assert complete.tolist() == one_by_one(columns, *rule)
    assert 0 < complete.sum() < n or n <= window
    for start in (1, n // 3, n // 2, n - 1):
        assert np.array_equal(side_by_side(columns, *rule, start=start), complete[start:])
        later = tuple(column[start:] for column in columns)
        assert np.array_equal(side_by_side(later, *rule)[window:], complete[start + window :])


@pytest.mark.parametrize("bottom", [1.0, 1.3, 1.9, 123_456_789.0])
def test_flat_bar_is_below_the_next_higher_edge(bottom: float) -> None:
    """All volume of a flat bar is below an edge that is one ulp higher, and above an edge at its price."""
    top = bottom * 1.25
    edge = bottom + (top - bottom) * 1 / 2
    for price, signal in ((np.nextafter(edge, 0), True), (edge, False)):
        tops = read_only_column([top, price, (bottom + edge) / 2])
        bottoms, volumes = read_only_column([bottom, price, bottom]), read_only_column([0, 1, 0])
        assert side_by_side((tops, bottoms, volumes), 2, 2, 1.0, 0.2, 1.0).tolist() == [False, False, signal]
