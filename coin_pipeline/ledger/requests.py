"""The request fields of paper orders and of their lists: the one definition behind the API and the command line.

Amounts are exact: JSON numbers reach these models as `Decimal` (`coin_api.routing.ExactJsonRoute`), never as `float`.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema

from coin_pipeline.candles.fields import Day, RequestModel, as_value_error, require_unique
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.engine.execution import DEFAULT_FEE_RATE, DEFAULT_SLIPPAGE_RATE
from coin_pipeline.errors import coded
from coin_pipeline.ledger.accounting import Side
from coin_pipeline.ledger.amounts import MAX_RATE, MAX_VALUE, MIN_VALUE, ZERO
from coin_pipeline.ledger.numbers import MAX_BOUND, MAX_CHARACTERS, NUMBER, json_name, to_amount, to_bound, to_rate
from coin_pipeline.ledger.records import DEFAULT_BOOK, MAX_BOOK, MAX_KEY, MAX_NOTE, PAGE_SIZE, StatusFilter

MAX_PRICES, MAX_PAGE = 500, 1000
_BOOK = rf"^[A-Za-z0-9][A-Za-z0-9:._-]{{0,{MAX_BOOK - 1}}}$"
ALL_BOOKS = "*"
ENTER_EXAMPLE: dict[str, Any] = {"symbol": "BTC_KRW", "quantity": 1.0, "entry_price": 50000, "side": "BUY"}
EXIT_EXAMPLE: dict[str, Any] = {"exit_price": 51000, "quantity": "0.5"}


def to_side(value: object) -> Side:
    """Return a side given in any case.

    Raises:
        ValueError: Neither BUY nor SELL.
    """
    try:
        return Side(str(value).upper())
    except ValueError:
        raise ValueError(coded("not_a_side", value=json_name(value))) from None


def _schema(minimum: Decimal, maximum: Decimal) -> WithJsonSchema:
    number = {"type": "number", "minimum": float(minimum), "maximum": float(maximum)}
    return WithJsonSchema({"anyOf": [number, {"type": "string", "pattern": NUMBER, "maxLength": MAX_CHARACTERS}]})


def _parse_market(text: str) -> str:
    return as_value_error(parse_symbol, text)


def _check_book(name: str) -> str:
    if not re.fullmatch(_BOOK, name):
        raise ValueError(coded("not_a_book", name=name[:40], limit=MAX_BOOK))
    return name


def _check_text(text: str) -> str:
    if "\x00" in text:
        raise ValueError(coded("nul_character"))
    return text


Amount = Annotated[Decimal, BeforeValidator(to_amount), _schema(MIN_VALUE, MAX_VALUE)]
Rate = Annotated[Decimal, BeforeValidator(to_rate), _schema(ZERO, MAX_RATE)]
Bound = Annotated[Decimal, BeforeValidator(to_bound), _schema(-MAX_BOUND, MAX_BOUND)]
OrderSide = Annotated[Side, BeforeValidator(to_side)]
Market = Annotated[str, AfterValidator(_parse_market), Field(description="Market, as BTC_KRW or Upbit's KRW-BTC.")]
Book = Annotated[
    str,
    AfterValidator(_check_book),
    Field(description="Account of its own.", json_schema_extra={"pattern": _BOOK}),
]
FeeRate = Annotated[Rate, Field(description="Fee, as a fraction of the traded value.")]
SlippageRate = Annotated[Rate, Field(description="Slippage, as a fraction of the price, against the trader.")]
Note = Annotated[
    Annotated[str, Field(min_length=1, max_length=MAX_NOTE), AfterValidator(_check_text)] | None,
    Field(description="Text that the journal keeps with the entry."),
]
BookFilter = Annotated[
    str,
    AfterValidator(lambda name: name if name == ALL_BOOKS else _check_book(name)),
    Field(description=f"Only this book; {ALL_BOOKS} for all of them."),
]
MarketFilter = Annotated[Market | None, Field(description="Only this market, BTC_KRW or KRW-BTC.")]
_FEE_RATE, _SLIPPAGE_RATE = Decimal(str(DEFAULT_FEE_RATE)), Decimal(str(DEFAULT_SLIPPAGE_RATE))
_NEWEST = "defaults to the close of the newest stored candle of the market."


class EnterRequest(RequestModel):
    """An order that opens a position or adds to it; on the side opposite to the open position it reduces that."""

    model_config = ConfigDict(json_schema_extra={"examples": [ENTER_EXAMPLE]})

    symbol: Market
    side: Annotated[OrderSide, Field(description="BUY or SELL, in any case.")]
    quantity: Annotated[Amount, Field(description="Units of the base currency.")]
    entry_price: Annotated[Amount | None, Field(description=f"Price before slippage; {_NEWEST}")] = None
    fee_rate: FeeRate = _FEE_RATE
    slippage_rate: SlippageRate = _SLIPPAGE_RATE
    book: Book = DEFAULT_BOOK
    note: Note = None


class ExitRequest(RequestModel):
    """An order that leaves a position, in part or completely."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXIT_EXAMPLE]})

    exit_price: Annotated[Amount | None, Field(description=f"Price before slippage; {_NEWEST}")] = None
    quantity: Annotated[Amount | None, Field(description="Units to exit; all by default.")] = None
    fee_rate: FeeRate = _FEE_RATE
    slippage_rate: SlippageRate = _SLIPPAGE_RATE
    note: Note = None


class OrderKey(RequestModel):
    """Idempotency key of an order, where it is not a header."""

    key: Annotated[str, Field(min_length=1, max_length=MAX_KEY), AfterValidator(_check_text)] | None = None


class BookOf(RequestModel):
    """Book in which a market is looked up."""

    book: Book = DEFAULT_BOOK


def _split_price(text: str) -> tuple[str, Decimal]:
    """Return market and price of `BTC_KRW:51000`; raises ValueError."""
    market, colon, price = text.rpartition(":")
    if not colon:
        raise ValueError(coded("not_a_market_price", text=text[:40]))
    return _parse_market(market), to_amount(price)


def _check_prices(texts: tuple[str, ...]) -> tuple[str, ...]:
    require_unique(tuple(market for market, _ in map(_split_price, texts)))
    return texts


class SummaryQuery(RequestModel):
    """Book to sum up, and prices to value its open positions at."""

    book: BookFilter = DEFAULT_BOOK
    price: Annotated[
        tuple[str, ...],
        Field(max_length=MAX_PRICES, description="Current price as MARKET:PRICE, BTC_KRW:51000; once per market."),
        AfterValidator(_check_prices),
    ] = ()

    @property
    def in_book(self) -> str | None:
        """Book of the positions; None for all books."""
        return _in_book(self.book)

    @property
    def prices(self) -> Mapping[str, Decimal]:
        """Prices by market."""
        return dict(map(_split_price, self.price))


class OpenQuery(SummaryQuery):
    """Open positions to list, and prices to value them at."""

    symbol: MarketFilter = None


class HistoryQuery(RequestModel):
    """Filters and page of a list of positions."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, description="Positions of the page.")] = PAGE_SIZE
    cursor: Annotated[
        Annotated[str, Field(max_length=500)] | None, Field(description="next_cursor of the previous page.")
    ] = None
    book: BookFilter = DEFAULT_BOOK
    symbol: MarketFilter = None
    side: Annotated[OrderSide | None, Field(description="Only long (BUY) or short (SELL) positions.")] = None
    status: Annotated[StatusFilter, Field(description="closed, open or all.")] = "closed"
    date_from: Annotated[
        Day | None, Field(description="Closed on this day (Asia/Seoul) or later; opened, unless status is closed.")
    ] = None
    date_to: Annotated[Day | None, Field(description="Closed, or opened, on this day or earlier.")] = None
    min_net: Annotated[Bound | None, Field(description="Lowest realized_pnl, in the quote currency.")] = None
    max_net: Annotated[Bound | None, Field(description="Highest realized_pnl.")] = None

    @property
    def in_book(self) -> str | None:
        """Book of the positions; None for all books."""
        return _in_book(self.book)


def _in_book(name: str) -> str | None:
    return None if name == ALL_BOOKS else name
