"""Paper positions on the terminal: orders, lists, the summary and the audit."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

import click
from rich.table import Table

from coin_pipeline.backtest.formatting import format_amount, pluralize
from coin_pipeline.backtest.labels import UNDEFINED
from coin_pipeline.cli.views.console import new_console, print_table
from coin_pipeline.ledger.accounting import Side
from coin_pipeline.ledger.amounts import plain
from coin_pipeline.ledger.audit import AuditReport
from coin_pipeline.ledger.documents import HistoryPage, PositionDocument
from coin_pipeline.ledger.order_documents import EnterDocument, ExitDocument, PositionJournal
from coin_pipeline.ledger.summary_documents import OpenPositionDocument, OpenPositions, Summary, Totals
from coin_pipeline.results.legacy import SEOUL

WIDE = 130
"""Terminal columns from which the ids of positions fit."""
MAX_DIFFERENCES = 20
"""Differences that are printed."""
_SIDES = {Side.BUY: "long", Side.SELL: "short"}


def print_order(document: EnterDocument | ExitDocument, *, replayed: bool) -> None:
    """Print what an order did, with every digit."""
    quote, price, effective = document.quote, *_prices(document)
    source = "the order's price" if document.price_source == "request" else "the newest stored close"
    if document.price_time:
        source += f", {document.price_time:%Y-%m-%d %H:%M} UTC"
    if replayed:
        click.echo("already booked with this key; nothing was booked again")
    order = f"{document.side} {exact(document.quantity)} {document.symbol} at {exact(price)} {quote}"
    lines = [
        (document.kind.title(), order),
        ("Price", source),
        ("Effective", f"{exact(effective)} {quote}, with {_percent(document.slippage_rate)} slippage"),
        ("Fee", f"{exact(document.fee)} {quote}, {_percent(document.fee_rate)}"),
    ]
    if document.kind == "EXIT":
        lines += [
            ("Realized", f"{exact(document.realized_pnl)} {quote}, net of the costs of both legs"),
            ("  gross", exact(document.realized_gross)),
            ("  fees", exact(document.realized_fee)),
            ("  slippage", exact(document.realized_slippage)),
        ]
    _print_lines([*lines, ("Position", str(document.position_id)), ("", _holding(document.position))])


def print_open(document: OpenPositions) -> None:
    """Print open positions at their prices, and the sums of each currency."""
    wide = new_console().width >= WIDE
    table = _table("symbol", "side", "units", "entry", "price", "unrealized", "price of (UTC)", *_ids(wide))
    for position in document.positions:
        table.add_row(
            position.symbol,
            _SIDES[position.side],
            exact(position.quantity),
            _price(position.entry_price),
            _price(position.mark_price),
            _signed(position.unrealized_pnl, position.quote),
            _as_of(position),
            *([str(position.position_id)] if wide else []),
        )
    print_table(table, "no open positions; 'coin positions enter BTC_KRW BUY 0.01' opens one")
    if document.totals:
        click.echo()
    for total in document.totals:
        quote, costs = total.quote, total.unrealized_fee + total.unrealized_slippage
        unrealized = f"{_signed(total.unrealized_pnl, quote)} after entry costs of {_amount(costs, quote)}"
        exposure = _amount(total.exposure, quote)
        click.echo(f"{quote}: {pluralize(total.open_count, 'position')}, exposure {exposure}, unrealized {unrealized}")
    _print_warnings(document.warnings)


def print_summary(document: Summary) -> None:
    """Print the sums by market, and those of each quote currency."""
    table = _table("symbol", "open", "closed", "won", "realized", "unrealized", "fees", "slippage")
    for row in document.by_symbol:
        table.add_row(row.symbol, *_summary_cells(row))
    table.add_section()
    for total in document.totals:
        table.add_row(f"all in {total.quote}", *_summary_cells(total), style="bold")
    print_table(table, "no positions yet; 'coin positions enter BTC_KRW BUY 0.01' opens one")
    _print_warnings(document.warnings)


def print_history(page: HistoryPage) -> None:
    """Print a page of positions."""
    wide = new_console().width >= WIDE
    costs = ["fees", "slippage"] if wide else []
    table = _table("closed (Seoul)", "symbol", "side", "units", "entry", "exit", "net", *costs, *_ids(wide))
    for position in page.items:
        amounts = (position.realized_fee, position.realized_slippage) if wide else ()
        table.add_row(
            _seoul(position.closed_at) if position.closed_at else "open",
            position.symbol,
            _SIDES[position.side],
            exact(position.entered_quantity),
            _price(position.average_entry_price),
            _price(position.average_exit_price),
            _signed(position.realized_pnl, position.quote),
            *(_amount(amount, position.quote) for amount in amounts),
            *([str(position.position_id)] if wide else []),
        )
    print_table(table, "no position matches; remove a filter, or list open ones with 'coin positions open'")
    if page.next_cursor:
        shown = f"{len(page.items):,} of {pluralize(page.total, 'position')}"
        click.echo(f"\n{shown}; the next page: --cursor {page.next_cursor}")


def print_position(document: PositionJournal) -> None:
    """Print a position and its journal."""
    _print_lines(
        [
            ("Position", str(document.position_id)),
            ("Book", document.book),
            ("", _holding(document)),
            ("Realized", f"{exact(document.realized_pnl)} {document.quote} net"),
        ]
    )
    wide = new_console().width >= WIDE
    table = _table("", "time (UTC)", "kind", "side", "units", "price", *(["effective"] if wide else []), "fee", "note")
    for entry in document.journal:
        table.add_row(
            str(entry.sequence),
            f"{entry.executed_at:%Y-%m-%d %H:%M}",
            entry.kind,
            entry.side,
            exact(entry.quantity),
            _price(entry.price),
            *([_price(entry.effective_price)] if wide else []),
            _amount(entry.fee, document.quote),
            entry.note or "",
        )
    click.echo()
    new_console().print(table)


def print_audit(report: AuditReport) -> None:
    """Print what an audit found."""
    for difference in report.differences[:MAX_DIFFERENCES]:
        stored, recomputed = difference.stored, difference.recomputed
        click.secho(f"{difference.where}: {difference.figure} is {stored}, not {recomputed}", fg="red", err=True)
    if report.found > MAX_DIFFERENCES:
        click.secho(f"and {report.found - MAX_DIFFERENCES:,} more; --json lists up to 1,000", fg="red", err=True)
    counts = (pluralize(report.entries, "journal row"), pluralize(report.positions, "position"))
    verdict = pluralize(report.found, "difference") if report.found else "all as recomputed from the journal"
    click.secho(f"{', '.join(counts)}: {verdict}", fg="green" if report.is_clean else "red")


def exact(amount: Decimal) -> str:
    """Return an amount with every digit and separators of thousands.

    >>> exact(Decimal("1234567.8900")), exact(Decimal("-0.5"))
    ('1,234,567.89', '-0.5')
    """
    whole, point, decimals = plain(amount).partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{decimals}"


def _prices(document: EnterDocument | ExitDocument) -> tuple[Decimal, Decimal]:
    if isinstance(document, EnterDocument):
        return document.entry_price, document.effective_entry_price
    return document.exit_price, document.effective_exit_price


def _holding(position: PositionDocument) -> str:
    if position.entry_price is None:
        return f"closed; realized {exact(position.realized_pnl)} {position.quote} net in all"
    price = f"{_price(position.entry_price)} {position.quote}"
    return f"{_SIDES[position.side]} {exact(position.quantity)} {position.symbol}, entered at {price} on average"


def _summary_cells(totals: Totals) -> Sequence[str]:
    won = UNDEFINED if totals.win_rate is None else f"{totals.win_rate:.0%}"
    pnls = (_signed(amount, totals.quote) for amount in (totals.realized_pnl, totals.unrealized_pnl))
    costs = (_amount(amount, totals.quote) for amount in (totals.fees, totals.slippage))
    return f"{totals.open_count:,}", f"{totals.closed_count:,}", won, *pnls, *costs


def _as_of(position: OpenPositionDocument) -> str:
    if position.mark_time:
        return f"{position.mark_time:%Y-%m-%d %H:%M}"
    return "--price" if position.mark_source == "request" else "its entry"


def _seoul(time: datetime) -> str:
    return f"{time.astimezone(SEOUL):%Y-%m-%d %H:%M}"


def _price(amount: Decimal | None) -> str:
    """Return a price to eight significant digits at least, and always to its whole units."""
    if amount is None:
        return UNDEFINED
    return exact(round(amount, max(0, 8 - amount.adjusted() - 1)))


def _amount(amount: Decimal, quote: str) -> str:
    """Return an amount to the usual unit of its currency, which the symbol next to it names."""
    return format_amount(amount, quote).removesuffix(f" {quote}")


def _signed(amount: Decimal, quote: str) -> str:
    return f"{'+' if amount > 0 else ''}{_amount(amount, quote)}"


def _percent(rate: Decimal) -> str:
    return f"{plain(rate * 100)} %"


def _ids(wide: bool) -> Sequence[str]:  # noqa: FBT001 -- the only fact
    return ["position"] if wide else []


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    texts = {"symbol", "side", "position", "kind", "note", "closed (Seoul)"}
    for name in columns:
        table.add_column(name, justify="left" if name in texts else "right", overflow="fold")
    return table


def _print_lines(lines: Iterable[tuple[str, str]]) -> None:
    for name, text in lines:
        click.echo(f"{name:<11}{text}")


def _print_warnings(warnings: Sequence[str]) -> None:
    for warning in warnings:
        click.secho(f"warning: {warning}", fg="yellow", err=True)
