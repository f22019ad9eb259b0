"""How pages write instants, amounts and what tasks are about: the filters of their templates."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from coin_api.pages.texts_presets import BUILT_IN_DESCRIPTIONS
from coin_api.tasks import Task
from coin_pipeline.backtest.formatting import format_signed_amount
from coin_pipeline.backtest.labels import UNDEFINED
from coin_pipeline.backtest.symbol_excerpt import translate_symbols
from coin_pipeline.candles.timeframe import seoul_day, utc
from coin_pipeline.languages import Language
from coin_pipeline.ledger.amounts import plain
from coin_pipeline.presets import Preset


def _exact(amount: Decimal | None) -> str:
    """Write an exact amount with all its digits and thousands separators; a dash for none."""
    return UNDEFINED if amount is None else f"{Decimal(plain(amount)):,f}"


def _average(price: Decimal | None) -> str:
    """Write an average price with ten digits, without the digits of a division; a dash for none."""
    return _exact(None if price is None else Decimal(f"{price:.10g}"))


def _signed(amount: Decimal, currency: str) -> str:
    return format_signed_amount(float(amount), currency)


def _seoul_day(instant: datetime) -> str:
    return seoul_day(instant).isoformat()


def _editable(value: object) -> str:
    """Write a value as a user would type it: all digits, but no `.0`."""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _subject(task: Task, language: Language) -> str:
    """Return strategy, markets and timeframe of a task, as far as they are known."""
    symbols = task.symbols and translate_symbols(task.symbols, language)
    return " · ".join(part for part in (task.strategy, symbols, task.timeframe) if part)


def _description(preset: Preset, language: Language) -> str:
    """Return what a preset is: in the words of its user, or that of a built-in one in the language of the page."""
    return preset.description if preset.updated_at else BUILT_IN_DESCRIPTIONS[preset.name].write(language)


FORMATS: Mapping[str, Callable[..., Any]] = {
    "exact": _exact,
    "average": _average,
    "signed_amount": _signed,
    "seoul_day": _seoul_day,
    "utc": utc,
    "editable": _editable,
    "subject": _subject,
    "description": _description,
}
"""Filters by name, besides those of the reports."""
