"""Booking in a real database."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from coin_pipeline.errors import (
    IdempotencyConflict,
    InvalidInput,
    NoHolding,
    OverExit,
    PositionClosed,
    PositionNotFound,
)
from coin_pipeline.ledger.accounting import Side
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.rows import from_entry
from coin_pipeline.ledger.tables import JOURNAL
from tests.ledger.orders import buy, leave, sell

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def entries(engine: Engine) -> int:
    """Return the number of journal entries."""
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(JOURNAL)).scalar_one()


def test_the_checklists_orders_are_stored_as_they_were_answered(ledger: Ledger) -> None:
    """The position and its journal, read back, equal the answers."""
    entered = ledger.enter(buy("1", "50000"))
    left = ledger.exit(leave(entered.position.position_id, "51000"))
    assert left.position.holding.realized.net == Decimal("878.8002")
    assert ledger.position(entered.position.position_id) == left.position
    assert ledger.journal(entered.position.position_id) == [entered.entry, left.entry]
    assert left.position.closed_at == left.entry.at
    assert not ledger.open_positions()


def test_orders_of_a_symbol_share_a_position_until_it_is_closed(ledger: Ledger) -> None:
    """A second BUY adds, a SELL reduces and then closes; the next BUY opens another one."""
    steps = [ledger.enter(order) for order in (buy("1"), buy("2"), sell("2.5"), sell("0.5"), buy("1"))]
    ids = [booked.position.position_id for booked in steps]
    assert ids[:4] == [ids[0]] * 4
    assert ids[4] != ids[0]
    assert [booked.entry.kind for booked in steps] == ["ENTER", "ENTER", "EXIT", "EXIT", "ENTER"]
    assert [booked.entry.sequence for booked in steps] == [1, 2, 3, 4, 1]
    assert ledger.open_positions() == [steps[4].position]


def test_books_and_symbols_are_separate(ledger: Ledger) -> None:
    """Open positions can be listed by either."""
    for book, symbol in (("a", "BTC_KRW"), ("a", "ETH_BTC"), ("b", "BTC_KRW")):
        ledger.enter(buy("1", symbol=symbol, book=book))
    listed = [(position.book, position.symbol) for position in ledger.open_positions()]
    assert listed == [("a", "BTC_KRW"), ("a", "ETH_BTC"), ("b", "BTC_KRW")]
    assert len(ledger.open_positions("a")) == len(ledger.open_positions(symbol="BTC_KRW")) == 2
    assert ledger.open_positions("a", "ETH_BTC")[0].quote == "BTC"


@pytest.mark.parametrize(
    ("quantity", "price"),
    [("0", "1"), ("-1", "1"), ("NaN", "1"), ("1", "NaN"), ("1", "Infinity"), ("1e400", "1"), ("1", "1e-19")],
)
def test_amounts_out_of_range_are_refused(ledger: Ledger, ledger_engine: Engine, quantity: str, price: str) -> None:
    """Nothing is booked."""
    with pytest.raises(InvalidInput, match="is not a number from"):
        ledger.enter(buy(quantity, price))
    assert entries(ledger_engine) == 0


def test_orders_that_do_not_fit_the_position_are_refused(ledger: Ledger, ledger_engine: Engine) -> None:
    """Nothing is booked."""
    position = ledger.enter(buy("1")).position
    with pytest.raises(OverExit):
        ledger.enter(sell("1.5"))
    with pytest.raises(OverExit):
        ledger.exit(leave(position.position_id, quantity="1.5"))
    with pytest.raises(NoHolding, match="COIN_ALLOW_SHORT"):
        ledger.enter(sell("1", symbol="ETH_KRW"))
    with pytest.raises(PositionNotFound):
        ledger.exit(leave(uuid.uuid4()))
    assert ledger.position(position.position_id) == position
    ledger.enter(sell("1"))
    with pytest.raises(PositionClosed):
        ledger.exit(leave(position.position_id))
    assert entries(ledger_engine) == 2


def test_a_short_position_opens_where_it_is_allowed(ledger: Ledger, ledger_engine: Engine) -> None:
    """It is reduced by a BUY, and never becomes long."""
    shorting = Ledger(ledger_engine, allow_short=True)
    opened = shorting.enter(sell("2", "100"))
    assert opened.position.holding.side is Side.SELL
    with pytest.raises(OverExit):
        shorting.enter(buy("3", "90"))
    left = ledger.enter(buy("2", "90"))
    assert left.position.holding.realized.gross == 20


def test_a_key_books_once(ledger: Ledger, ledger_engine: Engine) -> None:
    """The answer is the first one, also after later entries."""
    first, second = buy("1", key="a"), sell("0.3", "60000", key="b")
    booked = [ledger.enter(first), ledger.enter(second)]
    leaving = leave(booked[0].position.position_id, key="c")
    booked.append(ledger.exit(leaving))
    again = [ledger.enter(buy("1.00", key="a")), ledger.enter(second), ledger.exit(leaving)]
    assert again == [answer._replace(replayed=True) for answer in booked]
    assert entries(ledger_engine) == 3


@pytest.mark.parametrize("other", [buy("2", key="a"), buy("1", symbol="ETH_KRW", key="a"), buy("1", key="a", note="x")])
def test_a_key_of_another_order_is_refused(ledger: Ledger, ledger_engine: Engine, other: object) -> None:
    """The message names the entry."""
    booked = ledger.enter(buy("1", key="a"))
    with pytest.raises(IdempotencyConflict, match=f"entry 1 of position {booked.position.position_id}"):
        ledger.enter(other)
    assert entries(ledger_engine) == 1


def test_an_order_at_the_market_may_come_again_at_another_price(ledger: Ledger) -> None:
    """The stored price counts."""
    booked = ledger.enter(buy("1", "50000", key="a", at_market=True))
    assert ledger.enter(buy("1", "50500", key="a", at_market=True)) == booked._replace(replayed=True)


def test_a_key_belongs_to_its_book(ledger: Ledger) -> None:
    """Two books may use the same."""
    assert not ledger.enter(buy("1", key="a", book="x")).replayed
    assert not ledger.enter(buy("1", key="a", book="y")).replayed


def test_parallel_orders_of_a_position_take_turns(ledger: Ledger, ledger_engine: Engine) -> None:
    """Sixteen threads enter and leave one position; each entry follows another one."""
    ledger.enter(buy("1000"))

    def trade(number: int) -> str:
        order = buy("0.1") if number % 2 else sell("0.1")
        return ledger.enter(order).entry.kind

    with ThreadPoolExecutor(16) as pool:
        kinds = list(pool.map(trade, range(64)))
    (position,) = ledger.open_positions()
    assert (kinds.count("ENTER"), kinds.count("EXIT"), position.holding.quantity) == (32, 32, 1000)
    assert [entry.sequence for entry in ledger.journal(position.position_id)] == [*range(1, 66)]
    assert entries(ledger_engine) == 65


def test_parallel_exits_close_once(ledger: Ledger) -> None:
    """Of eight that leave all of a position one succeeds."""
    position_id = ledger.enter(buy("1")).position.position_id

    def close(_: int) -> bool:
        try:
            ledger.exit(leave(position_id))
        except PositionClosed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(close, range(8))) == 1


def test_a_key_sent_in_parallel_books_once(ledger: Ledger, ledger_engine: Engine) -> None:
    """Also with orders for different symbols, of which all but one are refused."""

    def send(number: int) -> str:
        try:
            return str(ledger.enter(buy("1", symbol=f"S{number % 2}_KRW", key="a")).position.position_id)
        except IdempotencyConflict as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(send, range(8)))
    assert len(answers) == 2
    assert entries(ledger_engine) == 1


@pytest.mark.parametrize(
    "change", ["update coin.journal set price = 1", "delete from coin.journal", "truncate coin.journal"]
)
def test_the_journal_can_only_grow(ledger: Ledger, ledger_engine: Engine, change: str) -> None:
    """Whatever changes an entry is refused."""
    ledger.enter(buy("1"))
    with ledger_engine.connect() as connection, pytest.raises(DBAPIError, match="is append-only"):
        connection.execute(text(change))
    assert entries(ledger_engine) == 1


@pytest.mark.parametrize(
    ("figures", "constraint"),
    [
        ({"cash": "-1"}, "balance"),
        ({"cash": "NaN"}, "balance"),
        ({"cash": "1e38", "holding": "-1e38", "holding_fee": "0", "holding_slippage": "0"}, "postings"),
        ({"price": "NaN"}, "price"),
        ({"price": "Infinity"}, "price"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "0.0000000000000000015"}, "quantity"),
        ({"fee_rate": "0.11"}, "fee_rate"),
        ({"slippage_rate": "0.00000000015"}, "slippage_rate"),
        ({"key": ""}, "key"),
    ],
)
def test_the_journal_refuses_rows_that_break_its_rules(
    ledger: Ledger, ledger_engine: Engine, figures: dict[str, str], constraint: str
) -> None:
    """Also from other programs."""
    entry = ledger.enter(buy("1")).entry
    row = from_entry(entry) | {"key": "other", "sequence": 2, "order_sha256": b""} | figures
    with ledger_engine.connect() as connection, pytest.raises(IntegrityError, match=f"journal_{constraint}_check"):
        connection.execute(insert(JOURNAL).values(row))


def test_an_order_repeated_after_a_lost_answer_books_once(ledger: Ledger, ledger_engine: Engine) -> None:
    """The connection is lost right after the commit; the order has no key of its own, and is not a repetition."""
    lose_after_commit = iter([True])

    def terminate(connection: Connection) -> None:
        if next(lose_after_commit, False):
            connection.exec_driver_sql("commit")
            connection.exec_driver_sql("select pg_terminate_backend(pg_backend_pid())")

    event.listen(ledger_engine, "commit", terminate)
    try:
        booked = ledger.enter(buy("1"))
    finally:
        event.remove(ledger_engine, "commit", terminate)
    assert not booked.replayed
    assert ledger.open_positions() == [booked.position]
    assert entries(ledger_engine) == 1
