"""Causes of a difference between a forward test and its backtest, in the order in which they are substituted."""

from enum import StrEnum


class Cause(StrEnum):
    """Why a forward test and the backtest of its period differ; members are in the order of substitution.

    The order runs from what decides a trade to what it costs: a decision exists before it has a price, and a price
    before it has a fee. An effect that two causes share goes to the earlier one.
    """

    PARAMS_CHANGED = "params_changed"
    CODE_CHANGED = "code_changed"
    CANDLE_REVISED = "candle_revised"
    CANDLE_MISSING = "candle_missing"
    GAP = "gap"
    LATE_DECISION = "late_decision"
    PRICE = "price"
    FEE = "fee"
    ROUNDING = "rounding"
    OTHER_BOOKING = "other_booking"

    @property
    def label(self) -> str:
        """Name in tables."""
        return _TEXTS[self][0]

    @property
    def meaning(self) -> str:
        """What happened, in one sentence."""
        return _TEXTS[self][1]


_TEXTS = {
    Cause.PARAMS_CHANGED: (
        "Params changed",
        "Decisions made with other parameters than those that the spec has now.",
    ),
    Cause.CODE_CHANGED: (
        "Code changed",
        "Decisions made by other code of the strategy or the engine than that on disk now.",
    ),
    Cause.CANDLE_REVISED: (
        "Candle revised",
        "Candles whose stored values changed after a decision was made with them.",
    ),
    Cause.CANDLE_MISSING: (
        "Candle missing",
        "Candles that are stored now, but were not when the candle after them was decided.",
    ),
    Cause.GAP: ("Gap", "Candles that are stored neither then nor now; both sides skip them, so they cost nothing."),
    Cause.LATE_DECISION: (
        "Late decision",
        "Decisions made after their fill was due. They are booked at it all the same, so they cost nothing here.",
    ),
    Cause.PRICE: ("Price", "Orders booked at another price than the open, or the stop level, of their candle."),
    Cause.FEE: ("Fee or slippage", "Orders booked with another fee or slippage rate than that of the test."),
    Cause.ROUNDING: ("Rounding", "Quantities are rounded down to 8 decimals; the backtest does not round."),
    Cause.OTHER_BOOKING: ("Other booking", "Orders in the book of the test that the test did not place."),
}
