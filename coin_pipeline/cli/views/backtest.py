"""Terminal summary of a backtest result."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from coin_pipeline.backtest.formatting import format_amount, pluralize
from coin_pipeline.backtest.labels import FIGURES, UNDEFINED, break_even_text, format_figure
from coin_pipeline.candles.symbol import quote_of
from coin_pipeline.candles.timeframe import SEOUL, day_of
from coin_pipeline.cli.views.console import MAX_LINES
from coin_pipeline.results.legacy import finite_number, parse_count, parts_of

SUMMARY_ROWS = (
    ("total_return", "buy_and_hold"),
    ("cagr", "max_drawdown"),
    ("sharpe", "sortino"),
    ("trades", "win_rate"),
    ("profit_factor", "expectancy"),
    ("exposure", "ignored"),
)
"""Figures of the summary, two per line."""


def summary_lines(document: dict[str, Any]) -> list[str]:
    """Return the summary of a result of schema 1.2.0; for an older schema, the figures it contains."""
    symbols = parts_of(document)
    names = ", ".join(part["symbol"] for part in symbols[:MAX_LINES]) + (" ..." if len(symbols) > MAX_LINES else "")
    days = f"{document.get('start_date', UNDEFINED)} to {document.get('end_date', UNDEFINED)}"
    title = f"{document.get('strategy', UNDEFINED)} on {names}, {days}"
    zone = document.get("timezone", SEOUL)
    if "metrics" not in document:
        return [title, "", *_legacy_summary(document, symbols), ""]
    return [
        f"{title}{'' if zone == SEOUL else f' ({zone})'}, {document['timeframe']}",
        "",
        *_figures(document),
        "",
        *_first_lines(f"{'Data':<10}{_coverage(part, zone)}" for part in symbols),
        *_checks(symbols),
        *_first_lines(f"{'Warning':<10}{warning}" for warning in document["warnings"]),
        "",
    ]


def _legacy_summary(document: dict[str, Any], symbols: Sequence[dict[str, Any]]) -> list[str]:
    """Return the figures per symbol of a result that the legacy platform wrote."""
    note = f"  a legacy result (schema {document.get('version', '1.0')}); --json prints it as stored"
    return [note, "", *_first_lines(f"  {_legacy_figures(part)}" for part in symbols)]


def _legacy_figures(part: dict[str, Any]) -> str:
    signals, win_rate = parse_count(part.get("signals")), finite_number(part.get("win_rate"))
    average, drawdown = (_from_percent(part.get(name)) for name in ("avg_return", "max_drawdown"))
    figures = [
        f"{UNDEFINED if signals is None else f'{signals:,}'} signals",
        f"win rate {format_figure('win_rate', win_rate, 1)}",
        f"average {format_figure('avg_return', average)} per trade",
        f"max drawdown {format_figure('max_drawdown', drawdown)}",
    ]
    return f"{part['symbol']:<12}{', '.join(figures)}"


def _from_percent(value: object) -> float | None:
    number = finite_number(value)
    return None if number is None else number / 100


def _figures(document: dict[str, Any]) -> list[str]:
    metrics, costs = document["metrics"], document["costs"]
    shown = {name: format_figure(name, metrics[name]) for row in SUMMARY_ROWS for name in row}
    lines = [
        f"  {FIGURES[left].label:<14}{shown[left]:>12}   {FIGURES[right].label:<16}{shown[right]:>12}"
        for left, right in SUMMARY_ROWS
    ]
    legs = f"fee {100 * costs['fee_rate']:g} % and slippage {100 * costs['slippage_rate']:g} % on each leg"
    if document.get("spec", {}).get("tick_sizes", "none") != "none":
        legs += ", then rounding to ticks"
    return [
        *lines,
        f"  {'Costs':<14}{legs}",
        *_cost_stress(costs, metrics["trades"]),
        *_stops(document),
        *_account(document),
    ]


def _cost_stress(costs: dict[str, Any], trades: int) -> list[str]:
    """Return the total return at multiples of the costs; results stored by early versions lack it."""
    if "stress" not in costs:
        return []
    returns = "   ".join(f"{name}: {format_figure('total_return', value)}" for name, value in costs["stress"].items())
    return [f"  {'':<14}{returns}   break-even: {break_even_text(costs, trades)}"]


def _stops(document: dict[str, Any]) -> list[str]:
    stops = {name: value for name, value in document.get("stops", {}).items() if value is not None}
    listed = ", ".join(f"{name.replace('_', ' ')} {100 * value:g} %" for name, value in stops.items())
    return [f"  {'Stops':<14}{listed}"] if stops else []


def _account(document: dict[str, Any]) -> list[str]:
    account = document.get("account")
    position_size = (account or document.get("spec", {})).get("position_size", 1.0)
    size = f"each opened with {100 * position_size:.3g} % of the equity"
    if not account:
        return [f"  {'Account':<14}one per symbol, positions {size}"] if position_size < 1 else []
    skipped = (
        f"signals skipped: {account['no_slot']:,} with no position free, {account['too_small']:,} for lack of cash"
    )
    quote = quote_of(parts_of(document)[0]["symbol"])
    money = " to ".join(format_amount(account[name], quote) for name in ("initial_cash", "final_value"))
    limit = f"at most {pluralize(account['max_positions'], 'position')}"
    return [f"  {'Account':<14}shared, {money}, {limit}, {size}; {skipped}"]


def _coverage(part: dict[str, Any], zone: str) -> str:
    """Return how many candles there are, with the days of the first and the last in the time zone of the range."""
    candles = part["candles"]
    gaps = pluralize(candles["gap_count"], "gap") if candles["gap_count"] else "no gaps"
    share = f"{candles['present']:,} of {candles['expected']:,} candles ({candles['ratio']:.1%})"
    days = " to ".join(str(day_of(datetime.fromisoformat(candles[name]), zone)) for name in ("first", "last"))
    return f"{part['symbol']} {share}, {days}, {gaps}{_missing(candles)}{_warm_up(candles)}"


def _missing(candles: dict[str, Any]) -> str:
    """Return how many missing candles had no trade and how many were never fetched; early results lack this."""
    if not candles["gap_count"] or "verdict" not in candles:
        return ""
    split = f"{candles['no_trade']:,} without a trade, {candles['not_fetched']:,} not fetched"
    return f" ({split}): {candles['known']:.1%} known"


def _warm_up(candles: dict[str, Any]) -> str:
    """Return how many candles warmed the strategy up; nothing if it needs none or the run had no warm-up."""
    warm_up = candles.get("warm_up")
    if not warm_up or not (warm_up["used"] or warm_up["missing"]):
        return ""
    of_declared = f" of {warm_up['declared']:,}" if warm_up["missing"] else ""
    return f", warm-up {warm_up['used']:,}{of_declared} candles"


def _checks(symbols: Sequence[dict[str, Any]]) -> list[str]:
    """Return one line per check: with its detail for one symbol, with a count for several."""
    if len(symbols) == 1:
        return [f"{'Checks':<10}{check['name']}: {check['detail']}" for check in symbols[0]["checks"]]
    names = [check["name"] for check in symbols[0]["checks"]]
    passed = {name: sum(c["passed"] for part in symbols for c in part["checks"] if c["name"] == name) for name in names}
    return [f"{'Checks':<10}{name}: passed for {passed[name]} of {len(symbols)} symbols" for name in names]


def _first_lines(lines: Iterable[str]) -> list[str]:
    """Return the first lines, and the number of those left out."""
    every = list(lines)
    more = [f"{'':<10}and {len(every) - MAX_LINES} more"] if len(every) > MAX_LINES else []
    return every[:MAX_LINES] + more
