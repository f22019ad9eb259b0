"""A ledger of many entries, computed with the accounting and stored with COPY."""

import io
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from sqlalchemy import Engine, Table

from coin_pipeline.database.session import Cursor
from coin_pipeline.ledger.accounting import Holding, Leg, Result, Side
from coin_pipeline.ledger.records import DEFAULT_BOOK, JournalEntry, Position
from coin_pipeline.ledger.rows import from_entry, from_position, from_result
from coin_pipeline.ledger.tables import JOURNAL, POSITION, TOTAL

ENTRIES_PER_MARKET, ENTRIES_PER_POSITION, DISTINCT = 5000, 10, 4
_START = datetime(2024, 1, 1, tzinfo=UTC)
_RATES = Decimal("0.001"), Decimal("0.0002")
_ENTER_AT = {1, 2, 3, 5, 7}
"""Numbers of the entries of a position that add to it; the last one closes it, and the others reduce it."""
_SYMBOL = "'COIN' || {number} || '_KRW'"
_COPIED = {
    "symbol": _SYMBOL,
    "position_id": "md5(position_id::text || {number})::uuid",
    "key": "key || ' of ' || {number}",
}
"""Columns whose values differ between copies of a market."""


def market(number: int) -> str:
    """Return the symbol of a market."""
    return f"COIN{number}_KRW"


def build(engine: Engine, markets: int) -> None:
    """Fill an empty ledger with ENTRIES_PER_MARKET entries and an open position of each market.

    A few markets are computed; the others are copies with other symbols, ids and keys.

    Args:
        engine: A database with the tables of the ledger.
        markets: Number of markets, at least DISTINCT.
    """
    connection = engine.raw_connection()
    try:
        with connection.cursor() as cursor:
            for number in range(DISTINCT):
                _store(cursor, number)
            for table in (JOURNAL, POSITION, TOTAL):
                for number in range(DISTINCT, markets):
                    cursor.execute(_copy_of_market(table, number))
                cursor.execute(f"vacuum analyze {table}")
    finally:
        connection.close()


def journal_of(number: int) -> Iterator[tuple[JournalEntry, Position]]:
    """Yield the entries of a market and the position after each; the last position stays open."""
    draw, price, at = Random(number), Decimal(50_000), _START  # noqa: S311 -- not for secrets
    for index in range(ENTRIES_PER_MARKET):
        sequence = index % ENTRIES_PER_POSITION + 1
        if sequence == 1:
            position_id, holding, opened_at = uuid.UUID(int=draw.getrandbits(128)), Holding(Side.BUY), at
        price += Decimal(draw.randint(-500, 500)).scaleb(-2)
        quantity = Decimal(draw.randint(1, 10**6)).scaleb(-6)
        is_entry = sequence in _ENTER_AT
        if not is_entry:
            closes = sequence == ENTRIES_PER_POSITION and index + 1 < ENTRIES_PER_MARKET
            quantity = holding.quantity if closes else min(quantity, holding.quantity / 3).quantize(Decimal("1e-8"))
        leg = Leg(Side.BUY if is_entry else Side.SELL, quantity, price, *_RATES)
        holding, postings = holding.enter(leg) if is_entry else holding.exit(leg)
        names = DEFAULT_BOOK, position_id, market(number), sequence
        kind, key = "ENTER" if is_entry else "EXIT", f"{number} {index}"
        entry = JournalEntry(0, *names, kind, leg, postings, at, at, key, None)  # type: ignore[arg-type]  # a literal
        closed_at = None if holding.quantity else at
        yield entry, Position(position_id, DEFAULT_BOOK, market(number), holding, sequence, opened_at, closed_at)
        at += timedelta(minutes=draw.randint(1, 200))


def _store(cursor: Cursor, number: int) -> None:
    """Store a market and its total."""
    journal = list(journal_of(number))
    positions = {position.position_id: position for _, position in journal}.values()
    closed = [position for position in positions if position.closed_at]
    realized = Result()
    for position in positions:
        realized = realized.plus(position.holding.realized)
    counts = {
        "entries": len(journal),
        "opened": len(positions),
        "closed": len(closed),
        "won": sum(position.holding.realized.net > 0 for position in closed),
    }
    total = {"book": DEFAULT_BOOK, "symbol": market(number), **counts, **from_result(realized)}
    _copy(cursor, JOURNAL, [{**from_entry(entry), "order_sha256": r"\\x00"} for entry, _ in journal])
    _copy(cursor, POSITION, map(from_position, positions))
    _copy(cursor, TOTAL, [total])


def _copy(cursor: Cursor, table: Table, rows: Iterable[Mapping[str, object]]) -> None:
    names = _names(table)
    lines = ("\t".join(r"\N" if row[name] is None else str(row[name]) for name in names) for row in rows)
    cursor.copy_expert(f"copy {table} ({', '.join(names)}) from stdin", io.StringIO("\n".join(lines)))


def _copy_of_market(table: Table, number: int) -> str:
    """Return a statement that stores a copy of one of the first markets under another number."""
    names = _names(table)
    values = (_COPIED[name].format(number=number) if name in _COPIED else name for name in names)
    source = market(number % DISTINCT)
    return f"insert into {table} ({', '.join(names)}) select {', '.join(values)} from {table} where symbol = '{source}'"  # noqa: S608 -- our own names


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.name != "entry_id"]
