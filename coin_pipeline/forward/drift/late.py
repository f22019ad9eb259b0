"""Orders that late decisions led to, and what the lateness would have cost."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import NamedTuple

from coin_pipeline.candles.timeframe import SECOND_NS
from coin_pipeline.forward.account import decimal_price
from coin_pipeline.forward.drift.model import Moment
from coin_pipeline.forward.records import Candle, Decision
from coin_pipeline.ledger.accounting import Leg
from coin_pipeline.ledger.amounts import EXACT
from coin_pipeline.ledger.records import JournalEntry

_AT_OPEN = frozenset({"entry", "signal", "hold"})
"""Reasons of the orders that are filled at an open; stops rest at the exchange, and are never late."""


class LateFill(NamedTuple):
    """An order that was due before it was decided.

    Attributes:
        bar_time: Open of its candle, at whose price it was booked, ns UTC.
        leg: The order.
        decided_at: When it was decided, UTC.
        first_open: First open after the decision; None if no later candle is stored.
        amount: What the profit would have changed by at that open, before costs, in the quote currency.
    """

    bar_time: int
    leg: Leg
    decided_at: datetime
    first_open: float | None
    amount: Decimal


def late_fills(
    decisions: Sequence[Decision], booked: Mapping[Moment, JournalEntry], candles: Mapping[int, Candle]
) -> Iterator[LateFill]:
    """Yield the orders of one market that late decisions led to.

    Args:
        decisions: The decisions in order.
        booked: The orders that the test placed, by moment.
        candles: The stored candles by open, ns UTC, those after the last decision included.
    """
    deciding = {following.bar_time: decision for decision, following in pairwise(decisions) if decision.late}
    for (bar_time, _), entry in booked.items():
        decision = deciding.get(bar_time)
        if decision is None or entry.note not in _AT_OPEN:
            continue
        decided = int(decision.decided_at.timestamp() * SECOND_NS)
        later = min((time for time in candles if time >= decided), default=None)
        first_open = None if later is None else candles[later][0]
        with localcontext(EXACT):
            price = entry.leg.price if first_open is None else decimal_price(first_open)
            amount = -entry.leg.side.sign * entry.leg.quantity * (price - entry.leg.price)
        yield LateFill(bar_time, entry.leg, decision.decided_at, first_open, amount)
