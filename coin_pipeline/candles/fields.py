"""Building blocks of request models: shared field types, strict parsing and problem messages."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin

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
from coin_pipeline.candles.timeframe import TIMEFRAMES, parse_legacy_timeframe, parse_timeframe
from coin_pipeline.candles.timezones import parse_timezone
from coin_pipeline.errors import InvalidInput, InvalidSpec, Problem, coded, did_you_mean, validation_message

S = TypeVar("S")
T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)
MAX_SYMBOLS = 500
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(2261, 12, 31)  # the range of int64 nanoseconds since 1970
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def as_value_error(parse: Callable[[S], T], text: S) -> T:
    """Return `parse(text)`, raising its InvalidInput as a ValueError to which pydantic adds the field."""
    try:
        return parse(text)
    except InvalidInput as error:
        raise ValueError(error.problems[0].message) from None


def require_unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names.

    Raises:
        ValueError: Lists the names that occur more than once.
    """
    duplicates = {name for name in names if names.count(name) > 1}
    if duplicates:
        raise ValueError(coded("named_more_than_once", names=", ".join(sorted(duplicates))))
    return names


def parse_calendar_day(value: object) -> object:
    """Parse YYYY-MM-DD; pydantic by itself would also accept numbers, as seconds since 1970.

    Raises:
        ValueError: The value is not a date between FIRST_DAY and LAST_DAY.
    """
    day = value
    if isinstance(value, str) and _DAY.fullmatch(value):
        with suppress(ValueError):  # such as month 13
            day = date.fromisoformat(value)
    if not isinstance(day, date):
        raise ValueError(coded("not_a_day", value=str(value)[:40]))  # noqa: TRY004 -- pydantic reports ValueError with the field
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(coded("day_out_of_range", day=day, first=FIRST_DAY, last=LAST_DAY))
    return day


def _list_of(items: str, example: str) -> BeforeValidator:
    def check(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise ValueError(coded("not_a_list", items=items, example=example))  # noqa: TRY004 -- pydantic reports ValueError with the field
        if not value:
            raise ValueError(coded("empty_list", example=example))
        return value

    return BeforeValidator(check)


def _canonical_timeframe(text: str) -> str:
    return as_value_error(parse_timeframe, text).name


def _canonical_legacy_timeframe(text: str) -> str:
    return as_value_error(parse_legacy_timeframe, text).name


TIMEFRAME_NAMES = " ".join(TIMEFRAMES)
"""All timeframes, for help texts."""


Day = Annotated[date, BeforeValidator(parse_calendar_day)]
TimezoneName = Annotated[str, AfterValidator(lambda name: as_value_error(parse_timezone, name))]
TimeframeName = Annotated[
    str,
    AfterValidator(_canonical_timeframe),
    Field(description=f"Candle length: {TIMEFRAME_NAMES}."),
]
LegacyTimeframeName = Annotated[
    str,
    AfterValidator(_canonical_legacy_timeframe),
    Field(description=f"Candle length: {TIMEFRAME_NAMES}."),
]
"""Timeframe of a backtest request, in which `1M` is a minute."""
Symbols = Annotated[
    tuple[str, ...],
    Field(min_length=1, max_length=MAX_SYMBOLS, description="Markets, as BTC_KRW or Upbit's KRW-BTC."),
    AfterValidator(lambda names: require_unique(tuple(as_value_error(parse_symbol, name) for name in names))),
    _list_of("markets", "BTC_KRW"),
]
Timeframes = Annotated[
    tuple[TimeframeName, ...],
    Field(min_length=1, description=f"Candle lengths: {TIMEFRAME_NAMES}."),
    AfterValidator(require_unique),
    _list_of("timeframes", "1d"),
]


class RequestModel(BaseModel):
    """Base of request models: frozen; rejects unknown fields and suggests the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="wrap")
    @classmethod
    def _suggest_fields(cls, value: object, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(value)
        except ValidationError as error:
            details = [_with_suggestion(detail, list(cls.model_fields)) for detail in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(error.title, details) from None


@dataclass(frozen=True, slots=True)
class PlainField:
    """A field of a request model without its constraints, as click and Dagster can declare it.

    Attributes:
        name: Name of the field.
        type: One of str, int, float, bool, date, list[str], dict[str, Any] or a Literal of strings.
        required: Whether the field has no default.
        default: Its default as a JSON value; None if required.
        description: One sentence for help texts.
    """

    name: str
    type: Any
    required: bool
    default: Any
    description: str


def plain_fields(model: type[RequestModel]) -> Iterator[PlainField]:
    """Yield the fields of a request model in their order, for front ends that are generated from it.

    >>> class Order(RequestModel):
    ...     symbols: Symbols
    ...     size: Annotated[float, Field(gt=0)] | None = Field(None, description="Fraction of the equity.")
    >>> for field in plain_fields(Order):
    ...     print(field.name, field.type, field.required, field.description)
    symbols list[str] True Markets, as BTC_KRW or Upbit's KRW-BTC.
    size <class 'float'> False Fraction of the equity.
    """
    for name, field in model.model_fields.items():
        default = None if field.is_required() else field.default
        json_default = default.value if isinstance(default, Enum) else default
        plain_type = _plain_type(field.annotation)
        yield PlainField(name, plain_type, field.is_required(), json_default, field.description or "")


def _plain_type(annotation: Any) -> Any:  # noqa: ANN401 -- annotations have no common type
    """Return an annotation without its constraints and without None."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _plain_type(args[0])
    if origin in {Union, UnionType}:
        (member,) = (arg for arg in args if arg is not NoneType)
        return _plain_type(member)
    if origin is tuple:
        return list[str]
    if origin is dict:
        return dict[str, Any]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return Literal[tuple(member.value for member in annotation)]
    return annotation


def to_problems(error: ValidationError) -> list[Problem]:
    """Convert a pydantic error to problems: the path of each field and one sentence."""
    return [
        Problem(".".join(map(str, detail["loc"])), validation_message(detail))
        for detail in error.errors(include_url=False)
    ]


def parse_fields(model: type[ModelT], fields: Mapping[str, Any]) -> ModelT:
    """Validate loose fields as a model.

    Raises:
        InvalidSpec: Names each invalid field.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidSpec(to_problems(error)) from None


def _with_suggestion(detail: ErrorDetails, known: Sequence[str]) -> InitErrorDetails:
    """Return an error detail unchanged, except that an unknown field suggests the nearest known one."""
    result = InitErrorDetails(type=detail["type"], loc=detail["loc"], input=detail["input"], ctx=detail.get("ctx", {}))
    if detail["type"] == "extra_forbidden":
        hint = did_you_mean(str(detail["loc"][0]), known, cutoff=0.6)
        message = coded("unknown_field", hint=hint)
        result["type"] = PydanticCustomError("extra_forbidden", str(message), {"error": ValueError(message)})
    return result
