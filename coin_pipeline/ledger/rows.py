"""Records of the ledger from rows of its tables, and the reverse."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from coin_pipeline.ledger.accounting import Holding, Leg, Postings, Result, Side
from coin_pipeline.ledger.records import JournalEntry, Position, SymbolTotal


def to_entry(row: Sequence[Any]) -> JournalEntry:
    """Return the entry of a row with the columns of JOURNAL in their order."""
    entry_id, book, position_id, symbol, sequence, kind, side, *amounts, at, booked_at, key, _, note = row
    leg, postings = Leg(Side(side), *amounts[:4]), Postings(*amounts[4:])
    times = _utc(at), _utc(booked_at)
    return JournalEntry(entry_id, book, position_id, symbol, sequence, kind, leg, postings, *times, key, note)


def to_position(row: Sequence[Any]) -> Position:
    """Return the position of a row with the columns of POSITION in their order."""
    position_id, book, symbol, side, quantity, value, fee, slippage, *realized, entries, opened_at, closed_at = row
    holding = Holding(Side(side), quantity, value, fee, slippage, Result(*realized))
    closed = closed_at and _utc(closed_at)
    return Position(position_id, book, symbol, holding, entries, _utc(opened_at), closed)


def to_total(row: Sequence[Any]) -> SymbolTotal:
    """Return the total of a row with the columns of TOTAL in their order."""
    book, symbol, entries, opened, closed, won, *realized = row
    return SymbolTotal(book, symbol, entries, opened, closed, won, Result(*realized))


def from_entry(entry: JournalEntry) -> dict[str, Any]:
    """Return the values of an entry by column of JOURNAL, without its number."""
    values = entry._asdict() | entry.leg._asdict() | entry.postings._asdict()
    del values["entry_id"], values["leg"], values["postings"]
    return values


def from_position(position: Position) -> dict[str, Any]:
    """Return the values of a position by column of POSITION."""
    values: dict[str, Any] = position._asdict()
    values |= position.holding._asdict() | from_result(position.holding.realized)
    del values["holding"], values["realized"]
    return values


def from_result(result: Result) -> dict[str, Any]:
    """Return the values of a realized result by column of POSITION and TOTAL."""
    return {f"realized_{name}": amount for name, amount in result._asdict().items()}


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)
