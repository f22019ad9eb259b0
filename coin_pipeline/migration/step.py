"""A step of the move and what it reports."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from coin_pipeline.settings import Settings

NAMED = 5
State = Literal["done", "already", "not applicable", "incomplete"]


class StepReport(NamedTuple):
    """What a step found or did; one that is `incomplete` waits for a decision of people, the next are taken."""

    state: State
    detail: str


class Step(NamedTuple):
    """A part of the move."""

    name: str
    take: Callable[[Settings], StepReport]


def join_first(names: Sequence[str]) -> str:
    """Name the first few, and say how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
