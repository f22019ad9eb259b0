"""Orders as clients send them: priced if they have no price, booked, and answered with a document."""

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Generic, NamedTuple, TypeVar

from coin_pipeline.ledger.accounting import Leg
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.marks import CandleMarks, Mark
from coin_pipeline.ledger.order_documents import EnterDocument, ExitDocument, OrderDocument
from coin_pipeline.ledger.records import EnterOrder, ExitOrder
from coin_pipeline.ledger.requests import EnterRequest, ExitRequest

DocumentT = TypeVar("DocumentT", bound=OrderDocument)


class Answer(NamedTuple, Generic[DocumentT]):
    """Answer to an order, and whether an earlier order with the same key was answered with it."""

    document: DocumentT
    replayed: bool


def enter(ledger: Ledger, marks: CandleMarks, request: EnterRequest, key: str | None) -> Answer[EnterDocument]:
    """Book an order to enter.

    Args:
        ledger: Where it is booked.
        marks: Prices for a request without one.
        request: The order.
        key: Its idempotency key.

    Raises:
        NoPrice: Neither the request nor the stored candles have a price.
        IdempotencyConflict: The key belongs to another order.
        LedgerConflict: The order does not fit the position.
    """
    price, mark = _priced(request.entry_price, lambda: marks.require(request.symbol, "entry_price"))
    leg = Leg(request.side, request.quantity, price, request.fee_rate, request.slippage_rate)
    order = EnterOrder(request.symbol, leg, request.book, key=key, note=request.note, at_market=mark is not None)
    booked = ledger.enter(order)
    return Answer(EnterDocument.of(booked, mark), booked.replayed)


def leave(
    ledger: Ledger, marks: CandleMarks, position_id: uuid.UUID, request: ExitRequest, key: str | None
) -> Answer[ExitDocument]:
    """Book an order to exit.

    Args:
        ledger: Where it is booked.
        marks: Prices for a request without one.
        position_id: The position.
        request: The order.
        key: Its idempotency key.

    Raises:
        PositionNotFound: No position has this id.
        NoPrice: Neither the request nor the stored candles have a price.
        IdempotencyConflict: The key belongs to another order.
        LedgerConflict: The order does not fit the position.
    """
    price, mark = _priced(request.exit_price, lambda: marks.require(ledger.position(position_id).symbol, "exit_price"))
    order = ExitOrder(
        position_id,
        price,
        request.fee_rate,
        request.slippage_rate,
        request.quantity,
        key=key,
        note=request.note,
        at_market=mark is not None,
    )
    booked = ledger.exit(order)
    return Answer(ExitDocument.of(booked, mark), booked.replayed)


def _priced(price: Decimal | None, newest: Callable[[], Mark]) -> tuple[Decimal, Mark | None]:
    """Return the price of an order, and the candle that it is from unless the request had one."""
    if price is not None:
        return price, None
    mark = newest()
    return mark.price, mark
