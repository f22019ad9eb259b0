"""Short ways to write orders."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from coin_pipeline.ledger.accounting import Leg, Side
from coin_pipeline.ledger.records import EnterOrder, ExitOrder

if TYPE_CHECKING:
    import uuid

FEE, SLIPPAGE = "0.001", "0.0002"


def leg(side: str, quantity: str, price: str, fee: str = FEE, slippage: str = SLIPPAGE) -> Leg:
    """Return an executed order from the texts of its amounts."""
    return Leg(Side(side), *map(Decimal, (quantity, price, fee, slippage)))


def buy(quantity: str, price: str = "50000", symbol: str = "BTC_KRW", **fields: object) -> EnterOrder:
    """Return an order to buy."""
    return EnterOrder(symbol, leg("BUY", quantity, price), **fields)


def sell(quantity: str, price: str = "50000", symbol: str = "BTC_KRW", **fields: object) -> EnterOrder:
    """Return an order to sell."""
    return EnterOrder(symbol, leg("SELL", quantity, price), **fields)


def leave(position_id: uuid.UUID, price: str = "51000", quantity: str | None = None, **fields: object) -> ExitOrder:
    """Return an order to leave a position."""
    amount = None if quantity is None else Decimal(quantity)
    return ExitOrder(position_id, Decimal(price), Decimal(FEE), Decimal(SLIPPAGE), amount, **fields)
