"""Intervals against sets of the instants in them."""

from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.candles.intervals import Interval, clip, subtract, total, union

INTERVALS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6)
INTERVAL = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (min(pair), max(pair)))


def instants(*intervals: Interval) -> set[int]:
    """Return every instant of some intervals."""
    return {instant for start, end in intervals for instant in range(start, end)}


def is_plain(intervals: tuple[Interval, ...]) -> bool:
    """Tell whether intervals are in order, not empty, and do not even touch."""
    edges = [edge for interval in intervals for edge in interval]
    return edges == sorted(set(edges))


@given(INTERVALS, INTERVALS)
def test_a_union_holds_what_any_holds(some: list[Interval], others: list[Interval]) -> None:
    """In the fewest intervals that there can be."""
    found = union(some, others)
    assert is_plain(found)
    assert instants(*found) == instants(*some, *others)
    assert total([*some, *others]) == len(instants(*found))


@given(INTERVAL, INTERVALS)
def test_what_is_known_and_what_is_not_are_the_whole(whole: Interval, known: list[Interval]) -> None:
    """Each instant of it is in one of the two."""
    inside, missing = clip(known, whole), subtract(whole, known)
    assert is_plain(inside)
    assert is_plain(missing)
    assert instants(*inside) == instants(whole) & instants(*known)
    assert instants(*missing) == instants(whole) - instants(*known)
