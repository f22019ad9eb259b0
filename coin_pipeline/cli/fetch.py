"""The `coin candles get` command."""

from contextlib import closing
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli.options import TIMEFRAMES, require_ordered_days
from coin_pipeline.errors import (
    CoinError,
    ExchangeUnavailable,
    MarketUnknown,
    RunInterrupted,
    StorageFull,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.collect import CollectReport
    from coin_pipeline.candles.exchanges.base import Exchange
    from coin_pipeline.candles.timeframe import Timeframe

_DAY = click.DateTime(["%Y-%m-%d"])
_FATAL = (ExchangeUnavailable, StorageFull)
"""Errors that would fail the remaining series too, or extend a block by the exchange."""


@click.command()
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option(
    "--timeframe",
    "timeframes",
    multiple=True,
    default=["1d"],
    show_default=True,
    help=f"{TIMEFRAMES}; may be repeated.",
)
@click.option("--from", "first", type=_DAY, help="First day (Asia/Seoul); defaults to where the last fetch ended.")
@click.option("--to", "last", type=_DAY, help="Last day, inclusive; defaults to now.")
@click.option(
    "--exchange", "name", default="upbit", show_default=True, help="Exchanges other than upbit need the ccxt package."
)
@click.pass_context
def get(
    ctx: click.Context,
    symbols: tuple[str, ...],
    timeframes: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    name: str,
) -> None:
    """Fetch new candles from an exchange.

    Fetches the closed candles of the SYMBOLs that have not been fetched yet. Safe to interrupt: the same command
    resumes.

    \b
    coin candles get BTC_KRW ETH_KRW --timeframe 1d --timeframe 1h --from 2024-01-01
    coin candles get BTC_KRW --timeframe 1d --timeframe 1h
    """
    from coin_pipeline.candles.exchanges.registry import open_exchange, require_timeframe
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.candles.refresh_spec import require_begun
    from coin_pipeline.candles.symbol import parse_symbol
    from coin_pipeline.candles.timeframe import parse_timeframe
    from coin_pipeline.cli.views.candles import print_collected
    from coin_pipeline.settings import load_settings

    require_ordered_days(first, last)
    if first:
        require_begun(first.date())
    settings = load_settings()
    lengths = dict.fromkeys(map(parse_timeframe, timeframes))
    for length in lengths:
        require_timeframe(name, length)
    series = [(symbol, length) for symbol in dict.fromkeys(map(parse_symbol, symbols)) for length in lengths]
    days = first and first.date(), last and last.date()
    try:
        with closing(open_exchange(name, settings)) as exchange:
            failed = 0
            for outcome in _outcomes(open_catalog(settings), exchange, series, *days):
                if isinstance(outcome, str):
                    click.secho(outcome, fg="red", err=True)
                    failed += 1
                else:
                    print_collected(outcome)
    except KeyboardInterrupt:
        reason = "interrupted; fetched candles are stored, and the same command resumes the fetch"
        raise RunInterrupted(reason) from None
    ctx.exit(1 if failed else 0)


def _outcomes(
    catalog: "CandleCatalog",
    exchange: "Exchange",
    series: "Iterable[tuple[str, Timeframe]]",
    first: date | None,
    last: date | None,
) -> "Iterator[CollectReport | str]":
    """Fetch one series after another; yield the outcome of each, or the error message if it failed."""
    unknown = set[str]()
    pending = list(series)
    while pending:
        symbol, timeframe = pending.pop(0)
        if symbol in unknown:
            continue
        try:
            yield _fetch_series(catalog, exchange, symbol, timeframe, first, last)
        except MarketUnknown as error:
            unknown.add(symbol)
            yield f"{symbol}: {error}"
        except CoinError as error:
            yield f"{symbol} {timeframe}: {error}"
            if isinstance(error, _FATAL) and pending:
                yield f"not tried: {', '.join(f'{symbol} {timeframe}' for symbol, timeframe in pending)}"
                return


def _fetch_series(
    catalog: "CandleCatalog",
    exchange: "Exchange",
    symbol: str,
    timeframe: "Timeframe",
    first: date | None,
    last: date | None,
) -> "CollectReport":
    from coin_pipeline.candles.collect import collect, refresh_start
    from coin_pipeline.candles.timeframe import day_range
    from coin_pipeline.cli.views.progress import fetch_progress

    with fetch_progress(f"{symbol} {timeframe}") as on_progress:
        now = exchange.last_closed(timeframe)
        begin = day_range(first, first)[0] if first else refresh_start(catalog, symbol, timeframe, now)
        end = day_range(last, last)[1] if last else now
        return collect(catalog, exchange, symbol, timeframe, begin, end, on_progress)
