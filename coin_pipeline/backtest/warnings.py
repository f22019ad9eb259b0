"""Warnings of a result: sentences to read before the figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.formatting import Json, format_amount, iso_seconds
from coin_pipeline.backtest.messages import Message
from coin_pipeline.backtest.portfolio import BestTrade
from coin_pipeline.backtest.symbol_result import SymbolResult
from coin_pipeline.candles.exchanges.upbit_rules import min_orders
from coin_pipeline.candles.symbol import quote_of
from coin_pipeline.engine.decimals import AT_LEAST
from coin_pipeline.strategies.registry import numeric_limits

FEW_TRADES = 30
"""Below this number of trades a mean is unreliable: the usual rule of thumb for a sample."""
SHORT_DAYS = 90
"""Below this number of days a figure per year is an extrapolation."""
MAX_SHARPE = 5.0
"""Highest annualized Sharpe ratio that is plausible; those of known funds stay below 3 over years."""
MANY_TRADES = 100
"""Above this number of trades, their share of gains is not luck."""
MAX_WIN_RATE, MAX_PROFIT_FACTOR = 0.9, 10.0
"""Highest figures of many trades that are plausible after costs."""


def collect_warnings(
    results: Sequence[SymbolResult],
    metrics: Json,
    costs: Json,
    best: BestTrade | None,
    days: float,
    params: Mapping[str, Any],
    schema: Json,
) -> list[Message]:
    """Return all warnings, those about the whole result first.

    Args:
        results: The symbols' results.
        metrics: Statistics of all symbols together.
        costs: The result at other costs.
        best: The trade that contributed most to it.
        days: Length of the equity curve.
        params: Resolved parameters of the strategy.
        schema: JSON schema of the parameters.
    """
    per_symbol = [warning for result in results for warning in _of_symbol(result)]
    whole = [*_of_trades(metrics, best), *_of_days(metrics, days), *_of_costs(metrics, costs)]
    whole += _implausible(metrics, days)
    return [*whole, *_of_params(params, schema), *per_symbol]


def settling_warnings(symbol: str, warm_up: Json) -> list[Message]:
    """Return a warning if a symbol's decisions would be others with a longer warm-up.

    Args:
        symbol: The symbol.
        warm_up: Its `candles.warm_up` in the document.
    """
    return [Message(code, {"symbol": symbol, **values}) for code, values in _settling(warm_up)]


def order_warnings(results: Sequence[SymbolResult]) -> list[Message]:
    """Return a warning per symbol with orders below the minimum that Upbit had on their day.

    Args:
        results: The symbols' results of a backtest with Upbit's rules.
    """
    warnings = []
    for result in results:
        spent = result.trades["spent"]
        if not len(spent) or spent.null_count:  # no orders, or no account
            continue
        least = min_orders(result.symbol, result.trades["entry_time"].cast(pa.int64()).to_numpy())
        if least is None:
            continue
        below = spent.to_numpy() < least * AT_LEAST
        if below.any():
            minimum = format_amount(float(least[below].max()), quote_of(result.symbol))
            counts = {"below": int(np.count_nonzero(below)), "orders": len(spent)}
            warnings.append(Message("below_minimum_order", {"symbol": result.symbol, **counts, "minimum": minimum}))
    return warnings


def _of_trades(metrics: Json, best: BestTrade | None) -> list[Message]:
    trades = metrics["trades"]
    warnings = []
    if 0 < trades < FEW_TRADES:
        warnings.append(Message("few_trades", {"trades": trades, "limit": FEW_TRADES}))
    if (metrics["expectancy"] or 0.0) > 0 > metrics["total_return"]:
        warnings.append(Message("volatility_drag", {name: metrics[name] for name in ("expectancy", "total_return")}))
    if best and metrics["total_return"] > 0 >= best.return_without:
        trade = {"symbol": best.symbol, "entered": iso_seconds(best.entered), "net_return": best.net_return}
        warnings.append(Message("one_trade", {**trade, "return_without": best.return_without}))
    return warnings


def _of_days(metrics: Json, days: float) -> list[Message]:
    if not metrics["trades"] or days >= SHORT_DAYS:
        return []
    return [Message("short_range", {"days": int(days), "limit": SHORT_DAYS})]


def _implausible(metrics: Json, days: float) -> list[Message]:
    """Warn of figures that a strategy hardly reaches without an error in the backtest."""
    trades, sharpe = metrics["trades"], metrics["sharpe"] or 0.0
    win_rate, profit_factor = metrics["win_rate"] or 0.0, metrics["profit_factor"] or 0.0
    figures = []
    if sharpe > MAX_SHARPE and trades >= FEW_TRADES and days >= SHORT_DAYS:
        figures.append(Message("sharpe", {"value": sharpe, "limit": MAX_SHARPE}))
    if win_rate > MAX_WIN_RATE and trades > MANY_TRADES:
        figures.append(Message("win_rate", {"value": win_rate, "trades": trades, "limit": MAX_WIN_RATE}))
    if profit_factor > MAX_PROFIT_FACTOR and trades > MANY_TRADES:
        figures.append(Message("profit_factor", {"value": profit_factor, "trades": trades, "limit": MAX_PROFIT_FACTOR}))
    return [Message("implausible", {"figures": figures})] if figures else []


def _of_costs(metrics: Json, costs: Json) -> list[Message]:
    at = costs["stress"]
    if metrics["trades"] and costs["break_even_rate"] is None:
        return [Message("loses_without_costs", {"gross_return": costs["gross_return"]})]
    if at["1x"] is None or at["2x"] is None or not at["1x"] > 0 >= at["2x"]:
        return []
    return [Message("gone_at_twice_the_costs", {"break_even_rate": costs["break_even_rate"]})]


def _of_params(params: Mapping[str, Any], schema: Json) -> list[Message]:
    """Warn of a chosen value at the limit of its range: the best value may be beyond it. Defaults are exempt."""
    warnings = []
    for name, field in schema.get("properties", {}).items():
        value, limits = params[name], dict(zip(numeric_limits(field), ("lowest", "highest"), strict=True))
        if value is not None and value != field.get("default") and not isinstance(value, bool) and value in limits:
            warnings.append(Message(f"{limits[value]}_param", {"name": name, "value": value}))
    return warnings


def _of_symbol(result: SymbolResult) -> list[Message]:
    part, trades = result.json, result.trades
    warnings = [*_of_checks(part["checks"]), *_of_candles(part["candles"])]
    if not len(trades):
        warnings.append(Message("never_traded", {}))
    elif trades["open_at_end"][-1].as_py():
        warnings.append(Message("open_position", {}))
    if part["too_small"]:
        warnings.append(Message("too_small", {"count": part["too_small"]}))
    warnings += [
        Message("not_filled", {"timestamp": signal["timestamp"], "reason": signal["reason"]})
        for signal in part["unfilled_signals"]
    ]
    return [Message(code, {"symbol": result.symbol, **values}) for code, values in warnings]


def _of_checks(checks: Sequence[Json]) -> list[Message]:
    return [
        Message("check_failed", {"name": check["name"], "detail": Message(check["code"], check["values"])})
        for check in checks
        if not check["passed"]
    ]


def _of_candles(candles: Json) -> list[Message]:
    missing = candles["expected"] - candles["present"]
    warnings = []
    if "closed_until" in candles:
        warnings.append(Message("range_not_over", {"closed_until": candles["closed_until"]}))
    if missing > 0:
        ends = {name: candles[name] for name in ("expected", "first", "last")}
        counts = {"missing": missing, "share": 1 - candles["ratio"], "gaps": candles["gap_count"]}
        warnings.append(Message("missing_candles", {**ends, **counts}))
    return warnings + _of_warm_up(candles.get("warm_up"))


def _of_warm_up(warm_up: Json | None) -> list[Message]:
    """Warn if the strategy can decide only after the start, or decides differently with a longer warm-up."""
    warnings = []
    if warm_up and warm_up["missing"]:
        code = "late_first_decision" if warm_up["first_decision"] else "no_decision"
        warnings.append(Message(code, {name: warm_up[name] for name in ("declared", "missing", "first_decision")}))
    return warnings + (_settling(warm_up) if warm_up else [])


def _settling(warm_up: Json) -> list[Message]:
    return [Message("not_settled", {"used": warm_up["used"]})] if warm_up["settled"] is False else []
