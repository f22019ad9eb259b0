"""Forward tests on the terminal."""

import click
from rich.table import Table

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.cli.views.console import print_table
from coin_pipeline.forward.documents import ForwardAccount, ForwardTestDocument, ForwardTestList
from coin_pipeline.forward.records import ForwardTest
from coin_pipeline.ledger.amounts import plain

_TIME = "%Y-%m-%d %H:%M"


def print_started(test: ForwardTest) -> None:
    """Print what happens next."""
    spec = test.spec
    first = f"candles from {spec.start_date} on" if spec.start_date else f"the {spec.timeframe} candle that closes next"
    source = f"collected from {spec.exchange}" if spec.collect else "not collected: import them as they close"
    click.echo(f"forward test {test.test_id} is active: {spec.strategy} on {', '.join(spec.symbols)}")
    click.echo(f"  It begins with {first}. Candles are {source}.")
    click.echo("  'coin up' decides each candle after it closes; 'coin forward advance' does it once.")
    click.echo(f"  'coin forward show {test.test_id}' shows its decisions and accounts.")


def print_list(tests: ForwardTestList) -> None:
    """Print the tests, the newest first."""
    table = _table("id", "status", "strategy", "symbols", "timeframe", "started (UTC)", "decisions", "late", "failing")
    for test in tests.items:
        spec = test.spec
        table.add_row(
            str(test.test_id),
            test.status,
            spec.strategy,
            ", ".join(spec.symbols),
            spec.timeframe,
            f"{test.started_at:{_TIME}}",
            f"{test.decisions:,}",
            f"{test.late:,}",
            ", ".join(test.failing),
        )
    print_table(table, "no forward test; start one with 'coin forward start'")


def print_test(test: ForwardTestDocument) -> None:
    """Print the accounts and the newest decisions of a test."""
    stopped = "" if test.stopped_at is None else f", stopped {test.stopped_at:{_TIME}}"
    click.echo(
        f"{test.spec.strategy} on {test.spec.timeframe} candles: started {test.started_at:{_TIME}}{stopped} (UTC)"
    )
    click.echo(f"{pluralize(test.decisions, 'decision')}, {test.late:,} late; trades are in the book {test.book}\n")
    accounts = _table("symbol", "last candle (UTC)", "equity", "return", "units", "entry price")
    for account in test.accounts:
        accounts.add_row(*_account(account))
    print_table(accounts, "")
    for account in test.accounts:
        if account.failure:
            click.secho(f"{account.symbol} is failing since {account.failed_at:{_TIME}}: {account.failure}", fg="red")
    decisions = _table("candle (UTC)", "symbol", "close", "decision", "decided (UTC)", "")
    for own in test.items:
        wanted = "enter" * own.entry + " " * (own.entry and own.exit) + "exit" * own.exit
        notes = ["late"] * own.late + [f"{own.missing} missing before"] * bool(own.missing)
        row = f"{own.candle:{_TIME}}", own.symbol, f"{own.close:,.12g}", wanted or "-", f"{own.decided_at:{_TIME}}"
        decisions.add_row(*row, ", ".join(notes))
    click.echo()
    print_table(decisions, "no candle is decided yet")


def _account(account: ForwardAccount) -> tuple[str, ...]:
    last = "" if account.last_candle is None else f"{account.last_candle:{_TIME}}"
    equity = f"{account.equity:,.8g} {account.quote}"
    entry = "" if account.entry_price is None else plain(account.entry_price)
    return account.symbol, last, equity, f"{account.return_pct:+.2f} %", plain(account.quantity), entry


def _table(*names: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=name in {"id", "symbol"})
    return table
