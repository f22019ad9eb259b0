"""Commands on paper positions."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from coin_pipeline.candles.fields import parse_fields
from coin_pipeline.cli import options
from coin_pipeline.ledger.requests import BookOf, EnterRequest, ExitRequest, HistoryQuery, OrderKey

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator

    from coin_pipeline.candles.fields import RequestModel
    from coin_pipeline.ledger.ledger import Ledger
    from coin_pipeline.ledger.marks import CandleMarks


def _parse(model: "type[RequestModel]") -> "Callable[[click.Context, click.Parameter, str | None], Any]":
    """Return a callback that validates an option as the field of a request with its name."""
    return lambda _, option, text: getattr(parse_fields(model, {option.name or "": text}), option.name or "")


_KEY = click.option(
    "--key", callback=_parse(OrderKey), help="Idempotency key: an order that is repeated with it is booked once."
)
_BOOK_OF = click.option(
    "--book", default="paper", show_default=True, callback=_parse(BookOf), help="Book in which a market is looked up."
)
_BOOK = click.option("--book", default="paper", show_default=True, help="Only this book; * for all of them.")
_PRICES = click.option(
    "--price", multiple=True, metavar="MARKET:PRICE", help="Current price of a market; may be repeated."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the JSON of the API.")


@click.group()
def positions() -> None:
    """Enter, exit, list, sum up and audit paper positions.

    The books are exact: fees and slippage of both legs are in every result, to the last digit. The commands work with
    and without 'coin up'.
    """


@positions.command("enter")
@click.argument("symbol")
@click.argument("side", metavar="BUY|SELL")
@click.argument("quantity")
@options.request_options(EnterRequest, "symbol", "side", "quantity")
@_KEY
@_JSON
def enter_position(key: str | None, *, as_json: bool, **fields: Any) -> None:  # noqa: ANN401 -- one per option
    """Open a position in SYMBOL, or add QUANTITY to the open one; on the opposite side, reduce that.

    \b
    coin positions enter BTC_KRW BUY 0.5 --price 51000000
    coin positions enter BTC_KRW BUY 0.5
    """
    from coin_pipeline.cli.views.positions import print_order
    from coin_pipeline.ledger.orders import enter

    request = parse_fields(EnterRequest, fields)
    with _open_ledger() as (ledger, marks):
        answer = enter(ledger, marks, request, key)
    if as_json:
        click.echo(answer.document.model_dump_json())
    else:
        print_order(answer.document, replayed=answer.replayed)


@positions.command("exit")
@click.argument("position")
@options.request_options(ExitRequest)
@_BOOK_OF
@_KEY
@_JSON
def exit_position(position: str, book: str, key: str | None, *, as_json: bool, **fields: Any) -> None:  # noqa: ANN401 -- one per option
    """Leave a POSITION, given by its id, the beginning of it, or its market; all of it, or --quantity.

    \b
    coin positions exit BTC_KRW --price 52000000
    coin positions exit POSITION_ID --quantity 0.25
    """
    from coin_pipeline.cli.views.positions import print_order
    from coin_pipeline.ledger.orders import leave

    request = parse_fields(ExitRequest, fields)
    with _open_ledger() as (ledger, marks):
        answer = leave(ledger, marks, _find(ledger, position, book), request, key)
    if as_json:
        click.echo(answer.document.model_dump_json())
    else:
        print_order(answer.document, replayed=answer.replayed)


@positions.command("open")
@click.option("--symbol", help="Only this market, BTC_KRW or KRW-BTC.")
@_BOOK
@_PRICES
@_JSON
def list_open_positions(symbol: str | None, book: str, price: tuple[str, ...], *, as_json: bool) -> None:
    """List open positions with their result at current prices.

    A price is that of --price, else the newest stored close, else that of the entries.
    """
    from coin_pipeline.cli.views.positions import print_open
    from coin_pipeline.ledger.queries import list_open
    from coin_pipeline.ledger.requests import OpenQuery

    query = parse_fields(OpenQuery, {"symbol": symbol, "book": book, "price": price})
    with _open_ledger() as (ledger, marks):
        document = list_open(ledger, marks, query)
    if as_json:
        click.echo(document.model_dump_json())
    else:
        print_open(document)


@positions.command("summary")
@_BOOK
@_PRICES
@_JSON
def summarize_positions(book: str, price: tuple[str, ...], *, as_json: bool) -> None:
    """Sum up positions by market and by quote currency."""
    from coin_pipeline.cli.views.positions import print_summary
    from coin_pipeline.ledger.queries import summarize
    from coin_pipeline.ledger.requests import SummaryQuery

    query = parse_fields(SummaryQuery, {"book": book, "price": price})
    with _open_ledger() as (ledger, marks):
        document = summarize(ledger, marks, query)
    if as_json:
        click.echo(document.model_dump_json())
    else:
        print_summary(document)


@positions.command("history")
@options.request_options(HistoryQuery)
@_JSON
def list_history(*, as_json: bool, **fields: Any) -> None:  # noqa: ANN401 -- one per option
    """List closed positions, newest first.

    With --json, next_cursor is the --cursor of the next page.
    """
    from coin_pipeline.cli.views.positions import print_history
    from coin_pipeline.ledger.queries import read_history

    query = parse_fields(HistoryQuery, fields)
    with _open_ledger() as (ledger, _):
        page = read_history(ledger, query)
    if as_json:
        click.echo(page.model_dump_json())
    else:
        print_history(page)


@positions.command("show")
@click.argument("position")
@_BOOK_OF
@_JSON
def show_position(position: str, book: str, *, as_json: bool) -> None:
    """Show a POSITION, given by its id, the beginning of it, or its market, with its journal."""
    from coin_pipeline.cli.views.positions import print_position
    from coin_pipeline.ledger.queries import describe

    with _open_ledger() as (ledger, _):
        document = describe(ledger, _find(ledger, position, book))
    if as_json:
        click.echo(document.model_dump_json())
    else:
        print_position(document)


@positions.command("audit")
@_JSON
@click.pass_context
def audit_positions(ctx: click.Context, *, as_json: bool) -> None:
    """Recompute every position and total from the journal, and compare them to the last digit.

    Names each difference, and exits with 1 if there is one.
    """
    import json
    from dataclasses import asdict

    from coin_pipeline.cli.views.positions import print_audit
    from coin_pipeline.cli.views.progress import audit_progress

    with _open_ledger() as (ledger, _), audit_progress() as report_progress:
        report = ledger.audit(report_progress)
    if as_json:
        differences = [difference._asdict() for difference in report.differences]
        click.echo(json.dumps({**asdict(report), "differences": differences}))
    else:
        print_audit(report)
    ctx.exit(0 if report.is_clean else 1)


@contextmanager
def _open_ledger() -> "Iterator[tuple[Ledger, CandleMarks]]":
    """Yield the ledger, and the prices of the stored candles."""
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.cli.database import ready_database
    from coin_pipeline.database.engine import create_engine
    from coin_pipeline.ledger.ledger import Ledger
    from coin_pipeline.ledger.marks import CandleMarks
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    engine = create_engine(ready_database(settings))
    try:
        yield Ledger(engine, allow_short=settings.coin_allow_short), CandleMarks(open_catalog(settings).place)
    finally:
        engine.dispose()


def _find(ledger: "Ledger", position: str, book: str) -> "uuid.UUID":
    """Return the id of a position that is given by its id or the beginning of it, or by its market if it is open.

    Raises:
        InvalidInput: The text is neither, or the beginning of several ids.
        NotFound: No id begins with the text, or the book has no open position in the market.
    """
    import uuid

    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.cli.ids import MAX_LISTED, begins_uuid, unique_id
    from coin_pipeline.errors import InvalidInput, InvalidSymbol, NotFound, PositionNotFound, Problem

    if begins_uuid(position):
        start = position.lower()
        found_id = unique_id(start, [str(own) for own in ledger.ids_starting(start, MAX_LISTED + 1)])
        if found_id is None:
            raise PositionNotFound(position)
        return uuid.UUID(found_id)
    try:
        symbol = parse_symbol(position)
    except InvalidSymbol:
        message = f"{position[:80]!r} is neither the id of a position nor a market such as BTC_KRW"
        raise InvalidInput([Problem("position", message)]) from None
    found = ledger.open_positions(book, symbol)
    if not found:
        raise NotFound(f"book {book!r} has no open position in {symbol}; list positions with 'coin positions open'")
    return found[0].position_id
