"""Builders of small result documents with the keys that backtest/document.py writes."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

DAY_NS = 86400 * 10**9
START_NS = 1_704_067_200 * 10**9  # 2024-01-01T00:00:00Z
UNDEFINED = dict.fromkeys(
    (
        "cagr",
        "volatility",
        "sharpe",
        "sortino",
        "exposure",
        "buy_and_hold",
        "win_rate",
        "avg_return",
        "expectancy",
        "profit_factor",
        "avg_hold_bars",
    )
)


def walk(seed: int, bars: int, deviation: float = 0.02, drift: float = 0.0) -> npt.NDArray[np.float64]:
    """Return a random walk of growth factors, one per bar."""
    return np.exp(np.cumsum(np.random.default_rng(seed).normal(drift, deviation, bars)))


def curve(
    equity: npt.ArrayLike,
    buy_and_hold: npt.ArrayLike | None = None,
    *,
    symbol: str = "BTC_KRW",
    start: int = START_NS,
    step: int = DAY_NS,
) -> pa.Table:
    """Return the equity table of one symbol."""
    values = np.asarray(equity, float)
    held = np.ones(len(values)) if buy_and_hold is None else np.asarray(buy_and_hold, float)
    time = start + np.arange(len(values)) * step
    return pa.table(
        {
            "symbol": pa.array([symbol] * len(values)).dictionary_encode(),
            "timestamp": pa.array(time, pa.timestamp("ns", tz="UTC")),
            "equity": values,
            "drawdown": 1 - values / np.maximum.accumulate(np.maximum(values, 1.0)),
            "buy_and_hold": held,
        }
    )


STRESS = {"0x": 0.25, "1x": 0.2, "2x": 0.15, "5x": -0.02}


def metrics(**known: float | None) -> dict[str, Any]:
    """Return metrics without trades, all undefined except those given."""
    counts = dict.fromkeys(("signals", "trades", "ignored"), 0)
    return {**UNDEFINED, "total_return": 0.0, "max_drawdown": 0.0, **counts, **known}


def trade(number: int, symbol: str = "BTC_KRW", **changed: object) -> dict[str, Any]:
    """Return the trade that enters on day `number` and exits on the next day."""
    entry, exit_ = np.datetime64(START_NS, "ns") + np.array([number, number + 1]) * np.timedelta64(1, "D")
    return {
        "symbol": symbol,
        "entry_time": f"{np.datetime_as_string(entry, 's')}Z",
        "exit_time": f"{np.datetime_as_string(exit_, 's')}Z",
        "entry_price": 57053000.0 + number,
        "exit_price": 57181000.0,
        "return_pct": -0.0123,
        "bars_held": 1,
        "exit_reason": "hold",
        "open_at_end": False,
        "spent": 10_000_000.0,
        **changed,
    }


def part(symbol: str = "BTC_KRW", **changed: object) -> dict[str, Any]:
    """Return an entry of a document's `symbols`."""
    return {
        "symbol": symbol,
        "is_active": True,
        "signals": [],
        "win_rate": 0.0,
        "avg_return": 0.0,
        "max_drawdown": 0.0,
        "avg_hold_bars": 0.0,
        "performance_curve": [],
        "unfilled_signals": [],
        "trades": [],
        "metrics": metrics(),
        "costs": {"gross_return": 0.25, "net_return": 0.2, "stress": STRESS, "break_even_rate": 0.00345},
        "no_slot": 0,
        "too_small": 0,
        "checks": [
            {"name": "candles", "passed": True, "detail": "366 candles in order, prices consistent"},
            {
                "name": "no_look_ahead",
                "passed": True,
                "detail": "signals unchanged with other later candles at 8 points",
            },
        ],
        "candles": {
            "rows": 366,
            "sha256": "c" * 64,
            "expected": 366,
            "present": 366,
            "ratio": 1.0,
            "first": "2024-01-01T00:00:00Z",
            "last": "2024-12-31T00:00:00Z",
            "gap_count": 0,
            "gaps": [],
            "no_trade": 0,
            "not_fetched": 0,
            "first_unfetched": None,
            "known": 1.0,
            "verdict": "complete",
            "snapshot": "d" * 64,
        },
        "execution_time": 0.01,
        **changed,
    }


def document(*parts: dict[str, Any], **changed: object) -> dict[str, Any]:
    """Return a document of schema 1.2.0; by default it has one symbol without trades."""
    symbols = list(parts) or [part()]
    return {
        "version": "1.2.0",
        "run_id": "20240101_000000_abcd1234",
        "strategy": "volume_long_candle",
        "params": {"vol_ma_window": 20, "vol_multiplier": 1.5},
        "start_date": "2024-01-01",
        "end_date": "2024-12-31",
        "timeframe": "1d",
        "symbols": symbols,
        "total_signals": 0,
        "execution_time": 0.123,
        "metadata": {
            "execution_date": "2025-01-02T03:04:05.678901Z",
            "environment": "test",
            "execution_host": "host-1",
        },
        "description": None,
        "fill": "next_open",
        "costs": {"fee_rate": 0.001, "slippage_rate": 0.0002, "legs": 2, **symbols[0]["costs"]},
        "stops": {"stop_loss": None, "take_profit": None, "trailing_stop": None},
        "account": None,
        "metrics": symbols[0]["metrics"],
        "fingerprint": {
            "spec": "a" * 64,
            "candles": {entry["symbol"]: entry["candles"]["sha256"] for entry in symbols},
            "code": "b" * 64,
            "versions": {"coin-pipeline": "0.1.0", "numba": "0.68.0", "numpy": "2.4.0"},
        },
        "warnings": [],
        **changed,
    }
