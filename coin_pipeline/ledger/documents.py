"""JSON documents of positions, the same from the API and the command line."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, PlainSerializer

from coin_pipeline.ledger.accounting import Holding, Result, Side
from coin_pipeline.ledger.amounts import exact, share
from coin_pipeline.ledger.exact_model import Amount, ExactModel, OptionalAmount
from coin_pipeline.ledger.history import Traded
from coin_pipeline.ledger.records import Position

Status = Literal["OPEN", "CLOSED"]
Instant = Annotated[
    datetime, PlainSerializer(lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), return_type=str, when_used="json")
]


class PositionDocument(ExactModel):
    """A position; its amounts are in the quote currency of the market."""

    position_id: uuid.UUID
    book: Annotated[str, Field(description="Account that the position belongs to.")]
    symbol: str
    quote: Annotated[str, Field(description="Currency of its prices and amounts.")]
    side: Annotated[Side, Field(description="BUY: long; SELL: short.")]
    status: Status
    quantity: Annotated[Amount, Field(description="Open units.")]
    entry_price: Annotated[
        OptionalAmount, Field(description="Average price of the open units before slippage; null once closed.")
    ]
    effective_entry_price: Annotated[OptionalAmount, Field(description="The same after slippage.")]
    value: Annotated[Amount, Field(description="Open units at the prices of their entries, before slippage.")]
    fee: Annotated[Amount, Field(description="Entry fees of the open units.")]
    slippage: Annotated[Amount, Field(description="Entry slippage of the open units.")]
    cost: Annotated[
        Amount, Field(description="What the open units cost in all; for a short position, what their sale brought.")
    ]
    realized_pnl: Annotated[Amount, Field(description="Result of the units that have left, net of all costs.")]
    realized_gross: Annotated[Amount, Field(description="The same before fees and slippage.")]
    realized_fee: Annotated[Amount, Field(description="Fees of both legs of these units.")]
    realized_slippage: Annotated[Amount, Field(description="Slippage of both legs of these units.")]
    entries: Annotated[int, Field(description="Number of journal entries.")]
    opened_at: Instant
    closed_at: Instant | None

    @classmethod
    def of(cls, position: Position) -> Self:
        """Return the document of a position."""
        return cls(**position_fields(position))


class HistoryItem(PositionDocument):
    """A position of the history, with what was traded in it."""

    entered_quantity: Annotated[Amount, Field(description="Units that have entered.")]
    average_entry_price: Annotated[OptionalAmount, Field(description="Their average price before slippage.")]
    exited_quantity: Annotated[Amount, Field(description="Units that have left.")]
    average_exit_price: Annotated[OptionalAmount, Field(description="Their average price before slippage.")]

    @classmethod
    def traded(cls, position: Position, entered: Traded, exited: Traded) -> Self:
        """Return the item of a position."""
        return cls(
            **position_fields(position),
            entered_quantity=entered.quantity,
            average_entry_price=entered.average_price,
            exited_quantity=exited.quantity,
            average_exit_price=exited.average_price,
        )


class HistoryPage(BaseModel):
    """A page of positions, newest first."""

    total: Annotated[int, Field(description="Number of matching positions.")]
    limit: int
    items: list[HistoryItem]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last page.")]


def position_fields(position: Position) -> dict[str, Any]:
    """Return the fields of a position's document."""
    holding = position.holding
    return {
        "position_id": position.position_id,
        "book": position.book,
        "symbol": position.symbol,
        "quote": position.quote,
        "side": holding.side,
        "status": status_of(position),
        "quantity": holding.quantity,
        "entry_price": _average(holding.value, holding.quantity),
        "effective_entry_price": _average(_effective_value(holding), holding.quantity),
        "value": holding.value,
        "fee": holding.fee,
        "slippage": holding.slippage,
        "cost": holding.cost,
        **result_fields("realized", holding.realized),
        "entries": position.entries,
        "opened_at": position.opened_at,
        "closed_at": position.closed_at,
    }


def result_fields(prefix: str, result: Result) -> dict[str, Decimal]:
    """Return a result split into its parts."""
    return {f"{prefix}_pnl": result.net} | {f"{prefix}_{name}": amount for name, amount in result._asdict().items()}


def status_of(position: Position) -> Status:
    """Return whether a position has units left."""
    return "OPEN" if position.closed_at is None else "CLOSED"


@exact
def _effective_value(holding: Holding) -> Decimal:
    return holding.value + holding.side.sign * holding.slippage


def _average(amount: Decimal, quantity: Decimal) -> Decimal | None:
    return share(amount, Decimal(1), quantity) if quantity else None
