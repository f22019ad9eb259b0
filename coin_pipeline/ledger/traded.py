"""What was traded in positions, summed up from their journal: a closed position itself has no units left."""

import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from coin_pipeline.ledger.amounts import ZERO, share
from coin_pipeline.ledger.tables import JOURNAL


class Traded(NamedTuple):
    """Units that entered or left a position, and their value before slippage.

    Attributes:
        quantity: The units.
        value: The units at their prices, in the quote currency.
    """

    quantity: Decimal = ZERO
    value: Decimal = ZERO

    @property
    def average_price(self) -> Decimal | None:
        """Average price, rounded down to MAX_DECIMALS; None without units."""
        return share(self.value, Decimal(1), self.quantity) if self.quantity else None


def read_traded(connection: Connection, position_ids: Iterable[uuid.UUID]) -> dict[tuple[uuid.UUID, str], Traded]:
    """Return what entered and what left each position.

    Args:
        connection: A transaction.
        position_ids: The positions.

    Returns:
        The sums by position and kind of entry, ENTER or EXIT.
    """
    sums = func.sum(JOURNAL.c.quantity), func.sum(JOURNAL.c.quantity * JOURNAL.c.price)
    query = (
        select(JOURNAL.c.position_id, JOURNAL.c.kind, *sums)
        .where(JOURNAL.c.position_id.in_(list(position_ids)))
        .group_by(JOURNAL.c.position_id, JOURNAL.c.kind)
    )
    return {(position_id, kind): Traded(*amounts) for position_id, kind, *amounts in connection.execute(query)}
