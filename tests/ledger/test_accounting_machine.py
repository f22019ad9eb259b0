"""Any sequence of orders keeps the accounting exact; a planted fault is noticed."""

import pytest

from coin_pipeline.ledger import accounting, amounts
from tests.ledger.faults import plant
from tests.ledger.machine import STEPS, AccountingMachine, run_machine

FAULTS = {
    "share rounded to nearest": ("// whole).scaleb", "/ whole).to_integral_value().scaleb"),
    "share with 17 decimals": ("scaleb(MAX_DECIMALS) // whole).scaleb(-MAX_", "scaleb(17) // whole).scaleb(1 - MAX_"),
    "arithmetic of 28 digits": ("prec=150, traps=[Inexact, ", "prec=28, traps=["),
    "fee of the exit leg only": ("fee=exit_fee + fee", "fee=exit_fee"),
    "entry fee not paid": ("Postings(-sign * value - fee", "Postings(-sign * value"),
    "over-exit by a unit": ("leg.quantity > self.quantity:", "leg.quantity > self.quantity + Decimal('1e-18'):"),
}  # fmt: skip
"""Changes of the code, by what they do."""
MORE_FAULTS = {
    "remainder in a closed position": ("if part == whole:", "if False:"),
    "fee of the entry leg only": ("fee=exit_fee + fee", "fee=fee"),
    "slippage of the exit leg only": ("slippage=exit_slippage + slippage", "slippage=exit_slippage"),
    "fee of the price before slippage": ("self.quantity * self.effective_price", "self.quantity * self.price"),
    "slippage in favor of a seller": ("1 + self.side.sign * self.slippage_rate", "1 + self.slippage_rate"),
    "exit fee not paid": ("cash=sign * exit_value - exit_fee", "cash=sign * exit_value"),
    "result of a short position as of a long one": ("income=sign * (value", "income=(value"),
    "value of an entry not added": ("quantity, self.value + value,", "quantity, value,"),
    "earlier results forgotten": ("self.realized.plus(postings.settled)", "postings.settled"),
    "complete exit refused": ("leg.quantity > self.quantity:", "leg.quantity >= self.quantity:"),
    "no largest position": ("if quantity > MAX_VALUE:", "if False:"),
}


def test_any_orders() -> None:
    """Conservation, average cost and the bound of rounding, against exact rationals."""
    run_machine(AccountingMachine, 500)


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
        accounting = plant(old, new, amounts, accounting)[1]

    with pytest.raises((AssertionError, ArithmeticError)):
        run_machine(Faulty, 500)


@pytest.mark.ledger
@pytest.mark.timeout(0)
def test_a_million_orders() -> None:
    """The same at length."""
    run_machine(AccountingMachine, STEPS)
