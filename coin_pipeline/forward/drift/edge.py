"""The edge of a forward test: its mean net return per trade, against that of a backtest before its start."""

import uuid  # noqa: TC003 - as the other imports
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import localcontext
from typing import NamedTuple

from coin_pipeline.backtest.messages import Message
from coin_pipeline.ledger.amounts import EXACT
from coin_pipeline.ledger.records import JournalEntry

MAX_DECAY = 0.5
"""Default bound of the decay: at least half of the reference's mean return per trade must remain."""
MIN_TRADES = 20
"""Default number of trades, of the forward test and of the reference, below which the decay is not judged."""
REFERENCE_DAYS = 365
"""Days of stored candles before the start of a forward test that its reference backtest covers, at most."""


class TradeReturns(NamedTuple):
    """Closed trades of a period.

    Attributes:
        returns: Net return of each, a fraction.
        start: Start of the period, UTC; None if there are no candles.
        end: End of the period, UTC; None if there are no candles.
    """

    returns: Sequence[float]
    start: datetime | None
    end: datetime | None

    @property
    def mean(self) -> float | None:
        """Mean net return per trade; None without trades."""
        return sum(self.returns) / len(self.returns) if self.returns else None


class Edge(NamedTuple):
    """The edge of a forward test and its reference.

    Attributes:
        forward: Trades of the forward test.
        reference: Trades of the backtest before its start.
        max_decay: Bound of the decay.
        min_trades: Number of trades of each below which the decay is not judged.
    """

    forward: TradeReturns
    reference: TradeReturns
    max_decay: float = MAX_DECAY
    min_trades: int = MIN_TRADES

    @property
    def decay(self) -> float | None:
        """Lost fraction of the reference's mean return; None if that is not a gain, or if either has no trades."""
        forward, reference = self.forward.mean, self.reference.mean
        return None if forward is None or reference is None or reference <= 0 else 1 - forward / reference

    @property
    def has_enough_trades(self) -> bool:
        """Whether both have the trades that a verdict needs."""
        return min(len(self.forward.returns), len(self.reference.returns)) >= self.min_trades

    @property
    def holds(self) -> bool:
        """Whether the decay is within its bound, or cannot be judged."""
        return not self.has_enough_trades or self.decay is None or self.decay <= self.max_decay

    @property
    def verdict(self) -> Message:
        """The verdict in one sentence."""
        if not self.has_enough_trades:
            counts = {"forward": len(self.forward.returns), "reference": len(self.reference.returns)}
            return Message("edge_not_judged", {**counts, "needed": self.min_trades})
        if self.decay is None:
            return Message("edge_without_gain", {"mean": self.reference.mean})
        return Message("edge_holds" if self.holds else "edge_decayed", {"decay": self.decay, "bound": self.max_decay})


def closed_returns(entries: Iterable[JournalEntry]) -> list[float]:
    """Return the net return of each closed position of a book: cash received over cash paid, less 1.

    Args:
        entries: The journal of the book in the order of booking.
    """
    positions: dict[uuid.UUID, list[JournalEntry]] = {}
    for entry in entries:
        positions.setdefault(entry.position_id, []).append(entry)
    with localcontext(EXACT):
        closed = [own for own in positions.values() if not sum(e.leg.side.sign * e.leg.quantity for e in own)]
        flows = [[e.postings.cash for e in own] for own in closed]
        paid = [-sum(cash for cash in own if cash < 0) for own in flows]
        received = [sum(cash for cash in own if cash > 0) for own in flows]
    return [float(back) / float(out) - 1 for back, out in zip(received, paid, strict=True)]
