"""The audit of a sound ledger, and of one that was tampered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from coin_pipeline.ledger.audit import AuditReport, audit
from coin_pipeline.ledger.ledger import Ledger
from tests.ledger.orders import buy, leave, sell
from tests.ledger.tampering import tamper

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import Engine


@pytest.fixture
def position_id(ledger: Ledger, ledger_engine: Engine) -> uuid.UUID:
    """Id of a position with four entries, next to others."""
    for symbol in ("ETH_KRW", "ETH_BTC"):
        ledger.enter(buy("0.7", "31.07", symbol))
    ledger.exit(leave(ledger.enter(buy("3", "1", "XRP_KRW")).position.position_id, "2"))
    Ledger(ledger_engine, allow_short=True).enter(sell("2", "10", "SOL_KRW", book="other"))
    for order in (buy("3", "10"), sell("1", "11"), buy("0.5", "12")):
        ledger.enter(order)
    return ledger.enter(sell("0.7", "9.99")).position.position_id


@pytest.mark.usefixtures("position_id")
def test_a_sound_ledger_is_clean(ledger: Ledger) -> None:
    """Everything is counted, and progress is reported at the end."""
    progress: list[tuple[int, int]] = []
    report = ledger.audit(lambda *numbers: progress.append(numbers))
    assert report == AuditReport(entries=9, positions=5, totals=5)
    assert report.is_clean
    assert progress == [(9, 9)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("update coin.position set quantity = 1.8000000000000001", "position: quantity 1.8000000000000001, 1.8"),
        ("update coin.position set realized_gross = 0.993000000000000001", "position: realized_gross"),
        ("update coin.position set entries = 5", "position: entries 5, 4"),
        ("update coin.position set opened_at = opened_at + interval '1 microsecond'", "position: opened_at"),
        ("update coin.position set side = 'SELL'", "position: side SELL, BUY"),
        ("delete from coin.position", "position: entries not stored, 4"),
        ("delete from coin.journal", "position: entries 4, 0; total: entries 4, 0"),
        (
            "update coin.journal set cash = cash - 1, income = income + 1 where sequence = 2",
            "entry 2: cash; entry 2: income",
        ),
        ("delete from coin.journal where sequence = 2", "entry 3: sequence 3, 2; entry 4: sequence 4, 3"),
        ("update coin.journal set quantity = 4 where sequence = 2", "entry 2: order EXIT SELL 4, the position holds 3"),
        ("update coin.journal set book = 'other' where sequence = 4", "entry 4: book other, paper"),
        ("update coin.journal set price = 10.5 where sequence = 1", "entry 1: cash; entry 1: holding"),
        ("update coin.position_total set won = 1, closed = 1", "total: closed 1, 0; total: won 1, 0"),
        ("update coin.position_total set realized_fee = realized_fee + 1e-18", "total: realized_fee"),
        ("delete from coin.position_total", "total: entries not stored, 4"),
    ],
)
def test_each_change_is_reported(
    ledger: Ledger, ledger_engine: Engine, position_id: uuid.UUID, change: str, expected: str
) -> None:
    """With what has the figure, its name, and both values, to the last digit."""
    rows = "symbol = 'BTC_KRW'"
    tamper(ledger_engine, f"{change} and {rows}" if " where " in change else f"{change} where {rows}")
    listed = "; ".join(f"{one.where} {one.figure} {one.stored}, {one.recomputed}" for one in ledger.audit().differences)
    listed = listed.replace(f" of position {position_id}", ":").replace(f" {position_id}", ":")
    listed = listed.replace(" of BTC_KRW in book 'paper'", ":")
    for part in expected.split("; "):
        assert part in listed


def test_a_key_that_is_used_twice_is_reported(ledger: Ledger, ledger_engine: Engine, position_id: uuid.UUID) -> None:
    """The constraint that forbids it is dropped."""
    with ledger_engine.connect() as connection:
        connection.execution_options(isolation_level="READ COMMITTED")
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text("alter table coin.journal drop constraint journal_book_key_key"))
        connection.execute(text("update coin.journal set key = 'a' where position_id = :id"), {"id": position_id})
        (difference,) = audit(connection).differences
        connection.rollback()
    assert difference == ("key 'a' in book 'paper'", "entries", "4", "1")
    assert ledger.audit().is_clean
