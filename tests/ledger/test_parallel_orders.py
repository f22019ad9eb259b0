"""Writers that share a position, and each key sent twice at the same time: every order is booked exactly once."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from coin_pipeline.errors import CoinError, IdempotencyConflict
from coin_pipeline.ledger import book, statements
from coin_pipeline.ledger import ledger as ledger_module
from tests.ledger.faults import plant
from tests.ledger.orders import buy
from tests.ledger.parallel import FIRST, WRITERS, check_journal, first_order, orders_of, send_in_parallel, submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from coin_pipeline.ledger.ledger import Ledger
    from tests.ledger.parallel import Order


def send_mixed_orders(code: Ledger, count: int = 6) -> None:
    """Send orders for one position with all writers, and check what was booked."""
    name = str(uuid.uuid4())
    position_id = code.enter(first_order(name)).position.position_id

    def send(order: Order) -> bool:
        return submit(code, order).replayed

    replayed = send_in_parallel([send] * WRITERS, name, position_id, count)
    assert sum(replayed) == WRITERS * count // 2
    orders = [order for writer in range(WRITERS) for order in orders_of(writer, name, position_id, count)]
    check_journal(code, position_id, {FIRST, *(str(order.key) for order in orders)})


def send_one_key_for_two_symbols(code: Ledger) -> None:
    """Send orders for two symbols with the same key at the same time: one is booked, and the other is refused."""
    name = str(uuid.uuid4())

    def send(symbol: str) -> bool:
        try:
            return not code.enter(buy("1", symbol=symbol, book=name, key=key)).replayed
        except IdempotencyConflict:
            return False

    with ThreadPoolExecutor(2) as pool:
        for number in range(20):
            key = f"order {number}"
            assert sorted(pool.map(send, ("BTC_KRW", "ETH_BTC"))) == [False, True]


FAULTS = {
    "symbol not locked": ("LOCK = select(_lock(_BOOK, _SYMBOL, 0), ", "LOCK = select(", send_mixed_orders),
    "position not locked": ("_lock(POSITION.c.book, POSITION.c.symbol, 0), ", "", send_mixed_orders),
    "key not locked": ("_SYMBOL, 0), _lock(_BOOK, _KEY, 1))", "_SYMBOL, 0))", send_one_key_for_two_symbols),
}
"""Changes of the code, by what they do, and the orders that notice them."""
SLOW_FAULT = pytest.param(
    *("(self._engine, work)", "(self._engine, work, 'SERIALIZABLE')", send_mixed_orders),
    id="snapshot older than the lock",
    marks=pytest.mark.ledger,
)
"""Noticed only after as many retries as the ledger makes."""


def test_sixteen_writers_on_one_position(ledger: Ledger) -> None:
    """Quantity, costs and results are exact; of two orders with one key, one is a replay."""
    send_mixed_orders(ledger)


def test_one_key_for_two_symbols_at_the_same_time(ledger: Ledger) -> None:
    """A key belongs to one order of a book, whatever its symbol."""
    send_one_key_for_two_symbols(ledger)


@pytest.mark.parametrize(
    ("old", "new", "send"), [*(pytest.param(*fault, id=name) for name, fault in FAULTS.items()), SLOW_FAULT]
)
def test_planted_fault_is_noticed(ledger_engine: Engine, old: str, new: str, send: Callable[[Ledger], None]) -> None:
    """Writers that would not disturb each other without locks would prove nothing."""
    code = plant(old, new, statements, book, ledger_module)[-1].Ledger(ledger_engine)
    with pytest.raises((AssertionError, CoinError)):
        send(code)
