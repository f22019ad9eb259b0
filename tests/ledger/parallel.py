"""Orders of writers that share a position, and the check that each was booked exactly once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
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
    from coin_pipeline.ledger.records import Booked

Order: TypeAlias = EnterOrder | ExitOrder
WRITERS = 16
FIRST = "first"
"""Key of the order that opens the position, with more units than all others together remove."""


def first_order(book: str) -> EnterOrder:
    """Return the order that opens the position."""
    return buy("100000", "49999.123456789", book=book, key=FIRST)


def order(number: int, book: str, position_id: uuid.UUID) -> Order:
    """Return the order with a number: an entry, or a partial exit by the side or by the id of the position."""
    quantity, price, key = f"0.{number + 1}", f"{50_000 + number % 1000}.{number + 1}", f"order {number}"
    if number % 3 == 2:
        return leave(position_id, price, quantity, key=key)
    return (buy, sell)[number % 3](quantity, price, book=book, key=key)


def orders_of(writer: int, book: str, position_id: uuid.UUID, count: int) -> list[Order]:
    """Return the orders of a writer; writers 2n and 2n + 1 have the same ones, with the same keys."""
    first = writer // 2 * count
    return [order(number, book, position_id) for number in range(first, first + count)]


def submit(ledger: Ledger, message: Order) -> Booked:
    """Send an order."""
    return ledger.enter(message) if isinstance(message, EnterOrder) else ledger.exit(message)


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
        return [senders[writer](message) for message in orders_of(writer, book, position_id, count)]

    with ThreadPoolExecutor(len(senders)) as pool:
        return [replayed for answers in pool.map(write, range(len(senders))) for replayed in answers]


def check_journal(ledger: Ledger, position_id: uuid.UUID, keys: set[str]) -> None:
    """Check that a position consists of the orders with these keys, once each, and equals the oracle's; and audit.

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
    assert ledger.audit().is_clean
