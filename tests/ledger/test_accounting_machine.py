"""Any sequence of orders keeps the accounting exact; a planted fault is noticed."""

import inspect
import sys
import time
from types import ModuleType

import pytest
from hypothesis.stateful import run_state_machine_as_test

from coin_pipeline.ledger import accounting, amounts
from tests.ledger.machine import STEPS, AccountingMachine, machine_settings

FAULTS = {
    "share rounded to nearest": ("rounding=ROUND_DOWN", "rounding='ROUND_HALF_EVEN'"),
    "share with 17 decimals": ("quantize(quotient, MIN_VALUE)", "quantize(quotient, Decimal('1e-17'))"),
    "arithmetic of 28 digits": ("prec=150, traps=[Inexact, ", "prec=28, traps=["),
    "fee of the exit leg only": ("leg.fee + fee, ", "leg.fee, "),
    "entry fee not paid": ("Postings(-sign * value - fee", "Postings(-sign * value"),
    "over-exit by a unit": ("leg.quantity > self.quantity", "leg.quantity > self.quantity + Decimal('1e-18')"),
}
"""Changes of the code, by what they do."""
MORE_FAULTS = {
    "remainder in a closed position": ("if part == whole:", "if False:"),
    "fee of the entry leg only": ("leg.fee + fee, ", "fee, "),
    "slippage of the exit leg only": ("leg.slippage + slippage)", "leg.slippage)"),
    "fee of the price before slippage": ("self.quantity * self.effective_price", "self.quantity * self.price"),
    "slippage in favor of a seller": ("1 + self.side.sign * self.slippage_rate", "1 + self.slippage_rate"),
    "exit fee not paid": ("cash=sign * leg.value - leg.fee", "cash=sign * leg.value"),
    "result of a short position as of a long one": ("Result(sign * (leg.value", "Result((leg.value"),
    "value of an entry not added": ("value=self.value + value,", "value=value,"),
    "earlier results forgotten": ("realized=self.realized.plus(settled)", "realized=settled"),
    "complete exit refused": ("leg.quantity > self.quantity", "leg.quantity >= self.quantity"),
}


def planted(old: str, new: str) -> ModuleType:
    """Return the accounting code with a change in it or in the code of amounts."""
    changed = 0
    modules = []
    for module in (amounts, accounting):
        source = inspect.getsource(module)
        changed += source.count(old)
        modules.append(ModuleType(module.__name__))
        exec(source.replace(old, new), vars(modules[-1]))  # noqa: S102 -- our own code
    assert changed == 1
    vars(modules[1]).update(EXACT=modules[0].EXACT, share=modules[0].share)
    return modules[1]


def find_violation(machine: type[AccountingMachine]) -> None:
    """Run a machine for about 500 orders; raise if it finds a violation."""
    run_state_machine_as_test(machine, settings=machine_settings(500))


def test_any_orders() -> None:
    """Conservation, average cost and the bound of rounding, against exact rationals."""
    find_violation(AccountingMachine)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *(pytest.param(*change, id=name) for name, change in FAULTS.items()),
        *(pytest.param(*change, id=name, marks=pytest.mark.ledger) for name, change in MORE_FAULTS.items()),
    ],
)
def test_planted_fault_is_noticed(old: str, new: str) -> None:
    """A machine that no fault stops would prove nothing."""

    class Faulty(AccountingMachine):
        accounting = planted(old, new)

    with pytest.raises((AssertionError, ArithmeticError)):
        find_violation(Faulty)


@pytest.mark.ledger
@pytest.mark.timeout(0)
def test_a_million_orders() -> None:
    """The same at length; prints how many orders were sent, and for how long."""
    began, before = time.monotonic(), AccountingMachine.sent
    run_state_machine_as_test(AccountingMachine, settings=machine_settings(STEPS))
    sent = AccountingMachine.sent - before
    sys.stderr.write(f"{sent:,} orders, {time.monotonic() - began:,.0f} s\n")
    assert sent >= STEPS
