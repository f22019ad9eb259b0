"""Any sequence of orders keeps a ledger in a database exact, whatever is replayed or refused in between."""

import pytest
from sqlalchemy import Engine

from coin_pipeline.errors import CoinError
from coin_pipeline.ledger import book, statements
from coin_pipeline.ledger import ledger as ledger_module
from coin_pipeline.ledger.ledger import Ledger
from tests.ledger.faults import plant
from tests.ledger.ledger_machine import LedgerMachine
from tests.ledger.machine import STEPS, run_machine

FAULTS = {
    "key not stored with its order": ('"order_sha256": order.digest()', '"order_sha256": b""'),
    "replay with the present position": ("JOURNAL.c.sequence <= _LAST", "JOURNAL.c.sequence > 0"),
    "short positions always allowed": ("order.leg.side is Side.SELL and not allow_short", "False"),
    "result of a position not updated": ('*REALIZED, "entries", "closed_at"', '*REALIZED[1:], "entries", "closed_at"'),
}  # fmt: skip
"""Changes of the code, by what they do."""


def machine(engine: Engine, code: type[Ledger] = Ledger) -> type[LedgerMachine]:
    """Return a machine for a database."""

    class Machine(LedgerMachine):
        pass

    Machine.engine, Machine.code = engine, code
    return Machine


def test_any_orders(ledger: Ledger, ledger_engine: Engine) -> None:
    """The answers and what is stored equal the oracle's; the totals are the sums of their parts."""
    run_machine(machine(ledger_engine), 300)
    assert ledger.audit().is_clean


@pytest.mark.parametrize(("old", "new"), FAULTS.values(), ids=FAULTS)
def test_planted_fault_is_noticed(ledger_engine: Engine, old: str, new: str) -> None:
    """A machine that no fault stops would prove nothing."""
    code = plant(old, new, statements, book, ledger_module)[-1].Ledger
    with pytest.raises((AssertionError, CoinError, pytest.fail.Exception)):
        run_machine(machine(ledger_engine, code), 300)


@pytest.mark.ledger
@pytest.mark.timeout(0)
def test_a_hundred_thousand_orders(ledger: Ledger, ledger_engine: Engine) -> None:
    """The same at length, with a tenth of the orders that the accounting alone receives."""
    run_machine(machine(ledger_engine), STEPS // 10)
    assert ledger.audit().is_clean
