"""Items of the checklist and what looking at one says."""

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from coin_pipeline.migration.evidence import Evidence

Status = Literal["pass", "fail", "n/a"]


class Outcome(NamedTuple):
    """Whether an item is met, and one sentence: what was seen, what to do, or why it does not apply."""

    status: Status
    detail: str


Look: TypeAlias = "Callable[[Evidence], Outcome]"


class Item(NamedTuple):
    """One box of the checklist: its id, its text, and how to look at it; a CoinError that is raised is a failure."""

    id: str
    text: str
    look: Look


class Section(NamedTuple):
    """Items under one heading."""

    number: str
    title: str
    items: tuple[Item, ...]


def met(detail: str) -> Outcome:
    """Return that an item is met: what was seen."""
    return Outcome("pass", detail)


def unmet(detail: str) -> Outcome:
    """Return that an item is not met: what to do."""
    return Outcome("fail", detail)


def inapplicable(why: str) -> Outcome:
    """Return that an item does not apply."""
    return Outcome("n/a", why)


def always(outcome: Outcome) -> Look:
    """Return a look that sees the same whatever there is."""
    return lambda _evidence: outcome


def yours(what: str) -> Look:
    """Return the look of an item that only people can do."""
    return always(inapplicable(f"yours to do: {what}"))


def absent(what: str) -> Look:
    """Return the look of an item about something that this version has not got."""
    return always(unmet(f"not in this version: {what}"))


def redis(instead: str) -> Look:
    """Return the look of an item about Redis, which nothing needs any more."""
    return always(inapplicable(f"Dagster's run queue in PostgreSQL replaces Redis: {instead}"))
