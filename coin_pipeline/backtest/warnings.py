"""Sentences that a reader of a result must know before the figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from coin_pipeline.backtest.formatting import Json, pluralize
from coin_pipeline.backtest.portfolio import BestTrade
from coin_pipeline.strategies.registry import numeric_limits

FEW_TRADES = 30
"""Below so many trades, a mean says little: the usual rule of thumb for a sample."""


def collect_warnings(
    symbols: Sequence[Json],
    metrics: Json,
    costs: Json,
    best: BestTrade | None,
    params: Mapping[str, Any],
    schema: Json,
) -> list[str]:
    """Return every warning, those about all symbols together first.

    Args:
        symbols: The parts of a result.
        metrics: Statistics of all symbols together.
        costs: The result at other costs.
        best: The trade that made most of it.
        params: Resolved params of the strategy.
        schema: JSON schema of the params.
    """
    each = [warning for part in symbols for warning in _of_symbol(part)]
    return [*_of_trades(metrics, best), *_of_costs(costs), *_of_params(params, schema), *each]


def _of_trades(metrics: Json, best: BestTrade | None) -> list[str]:
    trades = metrics["trades"]
    found = []
    if 0 < trades < FEW_TRADES:
        found.append(f"only {pluralize(trades, 'trade')}: figures from fewer than {FEW_TRADES} may be luck")
    if best and metrics["total_return"] > 0 >= best.return_without:
        trade = best.trade
        found.append(
            f"all of the profit comes from one trade: {trade['symbol']}, entered {trade['entry_time']},"
            f" returned {trade['return_pct']:+.2%}; without it the result is {best.return_without:+.2%}"
        )
    return found


def _of_costs(costs: Json) -> list[str]:
    at = costs["stress"]
    if at["1x"] is None or at["2x"] is None or not at["1x"] > 0 >= at["2x"]:
        return []
    return [f"the profit is gone at twice the costs; it breaks even at {costs['break_even_rate']:.4%} a leg"]


def _of_params(params: Mapping[str, Any], schema: Json) -> list[str]:
    """A limit that somebody chose, not a default, hints that the best value may lie beyond it."""
    found = []
    for name, field in schema.get("properties", {}).items():
        value, edges = params[name], dict(zip(numeric_limits(field), ("lowest", "highest"), strict=True))
        if value is not None and value != field.get("default") and not isinstance(value, bool) and value in edges:
            found.append(f"{name}={value} is the {edges[value]} value that the strategy takes")
    return found


def _of_symbol(part: Json) -> list[str]:
    symbol, candles, trades = part["symbol"], part["candles"], part["trades"]
    missing = candles["expected"] - candles["present"]
    found = [f"{symbol}: {check['name']}: {check['detail']}" for check in part["checks"] if not check["passed"]]
    if missing > 0:
        share = 1 - candles["ratio"]
        found.append(
            f"{symbol}: {missing} of {candles['expected']} candles ({share:.2%}) are missing,"
            f" in {pluralize(candles['gap_count'], 'gap')};"
            f" the first candle is at {candles['first']}, the last at {candles['last']}"
        )
    if not trades:
        found.append(f"{symbol}: the strategy never traded")
    elif trades[-1]["open_at_end"]:
        found.append(f"{symbol}: the last position was still open and is valued at the last close")
    if part["too_small"]:
        left_out = pluralize(part["too_small"], "signal")
        found.append(f"{symbol}: {left_out} not traded, for lack of cash or below the minimum order")
    if part["signals"] and part["signals"][-1]["entry_price"] is None:
        found.append(f"{symbol}: the last candle gave a signal; it would be filled at the next open, which is not here")
    return found
