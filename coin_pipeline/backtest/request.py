"""The request fields of a backtest: the one definition behind the API, the command line and the Dagster Launchpad.

Importing this module loads neither numba nor Dagster, so that command-line help stays fast.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from coin_pipeline.candles.coverage import MIN_KNOWN_RATIO
from coin_pipeline.candles.fields import (
    MAX_SYMBOLS,
    Day,
    LegacyTimeframeName,
    RequestModel,
    Symbols,
    TimezoneName,
    parse_fields,
)
from coin_pipeline.candles.timeframe import SEOUL
from coin_pipeline.engine.execution import DEFAULT_FEE_RATE, DEFAULT_SLIPPAGE_RATE, Fill
from coin_pipeline.errors import coded

MAX_PARAMS = 100
MIN_FRACTION = 1e-6
"""Smallest stop, target or position size: a smaller one is below the rounding of prices and of money."""
MIN_CASH, MAX_MONEY = 1e-8, 1e15
"""Smallest initial cash, one satoshi, and largest amount of money; in between, no order is rounded to 0 or infinity."""
EXAMPLE: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "params": {"volume_window": 20},
    "symbols": ["BTC_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
}
"""A request in the OpenAPI document."""
Rate = Annotated[float, Field(ge=0, le=0.1, allow_inf_nan=False, strict=True)]
LossFraction = Annotated[float, Field(ge=MIN_FRACTION, le=1 - MIN_FRACTION, allow_inf_nan=False, strict=True)]
GainFraction = Annotated[float, Field(ge=MIN_FRACTION, le=100, allow_inf_nan=False, strict=True)]
Amount = Annotated[float, Field(ge=0, le=MAX_MONEY, allow_inf_nan=False, strict=True)]


StrategyName = Annotated[str, Field(min_length=1, max_length=100, description="Name of a registered strategy.")]
Params = Annotated[
    dict[str, Any],
    Field(max_length=MAX_PARAMS, description="Strategy parameters; omitted ones take the strategy's defaults."),
]
FeeRate = Annotated[Rate, Field(description="Fee of each leg, as a fraction of the traded value.")]
SlippageRate = Annotated[Rate, Field(description="Slippage of each leg, as a fraction of the price.")]
StopLoss = Annotated[
    LossFraction | None, Field(description="Sell at this fraction below the entry price, such as 0.05.")
]
TakeProfit = Annotated[
    GainFraction | None, Field(description="Sell at this fraction above the entry price, such as 0.1.")
]
TrailingStop = Annotated[
    LossFraction | None, Field(description="Sell at this fraction below the highest price since entry.")
]
PositionSize = Annotated[float, Field(ge=MIN_FRACTION, le=1, allow_inf_nan=False, strict=True)]
InitialCash = Annotated[
    Annotated[float, Field(ge=MIN_CASH, le=MAX_MONEY, allow_inf_nan=False, strict=True)] | None,
    Field(
        description="Starting cash of the account, in the quote currency of the market; defaults to 10,000,000 in"
        " KRW, 1 in BTC, 10 in ETH and 10,000 in others."
    ),
]
MinOrder = Annotated[
    Amount,
    Field(
        description="Smallest buy order to place, in the quote currency of the market; Upbit requires 5000 KRW,"
        " 0.00005 BTC or 0.5 USDT."
    ),
]
WarmUpMode = Literal["auto", "none"]


class BacktestRequest(RequestModel):
    """A backtest as submitted over HTTP, from the command line or from the Dagster UI."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    strategy: StrategyName
    params: Params = {}  # noqa: RUF012 -- pydantic copies it
    symbols: Symbols
    start_date: Annotated[Day, Field(description="First calendar day in the time zone, YYYY-MM-DD.")]
    end_date: Annotated[Day, Field(description="Last calendar day in the time zone, YYYY-MM-DD, inclusive.")]
    timeframe: LegacyTimeframeName = "1d"
    fill: Annotated[
        Fill,
        Field(
            description="next_open fills orders at the open of the next bar; signal_close is the event study of the"
            " legacy platform."
        ),
    ] = Fill.NEXT_OPEN
    fee_rate: FeeRate = DEFAULT_FEE_RATE
    slippage_rate: SlippageRate = DEFAULT_SLIPPAGE_RATE
    stop_loss: StopLoss = None
    take_profit: TakeProfit = None
    trailing_stop: TrailingStop = None
    position_size: Annotated[
        PositionSize | None,
        Field(description="Fraction of the equity spent on an entry; defaults to 1, or to 1/max_positions if given."),
    ] = None
    max_positions: Annotated[
        Annotated[int, Field(ge=1, le=MAX_SYMBOLS, strict=True)] | None,
        Field(
            description="Trade all symbols from one cash account with at most this many open positions; by default,"
            " each symbol has its own account."
        ),
    ] = None
    initial_cash: InitialCash = None
    min_order: MinOrder = 0.0
    tick_sizes: Annotated[
        Literal["none", "upbit"],
        Field(description="Exchange whose price ticks fills are rounded to, against the trader."),
    ] = "none"
    warm_up: Annotated[
        WarmUpMode,
        Field(
            description="auto lets the strategy read stored candles before start_date, so that its first decision can"
            " fall on the first candle of the range; none reads only the range."
        ),
    ] = "auto"
    timezone: Annotated[
        TimezoneName,
        Field(description="Time zone of start_date and end_date, an IANA name such as Asia/Seoul or UTC."),
    ] = SEOUL
    # Admission of a run does not affect what it computes: excluded from every dump, this field changes no digest.
    min_coverage: Annotated[
        Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)],
        Field(
            exclude=True,
            description="Reject symbols with a smaller fraction of known candles, which are stored, or were fetched"
            " and had no trades; 0 accepts any.",
        ),
    ] = MIN_KNOWN_RATIO

    @field_validator("end_date")
    @classmethod
    def _in_order(cls, end: date, known: ValidationInfo) -> date:
        start = known.data.get("start_date")
        if start and end < start:
            raise ValueError(coded("end_before_start", end=end, field="start_date", start=start))
        return end

    @field_validator("position_size", "max_positions", "min_order")
    @classmethod
    def _require_account(cls, value: float | None, known: ValidationInfo) -> float | None:
        if value and known.data.get("fill") is Fill.SIGNAL_CLOSE:
            raise ValueError(coded("orders_need_account" if known.field_name == "min_order" else "needs_account"))
        return value


def parse_request(fields: Mapping[str, Any]) -> BacktestRequest:
    """Validate loose fields as a request.

    Fields of a stored spec need `spec.complete_stored_spec` first: a field that it lacks has the old meaning.

    Raises:
        InvalidSpec: Names each invalid field.
    """
    return parse_fields(BacktestRequest, fields)
