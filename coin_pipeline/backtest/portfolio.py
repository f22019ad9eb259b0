"""Several symbols as one account: equal shares of the capital at the start, never rebalanced."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from coin_pipeline.engine import metrics
from coin_pipeline.engine.bars import Floats, Ints

Json = dict[str, Any]


class Curve(NamedTuple):
    """An account per bar, four columns of shape (n,): time in ns UTC, growth factors, drawdown as a fraction."""

    name: str
    time: Ints
    equity: Floats
    drawdown: Floats
    buy_and_hold: Floats


def combine(parts: Sequence[tuple[Json, pa.Table]], bars_per_year: float) -> Json:
    """Return the statistics of all symbols together; for one symbol, its own.

    A symbol without a candle at some time keeps its last value, and its share untouched before its first one.
    Figures of trades are over the trades of all symbols; exposure is the mean of the symbols' exposures.
    """
    if len(parts) == 1:
        own: Json = parts[0][0]["metrics"]
        return own
    account = equal_shares([_curve(part["symbol"], table) for part, table in parts])
    returns = metrics.bar_returns(account.equity)
    each: list[Json] = [part["metrics"] for part, _ in parts]
    return {
        "total_return": metrics.total_return(account.equity),
        "cagr": metrics.cagr(account.equity, account.time, bars_per_year),
        "volatility": metrics.volatility(returns, bars_per_year),
        "sharpe": metrics.sharpe(returns, bars_per_year),
        "sortino": metrics.sortino(returns, bars_per_year),
        "max_drawdown": float(account.drawdown.max()),
        "exposure": float(np.mean([m["exposure"] for m in each])),
        "buy_and_hold": float(np.mean([m["buy_and_hold"] for m in each])),
        **{count: sum(m[count] for m in each) for count in ("signals", "trades", "ignored")},
        **_of_all_trades([trade["return_pct"] for part, _ in parts for trade in part["trades"]]),
        "avg_hold_bars": _mean([trade["bars_held"] for part, _ in parts for trade in part["trades"]]),
    }


def equal_shares(curves: Sequence[Curve]) -> Curve:
    """Return one account of equal shares at the start, never rebalanced; a share is cash until its first bar."""
    # A stable sort merges sorted runs; np.unique would hash millions of times.
    merged = np.sort(np.concatenate([curve.time for curve in curves]), kind="stable")
    time = merged[np.append(True, np.diff(merged) > 0)]
    equity, buy_and_hold = np.zeros(len(time)), np.zeros(len(time))
    for curve in curves:
        row = np.searchsorted(curve.time, time, side="right")
        equity += np.append(1.0, curve.equity)[row]
        buy_and_hold += np.append(1.0, curve.buy_and_hold)[row]
    equity, buy_and_hold = equity / len(curves), buy_and_hold / len(curves)
    drawdown = 1 - equity / np.maximum.accumulate(np.maximum(equity, 1.0))
    return Curve(f"mean of {len(curves)} symbols", time, equity, drawdown, buy_and_hold)


def _curve(symbol: str, table: pa.Table) -> Curve:
    columns = (table[name].to_numpy() for name in ("equity", "drawdown", "buy_and_hold"))
    return Curve(symbol, table["timestamp"].cast(pa.int64()).to_numpy(), *columns)


def _of_all_trades(returns: Sequence[float]) -> Json:
    losses = -sum(r for r in returns if r < 0)
    mean = _mean(returns)
    return {
        "win_rate": _mean([float(r > 0) for r in returns]),
        "avg_return": mean,
        "expectancy": mean,
        "profit_factor": sum(r for r in returns if r > 0) / losses if losses else None,
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
