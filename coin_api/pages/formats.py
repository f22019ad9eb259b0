"""How pages write instants and amounts: the filters of their templates."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from coin_pipeline.backtest.formatting import format_signed_amount
from coin_pipeline.backtest.labels import UNDEFINED
from coin_pipeline.candles.timeframe import seoul_day, utc
from coin_pipeline.ledger.amounts import plain


def _plain(amount: Decimal | None) -> str:
    """Write an exact amount with all its digits; a dash for none."""
    return UNDEFINED if amount is None else plain(amount)


def _signed(amount: Decimal, currency: str) -> str:
    return format_signed_amount(float(amount), currency)


def _seoul_day(instant: datetime) -> str:
    return seoul_day(instant).isoformat()


def _editable(value: object) -> str:
    """Write a value as a user would type it: all digits, but no `.0`."""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


FORMATS: Mapping[str, Callable[..., Any]] = {
    "plain": _plain,
    "signed_amount": _signed,
    "seoul_day": _seoul_day,
    "utc": utc,
    "editable": _editable,
}
"""Filters by name, besides those of the reports."""
