"""The index of results in PostgreSQL: an entry for each stored document, so that nobody has to read them to list them.

The objects are the truth; `reindex` makes the index equal to them.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC
from typing import Any, NamedTuple

from psycopg2.extras import execute_values

from coin_pipeline.backtest.spec import ResultArea
from coin_pipeline.database import session as database
from coin_pipeline.database.schema import create_table_once
from coin_pipeline.database.session import Session
from coin_pipeline.results.filters import Cursor, Filters, parse_cursor
from coin_pipeline.results.index_entry import IndexEntry, ObjectVersion

PAGE = 100
"""Entries that are read at a time where a caller wants all."""

# By the order of bytes, so that a cursor means the same on every server.
_TABLE = """
create table coin.result (
    run_id text collate "C" primary key,
    shelf text not null,
    kind text not null,
    strategy text,
    symbols text[] not null,
    start_date date,
    end_date date,
    timeframe text,
    total_signals bigint,
    avg_return double precision,
    total_return double precision,
    execution_time double precision,
    "timestamp" timestamptz not null,
    version text not null,
    size bigint not null,
    modified timestamptz not null
);
create index result_order on coin.result ("timestamp" desc, run_id desc)
    include (kind, strategy, avg_return, total_signals);
create index result_symbols on coin.result using gin (symbols);
"""
_COLUMNS = ", ".join(f'"{name}"' for name in IndexEntry._fields)
_ADD = f"""
insert into coin.result ({_COLUMNS}) values %s on conflict (run_id) do update
set ({_COLUMNS}) = row({", ".join(f'excluded."{name}"' for name in IndexEntry._fields)})
"""  # noqa: S608 -- of constants
# The values come in as text, so a filter that is null is no condition at all to the planner.
_MATCHING = """
    (%(kind)s is null or kind = %(kind)s)
    and (%(strategy)s is null or strategy = %(strategy)s)
    and (%(symbol)s is null or symbols @> array[%(symbol)s])
    and (%(min_return)s is null or avg_return >= %(min_return)s)
    and (%(max_return)s is null or avg_return <= %(max_return)s)
    and (%(min_signals)s is null or total_signals >= %(min_signals)s)
    and (%(max_signals)s is null or total_signals <= %(max_signals)s)
    and (%(date_from)s is null or "timestamp" >= %(date_from)s::timestamp at time zone 'Asia/Seoul')
    and (%(date_to)s is null
        or "timestamp" < (%(date_to)s::timestamp + interval '1 day') at time zone 'Asia/Seoul')
"""
_COUNT = f"select count(*) from coin.result where {_MATCHING}"  # noqa: S608 -- of constants, as those below
_KEYS = f"""
select run_id, "timestamp" from coin.result
where {_MATCHING} and (%(after_time)s is null or ("timestamp", run_id) < (%(after_time)s, %(after_run)s))
"""  # noqa: S608
_PAGE = """
select {columns} from coin.result join (
    select run_id from ({keys}) keys order by "timestamp" desc, run_id desc limit %(limit)s offset %(offset)s
) page using (run_id) order by "timestamp" desc, run_id desc
"""
# Of many that match, the first come soon in the order of the index. Few might come last in it, so they are found by
# what they are like and then sorted: `offset 0` keeps the planner from guessing.
_OF_MANY = _PAGE.format(columns=_COLUMNS, keys=_KEYS)
_OF_FEW = _PAGE.format(columns=_COLUMNS, keys=f"{_KEYS} offset 0")
_FEW = 2000


class Page(NamedTuple):
    """Some of the entries that match, newest first.

    Attributes:
        total: How many match.
        entries: Those of this page.
        next_cursor: Where the next page begins, or None if this is the last one.
    """

    total: int
    entries: list[IndexEntry]
    next_cursor: str | None


class ResultIndex:
    """The table of results. Every method may raise DatabaseUnavailable, and DataRefused for a value of no column."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, entries: Collection[IndexEntry]) -> None:
        """Add entries, or put them in the place of those of the same runs."""
        # In one order, so that two writers of many do not wait for each other.
        rows = [entry for _, entry in sorted({entry.run_id: entry for entry in entries}.items())]
        if rows:
            self._session.run(lambda cursor: execute_values(cursor, _ADD, rows, page_size=len(rows)))

    def remove(self, shelf: ResultArea, run_ids: Collection[str]) -> None:
        """Remove entries of documents on a shelf; one of the same run on the other shelf stays.

        Remove their objects first, or a `reindex` under way may add them again.
        """
        statement = "delete from coin.result where shelf = %s and run_id = any(%s)"
        self._session.run(lambda cursor: cursor.execute(statement, (shelf, list(run_ids))))

    def remove_unchanged(self, marks: Mapping[str, ObjectVersion]) -> None:
        """Remove entries that are still of the documents with these marks."""
        statement = (
            "delete from coin.result using unnest(%s::text[], %s::bigint[], %s::timestamptz[]) gone (id, bytes, at)"
            " where run_id = gone.id and size = gone.bytes and modified = gone.at"
        )
        columns = [list(marks), [mark.size for mark in marks.values()], [mark.modified for mark in marks.values()]]
        self._session.run(lambda cursor: cursor.execute(statement, columns))

    def page(self, filters: Filters, limit: int, offset: int = 0, after: str | None = None) -> Page:
        """Return a page of the entries that match, beginning behind the cursor `after`, or behind so many.

        Following cursors, nobody sees an entry twice or misses one that was there at the first page, whatever is
        added meanwhile.

        Raises:
            InvalidInput: `after` is no cursor.
        """
        begin = parse_cursor(after) if after is not None else None
        values = filters.values() | {
            "after_time": begin and begin.timestamp,
            "after_run": begin and begin.run_id,
            "limit": limit + 1,
            "offset": offset,
        }

        def read(cursor: database.Cursor) -> tuple[int, list[tuple[Any, ...]]]:
            cursor.execute("begin isolation level repeatable read read only")  # all of the same moment
            cursor.execute(_COUNT, values)
            total = int((cursor.fetchone() or (0,))[0])
            cursor.execute(_OF_FEW if total < _FEW else _OF_MANY, values)
            rows = cursor.fetchall()
            cursor.execute("commit")
            return total, rows

        total, rows = self._session.run(read)
        more, entries = len(rows) > limit, [_entry(row) for row in rows[:limit]]
        return Page(total, entries, Cursor(entries[-1].timestamp, entries[-1].run_id).text() if more else None)

    def latest(self) -> Iterator[IndexEntry]:
        """Yield backtests, newest first."""
        after = None
        while True:
            page = self.page(Filters(), PAGE, after=after)
            yield from page.entries
            after = page.next_cursor
            if after is None:
                return

    def known(self) -> dict[str, ObjectVersion]:
        """Return by what each indexed document is known, by run id."""

        def read(cursor: database.Cursor) -> dict[str, ObjectVersion]:
            cursor.execute("select run_id, shelf, size, modified from coin.result")
            return {row[0]: ObjectVersion(row[1], row[2], row[3].astimezone(UTC)) for row in cursor.fetchall()}

        return self._session.run(read)

    def analyse(self) -> None:
        """Have the server look at what has come in large numbers, so that pages are as fast as they will be later."""
        self._session.run(lambda cursor: cursor.execute("vacuum (analyze) coin.result"))


def prepare(session: Session) -> None:
    """Create the table, unless it is there.

    Raises:
        DatabaseUnavailable: the account may not create a schema, say.
    """
    create_table_once(session, "result", _TABLE)


def _entry(row: tuple[Any, ...]) -> IndexEntry:
    entry = IndexEntry(*row)
    return entry._replace(timestamp=entry.timestamp.astimezone(UTC), modified=entry.modified.astimezone(UTC))
