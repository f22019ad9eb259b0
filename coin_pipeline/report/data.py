"""The data of a report's charts and of its table of trades, from the tables of a result and the stored candles."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.markets import common_quote
from coin_pipeline.backtest.portfolio import Curve
from coin_pipeline.backtest.tables import Tables
from coin_pipeline.candles.timeframe import SECOND_NS, SEOUL, parse_timeframe
from coin_pipeline.engine.bars import Ints
from coin_pipeline.report.analysis import account_curve
from coin_pipeline.report.chart import NO_INPUTS, ChartInputs, size_of, symbol_data
from coin_pipeline.report.daily_curves import daily_curves
from coin_pipeline.report.packing import (
    FRACTION_DECIMALS,
    extreme_rows,
    length_of,
    pack,
    pack_exact,
)
from coin_pipeline.report.payload import Curves, ReportData, SymbolData, Trades
from coin_pipeline.report.period_tables import period_tables
from coin_pipeline.report.statistics import Daily
from coin_pipeline.results.table_formats import csv_schema

MAX_CHARTS = 40
"""Symbols with a price chart."""
_NUMBERS_PER_TRADE, _NUMBERS_PER_DAY = 18, 6
_CURVE_BUCKETS = 600


class Limits(NamedTuple):
    """Sizes that keep the file of a report small and its page fast.

    Attributes:
        trades: Trades in the table; the last ones are left out.
        candles: Candles of a chart; more are combined to longer ones.
        periods: Periods in a table; the first ones are left out.
        numbers: Numbers of trades, days and charts, of about two bytes each.
    """

    trades: int = 30_000
    candles: int = 50_000
    periods: int = 1_000
    numbers: int = 540_000


LIMITS = Limits()
"""Limits of every report."""


def limits_for_share(data: ReportData, share: float) -> Limits:
    """Return the limits of a report with about a share of the trades and charts of another."""
    trades, days = length_of(data["trades"]["entry_time"]), length_of(data["daily"]["time"])
    numbers = _NUMBERS_PER_TRADE * trades + _NUMBERS_PER_DAY * days + sum(map(size_of, data["symbols"]))
    return Limits(trades=int(share * trades), numbers=int(share * numbers))


def report_data(
    document: Json,
    tables: Tables,
    inputs: ChartInputs = NO_INPUTS,
    account: Curve | None = None,
    limits: Limits = LIMITS,
) -> ReportData:
    """Return the data of a report, downsampled as far as its size requires.

    Args:
        document: Result document of schema 1.2.0.
        tables: Tables of the same result; the equity has at least one row.
        inputs: Candles, indicators and the language, and which symbols are shown.
        account: `account_curve` of the tables, if the caller has it.
        limits: Sizes of its parts.
    """
    account = account_curve(tables) if account is None else account
    daily = Daily.of(account.time, account.equity, account.buy_and_hold, document.get("timezone", SEOUL))
    names = [part["symbol"] for part in document["symbols"]] if inputs.symbol is None else [inputs.symbol]
    every_trade = _by_entry(tables["trades"])
    trades = every_trade if inputs.symbol is None else _of_symbol(every_trade, inputs.symbol)
    symbol = _symbol_codes(trades, names)
    used = _NUMBERS_PER_TRADE * min(len(trades), limits.trades) + _NUMBERS_PER_DAY * len(daily.day)
    charts = _charts(document, names, trades, symbol, inputs, limits._replace(numbers=limits.numbers - used))
    shown = {chart["name"] for chart in charts}
    return {
        "run_id": document["run_id"],
        "bar_seconds": parse_timeframe(document["timeframe"]).ns // SECOND_NS,
        "quote": common_quote(names),
        "names": names,
        "curves": _curves(account),
        "daily": daily_curves(daily),
        "periods": period_tables(document, daily, every_trade, limits.periods),
        "symbols": charts,
        "symbols_left_out": [name for name in names if name not in shown],
        "csv_columns": csv_schema("trades").names,
        "trades": _trades(trades[: limits.trades], symbol[: limits.trades], len(trades)),
    }


def _by_entry(trades: pa.Table) -> pa.Table:
    """Return trades in order of entry."""
    return trades.take(np.argsort(trades["entry_time"].cast(pa.int64()).to_numpy(), kind="stable"))


def _of_symbol(trades: pa.Table, name: str) -> pa.Table:
    """Return the trades in a symbol."""
    return trades.filter(pc.equal(trades["symbol"].cast(pa.string()), name))


def _symbol_codes(trades: pa.Table, names: list[str]) -> Ints:
    """Return the index of each trade's symbol in a list of names, shape (trades,)."""
    column = trades["symbol"].unify_dictionaries().combine_chunks()
    number = {name: index for index, name in enumerate(names)}
    codes = np.array([number.get(name, -1) for name in column.dictionary.to_pylist()], np.int64)  # not of these trades
    symbol: Ints = codes[column.indices.to_numpy()]
    return symbol


def _charts(
    document: Json, names: list[str], trades: pa.Table, symbol: Ints, inputs: ChartInputs, limits: Limits
) -> list[SymbolData]:
    """Return the charts of the symbols with most trades, those with most first: at least one, as many as have room."""
    most = np.argsort(-np.bincount(symbol, minlength=len(names)), kind="stable")[:MAX_CHARTS].tolist()
    charts: list[SymbolData] = []
    room = limits.numbers
    for code in most:
        if charts and room <= 0:
            break
        own, share = trades.take(np.flatnonzero(symbol == code)), room // (len(most) - len(charts))
        charts.append(symbol_data(document, names[code], own, inputs, share, limits.candles))
        room -= size_of(charts[-1])
    return charts


def _curves(account: Curve) -> Curves:
    held = account.buy_and_hold
    is_known = not np.isnan(held).any()
    shapes = [account.equity, account.drawdown, *([held] if is_known else [])]
    total = len(account.time)
    kept = extreme_rows(total, _CURVE_BUCKETS, shapes)
    rows = np.arange(total) if kept is None else kept
    return {
        "name": account.name,
        "time": pack(account.time[rows] // SECOND_NS),
        "equity": pack(account.equity[rows], FRACTION_DECIMALS),
        "drawdown": pack(account.drawdown[rows], FRACTION_DECIMALS),
        "buy_and_hold": pack(held[rows], FRACTION_DECIMALS) if is_known else None,
        "thinned": None if kept is None else {"rows": len(rows), "total": total},
    }


def _trades(trades: pa.Table, symbol: Ints, total: int) -> Trades:
    """Return trades by column; see `Trades`."""
    entry_price, exit_price, net_return, spent, bars_held, open_at_end = (
        trades[name].to_numpy().astype(float)
        for name in ("entry_price", "exit_price", "return_pct", "spent", "bars_held", "open_at_end")
    )
    reason = trades["exit_reason"].unify_dictionaries().combine_chunks()
    return {
        "total": total,
        "symbol": pack(symbol),
        "entry_time": pack(_seconds(trades["entry_time"])),
        "exit_time": pack(_seconds(trades["exit_time"])),
        "entry_price": pack_exact(entry_price),
        "exit_price": pack_exact(exit_price),
        "net_return": pack_exact(net_return),
        "spent": None if np.isnan(spent).all() else pack_exact(spent),
        "bars_held": pack(bars_held),
        "reason": pack(reason.indices.to_numpy().astype(np.int64)),
        "reasons": reason.dictionary.to_pylist(),
        "open_at_end": pack(open_at_end),
    }


def _seconds(times: pa.ChunkedArray) -> Ints:
    seconds: Ints = times.cast(pa.int64()).to_numpy() // SECOND_NS
    return seconds
