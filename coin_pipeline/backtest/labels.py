"""Names and units of the figures of a result, the same wherever they are shown.

JSON and Dagster have each figure under its key, returns and shares as fractions. The terminal, reports and notebooks
show its label, with returns and shares as percentages. The sign is the same: a drawdown is positive.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from coin_pipeline.backtest.formatting import Json

UNDEFINED = "-"
"""Shown in place of a figure that is undefined or unknown."""
_PLAIN_BELOW = 1e6  # larger values are shorter in scientific notation


class Unit(StrEnum):
    """How a figure is shown."""

    CHANGE = "change"
    """A gain or loss, as a signed percentage."""
    SHARE = "share"
    """A percentage without a sign."""
    RATIO = "ratio"
    COUNT = "count"


class Figure(NamedTuple):
    """Label, unit and meaning of a figure."""

    label: str
    unit: Unit
    meaning: str


FIGURES: Mapping[str, Figure] = {
    "total_return": Figure("Total return", Unit.CHANGE, "net of all costs"),
    "buy_and_hold": Figure("Buy and hold", Unit.CHANGE, "same symbols and range, net"),
    "cagr": Figure("CAGR", Unit.CHANGE, "per year of 365 days"),
    "max_drawdown": Figure("Max drawdown", Unit.SHARE, "loss from the peak of the equity"),
    "sharpe": Figure("Sharpe ratio", Unit.RATIO, "annualized, risk-free rate 0"),
    "sortino": Figure("Sortino ratio", Unit.RATIO, "annualized, target 0"),
    "volatility": Figure("Volatility", Unit.SHARE, "annualized"),
    "exposure": Figure("Exposure", Unit.SHARE, "share of bars with a position"),
    "profit_factor": Figure("Profit factor", Unit.RATIO, "sum of gains over sum of losses"),
    "win_rate": Figure("Win rate", Unit.SHARE, "trades with a net gain"),
    "expectancy": Figure("Expectancy", Unit.CHANGE, "mean net return per trade"),
    "avg_return": Figure("Average return", Unit.CHANGE, "mean net return per trade"),
    "avg_hold_bars": Figure("Average hold", Unit.RATIO, "bars"),
    "trades": Figure("Trades", Unit.COUNT, ""),
    "signals": Figure("Signals", Unit.COUNT, ""),
    "ignored": Figure("Signals ignored", Unit.COUNT, "while a position was held"),
    "return_over_drawdown": Figure("Return over drawdown", Unit.RATIO, "total return over max drawdown"),
}
"""Every figure by its key in JSON."""
SWEEP_FIGURES = ("total_return", "max_drawdown", "profit_factor", "win_rate", "exposure", "trades")
"""Figures of each of the best points of a sweep."""


def sweep_columns(objective: str) -> tuple[str, ...]:
    """Return the figures that are shown for each of the best points: the objective is always among them."""
    return SWEEP_FIGURES if objective in SWEEP_FIGURES else (objective, *SWEEP_FIGURES)


def format_figure(name: str, value: float | None, digits: int = 2, percent: str = " %") -> str:
    """Return a figure with its unit.

    Args:
        name: Key of the figure in `FIGURES`.
        value: Its value in JSON.
        digits: Digits after the point, except of counts.
        percent: Sign of a percentage.

    >>> format_figure("total_return", 0.125), format_figure("max_drawdown", 0.125), format_figure("sharpe", None)
    ('+12.50 %', '12.50 %', '-')
    """
    return UNDEFINED if value is None else format_value(FIGURES[name].unit, value, digits, percent)


def format_value(unit: Unit, value: float, digits: int = 2, percent: str = " %") -> str:
    """Return a value with its unit, without a minus sign before zero.

    >>> format_value(Unit.CHANGE, -0.000001), format_value(Unit.CHANGE, 3e8, percent="%")
    ('0.00 %', '+3.00e+10%')
    """
    if unit is Unit.COUNT:
        return f"{value:,.0f}"
    if unit is Unit.RATIO:
        return f"{value:z,.{digits}f}" if abs(value) < _PLAIN_BELOW else f"{value:.{digits}e}"
    signed = "+" if unit is Unit.CHANGE and round(100 * value, digits) else ""
    text = f"{100 * value:{signed}z,.{digits}f}" if abs(value) < _PLAIN_BELOW else f"{100 * value:{signed}.{digits}e}"
    return f"{text}{percent}"


def break_even_text(costs: Json, trades: int, percent: str = " %") -> str:
    """Return at which cost a result breaks even, or why at none.

    Args:
        costs: `costs` of a result or of a symbol's part.
        trades: Number of its trades.
        percent: Sign of a percentage.

    >>> break_even_text({"break_even_rate": None, "gross_return": -0.1}, 7)
    'loses even without costs'
    """
    rate, gross = costs["break_even_rate"], costs["gross_return"]
    if not trades:
        return "no trades"
    if rate is None or (rate == 0 and gross is not None and gross < 0):  # early results have 0 for it
        return "loses even without costs"
    if rate == 0 and gross != 0:
        return "loses by rounding to ticks alone"
    return f"{100 * rate:.3g}{percent} per leg"
