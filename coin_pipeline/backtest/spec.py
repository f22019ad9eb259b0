"""What is to be backtested: the request as people write it, and the frozen spec that it resolves to."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from coin_pipeline.backtest.fingerprint import digest_of
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.exits import Stops
from coin_pipeline.engine.fills import Costs, Fill
from coin_pipeline.engine.shared import SharedRules
from coin_pipeline.engine.ticks import Ticks
from coin_pipeline.errors import InvalidInput, InvalidSpec, Problem, nearest, plain
from coin_pipeline.market.coverage import ENOUGH
from coin_pipeline.market.symbol import parse_symbol
from coin_pipeline.market.timeframe import Timeframe, parse_timeframe
from coin_pipeline.strategies.registry import StrategyRegistry

T = TypeVar("T")
MAX_SYMBOLS = 500
MAX_PARAMS = 100
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(2261, 12, 31)  # what nanoseconds since 1970 can hold
Rate = Annotated[float, Field(ge=0, le=0.1, allow_inf_nan=False, strict=True)]
Fall = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False, strict=True)]
Rise = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False, strict=True)]
Money = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False, strict=True)]
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class BacktestRequest(BaseModel):
    """A backtest as submitted over HTTP, from the command line or from the Dagster UI."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: Annotated[str, Field(min_length=1, max_length=100, description="Name of a registered strategy.")]
    params: Annotated[
        dict[str, Any],
        Field(max_length=MAX_PARAMS, description="Parameters of the strategy; the rest takes its defaults."),
    ] = {}
    symbols: Annotated[
        tuple[str, ...],
        Field(min_length=1, max_length=MAX_SYMBOLS, description="Markets: BTC_KRW, or Upbit's KRW-BTC."),
    ]
    start_date: Annotated[date, Field(description="First calendar day in Asia/Seoul.")]
    end_date: Annotated[date, Field(description="Last calendar day in Asia/Seoul, included whole.")]
    timeframe: Annotated[str, Field(description="Length of a candle: 1m 3m 5m 10m 15m 30m 1h 4h 1d 1w.")] = "1d"
    fill: Annotated[Fill, Field(description="next_open, or signal_close (the event study of the older platform).")] = (
        Fill.NEXT_OPEN
    )
    fee_rate: Annotated[Rate, Field(description="Share of the traded value, each leg.")] = 0.001
    slippage_rate: Annotated[Rate, Field(description="Share of the price, each leg.")] = 0.0002
    stop_loss: Annotated[Fall | None, Field(description="Sell this fraction below the entry price.")] = None
    take_profit: Annotated[Rise | None, Field(description="Sell this fraction above the entry price.")] = None
    trailing_stop: Annotated[
        Fall | None, Field(description="Sell this fraction below the highest price since entry.")
    ] = None
    position_size: Annotated[
        Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)] | None,
        Field(description="Share of the equity that an entry spends: all, or one in max_positions, if not given."),
    ] = None
    max_positions: Annotated[
        Annotated[int, Field(ge=1, le=MAX_SYMBOLS, strict=True)] | None,
        Field(description="Trade all symbols from one cash account, at most so many at a time; else each its own."),
    ] = None
    initial_cash: Annotated[Money, Field(gt=0, description="What the account starts with, KRW.")] = 10_000_000.0
    min_order: Annotated[Money, Field(description="Smallest buy that is placed, KRW; Upbit takes 5000 and more.")] = 0.0
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

    @model_validator(mode="wrap")
    @classmethod
    def _known_fields(cls, value: object, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Say of an unknown field which one may have been meant, wherever the request comes from."""
        try:
            return validate(value)
        except ValidationError as error:
            found = [_explained(each, list(cls.model_fields)) for each in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(error.title, found) from None

    @field_validator("symbols", mode="before")
    @classmethod
    def _a_list(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            msg = 'must be a list of markets, such as ["BTC_KRW"]'
            raise ValueError(msg)  # noqa: TRY004 -- pydantic reports ValueError with the field
        return value

    @field_validator("symbols")
    @classmethod
    def _markets(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        symbols = tuple(_as_value_error(parse_symbol, name) for name in names)
        twice = {symbol for symbol in symbols if symbols.count(symbol) > 1}
        if twice:
            msg = f"named more than once: {', '.join(sorted(twice))}"
            raise ValueError(msg)
        return symbols

    @field_validator("timeframe")
    @classmethod
    def _known_timeframe(cls, text: str) -> str:
        return _as_value_error(parse_timeframe, text).name

    @field_validator("start_date", "end_date", mode="before")
    @classmethod
    def _calendar_day(cls, value: object) -> object:
        # Pydantic alone would also take numbers, as seconds since 1970.
        day = value
        if isinstance(value, str) and _DAY.fullmatch(value):
            day = date.fromisoformat(value)
        if not isinstance(day, date):
            msg = f"{str(value)[:40]!r} is not a day; write YYYY-MM-DD"
            raise ValueError(msg)  # noqa: TRY004 -- pydantic reports ValueError with the field
        if not FIRST_DAY <= day <= LAST_DAY:
            msg = f"{day} is not between {FIRST_DAY} and {LAST_DAY}"
            raise ValueError(msg)
        return day

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
        raise InvalidSpec(problems_of(error)) from None


def problems_of(error: ValidationError) -> list[Problem]:
    """Turn pydantic's findings into ours: the field's path and one sentence."""
    return [
        Problem(".".join(map(str, found["loc"])), plain(found["msg"], found["input"]))
        for found in error.errors(include_url=False, include_context=False)
    ]


def _explained(found: ErrorDetails, known: Sequence[str]) -> InitErrorDetails:
    """Return pydantic's finding as it was, but for an unknown field."""
    again = InitErrorDetails(type=found["type"], loc=found["loc"], input=found["input"], ctx=found.get("ctx", {}))
    if found["type"] == "extra_forbidden":
        hint = nearest(str(found["loc"][0]), known, alike=0.6)
        again["type"] = PydanticCustomError("extra_forbidden", f"is not a field of this request{hint}")
    return again


def _as_value_error(parse: Callable[[str], T], text: str) -> T:
    """Let pydantic add the field to what `parse` complains about."""
    try:
        return parse(text)
    except InvalidInput as error:
        raise ValueError(error.problems[0].message) from None
