"""Which results of the index are asked for, and where in them a page begins."""

import base64
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.errors import EmptyRange, InvalidInput, Problem
from coin_pipeline.results import legacy
from coin_pipeline.results.index_entry import Kind
from coin_pipeline.results.store import is_run_id


@dataclass(frozen=True, slots=True)
class Filters:
    """What an entry must be like; None for what does not matter. Bounds are inclusive, and nothing unknown is in them.

    Attributes:
        kind: What it is the result of.
        strategy: Its name.
        symbol: One of its symbols, in either spelling.
        min_return: Bound of avg_return, percent per trade.
        max_return: The same.
        min_signals: Bound of total_signals.
        max_signals: The same.
        date_from: First day, in Asia/Seoul, on which it may have finished.
        date_to: The last one.

    Raises:
        EmptyRange: a lower bound is above its upper one.
        InvalidSymbol: the symbol is no market.
    """

    kind: Kind | None = "backtest"
    strategy: str | None = None
    symbol: str | None = None
    min_return: float | None = None
    max_return: float | None = None
    min_signals: int | None = None
    max_signals: int | None = None
    date_from: date | None = None
    date_to: date | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategy", legacy.text(self.strategy))
        if self.symbol is not None:
            object.__setattr__(self, "symbol", parse_symbol(self.symbol))
        bounds: tuple[tuple[str, Any, str, Any], ...] = (
            ("min_return", self.min_return, "max_return", self.max_return),
            ("min_signals", self.min_signals, "max_signals", self.max_signals),
            ("date_from", self.date_from, "date_to", self.date_to),
        )
        problems = [
            Problem(lower, f"{least} is above {upper}, which is {most}; nothing can be in that range")
            for lower, least, upper, most in bounds
            if least is not None and most is not None and least > most
        ]
        if problems:
            raise EmptyRange(problems)

    def values(self) -> dict[str, Any]:
        """Return the filters by name, as the statement of a page takes them."""
        return asdict(self)


class Cursor(NamedTuple):
    """The last entry of a page: the next one begins right after it, whatever is written meanwhile."""

    timestamp: datetime
    run_id: str

    def text(self) -> str:
        """Return it as a text that says nothing to people."""
        return base64.urlsafe_b64encode(f"{self.timestamp.isoformat()} {self.run_id}".encode()).decode().rstrip("=")


def parse_cursor(text: str) -> Cursor:
    """Return the cursor that was written as `text`.

    Raises:
        InvalidInput: none was.
    """
    try:
        padded = text + "=" * (-len(text) % 4)
        stamp, run_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(" ")
        cursor = Cursor(datetime.fromisoformat(stamp), run_id)
    except ValueError:
        cursor = None
    if cursor is None or not _can_be(cursor):
        says = f"{text[:80]!r} is no cursor; give next_cursor of the page before, or none for the first page"
        raise InvalidInput([Problem("cursor", says)])
    return cursor


def _can_be(cursor: Cursor) -> bool:
    """Tell whether an entry may be there: all times are UTC, and those of a database in any time zone."""
    in_utc = cursor.timestamp.utcoffset() == timedelta(0)
    return in_utc and date.min.year < cursor.timestamp.year < date.max.year and is_run_id(cursor.run_id)
