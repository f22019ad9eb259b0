"""A migration step and its report."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from coin_pipeline.settings import Settings

MAX_NAMES = 5
State = Literal["done", "already", "not applicable", "incomplete"]


class StepReport(NamedTuple):
    """State of a step after it ran; an `incomplete` one needs a decision from the user, but later steps still run."""

    state: State
    detail: str


class Step(NamedTuple):
    """One step of the migration."""

    name: str
    run: Callable[[Settings], StepReport]


def join_first(names: Sequence[str]) -> str:
    """Join the first few names, and add how many more there are.

    >>> join_first(["a", "b"])
    'a, b'
    >>> join_first("abcdefg")
    'a, b, c, d, e and 2 more'
    """
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more
