"""Messages of errors that keep their code and values, from which pages write them in their own words."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from string import Formatter
from typing import Any, Self
from zoneinfo import ZoneInfo

from coin_pipeline.errors.texts import ERRORS
from coin_pipeline.languages import Language, Sentence

Json = dict[str, Any]
_TIME = "time"
"""Format of a placeholder for an instant, which pages show in Seoul as all times."""
_SEOUL = ZoneInfo("Asia/Seoul")


class Coded(str):
    """The message of an error in English, as the API and the command line have it, with its code and values.

    Attributes:
        code: Key of its text in `ERRORS`.
        values: Values of the placeholders, which are JSON; one may be a `Coded` too.
    """

    __slots__ = ("code", "values")
    code: str
    values: Json

    def __new__(cls, text: str, code: str, values: Mapping[str, object]) -> Self:
        """Return the message; `coded` writes its text."""
        message = super().__new__(cls, text)
        message.code, message.values = code, {name: _plain(value) for name, value in values.items()}
        return message

    def __getnewargs__(self) -> tuple[str, str, Json]:  # type: ignore[override]
        """Return the arguments that recreate the message in another process."""
        return str(self), self.code, self.values

    def write(self, language: Language) -> str:
        """Return the message as pages show it.

        Raises:
            KeyError: The code or a value is unknown.

        >>> coded("decimals_exceeded", value="0.123", limit=2).write("en")
        '0.123 has more than 2 decimals; round it'
        """
        text = ERRORS[self.code]
        template = text.ko if language == "ko" else text.page or text.en
        return _Writer(language).vformat(template, (), self.values)

    def to_json(self) -> Json:
        """Return the message as it is stored and sent to other processes; `read_coded` reads it."""
        return {"text": str(self), "code": self.code, "values": {name: _to_json(v) for name, v in self.values.items()}}


def coded(code: str, **values: object) -> Coded:
    """Return the message of a code in English, as the API and the command line have it.

    Args:
        code: Key of the text in `ERRORS`.
        values: Values of its placeholders; a list is written with semicolons.

    >>> str(coded("decimals_exceeded", value="0.123", limit=2))
    '0.123 has more than 2 decimals; round it'
    """
    return Coded(_Writer(None).vformat(ERRORS[code].en, (), values), code, values)


def read_coded(stored: Any) -> Coded:  # noqa: ANN401 -- as JSON
    """Return a message of any release from its JSON."""
    return Coded(stored["text"], stored["code"], {name: _from_json(value) for name, value in stored["values"].items()})


def page_sentence(message: str, language: Language) -> Sentence:
    """Return a message as pages show it; unchanged in English if it has no code, or one of a later release."""
    if not isinstance(message, Coded):
        return Sentence(message, "en")
    try:
        return Sentence(message.write(language), language)
    except (LookupError, TypeError, ValueError):
        return Sentence(str(message), "en")


def plain_number(value: float) -> str:
    """Return a number without an exponent and without trailing zeros.

    >>> plain_number(1e-06), plain_number(1000000000000000000), plain_number(0.5)
    ('0.000001', '1000000000000000000', '0.5')
    """
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Writer(Formatter):
    """Fills placeholders in.

    Args:
        language: Language of messages among the values; numbers have no exponent, and times are in Seoul. None for the
            English of the API, where times are in UTC.
    """

    def __init__(self, language: Language | None) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 -- any value
        """Format a value.

        >>> _Writer("en").format("{low} and {high}", low=1e-06, high=10.0)
        '0.000001 and 10'
        >>> _Writer("en").format("opens at {time:time}", time="2024-01-01T00:00:00Z")
        'opens at 2024-01-01 09:00 KST'
        """
        if isinstance(value, list):
            return "; ".join(self.format_field(item, format_spec) for item in value)
        if format_spec == _TIME:
            return str(value) if self._language is None else _in_seoul(value)
        if self._language is None:
            return format(value, format_spec)
        if isinstance(value, Coded):
            return page_sentence(value, self._language).text
        if isinstance(value, float) and not format_spec:
            return plain_number(value)
        return format(value, format_spec)


def _in_seoul(instant: str) -> str:
    """Return an instant in ISO 8601 in Seoul, to the minute unless it has seconds."""
    time = datetime.fromisoformat(instant).astimezone(_SEOUL)
    return f"{f'{time:%Y-%m-%d %H:%M:%S}'.removesuffix(':00')} {time:%Z}"


def _to_json(value: Any) -> Any:  # noqa: ANN401 -- a JSON value
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    return value.to_json() if isinstance(value, Coded) else value


def _from_json(value: Any) -> Any:  # noqa: ANN401 -- a JSON value
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    return read_coded(value) if isinstance(value, dict) else value


def _plain(value: object) -> Any:  # noqa: ANN401 -- a JSON value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)
