"""Backtest report as a self-contained HTML file: no network access, no scripts, printable."""

import sys
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import cache, partial
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from coin_pipeline.backtest.formatting import format_amount, pluralize
from coin_pipeline.backtest.labels import FIGURES, Unit, break_even_text, format_figure, format_value
from coin_pipeline.backtest.tables import Tables, to_rows
from coin_pipeline.candles.symbol import quote_of
from coin_pipeline.report.figures import equity_figure
from coin_pipeline.results.store import Json

TRADES_SHOWN = 100
"""Trades shown from the start, and the same number from the end."""
GAPS_SHOWN = 5
"""Candle gaps listed per symbol."""
_SYMBOL_FIGURES = ("total_return", "buy_and_hold", "cagr", "max_drawdown", "sharpe", "profit_factor", "win_rate",
                   "exposure", "trades")  # fmt: skip
SYMBOLS_NAMED = 12
"""Symbols named in the heading; the tables name all."""
_UNDEFINED = Markup('<span class="undefined" title="undefined">&ndash;</span>')


_COMPILED = str(Path(cache_from_source(__file__)).parent)


class _CompiledTemplates(FileSystemBytecodeCache):
    """Compiled templates next to the compiled modules; where the folder is not writable, each process compiles them."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Store a compiled template, which is used while its source is the same."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


def render_backtest_report(document: Json, tables: Tables) -> str:
    """Return the report of a result of schema 1.2.0 as HTML.

    Args:
        document: Result document from `document.result_json`.
        tables: Tables from `document.result_tables` of the same run.
    """
    first, omitted, last = _first_and_last(tables["trades"])
    spec = document.get("spec", {})
    values = {
        "document": document,
        "ticks": spec.get("tick_sizes", "none") != "none",
        "position_size": spec.get("position_size") or 1.0,  # null without an account
        "figure_svg": Markup(equity_figure(tables["equity"], "Equity and drawdown")),  # noqa: S704 - escaped by the figure
        "first_trades": first,
        "omitted": omitted,
        "last_trades": last,
        "key_figures": [name for name in FIGURES if name in document["metrics"] and name != "avg_return"],
        "symbol_figures": _SYMBOL_FIGURES,
        "gaps_shown": GAPS_SHOWN,
        "symbols_named": SYMBOLS_NAMED,
        "quote": quote_of(document["symbols"][0]["symbol"]),
    }
    return template_environment().get_template("report.html.j2").render(values)


def _first_and_last(trades: pa.Table) -> tuple[list[Json], int, list[Json]]:
    """Return the trades shown from the start, the number omitted, and those shown from the end, in order of entry."""
    order = np.argsort(trades["entry_time"].cast(pa.int64()).to_numpy(), kind="stable")
    omitted = len(order) - 2 * TRADES_SHOWN
    if omitted <= 0:
        return to_rows(trades.take(order)), 0, []
    return to_rows(trades.take(order[:TRADES_SHOWN])), omitted, to_rows(trades.take(order[-TRADES_SHOWN:]))


@cache
def template_environment() -> Environment:
    """Return the Jinja environment of the reports, with the filters that format figures."""
    environment = Environment(
        loader=PackageLoader("coin_pipeline.report"),
        bytecode_cache=None if sys.dont_write_bytecode else _CompiledTemplates(_COMPILED),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    units = {"integer": Unit.COUNT, "percent": Unit.SHARE, "change": Unit.CHANGE, "ratio": Unit.RATIO}
    environment.filters |= {name: _or_undefined(partial(_with_unit, unit)) for name, unit in units.items()}
    environment.filters["figure"] = _figure
    environment.globals["figures"] = FIGURES
    environment.globals["break_even"] = partial(break_even_text, percent="%")
    environment.filters |= {"timestamp": _or_undefined(_timestamp), "points": _points, "price": _price}
    environment.filters |= {"amount": format_amount, "counted": pluralize}
    environment.filters |= {"rate": _rate, "rate3": _rate3}
    return environment


def _or_undefined(formatter: Callable[[Any], str]) -> Callable[[Any], str]:
    """Extend a filter to show None as a dash titled 'undefined'."""
    return lambda value: _UNDEFINED if value is None else formatter(value)


def _with_unit(unit: Unit, value: float) -> str:
    return format_value(unit, value, percent="%")


def _figure(value: float | None, name: str) -> str:
    """Format a figure of a result by its key."""
    return _UNDEFINED if value is None else format_figure(name, value, percent="%")


def _points(fraction: float) -> str:
    """Format a difference of two fractions in percentage points."""
    return f"{100 * fraction:+z,.2f} pp"


def _rate(fraction: float) -> str:
    """Format a configured cost rate with all its digits."""
    return f"{100 * fraction:.6g}%"


def _rate3(fraction: float) -> str:
    """Format a computed rate with three digits."""
    return f"{100 * fraction:.3g}%"


def _price(value: float) -> str:
    """Format a price as a plain decimal, without scientific notation and binary noise."""
    return f"{Decimal(f'{value:.10g}'):,f}"


def _timestamp(timestamp: str) -> str:
    """Shorten an ISO timestamp in UTC to the minute; the surrounding text names the time zone."""
    return timestamp[:16].replace("T", " ")
