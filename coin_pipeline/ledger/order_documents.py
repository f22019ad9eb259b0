"""JSON documents of orders and journal entries, the same from the API and the command line."""

import uuid
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from coin_pipeline.ledger.accounting import Leg, Side
from coin_pipeline.ledger.documents import (
    Instant,
    PositionDocument,
    Status,
    position_fields,
    result_fields,
    status_of,
)
from coin_pipeline.ledger.exact_model import Amount, ExactModel
from coin_pipeline.ledger.marks import Mark
from coin_pipeline.ledger.records import Booked, EntryKind, JournalEntry, Position


class OrderDocument(ExactModel):
    """What an order did; its amounts are in the quote currency of the market."""

    prefix: ClassVar[str]
    """Put before the names of the two prices."""
    position_id: uuid.UUID
    book: Annotated[str, Field(description="Account that the position belongs to.")]
    symbol: str
    quote: Annotated[str, Field(description="Currency of the price and the amounts.")]
    kind: Annotated[EntryKind, Field(description="ENTER if units were added to the position, EXIT if they left it.")]
    side: Annotated[Side, Field(description="Side of the order.")]
    quantity: Annotated[Amount, Field(description="Units that were traded.")]
    fee: Annotated[Amount, Field(description="Fee of this order: fee_rate of quantity at the effective price.")]
    slippage: Annotated[Amount, Field(description="Slippage of this order.")]
    fee_rate: Amount
    slippage_rate: Amount
    price_source: Annotated[
        Literal["request", "candle"], Field(description="candle: the request had no price; newest stored close.")
    ]
    price_time: Annotated[
        Instant | None, Field(description="Close of that candle; null for another source, and for a repeated order.")
    ]
    realized_pnl: Annotated[Amount, Field(description="Result of the units that left, net of both legs' costs.")]
    realized_gross: Annotated[Amount, Field(description="The same before fees and slippage.")]
    realized_fee: Annotated[Amount, Field(description="Fees of both legs of these units.")]
    realized_slippage: Annotated[Amount, Field(description="Slippage of both legs of these units.")]
    status: Annotated[Status, Field(description="Status of the position after the order.")]
    opened_at: Instant
    closed_at: Instant | None
    executed_at: Annotated[Instant, Field(description="Time of this order.")]
    sequence: Annotated[int, Field(description="Number of the journal entry within the position, from 1.")]
    note: str | None

    @classmethod
    def of(cls, booked: Booked, mark: Mark | None) -> Self:
        """Return the document of a booked order.

        Args:
            booked: What the order did.
            mark: The candle that its price is from; None for a price of the request.
        """
        position, entry, leg = booked.position, booked.entry, booked.entry.leg
        return cls(
            position_id=position.position_id,
            book=position.book,
            symbol=position.symbol,
            quote=position.quote,
            kind=entry.kind,
            **leg_fields(leg, cls.prefix),
            price_source="request" if mark is None else "candle",
            price_time=None if mark is None or booked.replayed else mark.time,
            **result_fields("realized", entry.postings.settled),
            status=status_of(position),
            opened_at=position.opened_at,
            closed_at=position.closed_at,
            executed_at=entry.at,
            sequence=entry.sequence,
            note=entry.note,
            position=PositionDocument.of(position),
        )


class EnterDocument(OrderDocument):
    """What an order to enter did; one on the side opposite to the open position has reduced that."""

    prefix = "entry_"
    entry_price: Annotated[Amount, Field(description="Price before slippage, as given.")]
    effective_entry_price: Annotated[Amount, Field(description="Price after slippage.")]
    position: PositionDocument


class ExitDocument(OrderDocument):
    """What an order to exit did."""

    prefix = "exit_"
    exit_price: Annotated[Amount, Field(description="Price before slippage, as given.")]
    effective_exit_price: Annotated[Amount, Field(description="Price after slippage.")]
    position: PositionDocument


class PostingsDocument(ExactModel):
    """Postings of a journal entry by account; debits are positive, and the sum is zero."""

    cash: Amount
    holding: Annotated[Amount, Field(description="Value at the prices of the entries; negative for a short position.")]
    holding_fee: Annotated[Amount, Field(description="Entry fees of units that have not left.")]
    holding_slippage: Annotated[Amount, Field(description="Entry slippage of units that have not left.")]
    fee: Annotated[Amount, Field(description="Fees of both legs of units that have left.")]
    slippage: Annotated[Amount, Field(description="Slippage of both legs of units that have left.")]
    income: Annotated[Amount, Field(description="Gross result of units that have left; a gain is negative.")]


class EntryDocument(ExactModel):
    """A journal entry."""

    sequence: Annotated[int, Field(description="Its number within the position, from 1.")]
    kind: EntryKind
    side: Side
    quantity: Amount
    price: Annotated[Amount, Field(description="Price before slippage.")]
    effective_price: Annotated[Amount, Field(description="Price after slippage.")]
    fee: Amount
    slippage: Amount
    fee_rate: Amount
    slippage_rate: Amount
    executed_at: Annotated[Instant, Field(description="Time of the order.")]
    booked_at: Annotated[Instant, Field(description="When the entry was stored.")]
    key: Annotated[str, Field(description="Idempotency key; generated if the order had none.")]
    note: str | None
    postings: PostingsDocument

    @classmethod
    def of(cls, entry: JournalEntry) -> Self:
        """Return the document of an entry."""
        return cls(
            sequence=entry.sequence,
            kind=entry.kind,
            **leg_fields(entry.leg),
            executed_at=entry.at,
            booked_at=entry.booked_at,
            key=entry.key,
            note=entry.note,
            postings=PostingsDocument(**entry.postings._asdict()),
        )


class PositionJournal(PositionDocument):
    """A position with its journal."""

    journal: list[EntryDocument]

    @classmethod
    def with_entries(cls, position: Position, entries: Iterable[JournalEntry]) -> Self:
        """Return the document of a position with its entries."""
        return cls(**position_fields(position), journal=[EntryDocument.of(entry) for entry in entries])


def leg_fields(leg: Leg, prefix: str = "") -> dict[str, Any]:
    """Return the fields of an executed order.

    Args:
        leg: The order.
        prefix: Put before the names of the two prices.
    """
    return {
        "side": leg.side,
        "quantity": leg.quantity,
        f"{prefix}price": leg.price,
        f"effective_{prefix}price": leg.effective_price,
        "fee": leg.fee,
        "slippage": leg.slippage,
        "fee_rate": leg.fee_rate,
        "slippage_rate": leg.slippage_rate,
    }
