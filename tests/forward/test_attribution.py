"""Attribution of a difference in profit: amounts add up to it exactly, and a single fault gets all of it."""

from collections.abc import Callable
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.forward.account import OtherOrder
from coin_pipeline.forward.drift.causes import Cause
from coin_pipeline.forward.records import Choice
from coin_pipeline.ledger.accounting import Leg, Side
from coin_pipeline.ledger.amounts import EXACT
from tests.forward.drift_cases import HOUR, Case, round_trips

PRICES = st.integers(5_000, 20_000).map(lambda price: price / 100)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A market of 4 to 14 hours with any decisions."""
    prices = draw(st.lists(PRICES, min_size=4, max_size=14))
    return round_trips(prices, draw(st.text("ex.", min_size=len(prices), max_size=len(prices))))


def flip(case: Case, time: int, **fields: str) -> None:
    """Record another choice than that of today."""
    choice = case.recorded[time].choice
    case.record(time, choice=Choice(not choice.entry, not choice.exit), **fields)


def params_changed(case: Case, time: int) -> None:
    """Plant a decision of other params."""
    flip(case, time, params_sha256="other")


def code_changed(case: Case, time: int) -> None:
    """Plant a decision of other code."""
    flip(case, time, code_sha256="other")


def candle_revised(case: Case, time: int) -> None:
    """Plant a candle that was 10 % higher, with another decision on it."""
    opened, high, low, close, volume = case.recorded[time].candle
    case.record(time, candle=(1.1 * opened, 1.1 * high, 1.1 * low, 1.1 * close, volume))
    flip(case, time)


def candle_missing(case: Case, time: int) -> None:
    """Plant a candle that was not stored then, unless it is the first or the last."""
    if 0 < time < max(case.recorded):
        case.drop(time)


def price(case: Case, time: int) -> None:
    """Plant another price of the first order from a candle on."""
    case.prices |= {moment: leg.price * 2 for moment, leg in [*case.due().items()][:1] if moment[0] >= time}


def fee(case: Case, time: int) -> None:
    """Plant another fee of the first order from a candle on."""
    case.rates |= {moment: Decimal("0.05") for moment in [*case.due()][:1] if moment[0] >= time}


def other_booking(case: Case, time: int) -> None:
    """Plant a sale of half of the position before a candle, in place of one planted before."""
    case.others = {}
    held = sum(leg.side.sign * leg.quantity for (at, _), leg in case.booked().own.items() if at < time)
    if held:
        leg = Leg(Side.SELL, round(held / 2, 8), Decimal(70), Decimal("0.001"), Decimal("0.0002"))
        case.others = {time: [OtherOrder(1, leg)]}


FAULTS = {
    plant.__name__: plant
    for plant in (params_changed, code_changed, candle_revised, candle_missing, price, fee, other_booking)
}


def total(case: Case) -> Decimal:
    """Return the sum of all amounts."""
    with localcontext(EXACT):
        return sum((amount.amount for amount in case.amounts().values()), Decimal(0))


@settings(deadline=None, max_examples=50)  # the first call compiles
@given(cases(), st.lists(st.tuples(st.sampled_from([*FAULTS.values()]), st.integers(0, 13)), max_size=5))
def test_amounts_add_up_to_the_difference(case: Case, faults: list[tuple[Callable[[Case, int], None], int]]) -> None:
    """Whatever is planted, nothing of the difference between the ledger and the model remains."""
    order = [*FAULTS.values()]
    for plant, hour in sorted(faults, key=lambda fault: order.index(fault[0])):
        if hour * HOUR in case.recorded:
            plant(case, hour * HOUR)
    with localcontext(EXACT):
        assert total(case) == case.profit() - case.backtest()


@pytest.mark.parametrize("name", FAULTS)
@settings(deadline=None, max_examples=25)
@given(cases(), st.integers(0, 13))
def test_a_single_fault_gets_all(name: str, case: Case, hour: int) -> None:
    """All of the difference but the rounding is that of the one fault."""
    if hour * HOUR in case.recorded:
        FAULTS[name](case, hour * HOUR)
    amounts = case.amounts()
    rest = {cause: amount.amount for cause, amount in amounts.items() if amount.amount and cause != Cause.ROUNDING}
    assert set(rest) <= {name}
    with localcontext(EXACT):
        rounding = amounts[Cause.ROUNDING].amount
        assert rest.get(Cause(name), Decimal(0)) == case.profit() - case.backtest() - rounding


def test_amounts_by_hand() -> None:
    """A position of 10,000,000 KRW bought at 100, and sold at 110, of which one fault changes one figure."""
    quantity = Decimal(10_000_000) / (Decimal(100) * Decimal("1.0002") * Decimal("1.001"))
    received = Decimal("0.9998") * Decimal("0.999")

    missed = round_trips([100, 100, 110, 110], "e.x.")  # forward sold at 110, or later at another price
    missed.prices = {(3 * HOUR, "exit"): Decimal(108)}
    expected = -2 * quantity * received
    assert float(missed.amounts()[Cause.PRICE].amount) == pytest.approx(float(expected), abs=1e-3)

    dear = round_trips([100, 100, 110, 110], "e.x.")
    dear.rates = {(HOUR, "enter"): Decimal("0.003")}
    expected = quantity * (Decimal("1.001") / Decimal("1.003") - 1) * 110 * received
    assert float(dear.amounts()[Cause.FEE].amount) == pytest.approx(float(expected), abs=1e-3)

    absent = round_trips([100, 100, 110, 130, 120], "e.x..")  # the exit decided at the close of 110 was not recorded
    absent.drop(2 * HOUR)
    amounts = absent.amounts()
    expected = (120 - 130) * quantity * received
    assert float(amounts[Cause.CANDLE_MISSING].amount) == pytest.approx(float(expected), abs=1e-3)
    assert amounts[Cause.CANDLE_MISSING].times == (2 * HOUR,)


def test_causes_of_decisions() -> None:
    """Revised and missing candles before the same decision are distinguished by deciding once more."""
    case = round_trips([100, 101, 102, 103, 104, 105], "......")
    candle_revised(case, HOUR)
    case.drop(3 * HOUR)
    flip(case, 4 * HOUR)
    compared = case.compare()
    causes = {difference.recorded.bar_time: difference.cause for difference in compared.differences}
    assert causes == {HOUR: Cause.CANDLE_REVISED, 4 * HOUR: Cause.CANDLE_MISSING}
    assert (compared.revised, compared.missing, compared.gaps) == ((HOUR,), (3 * HOUR,), ())


def test_a_difference_without_a_cause_is_left_to_the_residual() -> None:
    """Another decision with the same params, code and candles has no cause, and its money is unexplained."""
    case = round_trips([100, 101, 120, 103, 104, 105], "e.x...")
    flip(case, 3 * HOUR)
    (difference,) = case.compare().differences
    assert difference.cause is None
    assert total(case) != case.profit() - case.backtest()


def test_gaps_cost_nothing() -> None:
    """Candles that are stored neither then nor now are listed with amount 0."""
    case = round_trips([100, 101, 120, 103, 104, 105], "e.x...")
    del case.candles[HOUR]
    case.drop(HOUR)
    gap = case.amounts()[Cause.GAP]
    assert (gap.amount, gap.times) == (0, (HOUR,))
