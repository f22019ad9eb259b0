"""Options shared by several commands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

strategy_files = click.option(
    "--strategy-file",
    "strategy_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A .py file with custom strategies; may be repeated.",
)
# Written here too: to import what defines them takes longer than --help may.
FILLS = ("next_open", "signal_close")
TICK_SIZES = ("none", "upbit")
SEARCHES = ("grid", "random", "optuna")
OBJECTIVES = ("total_return", "return_over_drawdown", "win_rate", "avg_return", "profit_factor")
MAX_UNCONFIRMED = 100_000
MIN_COVERAGE = 0.9
_TRADING = (
    click.option("--timeframe", default="1d", show_default=True, help="1m 3m 5m 10m 15m 30m 1h 4h 1d 1w"),
    click.option(
        "--fill", type=click.Choice(FILLS), default=FILLS[0], show_default=True, help="signal_close is an event study."
    ),
    click.option("--fee-rate", default=0.001, show_default=True, help="Share of the traded value, each leg."),
    click.option("--slippage-rate", default=0.0002, show_default=True, help="Share of the price, each leg."),
    click.option("--stop-loss", type=float, help="Sell this fraction below the entry price, such as 0.05."),
    click.option("--take-profit", type=float, help="Sell this fraction above the entry price."),
    click.option("--trailing-stop", type=float, help="Sell this fraction below the highest price since the entry."),
    click.option("--position-size", type=float, help="Share of the equity that an entry spends."),
    click.option("--initial-cash", default=10_000_000.0, show_default=True, help="What the account starts with, KRW."),
    click.option("--min-order", default=0.0, show_default=True, help="Smallest buy, KRW; Upbit takes 5000 and more."),
    click.option(
        "--tick-sizes",
        type=click.Choice(TICK_SIZES),
        default=TICK_SIZES[0],
        show_default=True,
        help="upbit: fills at prices that it quotes.",
    ),
    click.option(
        "--min-coverage",
        default=MIN_COVERAGE,
        show_default=True,
        help="Refuse symbols of whose candles a smaller share is known; 0 takes what is there.",
    ),
)
_DAY = click.DateTime(["%Y-%m-%d"])
_FILTERS = (
    click.option("--strategy", help="Only results of this strategy."),
    click.option("--symbol", help="Only results on this market, BTC_KRW or KRW-BTC."),
    click.option("--min-return", type=float, help="Minimum mean return per trade over all symbols, percent."),
    click.option("--max-return", type=float, help="Maximum mean return per trade over all symbols, percent."),
    click.option("--min-signals", type=int, help="Minimum number of signals over all symbols."),
    click.option("--max-signals", type=int, help="Maximum number of signals over all symbols."),
    click.option("--date-from", type=_DAY, help="Finished on this day (Asia/Seoul) or later."),
    click.option("--date-to", type=_DAY, help="Finished on this day (Asia/Seoul) or earlier."),
)


def filters(command: CommandT) -> CommandT:
    """Add the options that filter lists of results."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def trading(command: CommandT) -> CommandT:
    """Add the options that determine how signals are traded."""
    for option in reversed(_TRADING):
        command = option(command)
    return command


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a summary.")
