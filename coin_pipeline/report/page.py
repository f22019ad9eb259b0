"""A result as one HTML file that needs nothing else: no network, no scripts, fit for printing."""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from coin_pipeline.report.figures import equity_figure
from coin_pipeline.results.store import Json

TRADES_SHOWN = 100
"""How many trades are shown from the start, and as many from the end."""
GAPS_SHOWN = 5
"""How many gaps in the candles of a symbol are listed."""
SYMBOLS_NAMED = 12
"""How many symbols the heading names; the tables name all."""
_UNDEFINED = Markup('<span class="undefined" title="undefined">&ndash;</span>')
_PLAIN_BELOW = 1e6  # larger figures are shorter as powers of ten


def render_backtest_report(document: Json, equity: pa.Table) -> str:
    """Return the report of a result of schema 1.2.0 as HTML.

    Args:
        document: What `document.result_json` returned.
        equity: What `document.equity_table` returned for the same run.
    """
    trades = sorted((trade for part in document["symbols"] for trade in part["trades"]), key=lambda t: t["entry_time"])
    left_out = max(0, len(trades) - 2 * TRADES_SHOWN)
    values = {
        "document": document,
        "picture": Markup(equity_figure(equity, "Equity and drawdown")),  # noqa: S704 - the figure escapes its texts
        "first_trades": trades[:TRADES_SHOWN] if left_out else trades,
        "left_out": left_out,
        "last_trades": trades[-TRADES_SHOWN:] if left_out else [],
        "gaps_shown": GAPS_SHOWN,
        "symbols_named": SYMBOLS_NAMED,
    }
    return template_environment().get_template("report.html.j2").render(values)


@cache
def template_environment() -> Environment:
    """Return what renders the pages: their templates and how they write figures."""
    found = Environment(
        loader=PackageLoader("coin_pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    of_numbers = {"whole": _whole, "percent": _percent, "change": _change, "loss": _loss, "ratio": _ratio}
    found.filters |= {name: _or_undefined(write) for name, write in of_numbers.items()}
    found.filters |= {"moment": _or_undefined(_moment), "points": _points, "price": _price}
    found.filters |= {"rate": _rate, "rate3": _rate3}
    return found


def _or_undefined(write: Callable[[Any], str]) -> Callable[[Any], str]:
    """Let a filter show a figure that has no value as a dash that says so."""
    return lambda value: _UNDEFINED if value is None else write(value)


def _whole(number: int) -> str:
    return f"{number:,}"


def _percent(fraction: float) -> str:
    return f"{fraction:z,.2%}"


def _change(fraction: float) -> str:
    if abs(fraction) >= _PLAIN_BELOW:
        return f"{100 * fraction:+.2e}%"
    return f"{fraction:+z,.2%}".replace("+0.00%", "0.00%")


def _loss(fraction: float) -> str:
    return f"{-fraction:z,.2%}"


def _points(fraction: float) -> str:
    """Write a difference of two percentages in percentage points."""
    return f"{100 * fraction:+z,.2f} pp"


def _rate(fraction: float) -> str:
    """Write a cost rate with all its digits."""
    return f"{100 * fraction:.6g}%"


def _rate3(fraction: float) -> str:
    """Write a computed rate."""
    return f"{100 * fraction:.3g}%"


def _ratio(value: float) -> str:
    return f"{value:z,.2f}" if abs(value) < _PLAIN_BELOW else f"{value:.2e}"


def _price(value: float) -> str:
    """Write a price as the exchange does, never as a power of ten, without the noise of binary fractions."""
    return f"{Decimal(f'{value:.10g}'):,f}"


def _moment(stamp: str) -> str:
    """Shorten an ISO stamp in UTC to the minute; the text around it names the zone."""
    return stamp[:16].replace("T", " ")
