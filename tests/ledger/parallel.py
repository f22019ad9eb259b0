"""Orders of writers that share a position, and the check that each was booked exactly once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from coin_pipeline.ledger.accounting import Postings
from coin_pipeline.ledger.records import EnterOrder, ExitOrder
from tests.ledger.exact_book import ExactPosition, fill
from tests.ledger.machine import check
from tests.ledger.orders import buy, leave, sell

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Sequence

    from coin_pipeline.ledger.ledger import Ledger

Order: TypeAlias = EnterOrder | ExitOrder
WRITERS = 16
FIRST = "first"
"""Key of the order that opens the position, with more units than all others together remove."""


def first_order(book: str) -> EnterOrder:
    """Return the order that opens the position."""
    return buy("1000", "49999.123456789", book=book, key=FIRST)


def orders_of(writer: int, book: str, position_id: uuid.UUID, count: int) -> list[Order]:
    """Return the orders of a writer: entries, and partial exits by the side and by the id of the position.

    Writers 2n and 2n + 1 have the same ones, with the same keys.
    """
    kinds = (
        partial(buy, book=book),
        partial(sell, book=book),
        lambda quantity, price, key: leave(position_id, price, quantity, key=key),
    )
    numbers = range(writer // 2 * count, writer // 2 * count + count)
    return [kinds[n % 3](f"0.{n + 1}", f"{50_000 + 7 * n}.{n + 1}", key=f"order {n}") for n in numbers]


def send_in_parallel(
    senders: Sequence[Callable[[Order], bool]], book: str, position_id: uuid.UUID, count: int
) -> list[bool]:
    """Send the orders of all writers at the same time; return for each order whether it was answered as a replay.

    Args:
        senders: One per writer: sends an order, and returns whether it was booked before.
        book: Book of the position.
        position_id: The position.
        count: Orders of each writer.
    """

    def write(writer: int) -> list[bool]:
        return [senders[writer](order) for order in orders_of(writer, book, position_id, count)]

    with ThreadPoolExecutor(len(senders)) as pool:
        return [replayed for answers in pool.map(write, range(len(senders))) for replayed in answers]


def check_journal(ledger: Ledger, position_id: uuid.UUID, keys: set[str]) -> None:
    """Check that a position consists of the orders with these keys, once each, and equals the oracle's.

    Args:
        ledger: The ledger.
        position_id: The position.
        keys: Keys of all orders.
    """
    journal, exact, balances = ledger.journal(position_id), ExactPosition(sign=1), [Fraction()] * 7
    assert sorted(entry.key for entry in journal) == sorted(keys)
    assert [entry.sequence for entry in journal] == list(range(1, len(keys) + 1))
    for entry in journal:
        exact.apply(fill(entry.leg.side.sign, *entry.leg[1:]))
        balances = [balance + Fraction(amount) for balance, amount in zip(balances, entry.postings, strict=True)]
    position = ledger.position(position_id)
    assert position.entries == len(journal)
    check(position.holding, Postings(*balances), exact)
