"""Candles that an earlier import of the same rows put at other times."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.candles.imports.shifted import find_shifted, max_shift
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import HOUR_NS, MINUTE_NS, parse_timeframe
from coin_pipeline.candles.year_files.writer import merge_ohlcv

HOURLY, START = parse_timeframe("1h"), date(2024, 1, 1)
LIMIT = max_shift(HOURLY)
SHIFTS = st.integers(-26 * 4, 26 * 4).filter(bool).map(lambda quarters: quarters * 15 * MINUTE_NS)


def hours(seed: int, count: int, shift: int = 0) -> OHLCV:
    """Return hourly candles, moved in time."""
    candles = synthetic_candles(seed, HOURLY, START, count)
    return candles._replace(time=candles.time + shift)


def rows(candles: OHLCV) -> list[tuple[float, ...]]:
    """Return candles as rows."""
    return list(zip(*(column.tolist() for column in candles), strict=True))


@given(seed=st.integers(0, 99), count=st.integers(3, 80), shift=SHIFTS)
def test_nothing_of_a_misplaced_import_remains(seed: int, count: int, shift: int) -> None:
    """Whatever the distance, the stored candles are those of the second import."""
    stored, new = hours(seed, count, shift), hours(seed, count)
    shifted = find_shifted(stored, new, LIMIT)
    assert shifted is not None
    assert shifted.shift == -shift
    merged = merge_ohlcv(stored, new, shifted.time)
    both = OHLCV(*(np.concatenate(pair)[merged.rows] for pair in zip(stored, new, strict=True)))
    assert rows(both) == rows(new)
    assert merged.removed == len(set(stored.time.tolist()) - set(new.time.tolist()))


@given(seed=st.integers(0, 99), count=st.integers(1, 80), more=st.integers(0, 40), shift=SHIFTS)
def test_candles_of_another_history_are_kept(seed: int, count: int, more: int, shift: int) -> None:
    """Equal candles at equal times, other ones, and later ones remove nothing."""
    new = hours(seed, count)
    assert find_shifted(hours(seed, count + more), new, LIMIT) is None
    assert find_shifted(hours(seed + 100, count, shift), new, LIMIT) is None
    assert find_shifted(OHLCV.empty(), new, LIMIT) is None
    assert find_shifted(new, OHLCV.empty(), LIMIT) is None


def test_a_market_without_movement_proves_nothing() -> None:
    """Its candles are equal at every distance."""
    flat = hours(1, 50)._replace(**{name: np.ones(50) for name in OHLCV._fields[1:]})
    assert find_shifted(flat._replace(time=flat.time + HOUR_NS), flat, LIMIT) is None


@pytest.mark.parametrize(("distance", "is_found"), [(26 * HOUR_NS, True), (LIMIT, True), (LIMIT + HOUR_NS, False)])
def test_only_distances_of_time_zones_count(distance: int, is_found: bool) -> None:  # noqa: FBT001
    """The zones that are furthest apart, and the length of a candle."""
    assert (find_shifted(hours(1, 200, distance), hours(1, 200), LIMIT) is not None) == is_found


def test_flat_candles_among_others_are_found_too() -> None:
    """Once the distance is known."""
    new = hours(1, 30)
    for column in new[1:]:
        column[10:15] = column[10]
    shifted = find_shifted(new._replace(time=new.time + 9 * HOUR_NS), new, LIMIT)
    assert shifted is not None
    assert len(shifted.time) == 30
