"""Options shared by several commands."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

import click

from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.languages import LANGUAGES

if TYPE_CHECKING:
    from coin_pipeline.candles.fields import PlainField, RequestModel

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

strategy_files = click.option(
    "--strategy-file",
    "strategy_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A .py file with custom strategies; may be repeated.",
)
TIMEFRAMES = "1m 3m 5m 10m 15m 30m 1h 2h 4h 6h 12h 1d 1w"
"""Help text of options for a timeframe; written out, so that help needs no candle module."""
_DAY = click.DateTime(["%Y-%m-%d"])
_NAMES = {
    "start_date": "--start",
    "end_date": "--end",
    "params": "--param",
    "space": "--grid",
    "confirm": "--yes",
    "entry_price": "--price",
    "exit_price": "--price",
}
"""Options that are not named after their field."""
_METAVARS = {"params": "NAME=VALUE", "space": "NAME=VALUES"}


def _canonical_timeframe(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Reject `1M`, which only the legacy web client sends for a minute."""
    from coin_pipeline.candles.timeframe import parse_timeframe

    return value and parse_timeframe(value).name


def _to_fraction(_context: click.Context, _option: click.Parameter, percent: float | None) -> float | None:
    return None if percent is None else percent / 100


_FILTERS = (
    click.option("--kind", type=click.Choice(["backtest", "sweep"]), help="Only results of this kind."),
    click.option("--strategy", help="Only results of this strategy."),
    click.option("--symbol", help="Only results on this market, BTC_KRW or KRW-BTC."),
    click.option(
        "--timeframe", callback=_canonical_timeframe, help="Only results on candles of this length, such as 1h."
    ),
    click.option("--params", help="Only results whose parameters contain this text, such as window=20."),
    click.option("--min-total-return", type=float, callback=_to_fraction, help="Minimum total return, percent."),
    click.option("--max-total-return", type=float, callback=_to_fraction, help="Maximum total return, percent."),
    click.option("--min-sharpe", type=float, help="Minimum Sharpe ratio."),
    click.option("--max-sharpe", type=float, help="Maximum Sharpe ratio."),
    click.option("--min-return", type=float, help="Minimum mean return per trade over all symbols, percent."),
    click.option("--max-return", type=float, help="Maximum mean return per trade over all symbols, percent."),
    click.option("--min-signals", type=int, help="Minimum number of signals over all symbols."),
    click.option("--max-signals", type=int, help="Maximum number of signals over all symbols."),
    click.option("--date-from", type=_DAY, help="Finished on this day (Asia/Seoul) or later."),
    click.option("--date-to", type=_DAY, help="Finished on this day (Asia/Seoul) or earlier."),
)


def require_ordered_days(first: datetime | None, last: datetime | None) -> None:
    """Reject a range of `--from` and `--to` that ends before it starts.

    Raises:
        InvalidInput: `last` is before `first`.
    """
    if first and last and first > last:
        raise InvalidInput([Problem("to", f"{last:%Y-%m-%d} is before --from {first:%Y-%m-%d}")])


def filters(command: CommandT) -> CommandT:
    """Add the options that filter lists of results."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def request_options(model: "type[RequestModel]", *excluded: str) -> Callable[[CommandT], CommandT]:
    """Return a decorator that adds an option for every field of a request model.

    The command receives each value under the name of its field: dates as `date`, objects as a tuple of NAME=VALUE.

    Args:
        model: The request model, which provides names, types, defaults and help texts.
        excluded: Fields that get no option.
    """
    from coin_pipeline.candles.fields import plain_fields

    fields = [field for field in plain_fields(model) if field.name not in excluded]

    def decorate(command: CommandT) -> CommandT:
        for field in reversed(fields):
            command = _request_option(field)(command)
        return command

    return decorate


def _request_option(field: "PlainField") -> Callable[[CommandT], CommandT]:
    name = _NAMES.get(field.name, f"--{field.name.replace('_', '-')}")
    if field.type is bool:
        return click.option(name, field.name, is_flag=True, help=field.description)
    if get_origin(field.type) is dict:
        return click.option(
            name,
            field.name,
            multiple=True,
            required=field.required,
            metavar=_METAVARS[field.name],
            help=f"{field.description} May be repeated.",
        )
    if field.type is date:
        return click.option(
            name, field.name, type=_DAY, callback=_to_date, required=field.required, help=field.description
        )
    choice = get_origin(field.type) is Literal
    plain_type = str if field.type is Decimal else field.type  # the model reads it exactly
    callback = _canonical_timeframe if field.name == "timeframe" else None
    return click.option(
        name,
        field.name,
        type=click.Choice(get_args(field.type)) if choice else plain_type,
        callback=callback,
        required=field.required,
        default=field.default,
        show_default=field.default is not None,
        help=field.description,
    )


def _to_date(_context: click.Context, _option: click.Parameter, value: datetime | None) -> date | None:
    return value and value.date()


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a summary.")
language = click.option(
    "--lang",
    "language",
    type=click.Choice(LANGUAGES),
    default="en",
    show_default=True,
    help="Language of the report that is written.",
)
