"""Interval operations against sets of instants."""

from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.candles.intervals import Interval, clip, subtract, total, union

INTERVALS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6)
INTERVAL = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (min(pair), max(pair)))


def instants(*intervals: Interval) -> set[int]:
    """Return every instant of some intervals."""
    return {instant for start, end in intervals for instant in range(start, end)}


def is_normalized(intervals: tuple[Interval, ...]) -> bool:
    """Return whether intervals are in order, not empty and not adjacent."""
    edges = [edge for interval in intervals for edge in interval]
    return edges == sorted(set(edges))


@given(INTERVALS, INTERVALS)
def test_a_union_contains_all_instants(some: list[Interval], others: list[Interval]) -> None:
    """In the fewest intervals."""
    found = union(some, others)
    assert is_normalized(found)
    assert instants(*found) == instants(*some, *others)
    assert total([*some, *others]) == len(instants(*found))


@given(INTERVAL, INTERVALS)
def test_clip_and_subtract_are_complements(whole: Interval, known: list[Interval]) -> None:
    """Each instant of the interval is in exactly one of them."""
    inside, missing = clip(known, whole), subtract(whole, known)
    assert is_normalized(inside)
    assert is_normalized(missing)
    assert instants(*inside) == instants(whole) & instants(*known)
    assert instants(*missing) == instants(whole) - instants(*known)
