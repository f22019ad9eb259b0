"""Warnings of a result: sentences to read before the figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.formatting import Json, format_amount, iso_seconds, pluralize
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
) -> list[str]:
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


def settling_warnings(symbol: str, warm_up: Json) -> list[str]:
    """Return a warning if a symbol's decisions would be others with a longer warm-up.

    Args:
        symbol: The symbol.
        warm_up: Its `candles.warm_up` in the document.
    """
    if warm_up["settled"] is not False:
        return []
    used = pluralize(warm_up["used"], "candle")
    reason = f"decisions were still changing with a warm-up of {used}, the most that is stored or tried"
    return [f"{symbol}: {reason}; an earlier start of the candles may change the result"]


def order_warnings(results: Sequence[SymbolResult]) -> list[str]:
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
            quote, highest = quote_of(result.symbol), float(least[below].max())
            warnings.append(
                f"{result.symbol}: {np.count_nonzero(below):,} of {pluralize(len(spent), 'order')} spent less than"
                f" Upbit's minimum of {format_amount(highest, quote)}; min_order skips them"
            )
    return warnings


def _of_trades(metrics: Json, best: BestTrade | None) -> list[str]:
    trades = metrics["trades"]
    warnings = []
    if 0 < trades < FEW_TRADES:
        warnings.append(f"only {pluralize(trades, 'trade')}: figures from fewer than {FEW_TRADES} may be luck")
    if (metrics["expectancy"] or 0.0) > 0 > metrics["total_return"]:
        warnings.append(
            f"the mean trade returned {metrics['expectancy']:+.2%}, but the account {metrics['total_return']:+.2%}:"
            " returns compound, so a loss weighs more than a gain of the same size (volatility drag)"
        )
    if best and metrics["total_return"] > 0 >= best.return_without:
        warnings.append(
            f"all of the profit comes from one trade: {best.symbol}, entered {iso_seconds(best.entered)},"
            f" returned {best.net_return:+.2%}; without it the result is {best.return_without:+.2%}"
        )
    return warnings


def _of_days(metrics: Json, days: float) -> list[str]:
    if not metrics["trades"] or days >= SHORT_DAYS:
        return []
    figures = "annualized figures (CAGR, volatility, Sharpe ratio, Sortino ratio)"
    reason = f"its {figures} extrapolate less than {SHORT_DAYS} days to a year and mean little"
    return [f"the range has {pluralize(int(days), 'day')}: {reason}"]


def _implausible(metrics: Json, days: float) -> list[str]:
    """Warn of figures that a strategy hardly reaches without an error in the backtest."""
    trades, sharpe = metrics["trades"], metrics["sharpe"] or 0.0
    win_rate, profit_factor = metrics["win_rate"] or 0.0, metrics["profit_factor"] or 0.0
    figures = []
    if sharpe > MAX_SHARPE and trades >= FEW_TRADES and days >= SHORT_DAYS:
        figures.append(f"a Sharpe ratio of {sharpe:.1f}, above {MAX_SHARPE:g}")
    if win_rate > MAX_WIN_RATE and trades > MANY_TRADES:
        figures.append(f"a win rate of {win_rate:.1%} over {trades:,} trades, above {MAX_WIN_RATE:.0%}")
    if profit_factor > MAX_PROFIT_FACTOR and trades > MANY_TRADES:
        figures.append(f"a profit factor of {profit_factor:.1f} over {trades:,} trades, above {MAX_PROFIT_FACTOR:g}")
    causes = "a strategy that knows the future in a way the checks miss, wrong candles, or costs that are too low"
    return [f"implausible: {'; '.join(figures)}: look for {causes}"] if figures else []


def _of_costs(metrics: Json, costs: Json) -> list[str]:
    at = costs["stress"]
    if metrics["trades"] and costs["break_even_rate"] is None:
        return [f"the trades lose even without costs: the gross return is {costs['gross_return']:+.2%}"]
    if at["1x"] is None or at["2x"] is None or not at["1x"] > 0 >= at["2x"]:
        return []
    return [f"the profit is gone at twice the costs; it breaks even at {costs['break_even_rate']:.4%} a leg"]


def _of_params(params: Mapping[str, Any], schema: Json) -> list[str]:
    """Warn of a chosen value at the limit of its range: the best value may be beyond it. Defaults are exempt."""
    warnings = []
    for name, field in schema.get("properties", {}).items():
        value, limits = params[name], dict(zip(numeric_limits(field), ("lowest", "highest"), strict=True))
        if value is not None and value != field.get("default") and not isinstance(value, bool) and value in limits:
            warnings.append(f"{name}={value} is the {limits[value]} value that the strategy takes")
    return warnings


def _of_symbol(result: SymbolResult) -> list[str]:
    part, symbol, trades = result.json, result.symbol, result.trades
    candles = part["candles"]
    missing = candles["expected"] - candles["present"]
    warnings = [f"{symbol}: {check['name']}: {check['detail']}" for check in part["checks"] if not check["passed"]]
    if "closed_until" in candles:
        end = f"the range ends at {candles['closed_until']}, when the last closed candle ends"
        warnings.append(f"{symbol}: {end}; later candles do not exist yet")
    if missing > 0:
        share = 1 - candles["ratio"]
        warnings.append(
            f"{symbol}: {missing} of {candles['expected']} candles ({share:.2%}) are missing,"
            f" in {pluralize(candles['gap_count'], 'gap')};"
            f" the first candle is at {candles['first']}, the last at {candles['last']}"
        )
    warnings += _of_warm_up(symbol, candles.get("warm_up"))
    if not len(trades):
        warnings.append(f"{symbol}: the strategy never traded")
    elif trades["open_at_end"][-1].as_py():
        warnings.append(f"{symbol}: the last position was still open and is valued at the last close")
    if part["too_small"]:
        left_out = pluralize(part["too_small"], "signal")
        warnings.append(f"{symbol}: {left_out} not traded, for lack of cash or below the minimum order")
    warnings += [
        f"{symbol}: the signal of {signal['timestamp']} cannot be filled: {signal['reason']}"
        for signal in part["unfilled_signals"]
    ]
    return warnings


def _of_warm_up(symbol: str, warm_up: Json | None) -> list[str]:
    """Warn if the strategy can decide only after the start, or decides differently with a longer warm-up."""
    warnings = []
    if warm_up and warm_up["missing"]:
        needed, first = pluralize(warm_up["declared"], "candle"), warm_up["first_decision"]
        warnings.append(
            f"{symbol}: the strategy needs {needed} before the range to warm up, and {warm_up['missing']:,} of them"
            f" {'is' if warm_up['missing'] == 1 else 'are'} not stored; "
            + (f"its first decision is possible at {first}" if first else "the range is too short for a decision")
        )
    return warnings + (settling_warnings(symbol, warm_up) if warm_up else [])
