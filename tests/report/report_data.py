"""Builders of the data and the analysis of a report, of any number of bars, trades and symbols."""

from typing import Any

import numpy as np
import numpy.typing as npt

from coin_pipeline.backtest.tables import TABLE_SCHEMAS
from coin_pipeline.report.payload import (
    Analysis,
    CalendarPeriod,
    Candles,
    ChartLine,
    Column,
    DailyCurves,
    Drawdown,
    LongerCandles,
    PeriodTable,
    ReportData,
    SymbolData,
    Trades,
)
from tests.report.documents import START_NS, document, metrics, part, walk

DAY = 86_400
START = START_NS // 10**9
REASONS = ["signal", "hold", "stop_loss"]


def packed(values: npt.ArrayLike, divisor: int = 1) -> Column:
    """Return numbers as a column; NaN becomes null."""
    deltas: list[int | None] = []
    last = 0
    for value in np.round(np.asarray(values, float) * divisor):
        deltas.append(None if np.isnan(value) else int(value) - last)
        last = last if np.isnan(value) else int(value)
    return {"divisor": divisor, "deltas": deltas}


def times(bars: int) -> npt.NDArray[np.int64]:
    """Return the opens of daily bars, seconds since 1970."""
    return START + DAY * np.arange(bars)


def candles(bars: int, seed: int = 1) -> Candles:
    """Return daily candles of a random walk."""
    close = 1e6 * walk(seed, bars)
    opened = np.append(1e6, close[:-1])
    return {
        "time": packed(times(bars)),
        "open": packed(opened),
        "high": packed(1.01 * np.maximum(opened, close)),
        "low": packed(0.99 * np.minimum(opened, close)),
        "close": packed(close),
        "volume": packed(np.arange(bars) % 7),
        "bar_seconds": DAY,
        "thinned": None,
    }


def symbol_data(name: str = "BTC_KRW", bars: int = 400, lines: list[ChartLine] | None = None) -> SymbolData:
    """Return a symbol with candles."""
    return {
        "name": name,
        "trades": 0,
        "candles": candles(bars),
        "longer": longer(bars),
        "no_candles": None,
        "lines": lines or [],
        "no_lines": None,
    }


def longer(bars: int) -> list[LongerCandles]:
    """Return candles of months of 30 days, of the same random walk."""
    months = bars // 30
    if not months:
        return []
    close = 1e6 * walk(1, bars)[29 : 30 * months : 30]
    opened = np.append(1e6, close[:-1])
    found: LongerCandles = {
        "period": "month",
        "time": packed(times(bars)[: 30 * months : 30]),
        "open": packed(opened),
        "high": packed(1.1 * np.maximum(opened, close)),
        "low": packed(0.9 * np.minimum(opened, close)),
        "close": packed(close),
    }
    return [found]


def line(label: str, bars: int = 400, pane: Any = "own") -> ChartLine:  # noqa: ANN401 - a name of a pane
    """Return an indicator that is not defined in its first bars."""
    values = np.append(np.full(5, np.nan), np.arange(5, bars) % 50)
    return {"label": label, "kind": "indicator", "pane": pane, "values": packed(values)}


def trades_data(number: int, bars: int = 400, symbols: int = 1) -> Trades:
    """Return trades that enter every few bars, alternately a gain of 2 % and a loss of 1 %, in each symbol in turn."""
    index = np.arange(number)
    entered = index * max((bars - 2), 1) // max(number, 1)
    gains = np.where(index % 2 == 0, 0.02, -0.01)
    return {
        "total": number,
        "symbol": packed(index % symbols),
        "entry_time": packed(START + DAY * entered),
        "exit_time": packed(START + DAY * (entered + 1)),
        "entry_price": packed(1e6 + index),
        "exit_price": packed((1e6 + index) * (1 + gains)),
        "net_return": packed(gains, 10**6),
        "spent": packed(np.full(number, 1e7)),
        "bars_held": packed(np.ones(number)),
        "reason": packed(index % len(REASONS)),
        "reasons": REASONS,
        "open_at_end": packed(np.zeros(number)),
    }


def report_data(bars: int = 400, trades: int = 10, symbols: int = 1, **changed: object) -> ReportData:
    """Return the data of a report; the first ten symbols have a price chart."""
    names = [symbol_name(i) for i in range(symbols)]
    equity = walk(2, bars)
    data: Any = {
        "run_id": "20240101_000000_abcd1234",
        "bar_seconds": DAY,
        "quote": "KRW",
        "names": names,
        "curves": {
            "name": names[0],
            "time": packed(times(bars)),
            "equity": packed(equity, 10**6),
            "drawdown": packed(1 - equity / np.maximum.accumulate(equity), 10**6),
            "buy_and_hold": packed(walk(3, bars), 10**6),
            "thinned": None,
        },
        "daily": daily(bars),
        "periods": [periods("day", bars), periods("month", -(-bars // 30))],
        "symbols": [symbol_data(name, bars) for name in names[:10]],
        "symbols_left_out": names[10:],
        "csv_columns": TABLE_SCHEMAS["trades"].names,
        "trades": trades_data(trades, bars, symbols),
        **changed,
    }
    return data  # type: ignore[no-any-return]


def daily(bars: int) -> DailyCurves:
    """Return curves of daily bars, with a window of 30 days."""
    figures = {name: packed(scale * np.sin(np.arange(bars)), 100) for name, scale in (("up", 1), ("down", -1))}
    return {
        "time": packed(times(bars)),
        "matched": {"factor": 1.5, "equity": packed(walk(4, bars), 10**6)},
        "rolling": {
            "window_days": 30,
            "sharpe": figures["up"],
            "sortino": figures["down"],
            "volatility": packed(np.full(bars, 0.5), 100),
            "beta": figures["down"],
        }
        if bars > 30
        else None,
    }


def periods(period: CalendarPeriod, rows: int) -> PeriodTable:
    """Return a table of periods with three trades each, two of which won."""
    step = {"day": 1, "week": 7, "month": 31, "year": 366}[period]
    return {
        "period": period,
        "left_out": 0,
        "first_day": packed(START // DAY + step * np.arange(rows)),
        "trades": packed(np.full(rows, 3)),
        "wins": packed(np.full(rows, 2)),
        "losses": packed(np.full(rows, 1)),
        "profit": packed(np.full(rows, -1e6)),
        "net_return": packed(np.arange(rows) / 100, 10**6),
    }


def symbol_name(number: int) -> str:
    """Return the name of a market."""
    return f"{'BTC' if number == 0 else f'C{number}'}_KRW"


def drawdown(days: int, recovery: int | None = None) -> Drawdown:
    """Return a drawdown that begins on the first day."""
    return {
        "start": START,
        "trough": START + DAY,
        "recovery": recovery,
        "depth": 0.1,
        "days": float(days),
        "days_to_trough": 1.0,
    }


def analysis(symbols: int = 1, **changed: object) -> Analysis:
    """Return the analysis of a year."""
    histogram = {
        "edges": [-0.02, 0.0, 0.02, 0.04],
        "counts": [3, 5, 0],
        "mean": 0.01,
        "percentiles": [-0.01, 0.0, 0.02],
    }
    best = {"symbol": "BTC_KRW", "entry_time": START, "exit_time": START + DAY, "net_return": 0.02, "bars_held": 1}
    result: Any = {
        "figures": {"calmar": 1.25, "sqn": None, "max_drawdown_days": 43.0},
        "years": [{"year": 2024, "months": [None, 0.05, -0.1, 0.0, *[0.01] * 8], "total": 0.2, "buy_and_hold": None}],
        "daily_returns": histogram,
        "monthly_returns": None,
        "trade_returns": None,
        "drawdowns": [drawdown(40), drawdown(3, START + 3 * DAY)],
        "best_trade": best,
        "worst_trade": {**best, "net_return": -0.01},
        "exits": [{"reason": "hold", "trades": 10, "win_rate": 0.4, "mean_return": 0.01, "worst": -0.01, "best": 0.02}],
        "coverage": [
            {
                "symbol": symbol_name(i),
                "start": START,
                "end": START + 366 * DAY,
                "gaps": [{"start": START + 5 * DAY, "end": START + 6 * DAY, "missing": 1, "kind": "no_trade"}],
                "gaps_left_out": 0,
            }
            for i in range(symbols)
        ],
        "replay_command": "coin results replay 20240101_000000_abcd1234",
        **changed,
    }
    return result  # type: ignore[no-any-return]


def report_document(symbols: int = 1, **changed: object) -> dict[str, Any]:
    """Return the document of a result with some gain."""
    known = metrics(total_return=0.25, buy_and_hold=0.4, max_drawdown=0.18, sharpe=1.2, trades=10, win_rate=0.5)
    return document(*(part(symbol_name(i), metrics=known) for i in range(symbols)), **changed)
