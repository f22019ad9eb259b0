"""Stretches of time as half-open intervals of instants, ns UTC: which are known, and which are still to be fetched."""

from collections.abc import Iterable

Interval = tuple[int, int]
"""From the first instant to the second, exclusive."""


def union(*groups: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return all intervals in order, those that overlap or touch as one, empty ones left out."""
    joined: list[Interval] = []
    for start, end in sorted(interval for group in groups for interval in group if interval[0] < interval[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)


def clip(known: Iterable[Interval], whole: Interval) -> tuple[Interval, ...]:
    """Return what of some intervals lies within another one."""
    return union((max(start, whole[0]), min(end, whole[1])) for start, end in known)


def subtract(whole: Interval, known: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return what of an interval lies in none of the known ones."""
    inside = clip(known, whole)
    edges = [whole[0], *(edge for interval in inside for edge in interval), whole[1]]
    return union(zip(edges[::2], edges[1::2], strict=True))


def total(intervals: Iterable[Interval]) -> int:
    """Return how long intervals are together, ns; what several of them hold counts once."""
    return sum(end - start for start, end in union(intervals))
