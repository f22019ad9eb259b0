"""Items of the checklist and what looking at one says."""

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

    from coin_pipeline.migration.inspector import Inspector

Status = Literal["pass", "fail", "missing", "n/a"]
"""`fail` is for whoever moves to put right; `missing` is what this version has not got."""
STATUSES: tuple[Status, ...] = get_args(Status)


class ChecklistOutcome(NamedTuple):
    """Whether an item is met, one sentence (what was seen, what to do, or why it does not apply), and what to type."""

    status: Status
    detail: str
    command: str = ""


Look: TypeAlias = "Callable[[Inspector], ChecklistOutcome]"


class ChecklistItem(NamedTuple):
    """One box of the checklist: its id, its text, and how to look at it; a CoinError that is raised is a failure."""

    id: str
    text: str
    look: Look


class Section(NamedTuple):
    """Items under one heading."""

    number: str
    title: str
    items: tuple[ChecklistItem, ...]


def met(detail: str) -> ChecklistOutcome:
    """Return that an item is met: what was seen."""
    return ChecklistOutcome("pass", detail)


def unmet(what: str, command: str = "") -> ChecklistOutcome:
    """Return that an item is not met: what to do, or what is wrong and the command that puts it right."""
    return ChecklistOutcome("fail", f"{what}: {command}" if command else what, command)


def inapplicable(why: str) -> ChecklistOutcome:
    """Return that an item does not apply."""
    return ChecklistOutcome("n/a", why)


def always(outcome: ChecklistOutcome) -> Look:
    """Return a look that sees the same whatever there is."""
    return lambda _evidence: outcome


def yours(what: str) -> Look:
    """Return the look of an item that only people can do."""
    return always(inapplicable(f"yours to do: {what}"))


def absent(what: str) -> Look:
    """Return the look of an item about something that this version has not got."""
    return always(ChecklistOutcome("missing", f"not in this version: {what}"))


def redis(instead: str) -> Look:
    """Return the look of an item about Redis, which nothing needs any more."""
    return always(inapplicable(f"Dagster's run queue in PostgreSQL replaces Redis: {instead}"))
