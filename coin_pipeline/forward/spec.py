"""Request fields of a forward test, and the frozen spec that a request resolves to."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator

from coin_pipeline.backtest.request import (
    BacktestRequest,
    FeeRate,
    InitialCash,
    MinOrder,
    Params,
    PositionSize,
    SlippageRate,
    StopLoss,
    StrategyName,
    TakeProfit,
    TrailingStop,
    WarmUpMode,
)
from coin_pipeline.backtest.spec import BacktestSpec, resolve
from coin_pipeline.candles.exchanges.base import UPBIT
from coin_pipeline.candles.exchanges.registry import require_timeframe
from coin_pipeline.candles.fields import (
    Day,
    RequestModel,
    Symbols,
    TimeframeName,
    TimezoneName,
    as_value_error,
    parse_fields,
)
from coin_pipeline.candles.timeframe import SEOUL, Timeframe, parse_timeframe
from coin_pipeline.engine.execution import DEFAULT_FEE_RATE, DEFAULT_SLIPPAGE_RATE
from coin_pipeline.strategies.registry import StrategyRegistry

EXAMPLE: dict[str, Any] = {"strategy": "volume_zone_breakout", "symbols": ["BTC_KRW", "ETH_KRW"], "timeframe": "1h"}
_ONLY_FORWARD = frozenset({"start_date", "collect", "exchange"})
_ANY_DAY = date(2000, 1, 1)


class ForwardRequest(RequestModel):
    """A forward test as submitted over HTTP or from the command line: a strategy that trades on paper from now on.

    Decisions are filled at the next open, and each symbol has an account of its own.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    strategy: StrategyName
    params: Params = {}  # noqa: RUF012 -- pydantic copies it
    symbols: Symbols
    timeframe: TimeframeName = "1d"
    fee_rate: FeeRate = DEFAULT_FEE_RATE
    slippage_rate: SlippageRate = DEFAULT_SLIPPAGE_RATE
    stop_loss: StopLoss = None
    take_profit: TakeProfit = None
    trailing_stop: TrailingStop = None
    position_size: Annotated[PositionSize, Field(description="Fraction of the equity spent on an entry.")] = 1.0
    initial_cash: InitialCash = None
    min_order: MinOrder = 0.0
    warm_up: Annotated[
        WarmUpMode,
        Field(
            description="auto lets the strategy read the stored candles before the test, so that its first decision can"
            " fall on the first candle; none reads only the candles of the test."
        ),
    ] = "auto"
    timezone: Annotated[
        TimezoneName, Field(description="Time zone of start_date, an IANA name such as Asia/Seoul or UTC.")
    ] = SEOUL
    start_date: Annotated[
        Day | None,
        Field(
            description="First calendar day, YYYY-MM-DD; by default, the test starts with the candle that closes next."
            " Decisions on candles that have closed before are recorded as late."
        ),
    ] = None
    collect: Annotated[
        bool,
        Field(strict=True, description="Collect new candles from the exchange; false if they are imported instead."),
    ] = True
    exchange: Annotated[
        str, Field(min_length=1, max_length=40, description="Exchange from which candles are collected.")
    ] = UPBIT

    @field_validator("exchange")
    @classmethod
    def _has_timeframe(cls, exchange: str, known: Any) -> str:  # noqa: ANN401 -- pydantic's ValidationInfo
        if known.data.get("collect") and "timeframe" in known.data:
            fetched = parse_timeframe(parse_timeframe(known.data["timeframe"]).fetched_as)
            as_value_error(partial(require_timeframe, exchange), fetched)
        return exchange


class ForwardSpec(ForwardRequest):
    """A request whose strategy exists and whose parameters are complete and valid.

    `initial_cash` is None only if the symbols have several quote currencies, each with its own default.
    """

    def backtest_spec(self, start: date, end: date) -> BacktestSpec:
        """Return the backtest of this strategy over the days from `start` to `end`, both included."""
        return BacktestSpec(**self.model_dump(exclude=set(_ONLY_FORWARD)), start_date=start, end_date=end)

    @property
    def account_spec(self) -> BacktestSpec:
        """The backtest of any period, for costs, stops and sizing, which do not depend on it."""
        return self.backtest_spec(_ANY_DAY, _ANY_DAY)

    @property
    def candle_length(self) -> Timeframe:
        """The parsed timeframe."""
        return parse_timeframe(self.timeframe)


def parse_forward(fields: Mapping[str, Any]) -> ForwardRequest:
    """Validate loose fields as a request.

    Raises:
        InvalidSpec: Names each invalid field.
    """
    return parse_fields(ForwardRequest, fields)


def resolve_forward(request: ForwardRequest, registry: StrategyRegistry) -> ForwardSpec:
    """Return the spec of a request: its strategy's defaults and the initial cash filled in.

    Raises:
        UnknownStrategy: No strategy has this name.
        InvalidParams: The strategy's schema rejects the parameters.
    """
    fields = request.model_dump(exclude=set(_ONLY_FORWARD))
    backtest = resolve(BacktestRequest(**fields, start_date=_ANY_DAY, end_date=_ANY_DAY), registry)
    own = {"params": backtest.params, "initial_cash": backtest.initial_cash}
    return ForwardSpec(**{**request.model_dump(), **own})
