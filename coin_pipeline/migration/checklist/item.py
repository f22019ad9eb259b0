"""Checklist items and their outcomes."""

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

    from coin_pipeline.migration.inspector import Inspector

Status = Literal["pass", "fail", "replaced", "manual", "n/a"]
"""`fail`: the user has to fix something. `replaced`: something else has taken the place of what the item names.
`manual`: only people can do it. `n/a`: the item does not apply here."""
STATUSES: tuple[Status, ...] = get_args(Status)


class ChecklistOutcome(NamedTuple):
    """Outcome of a check.

    Attributes:
        status: Whether the item passes.
        detail: One sentence: what was observed, how to fix it, what took its place, or why the item does not apply.
        command: Command that fixes a failure, if there is one.
    """

    status: Status
    detail: str
    command: str = ""


Check: TypeAlias = "Callable[[Inspector], ChecklistOutcome]"


class ChecklistItem(NamedTuple):
    """One checkbox: its id, its text and its check, which may raise a CoinError to fail."""

    id: str
    text: str
    check: Check


class Section(NamedTuple):
    """Items under one heading."""

    number: str
    title: str
    items: tuple[ChecklistItem, ...]


def passed(detail: str) -> ChecklistOutcome:
    """Return the outcome of an item that passes."""
    return ChecklistOutcome("pass", detail)


def failed(problem: str, command: str = "") -> ChecklistOutcome:
    """Return the outcome of an item that fails, with the command that fixes it if there is one."""
    return ChecklistOutcome("fail", f"{problem}: {command}" if command else problem, command)


def not_applicable(reason: str) -> ChecklistOutcome:
    """Return the outcome of an item that does not apply."""
    return ChecklistOutcome("n/a", reason)


def replaced(replacement: str) -> Check:
    """Return the check of an item about something that this platform does not have, and what took its place."""
    return constant(ChecklistOutcome("replaced", replacement))


def constant(outcome: ChecklistOutcome) -> Check:
    """Return a check that always has this outcome."""
    return lambda _inspector: outcome


def manual(task: str) -> Check:
    """Return the check of an item that only a person can complete."""
    return constant(ChecklistOutcome("manual", task))


def redis_replaced(detail: str) -> Check:
    """Return the check of an item about Redis, which this platform does not use."""
    return replaced(f"Dagster's run queue in PostgreSQL replaces Redis: {detail}")
