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


Check: TypeAlias = "Callable[[Inspector], ChecklistOutcome]"


class ChecklistItem(NamedTuple):
    """One box of the checklist: its id, its text, and how to look at it; a CoinError that is raised is a failure."""

    id: str
    text: str
    look: Check


class Section(NamedTuple):
    """Items under one heading."""

    number: str
    title: str
    items: tuple[ChecklistItem, ...]


def passed(detail: str) -> ChecklistOutcome:
    """Return that an item is met: what was seen."""
    return ChecklistOutcome("pass", detail)


def failed(what: str, command: str = "") -> ChecklistOutcome:
    """Return that an item is not met: what to do, or what is wrong and the command that puts it right."""
    return ChecklistOutcome("fail", f"{what}: {command}" if command else what, command)


def not_applicable(why: str) -> ChecklistOutcome:
    """Return that an item does not apply."""
    return ChecklistOutcome("n/a", why)


def constant(outcome: ChecklistOutcome) -> Check:
    """Return a look that sees the same whatever there is."""
    return lambda _evidence: outcome


def manual(what: str) -> Check:
    """Return the look of an item that only people can do."""
    return constant(not_applicable(f"yours to do: {what}"))


def unavailable(what: str) -> Check:
    """Return the look of an item about something that this version has not got."""
    return constant(ChecklistOutcome("missing", f"not in this version: {what}"))


def redis_replaced(instead: str) -> Check:
    """Return the look of an item about Redis, which nothing needs any more."""
    return constant(not_applicable(f"Dagster's run queue in PostgreSQL replaces Redis: {instead}"))
