"""What requests share: fields that name markets, timeframes and calendar days, and how a wrong one is told."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from typing import Annotated, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.errors import InvalidInput, Problem, did_you_mean, format_validation_message

T = TypeVar("T")
MAX_SYMBOLS = 500
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(2261, 12, 31)  # what nanoseconds since 1970 can hold
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def as_value_error(parse: Callable[[str], T], text: str) -> T:
    """Let pydantic add the field to what `parse` complains about."""
    try:
        return parse(text)
    except InvalidInput as error:
        raise ValueError(error.problems[0].message) from None


def require_unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list that names something twice."""
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        msg = f"named more than once: {', '.join(sorted(twice))}"
        raise ValueError(msg)
    return names


def parse_calendar_day(value: object) -> object:
    """Read YYYY-MM-DD; pydantic alone would also take numbers, as seconds since 1970."""
    day = value
    if isinstance(value, str) and _DAY.fullmatch(value):
        with suppress(ValueError):  # of a 13th month, say
            day = date.fromisoformat(value)
    if not isinstance(day, date):
        msg = f"{str(value)[:40]!r} is not a day; write YYYY-MM-DD"
        raise ValueError(msg)  # noqa: TRY004 -- pydantic reports ValueError with the field
    if not FIRST_DAY <= day <= LAST_DAY:
        msg = f"{day} is not between {FIRST_DAY} and {LAST_DAY}"
        raise ValueError(msg)
    return day


def _list_of(what: str, example: str) -> BeforeValidator:
    def check(value: object) -> object:
        if not isinstance(value, list | tuple):
            msg = f'must be a list of {what}, such as ["{example}"]'
            raise ValueError(msg)  # noqa: TRY004 -- pydantic reports ValueError with the field
        return value

    return BeforeValidator(check)


def _canonical_timeframe(text: str) -> str:
    return as_value_error(parse_timeframe, text).name


Day = Annotated[date, BeforeValidator(parse_calendar_day)]
TimeframeName = Annotated[
    str,
    AfterValidator(_canonical_timeframe),
    Field(description="Length of a candle: 1m 3m 5m 10m 15m 30m 1h 4h 1d 1w."),
]
Symbols = Annotated[
    tuple[str, ...],
    Field(min_length=1, max_length=MAX_SYMBOLS, description="Markets: BTC_KRW, or Upbit's KRW-BTC."),
    AfterValidator(lambda names: require_unique(tuple(as_value_error(parse_symbol, name) for name in names))),
    _list_of("markets", "BTC_KRW"),
]
Timeframes = Annotated[
    tuple[TimeframeName, ...],
    Field(min_length=1, description="Lengths of candles: 1m 3m 5m 10m 15m 30m 1h 4h 1d 1w."),
    AfterValidator(require_unique),
    _list_of("timeframes", "1d"),
]


class RequestModel(BaseModel):
    """What somebody asks for; a field that it has not is refused, and which one may have been meant is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="wrap")
    @classmethod
    def _known_fields(cls, value: object, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(value)
        except ValidationError as error:
            found = [_explained(each, list(cls.model_fields)) for each in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(error.title, found) from None


def to_problems(error: ValidationError) -> list[Problem]:
    """Turn pydantic's findings into ours: the field's path and one sentence."""
    return [
        Problem(".".join(map(str, found["loc"])), format_validation_message(found["msg"], found["input"]))
        for found in error.errors(include_url=False, include_context=False)
    ]


def _explained(found: ErrorDetails, known: Sequence[str]) -> InitErrorDetails:
    """Return pydantic's finding as it was, but for an unknown field."""
    again = InitErrorDetails(type=found["type"], loc=found["loc"], input=found["input"], ctx=found.get("ctx", {}))
    if found["type"] == "extra_forbidden":
        hint = did_you_mean(str(found["loc"][0]), known, alike=0.6)
        again["type"] = PydanticCustomError("extra_forbidden", f"is not a field of this request{hint}")
    return again
