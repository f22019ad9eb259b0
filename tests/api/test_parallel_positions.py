"""Sixteen clients on one position over HTTP: every order is booked exactly once, and the figures are exact."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import httpx2
import pytest
import uvicorn
from sqlalchemy import Engine

from coin_api.app import create_app
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.records import EnterOrder
from coin_pipeline.settings import load_settings
from tests.fakes import FakeOrchestrator
from tests.ledger.parallel import FIRST, WRITERS, Order, check_journal, first_order, orders_of, send_in_parallel

ORDERS = 6
"""Orders of each client."""


@pytest.fixture
def base_url(ledger_engine: Engine, candles: CandleCatalog) -> Iterator[str]:
    """A server on the database of the ledger."""
    assert candles
    database = ledger_engine.url.render_as_string(hide_password=False)
    app = create_app(load_settings(), lambda _: FakeOrchestrator(), find_database=lambda _: database)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def send(client: httpx2.Client, order: Order) -> bool:
    """Send an order; return whether it was answered as an earlier one with the same key."""
    if isinstance(order, EnterOrder):
        path, fields = "enter", {"symbol": order.symbol, "side": order.leg.side, "book": order.book}
        amounts = {"entry_price": order.leg.price, "quantity": order.leg.quantity}
    else:
        path, fields = f"{order.position_id}/exit", {}
        amounts = {"exit_price": order.price, "quantity": order.quantity}
    body = {**fields, **{name: str(amount) for name, amount in amounts.items()}}
    response = client.post(f"/api/positions/{path}", json=body, headers={"Idempotency-Key": str(order.key)})
    assert response.status_code == 200, response.text
    return response.headers.get("Idempotent-Replayed") == "true"


def test_sixteen_clients_on_one_position(base_url: str, ledger: Ledger) -> None:
    """Entries, partial exits, and each key sent by two clients at the same time."""
    book = "parallel"
    position_id = ledger.enter(first_order(book)).position.position_id
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx2.Client(base_url=base_url, timeout=60)) for _ in range(WRITERS)]
        senders = [partial(send, client) for client in clients]
        replayed = send_in_parallel(senders, book, position_id, ORDERS)
    assert sum(replayed) == WRITERS * ORDERS // 2
    orders = [order for writer in range(WRITERS) for order in orders_of(writer, book, position_id, ORDERS)]
    check_journal(ledger, position_id, {FIRST, *(str(order.key) for order in orders)})
