"""An answer of Upbit's as columns: what its JSON has to look like, and what is said where it does not."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2
import numpy as np

from coin_pipeline.errors import ExchangeAnswer
from coin_pipeline.market.polite import told
from coin_pipeline.market.quality import Columns, utc
from coin_pipeline.market.timeframe import SECOND_NS

TIME = "candle_date_time_utc"
PRICES = ("opening_price", "high_price", "low_price", "trade_price", "candle_acc_trade_volume")
_FORM = "%Y-%m-%dT%H:%M:%S"


def columns_of_rows(
    exchange: str, asked: str, answer: httpx2.Response, same: Mapping[str, object], to: int, count: int
) -> Columns:
    """Return the candles of an answer in order of time, which nobody has checked for order and prices yet.

    Args:
        exchange: Its name in an error.
        asked: What it was asked for, in an error.
        answer: A list of objects, newest candle first.
        same: What a candle says of itself if it is one of those asked for; None is not compared.
        to: The candles open before it, ns UTC.
        count: There are so many at most.

    Raises:
        ExchangeAnswer: It is anything else.
    """
    try:
        rows = answer.json()
    except (ValueError, RecursionError) as error:
        raise ExchangeAnswer(exchange, asked, f"what is no JSON: {told(answer)}") from error
    if not isinstance(rows, list):
        raise ExchangeAnswer(exchange, asked, f"what is no list of candles: {told(answer)}")
    if len(rows) > count:
        raise ExchangeAnswer(exchange, asked, f"{len(rows):,} candles")
    try:
        candles = [_candle(row, same, to) for row in reversed(rows)]
    except _Odd as odd:
        raise ExchangeAnswer(exchange, asked, str(odd)) from odd
    time = np.array([candle[0] for candle in candles], dtype=np.int64)
    prices = np.array([candle[1:] for candle in candles], dtype=np.float64).reshape(len(candles), len(PRICES))
    return Columns(time, *np.ascontiguousarray(prices.T))


def error_of(answer: httpx2.Response) -> str | None:
    """Return what Upbit says in a refusal; None of an answer that is not of its kind, of another server say."""
    try:
        return str(answer.json()["error"]["message"])[:120]
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return None


class _Odd(Exception):
    """What is odd about a row."""


def _candle(row: Any, same: Mapping[str, object], to: int) -> tuple[float, ...]:  # noqa: ANN401 - JSON
    if not isinstance(row, dict):
        raise _Odd(f"a candle that is no object: {row!r:.60}")
    for name, expected in same.items():
        if expected is not None and row.get(name, expected) != expected:
            raise _Odd(f"a candle whose {name} is {row[name]!r:.60}")
    opened = _instant(row)
    if not 0 <= opened < to:
        raise _Odd(f"a candle of {row[TIME]}, which is not before {utc(to):{_FORM}}")
    return (opened, *(_number(row, name) for name in PRICES))


def _instant(row: Mapping[str, Any]) -> int:
    text = _field(row, TIME)
    try:
        opened = datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise _Odd(f"a candle whose {TIME} is {text!r:.60}") from error
    return int(opened.timestamp()) * SECOND_NS


def _number(row: Mapping[str, Any], name: str) -> float:
    value = _field(row, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Odd(f"a candle of {row[TIME]} whose {name} is {value!r:.60}, no number")
    try:
        return float(value)
    except OverflowError as error:
        raise _Odd(f"a candle of {row[TIME]} whose {name} is beyond every price") from error


def _field(row: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON
    if name not in row:
        raise _Odd(f"a candle without {name}: {row!r:.120}")
    return row[name]
