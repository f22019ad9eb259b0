"""Half-open intervals of instants, ns UTC: union, clipping, difference and total length."""

from collections.abc import Iterable

Interval = tuple[int, int]
"""Start and end, exclusive, ns UTC."""


def union(*groups: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return all intervals in order, with overlapping and adjacent ones joined and empty ones dropped.

    >>> union([(5, 7), (1, 3)], [(3, 4)])
    ((1, 4), (5, 7))
    """
    joined: list[Interval] = []
    for start, end in sorted(interval for group in groups for interval in group if interval[0] < interval[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)


def clip(intervals: Iterable[Interval], bounds: Interval) -> tuple[Interval, ...]:
    """Return the parts of intervals within bounds."""
    return union((max(start, bounds[0]), min(end, bounds[1])) for start, end in intervals)


def subtract(interval: Interval, others: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the parts of an interval that no other one covers.

    >>> subtract((0, 10), [(2, 3), (8, 12)])
    ((0, 2), (3, 8))
    """
    covered = clip(others, interval)
    edges = [interval[0], *(edge for part in covered for edge in part), interval[1]]
    return union(zip(edges[::2], edges[1::2], strict=True))


def total(intervals: Iterable[Interval]) -> int:
    """Return the total length of intervals in ns, counting overlaps once."""
    return sum(end - start for start, end in union(intervals))
