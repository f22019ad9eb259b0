"""What is to be backtested: the request as people write it, and the frozen spec that it resolves to."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from coin_pipeline.backtest.fingerprint import digest_of
from coin_pipeline.candles.coverage import ENOUGH
from coin_pipeline.candles.fields import MAX_SYMBOLS, Day, RequestModel, Symbols, TimeframeName, to_problems
from coin_pipeline.candles.timeframe import Timeframe, parse_timeframe
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.execution import Costs, Fill, Stops, Ticks
from coin_pipeline.engine.shared_account import SharedRules
from coin_pipeline.errors import InvalidSpec
from coin_pipeline.strategies.registry import StrategyRegistry

MAX_PARAMS = 100
Rate = Annotated[float, Field(ge=0, le=0.1, allow_inf_nan=False, strict=True)]
LossFraction = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False, strict=True)]
GainFraction = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False, strict=True)]
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False, strict=True)]


ResultArea = Literal["tasks", "results"]
"""`tasks` for what is submitted and polled (it expires), `results` for what is waited for (it is kept)."""
Times = tuple[datetime, datetime]
"""Start and end of a run."""


class BacktestRequest(RequestModel):
    """A backtest as submitted over HTTP, from the command line or from the Dagster UI."""

    strategy: Annotated[str, Field(min_length=1, max_length=100, description="Name of a registered strategy.")]
    params: Annotated[
        dict[str, Any],
        Field(max_length=MAX_PARAMS, description="Parameters of the strategy; the rest takes its defaults."),
    ] = {}  # noqa: RUF012 -- pydantic copies it
    symbols: Symbols
    start_date: Annotated[Day, Field(description="First calendar day in Asia/Seoul.")]
    end_date: Annotated[Day, Field(description="Last calendar day in Asia/Seoul, included whole.")]
    timeframe: TimeframeName = "1d"
    fill: Annotated[Fill, Field(description="next_open, or signal_close (the event study of the older platform).")] = (
        Fill.NEXT_OPEN
    )
    fee_rate: Annotated[Rate, Field(description="Share of the traded value, each leg.")] = 0.001
    slippage_rate: Annotated[Rate, Field(description="Share of the price, each leg.")] = 0.0002
    stop_loss: Annotated[LossFraction | None, Field(description="Sell this fraction below the entry price.")] = None
    take_profit: Annotated[GainFraction | None, Field(description="Sell this fraction above the entry price.")] = None
    trailing_stop: Annotated[
        LossFraction | None, Field(description="Sell this fraction below the highest price since entry.")
    ] = None
    position_size: Annotated[
        Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)] | None,
        Field(description="Share of the equity that an entry spends: all, or one in max_positions, if not given."),
    ] = None
    max_positions: Annotated[
        Annotated[int, Field(ge=1, le=MAX_SYMBOLS, strict=True)] | None,
        Field(description="Trade all symbols from one cash account, at most so many at a time; else each its own."),
    ] = None
    initial_cash: Annotated[Amount, Field(gt=0, description="What the account starts with, KRW.")] = 10_000_000.0
    min_order: Annotated[Amount, Field(description="Smallest buy that is placed, KRW; Upbit takes 5000 and more.")] = (
        0.0
    )
    tick_sizes: Annotated[
        Literal["none", "upbit"], Field(description="Whose price steps fills are moved to, against the trader.")
    ] = "none"
    # Whether a run is admitted is no part of what it computes: left out of every dump, it changes no digest.
    min_coverage: Annotated[
        Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)],
        Field(
            exclude=True,
            description="Refuse symbols of whose candles a smaller share is known: there, or fetched and not traded.",
        ),
    ] = ENOUGH

    @field_validator("end_date")
    @classmethod
    def _in_order(cls, end: date, known: ValidationInfo) -> date:
        start = known.data.get("start_date")
        if start and end < start:
            msg = f"{end} is before start_date {start}"
            raise ValueError(msg)
        return end

    @field_validator("position_size", "max_positions", "min_order")
    @classmethod
    def _of_an_account(cls, value: float | None, known: ValidationInfo) -> float | None:
        if value and known.data.get("fill") is Fill.SIGNAL_CLOSE:
            msg = (
                "signal_close is a study of every signal by itself, without an account; leave this out or use next_open"
            )
            raise ValueError(msg)
        return value


class BacktestSpec(BacktestRequest):
    """A request whose strategy exists and whose params are complete and valid; its digest names it."""

    @property
    def costs(self) -> Costs:
        """Fee, slippage and price steps of each leg."""
        return Costs(self.fee_rate, self.slippage_rate, None if self.tick_sizes == "none" else Ticks(self.tick_sizes))

    @property
    def stops(self) -> Stops:
        """Exits at a price."""
        return Stops(self.stop_loss, self.take_profit, self.trailing_stop)

    @property
    def sizing(self) -> Sizing:
        """How much of the account an entry takes."""
        return Sizing(self.position_size or 1.0, self.initial_cash, self.min_order)

    @property
    def shared(self) -> SharedRules | None:
        """Limits of the one account of all symbols; None where each has its own."""
        if self.max_positions is None:
            return None
        own = self.sizing
        return SharedRules(own.fraction, own.initial_cash, own.min_order, max_positions=self.max_positions)

    @property
    def candle_length(self) -> Timeframe:
        """The parsed timeframe."""
        return parse_timeframe(self.timeframe)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON form: equal for equal backtests, whatever defaults were left out."""
        return digest_of(self.model_dump(mode="json"))


def resolve(request: BacktestRequest, registry: StrategyRegistry) -> BacktestSpec:
    """Complete `request` with its strategy's defaults.

    Raises:
        UnknownStrategy: nobody registered the name.
        InvalidParams: the strategy's schema refuses the params.
    """
    params = registry.resolve(request.strategy, request.params)
    size = request.position_size
    if size is None and request.fill is Fill.NEXT_OPEN:
        size = 1 / (request.max_positions or 1)
    own = {"params": params.model_dump(mode="json"), "position_size": size, "min_coverage": request.min_coverage}
    return BacktestSpec(**{**request.model_dump(), **own})


def parse_request(fields: Mapping[str, Any]) -> BacktestRequest:
    """Build a request from loose fields.

    Raises:
        InvalidSpec: naming each field that is wrong.
    """
    try:
        return BacktestRequest.model_validate(fields)
    except ValidationError as error:
        raise InvalidSpec(to_problems(error)) from None
