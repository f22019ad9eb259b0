"""Tables of the ledger: the append-only journal, and the positions and totals that derive from it.

NUMERIC accepts NaN and infinities and sorts NaN above every number, so that each check has an upper bound.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from coin_pipeline.database.metadata import METADATA
from coin_pipeline.ledger.accounting import Postings
from coin_pipeline.ledger.amounts import MAX_DECIMALS, MAX_RATE, MAX_VALUE, MIN_VALUE, RATE_DECIMALS
from coin_pipeline.ledger.records import MAX_BOOK, MAX_KEY, MAX_NOTE

_MAX_POSTING = 10 * MAX_VALUE**2
"""Above any posting: the largest quantity at the largest price, with fees and slippage."""
_MAX_SUM = _MAX_POSTING * 10**12
_SIDES = "side in ('BUY', 'SELL')"
REALIZED = ("realized_gross", "realized_fee", "realized_slippage")
"""Columns of a realized result."""


def _text(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Text(collation="C"), nullable=nullable)  # the order of bytes is the same on every server


def _amounts(*names: str) -> list[Column[Any]]:
    return [Column(name, Numeric, nullable=False) for name in names]


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


# Bounds are written with an exponent: PostgreSQL takes digits alone for a bigint, and casts it.
def _is_finite(name: str, columns: Iterable[str], limit: Decimal) -> CheckConstraint:
    return CheckConstraint(f"greatest({', '.join(f'abs({column})' for column in columns)}) <= {limit:e}", name)


def _value_range(name: str) -> CheckConstraint:
    condition = f"{name} between {MIN_VALUE:e} and {MAX_VALUE:e} and min_scale({name}) <= {MAX_DECIMALS}"
    return CheckConstraint(condition, name)


def _rate_range(name: str) -> CheckConstraint:
    return CheckConstraint(f"{name} between 0 and {MAX_RATE} and min_scale({name}) <= {RATE_DECIMALS}", name)


JOURNAL = Table(
    "journal",
    METADATA,
    Column("entry_id", BigInteger, Identity(always=True), primary_key=True),
    _text("book"),
    Column("position_id", Uuid, nullable=False),
    _text("symbol"),
    Column("sequence", Integer, nullable=False),
    _text("kind"),
    _text("side"),
    *_amounts("quantity", "price", "fee_rate", "slippage_rate"),
    *_amounts(*Postings._fields),
    _time("at"),
    _time("booked_at"),
    _text("key"),
    Column("order_sha256", LargeBinary, nullable=False),
    _text("note", nullable=True),
    UniqueConstraint("book", "key"),
    UniqueConstraint("position_id", "sequence"),
    CheckConstraint("sequence >= 1", "sequence"),
    CheckConstraint("kind in ('ENTER', 'EXIT')", "kind"),
    CheckConstraint(_SIDES, "side"),
    _value_range("quantity"),
    _value_range("price"),
    _rate_range("fee_rate"),
    _rate_range("slippage_rate"),
    CheckConstraint(" + ".join(Postings._fields) + " = 0", "balance"),
    _is_finite("postings", Postings._fields, _MAX_POSTING),
    CheckConstraint(f"char_length(book) between 1 and {MAX_BOOK}", "book"),
    CheckConstraint(f"char_length(key) between 1 and {MAX_KEY}", "key"),
    CheckConstraint(f"char_length(note) <= {MAX_NOTE}", "note"),
)
"""One row per entry. Its postings are columns: the accounts are fixed, and a check keeps their sum at zero."""

POSITION = Table(
    "position",
    METADATA,
    Column("position_id", Uuid, primary_key=True),
    _text("book"),
    _text("symbol"),
    _text("side"),
    *_amounts("quantity", "value", "fee", "slippage"),
    *_amounts(*REALIZED),
    Column("entries", Integer, nullable=False),
    _time("opened_at"),
    _time("closed_at", nullable=True),
    CheckConstraint(_SIDES, "side"),
    CheckConstraint(f"quantity between 0 and {MAX_VALUE:e}", "quantity"),
    CheckConstraint("least(value, fee, slippage) >= 0", "balances"),
    _is_finite("amounts", ("value", "fee", "slippage", *REALIZED), _MAX_SUM),
    CheckConstraint("(quantity = 0) = (closed_at is not null)", "closed"),
    CheckConstraint("quantity > 0 or (value = 0 and fee = 0 and slippage = 0)", "remainder"),
)
"""Each position after its last entry."""
Index(
    "position_open_idx",
    POSITION.c.book,
    POSITION.c.symbol,
    unique=True,
    postgresql_where=POSITION.c.closed_at.is_(None),
)
Index("position_opened_idx", POSITION.c.book, POSITION.c.opened_at, POSITION.c.position_id)
Index(
    "position_closed_idx",
    POSITION.c.book,
    POSITION.c.closed_at,
    POSITION.c.position_id,
    postgresql_where=POSITION.c.closed_at.is_not(None),
)

TOTAL = Table(
    "position_total",
    METADATA,
    Column("book", Text(collation="C"), primary_key=True),
    Column("symbol", Text(collation="C"), primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in ("entries", "opened", "closed", "won")),
    *_amounts(*REALIZED),
    _is_finite("amounts", REALIZED, _MAX_SUM),
    CheckConstraint("won between 0 and closed", "counts"),
)
"""Sums over the positions of a book and symbol; `won` counts the closed ones with a net result above zero."""
