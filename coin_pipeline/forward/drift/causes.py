"""Causes of a difference between a forward test and its backtest, in the order in which they are substituted."""

from collections.abc import Mapping
from enum import StrEnum

from coin_pipeline.languages import Text


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
    def label(self) -> Text:
        """Name in tables."""
        return _TEXTS[self][0]

    @property
    def meaning(self) -> Text:
        """What happened, in one sentence."""
        return _TEXTS[self][1]


_TEXTS: Mapping[Cause, tuple[Text, Text]] = {
    Cause.PARAMS_CHANGED: (
        Text("Params changed", "파라미터 변경"),
        Text(
            "Decisions made with other parameters than those that the spec has now.",
            "지금 설정과 다른 파라미터로 내린 결정입니다.",
        ),
    ),
    Cause.CODE_CHANGED: (
        Text("Code changed", "코드 변경"),
        Text(
            "Decisions made by other code of the strategy or the engine than that on disk now.",
            "지금 저장된 코드와 다른 전략 또는 엔진 코드로 내린 결정입니다.",
        ),
    ),
    Cause.CANDLE_REVISED: (
        Text("Candle revised", "캔들 수정"),
        Text(
            "Candles whose stored values changed after a decision was made with them.",
            "결정에 사용한 뒤 저장된 값이 바뀐 캔들입니다.",
        ),
    ),
    Cause.CANDLE_MISSING: (
        Text("Candle missing", "캔들 누락"),
        Text(
            "Candles that are stored now, but were not when the candle after them was decided.",
            "지금은 저장되어 있지만 다음 캔들을 결정할 때는 없던 캔들입니다.",
        ),
    ),
    Cause.GAP: (
        Text("Gap", "공백"),
        Text(
            "Candles that are stored neither then nor now; both sides skip them, so they cost nothing.",
            "그때도 지금도 저장되어 있지 않은 캔들입니다. 양쪽 모두 건너뛰므로 손익에 영향이 없습니다.",
        ),
    ),
    Cause.LATE_DECISION: (
        Text("Late decision", "지연된 결정"),
        Text(
            "Decisions made after their fill was due. They are booked at it all the same, so they cost nothing here.",
            "체결 예정 시각 이후에 내린 결정입니다. 그 체결가로 기장하므로 여기서는 손익에 영향이 없습니다.",
        ),
    ),
    Cause.PRICE: (
        Text("Price", "체결가"),
        Text(
            "Orders booked at another price than the open, or the stop level, of their candle.",
            "캔들의 시가나 손절·익절 가격과 다른 가격으로 기장된 주문입니다.",
        ),
    ),
    Cause.FEE: (
        Text("Fee or slippage", "수수료·슬리피지"),
        Text(
            "Orders booked with another fee or slippage rate than that of the test.",
            "테스트 설정과 다른 수수료율이나 슬리피지율로 기장된 주문입니다.",
        ),
    ),
    Cause.ROUNDING: (
        Text("Rounding", "수량 내림"),
        Text(
            "Quantities are rounded down to 8 decimals; the backtest does not round.",
            "수량을 소수점 이하 8자리로 내림합니다. 백테스트는 내림하지 않습니다.",
        ),
    ),
    Cause.OTHER_BOOKING: (
        Text("Other booking", "기타 기장"),
        Text(
            "Orders in the book of the test that the test did not place.",
            "테스트가 내지 않았지만 테스트의 장부에 기록된 주문입니다.",
        ),
    ),
}
