"""What is to be backtested: the request as people write it, and the frozen spec that it resolves to."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from coin_pipeline.engine.fills import Costs, Fill
from coin_pipeline.errors import InvalidInput, InvalidSpec, Problem, plain
from coin_pipeline.market.symbol import parse_symbol
from coin_pipeline.market.timeframe import Timeframe, parse_timeframe
from coin_pipeline.strategies.registry import StrategyRegistry

T = TypeVar("T")
MAX_SYMBOLS = 500
MAX_PARAMS = 100
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(2261, 12, 31)  # what nanoseconds since 1970 can hold
Rate = Annotated[float, Field(ge=0, le=0.1, allow_inf_nan=False, strict=True)]
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


class BacktestSpec(BacktestRequest):
    """A request whose strategy exists and whose params are complete and valid; its digest names it."""

    @property
    def costs(self) -> Costs:
        """Fee and slippage rates of each leg."""
        return Costs(self.fee_rate, self.slippage_rate)

    @property
    def candle_length(self) -> Timeframe:
        """The parsed timeframe."""
        return parse_timeframe(self.timeframe)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON form: equal for equal backtests, whatever defaults were left out."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def resolve(request: BacktestRequest, registry: StrategyRegistry) -> BacktestSpec:
    """Complete `request` with its strategy's defaults.

    Raises:
        UnknownStrategy: nobody registered the name.
        InvalidParams: the strategy's schema refuses the params.
    """
    params = registry.resolve(request.strategy, request.params)
    return BacktestSpec(**{**request.model_dump(), "params": params.model_dump(mode="json")})


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
        Problem(".".join(map(str, found["loc"])), plain(found["msg"]))
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _as_value_error(parse: Callable[[str], T], text: str) -> T:
    """Let pydantic add the field to what `parse` complains about."""
    try:
        return parse(text)
    except InvalidInput as error:
        raise ValueError(error.problems[0].message) from None
