"""Index of results in PostgreSQL, so that lists read no documents: one entry per answered submission.

A stored document has one entry, and one more for each identical submission that was answered with it. The stored
objects are authoritative; `reindex` brings the entries of documents in line with them and leaves the others alone.
Entries never move, so that a cursor stays valid while others are added.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from psycopg2.extras import execute_values

from coin_pipeline.backtest.spec import ResultArea
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.database import session as database
from coin_pipeline.database.pages import PageCursor, parse_cursor, require_ordered, unordered
from coin_pipeline.database.session import Session
from coin_pipeline.errors import InvalidInput, InvalidSymbol
from coin_pipeline.results import index_sql, legacy
from coin_pipeline.results.index_entry import IndexEntry, Kind, ObjectVersion, Order
from coin_pipeline.results.store import is_run_id

_MAX_BIGINT = 2**63 - 1
PAGE_SIZE = 100
"""Entries per query when all are read."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions on entries; None where a field does not matter.

    Bounds are inclusive. An entry whose value is unknown matches no bound.

    Attributes:
        kind: Kind of result.
        strategy: Name of the strategy.
        symbol: One of the symbols, in either spelling.
        min_return: Lower bound of avg_return, percent per trade.
        max_return: Upper bound of avg_return, percent per trade.
        min_signals: Lower bound of total_signals.
        max_signals: Upper bound of total_signals.
        timeframe: Length of a candle, such as `1h`.
        params: Part of the parameters as a text, such as `window=20`, in either case.
        min_total_return: Lower bound of total_return, a fraction.
        max_total_return: Upper bound of total_return, a fraction.
        min_sharpe: Lower bound of sharpe.
        max_sharpe: Upper bound of sharpe.
        date_from: First day, in Asia/Seoul, on which the run finished, or its result answered another submission.
        date_to: Last such day.

    Raises:
        EmptyRange: A lower bound is above its upper bound.
        InvalidSymbol: The symbol is not a market; also names each lower bound that is too high.

    >>> Filters(symbol="KRW-BTC").symbol
    'BTC_KRW'
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
    timeframe: str | None = None
    params: str | None = None
    min_total_return: float | None = None
    max_total_return: float | None = None
    min_sharpe: float | None = None
    max_sharpe: float | None = None

    def __post_init__(self) -> None:
        for name in ("strategy", "timeframe", "params"):
            object.__setattr__(self, name, legacy.clean_text(getattr(self, name)))
        bounds = (
            ("min_return", self.min_return, "max_return", self.max_return),
            ("min_signals", self.min_signals, "max_signals", self.max_signals),
            ("min_total_return", self.min_total_return, "max_total_return", self.max_total_return),
            ("min_sharpe", self.min_sharpe, "max_sharpe", self.max_sharpe),
            ("date_from", self.date_from, "date_to", self.date_to),
        )
        if self.symbol is not None:
            try:
                object.__setattr__(self, "symbol", parse_symbol(self.symbol))
            except InvalidSymbol as error:
                InvalidInput.__init__(error, [*error.problems, *unordered(bounds, "result")])
                raise
        require_ordered(bounds, "result")

    def values(self) -> dict[str, Any]:
        """Return the filters by name, as query parameters."""
        return asdict(self)


class Page(NamedTuple):
    """A page of matching entries, newest first.

    Attributes:
        total: Number of matching entries on all pages.
        entries: Entries of this page.
        next_cursor: Token of the next page; None on the last page.
    """

    total: int
    entries: list[IndexEntry]
    next_cursor: str | None


class ResultIndex:
    """Table of results.

    Every method may raise DatabaseUnavailable, and DataRefused for a value that a column cannot hold.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, entries: Collection[IndexEntry]) -> None:
        """Insert entries; an entry of the same run is replaced."""
        # A fixed row order keeps two concurrent writers from deadlocking.
        rows = [
            entry[: len(index_sql.STORED)] for _, entry in sorted({entry.run_id: entry for entry in entries}.items())
        ]
        if rows:
            self._session.run(lambda cursor: execute_values(cursor, index_sql.ADD, rows, index_sql.ROW, len(rows)))

    def add_reuse(self, run_id: str, answered: datetime) -> None:
        """Insert an entry for an identical submission that was answered with a stored result.

        Args:
            run_id: The stored result.
            answered: When the submission was answered, UTC.
        """
        statement = "insert into coin.reuse (run_id, answered) values (%s, %s) on conflict do nothing"
        self._session.run(lambda cursor: cursor.execute(statement, (run_id, answered)))

    def remove(self, shelf: ResultArea, run_ids: Collection[str]) -> None:
        """Remove all entries of documents in one area; entries of the same run in the other area stay.

        Remove the objects first: a concurrent `reindex` may otherwise add the entries again.
        """
        values = {"shelf": shelf, "run_ids": list(run_ids)}
        self._session.run(lambda cursor: cursor.execute(index_sql.REMOVE, values))

    def remove_unchanged(self, versions: Mapping[str, ObjectVersion]) -> None:
        """Remove entries, by run ID, that still describe these versions of their documents.

        Entries of reuses stay; they are listed again if the document is.
        """
        statement = (
            "delete from coin.result using unnest(%s::text[], %s::bigint[], %s::timestamptz[]) gone (id, bytes, at)"
            " where run_id = gone.id and size = gone.bytes and modified = gone.at"
        )
        sizes = [version.size for version in versions.values()]
        times = [version.modified for version in versions.values()]
        self._session.run(lambda cursor: cursor.execute(statement, [list(versions), sizes, times]))

    def page(self, filters: Filters, limit: int, offset: int = 0, after: str | None = None) -> Page:
        """Return a page of matching entries.

        A client that follows cursors sees each entry once and misses none that existed at its first page, even if
        results are added meanwhile.

        Args:
            filters: Conditions.
            limit: Entries per page.
            offset: Entries to skip.
            after: Token of the cursor to start after; None for the first page.

        Raises:
            InvalidInput: `after` is not a cursor.
        """
        start = parse_cursor(after, is_run_id) if after is not None else None
        values = filters.values() | {
            "after_time": start and start.time,
            "after_run": start and start.row_id,
            "limit": limit + 1,
            "offset": offset,
            "end": min(offset + limit + 1, _MAX_BIGINT),
        }

        total, entries = self._read_page(index_sql.COUNT, index_sql.page, values)
        more, entries = len(entries) > limit, entries[:limit]
        return Page(total, entries, PageCursor(entries[-1].timestamp, entries[-1].run_id).token() if more else None)

    def ranked(self, filters: Filters, order: Order, limit: int, offset: int = 0) -> Page:
        """Return a page of matching documents in an order other than by time, each once however often it was returned.

        Documents with the same value are in order of time, newest first.

        Args:
            filters: Conditions.
            order: The order.
            limit: Entries per page.
            offset: Entries to skip.
        """
        values = filters.values() | {"limit": limit, "offset": offset}
        return Page(*self._read_page(index_sql.COUNT_DOCUMENTS, lambda _: index_sql.ranked(order), values), None)

    def _read_page(
        self, count: str, page: Callable[[int], str], values: Mapping[str, Any]
    ) -> tuple[int, list[IndexEntry]]:
        """Return the number of matches and the entries of a page, of the same moment.

        Args:
            count: Statement that counts the matches.
            page: Returns the statement of the page for their number.
            values: Parameters of both.
        """

        def read(cursor: database.Cursor) -> tuple[int, list[tuple[Any, ...]]]:
            cursor.execute("begin isolation level repeatable read read only")
            cursor.execute(count, values)
            total = int((cursor.fetchone() or (0,))[0])
            cursor.execute(page(total), values)
            rows = cursor.fetchall()
            cursor.execute("commit")
            return total, rows

        total, rows = self._session.run(read)
        return total, [_entry(row) for row in rows]

    def latest(self) -> Iterator[IndexEntry]:
        """Yield all backtests, newest first."""
        after = None
        while True:
            page = self.page(Filters(), PAGE_SIZE, after=after)
            yield from page.entries
            after = page.next_cursor
            if after is None:
                return

    def versions(self) -> dict[str, ObjectVersion]:
        """Return the version of every indexed document by run ID."""

        def read(cursor: database.Cursor) -> dict[str, ObjectVersion]:
            cursor.execute("select run_id, shelf, size, modified from coin.result")
            return {row[0]: ObjectVersion(row[1], row[2], row[3].astimezone(UTC)) for row in cursor.fetchall()}

        return self._session.run(read)

    def ids_starting(self, start: str, limit: int) -> list[str]:
        """Return the first ids of results and of recorded tasks that begin with a text, in order.

        Args:
            start: The text.
            limit: Maximum number of ids.
        """

        def read(cursor: database.Cursor) -> list[str]:
            cursor.execute(index_sql.IDS_STARTING, {"start": start, "limit": limit})
            return [row[0] for row in cursor.fetchall()]

        return self._session.run(read)

    def altered(self) -> set[str]:
        """Return the run IDs of entries that something other than the platform has changed."""

        def read(cursor: database.Cursor) -> set[str]:
            cursor.execute(index_sql.ALTERED)
            return {row[0] for row in cursor.fetchall()}

        return self._session.run(read)

    def analyze(self) -> None:
        """Vacuum and analyze the table after a bulk insert, so that pages are fast at once."""
        self._session.run(lambda cursor: cursor.execute("vacuum (analyze) coin.result"))


def _entry(row: tuple[Any, ...]) -> IndexEntry:
    entry, listed = IndexEntry(*row[:-2]), row[-2]
    return entry._replace(timestamp=listed.astimezone(UTC), modified=entry.modified.astimezone(UTC), reused=row[-1])
