"""Audit: what derives from the orders in the journal is computed again with the accounting, and compared to the digit.

Entries and positions are streamed in order of the positions' ids, so that memory grows with neither.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Row, Select, Text, cast, func, select, text

from coin_pipeline.errors import LedgerConflict
from coin_pipeline.ledger.accounting import Holding, Leg, Postings, Side
from coin_pipeline.ledger.amounts import ZERO, exact, plain
from coin_pipeline.ledger.records import Position, SymbolTotal
from coin_pipeline.ledger.rows import from_position, from_result, to_position, to_total
from coin_pipeline.ledger.tables import JOURNAL, POSITION, TOTAL

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Receives how many entries have been checked, and how many there are."""
MAX_DIFFERENCES: Final = 1000
"""Differences that a report lists."""
PROGRESS_STEP: Final = 10_000
"""Entries between two reports of progress."""
_ROWS_PER_FETCH = 2000
_POSITION_ID = attrgetter("position_id")
_AMOUNTS = (*Leg._fields[1:], *Postings._fields)
# As text, ids are compared faster than as UUID.
_ENTRIES = select(
    cast(JOURNAL.c.position_id, Text),
    *(JOURNAL.c[name] for name in ("book", "symbol", "sequence", "kind", "at", "side", *_AMOUNTS)),
).order_by(JOURNAL.c.position_id, JOURNAL.c.sequence)
_POSITIONS = select(cast(POSITION.c.position_id, Text), *POSITION.c[1:]).order_by(POSITION.c.position_id)
_SIDES = {side.value: side for side in Side}


class _Entry(NamedTuple):
    position_id: Any
    book: str
    symbol: str
    sequence: int
    kind: str
    at: datetime
    leg: Leg
    postings: Postings


def _to_entry(row: Row[Any]) -> _Entry:
    position_id, book, symbol, sequence, kind, at, side, *amounts = row
    leg, postings = Leg(_SIDES[side], *amounts[:4]), Postings(*amounts[4:])
    return _Entry(position_id, book, symbol, sequence, kind, at, leg, postings)


class Difference(NamedTuple):
    """A figure that is not what the journal yields.

    Attributes:
        where: What has the figure, such as "position ID" or "entry 3 of position ID".
        figure: Its name.
        stored: Its stored value.
        recomputed: Its value by the journal.
    """

    where: str
    figure: str
    stored: str
    recomputed: str


@dataclass(slots=True)
class AuditReport:
    """What an audit found.

    Attributes:
        entries: Number of journal entries.
        positions: Number of positions in the journal.
        totals: Number of totals by book and symbol that the journal yields.
        found: Number of differences.
        differences: The first MAX_DIFFERENCES of them.
    """

    entries: int = 0
    positions: int = 0
    totals: int = 0
    found: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether everything stored is what the journal yields."""
        return not self.found

    def add(self, where: str, figure: str, stored: object, recomputed: object) -> None:
        """Count a difference, and list it if there is room."""
        self.found += 1
        if len(self.differences) < MAX_DIFFERENCES:
            self.differences.append(Difference(where, figure, _text(stored), _text(recomputed)))

    def compare(self, where: str, stored: Mapping[str, Any], recomputed: Mapping[str, Any]) -> None:
        """Add each figure that differs."""
        for figure, value in recomputed.items():
            if stored[figure] != value:
                self.add(where, figure, stored[figure], value)


def audit(connection: Connection, progress: Progress | None = None) -> AuditReport:
    """Compute all postings, positions and totals again from the orders in the journal, and compare what is stored.

    Args:
        connection: A transaction that reads one snapshot.
        progress: Called every PROGRESS_STEP entries, and at the end.
    """
    report, totals = AuditReport(), dict[tuple[str, str], SymbolTotal]()
    entries = _stream(connection, "entries", _ENTRIES, _to_entry)
    positions = _stream(connection, "positions", _POSITIONS, to_position)
    size = connection.execute(select(func.count()).select_from(JOURNAL)).scalar_one()
    merged: Iterator[_Entry | Position] = heapq.merge(
        _counted(entries, report, size, progress), positions, key=_POSITION_ID
    )
    for _, rows in groupby(merged, _POSITION_ID):
        _check_position(rows, report, totals)
    _check_totals(totals, [to_total(row) for row in connection.execute(select(TOTAL))], report)
    _check_keys(connection, report)
    if progress:
        progress(report.entries, size)
    return report


def _stream(connection: Connection, name: str, query: Select[Any], to_record: Callable[[Row[Any]], T]) -> Iterator[T]:
    """Yield records with a cursor on the server, declared in SQL: to the driver the connection has no transaction."""
    connection.exec_driver_sql(f"declare {name} no scroll cursor for {query.compile(connection)}")
    fetch = text(f"fetch {_ROWS_PER_FETCH} from {name}").columns(*query.selected_columns)
    while rows := connection.execute(fetch).all():
        yield from map(to_record, rows)


def _counted(entries: Iterable[_Entry], report: AuditReport, size: int, progress: Progress | None) -> Iterator[_Entry]:
    for entry in entries:
        yield entry
        report.entries += 1
        if progress and report.entries % PROGRESS_STEP == 0:
            progress(report.entries, size)


@exact
def _check_position(
    rows: Iterable[_Entry | Position], report: AuditReport, totals: dict[tuple[str, str], SymbolTotal]
) -> None:
    """Check the entries of a position, and the position, which follows them."""
    recomputed = stored = None
    for row in rows:
        if isinstance(row, Position):
            stored = row
        else:
            recomputed = _check_entry(row, recomputed, report)
    if recomputed is None:
        if stored is not None:
            report.add(f"position {stored.position_id}", "entries", stored.entries, 0)
        return
    report.positions += 1
    _add_to_total(recomputed, totals)
    where = f"position {recomputed.position_id}"
    if stored is None:
        report.add(where, "entries", "not stored", recomputed.entries)
    elif stored != recomputed:
        report.compare(where, from_position(stored), from_position(recomputed))


def _check_entry(entry: _Entry, before: Position | None, report: AuditReport) -> Position:
    """Check an entry against the position before it, and return the position after it."""
    if before is None:
        new = Holding(entry.leg.side)
        before = Position(entry.position_id, entry.book, entry.symbol, new, 0, entry.at, None)
    holding, sequence = before.holding, before.entries + 1
    try:
        holding, postings = (holding.enter if entry.kind == "ENTER" else holding.exit)(entry.leg)
    except (LedgerConflict, ValueError) as error:
        report.add(_name(entry), "order", f"{entry.kind} {entry.leg.side} {entry.leg.quantity:f}", error)
    else:
        if entry.postings != postings:
            report.compare(_name(entry), entry.postings._asdict(), postings._asdict())
    if balance := sum(entry.postings):
        report.add(_name(entry), "sum of postings", balance, 0)
    if (entry.sequence, entry.book, entry.symbol) != (sequence, before.book, before.symbol):
        recomputed = {"sequence": sequence, "book": before.book, "symbol": before.symbol}
        report.compare(_name(entry), entry._asdict(), recomputed)
    closed_at = None if holding.quantity else entry.at
    return Position(before.position_id, before.book, before.symbol, holding, sequence, before.opened_at, closed_at)


def _name(entry: _Entry) -> str:
    return f"entry {entry.sequence} of position {entry.position_id}"


def _add_to_total(position: Position, totals: dict[tuple[str, str], SymbolTotal]) -> None:
    name, realized = (position.book, position.symbol), position.holding.realized
    total = totals.get(name, SymbolTotal(*name))
    closed = position.closed_at is not None
    totals[name] = SymbolTotal(
        *name,
        total.entries + position.entries,
        total.opened + 1,
        total.closed + closed,
        total.won + (closed and realized.net > ZERO),
        total.realized.plus(realized),
    )


def _check_totals(
    recomputed: Mapping[tuple[str, str], SymbolTotal], stored: Iterable[SymbolTotal], report: AuditReport
) -> None:
    report.totals = len(recomputed)
    by_name = {(total.book, total.symbol): total for total in stored}
    for name in sorted(recomputed.keys() | by_name.keys()):
        where = f"total of {name[1]} in book {name[0]!r}"
        empty = SymbolTotal(*name)
        total = recomputed.get(name, empty)
        if name not in by_name:
            report.add(where, "entries", "not stored", total.entries)
        else:
            report.compare(where, _figures(by_name[name]), _figures(total))
        if total.opened - total.closed > 1:
            report.add(where, "open positions", total.opened - total.closed, "at most 1")


def _figures(total: SymbolTotal) -> dict[str, Any]:
    figures = total._asdict()
    return figures | from_result(figures.pop("realized"))


def _check_keys(connection: Connection, report: AuditReport) -> None:
    """Check that no key is used twice, in case something has removed the constraint."""
    query = select(JOURNAL.c.book, JOURNAL.c.key, func.count()).group_by(JOURNAL.c.book, JOURNAL.c.key)
    for book, key, count in connection.execute(query.having(func.count() > 1)):
        report.add(f"key {key!r} in book {book!r}", "entries", count, 1)


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)
