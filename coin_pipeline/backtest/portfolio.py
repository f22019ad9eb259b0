"""Several symbols as one account: equal shares of the capital at the start, never rebalanced."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from coin_pipeline.engine import metrics

Json = dict[str, Any]


def combine(parts: Sequence[tuple[Json, pa.Table]], bars_per_year: float) -> Json:
    """Return the statistics of all symbols together; for one symbol, its own.

    A symbol without a candle at some time keeps its last value, and its share untouched before its first one.
    Figures of trades are over the trades of all symbols; exposure is the mean of the symbols' exposures.
    """
    if len(parts) == 1:
        own: Json = parts[0][0]["metrics"]
        return own
    time, equity = _equal_shares([table for _, table in parts])
    returns = metrics.bar_returns(equity)
    peak = np.maximum.accumulate(np.maximum(equity, 1.0))
    each: list[Json] = [part["metrics"] for part, _ in parts]
    return {
        "total_return": metrics.total_return(equity),
        "cagr": metrics.cagr(equity, time, bars_per_year),
        "volatility": metrics.volatility(returns, bars_per_year),
        "sharpe": metrics.sharpe(returns, bars_per_year),
        "sortino": metrics.sortino(returns, bars_per_year),
        "max_drawdown": float((1 - equity / peak).max()),
        "exposure": float(np.mean([m["exposure"] for m in each])),
        "buy_and_hold": float(np.mean([m["buy_and_hold"] for m in each])),
        **{count: sum(m[count] for m in each) for count in ("signals", "trades", "ignored")},
        **_of_all_trades([trade["return_pct"] for part, _ in parts for trade in part["trades"]]),
        "avg_hold_bars": _mean([trade["bars_held"] for part, _ in parts for trade in part["trades"]]),
    }


def _equal_shares(tables: Sequence[pa.Table]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    times = [table["timestamp"].cast(pa.int64()).to_numpy() for table in tables]
    union = np.unique(np.concatenate(times))
    total = np.zeros(len(union))
    for time, table in zip(times, tables, strict=True):
        values = np.append(1.0, table["equity"].to_numpy())
        total += values[np.searchsorted(time, union, side="right")]
    return union, total / len(tables)


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
