"""Pages of rows in order of time: their cursors and the bounds of their filters."""

import base64
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from coin_pipeline.errors import EmptyRange, InvalidInput, Problem, coded

Bounds = tuple[str, Any, str, Any]
"""Name and value of a lower bound, and of an upper one; None for no bound."""


class PageCursor(NamedTuple):
    """Position of the last row of a page; the next page starts right after it, regardless of later inserts.

    Attributes:
        time: Time by which the rows are ordered, UTC.
        row_id: Id of the row, which orders rows of the same time.
    """

    time: datetime
    row_id: str

    def token(self) -> str:
        """Return the cursor as an opaque token."""
        return base64.urlsafe_b64encode(f"{self.time.isoformat()} {self.row_id}".encode()).decode().rstrip("=")


def parse_cursor(token: str, is_id: Callable[[str], bool]) -> PageCursor:
    """Return the cursor that `PageCursor.token` encoded.

    Args:
        token: The token.
        is_id: Whether a text is the id of a row.

    Raises:
        InvalidInput: The token is not a cursor.
    """
    try:
        padded = token + "=" * (-len(token) % 4)
        time, row_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(" ")
        cursor = PageCursor(datetime.fromisoformat(time), row_id)
    except ValueError:
        cursor = None
    if cursor is None or not (_is_valid(cursor.time) and is_id(cursor.row_id)):
        raise InvalidInput([Problem("cursor", coded("invalid_cursor", token=token[:80]))])
    return cursor


def require_ordered(bounds: Iterable[Bounds], kind: str) -> None:
    """Check that no lower bound is above its upper bound.

    Args:
        bounds: Pairs of bounds.
        kind: What is listed, for the message.

    Raises:
        EmptyRange: Names each lower bound that is too high.
    """
    problems = unordered(bounds, kind)
    if problems:
        raise EmptyRange(problems)


def unordered(bounds: Iterable[Bounds], kind: str) -> list[Problem]:
    """Return a problem for each lower bound that is above its upper bound; see `require_ordered`."""
    return [
        Problem(lower, coded("bound_above_bound", minimum=minimum, upper=upper, maximum=maximum, kind=kind))
        for lower, minimum, upper, maximum in bounds
        if minimum is not None and maximum is not None and minimum > maximum
    ]


def _is_valid(time: datetime) -> bool:
    """Return whether a row may have this time: UTC, within the years every time zone can express."""
    return time.utcoffset() == timedelta(0) and date.min.year < time.year < date.max.year
