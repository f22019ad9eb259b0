"""Any sequence of orders keeps the accounting exact; a planted fault is noticed."""

import pytest

from coin_pipeline.ledger import accounting, amounts
from tests.ledger.faults import plant
from tests.ledger.machine import STEPS, AccountingMachine, run_machine

SHARE = "amount * part // (whole * MIN_VALUE) * MIN_VALUE"
FAULTS = {
    "share rounded to nearest": (
        SHARE,
        "(2 * amount * part // (whole * MIN_VALUE) + 1) // 2 * MIN_VALUE",
    ),
    "share with 17 decimals": (SHARE, "amount * part // (10 * whole * MIN_VALUE) * 10 * MIN_VALUE"),
    "arithmetic of 28 digits": ("prec=150, traps=[Inexact, ", "prec=28, traps=["),
    "fee of the exit leg only": ("exit_fee + fee", "exit_fee"),
    "entry fee not paid": ("Postings(-sign * value - fee", "Postings(-sign * value"),
    "over-exit by a unit": ("leg.quantity > self.quantity:", "leg.quantity > self.quantity + Decimal('1e-18'):"),
}
"""Changes of the code, by what they do."""
MORE_FAULTS = {
    "remainder in a closed position": ("if part == whole:", "if False:"),
    "fee of the entry leg only": ("exit_fee + fee", "fee"),
    "slippage of the exit leg only": ("exit_slippage + slippage)", "exit_slippage)"),
    "fee of the price before slippage": (
        "(value + self.side.sign * slippage) * self.fee_rate",
        "value * self.fee_rate",
    ),
    "slippage in favor of a seller": ("(value + self.side.sign * slippage) *", "(value + slippage) *"),
    "exit fee not paid": ("cash = sign * exit_value - exit_fee", "cash = sign * exit_value"),
    "result of a short position as of a long one": ("Result(sign * (exit_value", "Result((exit_value"),
    "value of an entry not added": ("quantity, self.value + value,", "quantity, value,"),
    "earlier results forgotten": ("self.realized.plus(settled)", "settled"),
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
