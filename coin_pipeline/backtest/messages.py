"""Sentences of a result: warnings, and details of checks.

A document has each sentence in English, and next to it its code and values, from which pages write it in Korean too.
"""

from string import Formatter
from typing import Any, NamedTuple

from coin_pipeline.backtest.formatting import Json, pluralize
from coin_pipeline.backtest.labels import FIGURES, format_figure
from coin_pipeline.backtest.message_texts import MESSAGES
from coin_pipeline.languages import Language, Sentence


class Message(NamedTuple):
    """A sentence as its code and values, which are JSON; a value may be a message, or a list of messages."""

    code: str
    values: Json

    def write(self, language: Language = "en") -> str:
        """Return the sentence in a language.

        Raises:
            KeyError: The code or a value is unknown.

        >>> Message("few_trades", {"trades": 1, "limit": 30}).write()
        'only 1 trade: figures from fewer than 30 may be luck'
        """
        template = MESSAGES[self.code]
        values = {name: _value(value, language) for name, value in self.values.items()}
        return _Sentences(language).vformat(template.pick(language), (), values)

    def to_json(self) -> Json:
        """Return the message as in documents."""
        return {"code": self.code, "values": {name: _to_json(value) for name, value in self.values.items()}}


def check_json(name: str, message: Message, *, passed: bool) -> Json:
    """Return a check as in documents.

    Args:
        name: Name of the check.
        message: What it found.
        passed: Whether the result passes it.
    """
    return {"name": name, "passed": passed, "detail": message.write(), **message.to_json()}


def warnings_json(warnings: list[Message]) -> Json:
    """Return warnings as in documents."""
    return {
        "warnings": [warning.write() for warning in warnings],
        "warning_codes": [warning.to_json() for warning in warnings],
    }


def warning_sentences(document: Json, language: Language) -> list[Sentence]:
    """Return the warnings of a document; in English where it does not have their codes.

    Args:
        document: Document of a result of any release, or the part of a sweep's best point.
        language: The preferred language.
    """
    warnings: list[str] = document.get("warnings") or []
    codes: list[Json | None] = document.get("warning_codes") or [None] * len(warnings)
    return [stated_sentence(text, stated, language) for text, stated in zip(warnings, codes, strict=True)]


def check_sentence(check: Json, language: Language) -> Sentence:
    """Return the detail of a check; in English if the document does not have its code."""
    return stated_sentence(check["detail"], check, language)


def stated_sentence(text: str, stated: Json | None, language: Language) -> Sentence:
    """Return a stored sentence in a language, as far as this release knows its code and values.

    Args:
        text: The sentence in English.
        stated: Its code and values, if the document has them.
        language: The preferred language.
    """
    if language == "en" or not stated or "code" not in stated:
        return Sentence(text, "en")
    try:
        return Sentence(Message(stated["code"], stated["values"]).write(language), language)
    except (AttributeError, LookupError, TypeError, ValueError):  # of a later release, with other values
        return Sentence(text, "en")


class _Sentences(Formatter):
    """Format fields, also counts and keys of figures.

    `{trades:#trade}` is `2 trades`, `{trades:?is|are}` is `are`, `{objective:figure}` is `win rate`,
    and `{median:of {objective}}` is `52.50%`.
    """

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 -- a JSON value
        """Format a value."""
        if format_spec.startswith("#"):
            return pluralize(value, format_spec[1:])
        if format_spec.startswith("?"):
            one, many = format_spec[1:].split("|")
            return one if value == 1 else many
        if format_spec.startswith("of "):
            return format_figure(format_spec.removeprefix("of "), value, percent="%")
        if format_spec == "figure":
            label = FIGURES[value].text
            return label.ko if self._language == "ko" else label.en.lower()
        return format(value, format_spec)


def _value(value: Any, language: Language) -> Any:  # noqa: ANN401 -- a JSON value
    """Write messages among the values."""
    if isinstance(value, list):
        return "; ".join(str(_value(item, language)) for item in value)
    if isinstance(value, Message):
        return value.write(language)
    if isinstance(value, dict) and "code" in value:
        return Message(value["code"], value["values"]).write(language)
    return value


def _to_json(value: Any) -> Any:  # noqa: ANN401 -- a JSON value
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    return value.to_json() if isinstance(value, Message) else value
