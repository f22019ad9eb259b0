"""Tables of a report with the trades and the return of each day, week, month and year."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.markets import common_quote
from coin_pipeline.backtest.tables import trade_profits
from coin_pipeline.candles.timeframe import DAY_NS, parse_timeframe
from coin_pipeline.engine.bars import Bools, Floats, Ints
from coin_pipeline.report.packing import FRACTION_DECIMALS, decimals_of_largest, pack, unpack
from coin_pipeline.report.payload import CalendarPeriod, PeriodTable
from coin_pipeline.report.periods import CALENDAR_PERIODS, first_days
from coin_pipeline.report.statistics import Daily, returns_of

_AMOUNT_DIGITS = 7
_COUNTS: tuple[Literal["trades", "wins", "losses"], ...] = ("trades", "wins", "losses")


class PeriodRow(NamedTuple):
    """A row of a `PeriodTable`; `label` is the period in ISO 8601."""

    label: str
    trades: int
    wins: int
    losses: int
    profit: float | None
    net_return: float


class _Trades(NamedTuple):
    """Trades by the day of their exit; columns of shape (trades,).

    Attributes:
        day: Days since 1970.
        net_return: Return net of all costs.
        profit: Gain or loss in the quote currency; None if unknown.
    """

    day: Ints
    net_return: Floats
    profit: Floats | None


def period_tables(document: Json, daily: Daily, trades: pa.Table, limit: int) -> list[PeriodTable]:
    """Return a table of each length of period that is not shorter than a bar, the shortest first.

    Args:
        document: Result document of schema 1.2.0.
        daily: The account at the end of each day.
        trades: Its trades.
        limit: Maximum number of rows; the newest periods are kept.
    """
    symbols = [part["symbol"] for part in document["symbols"]]
    has_days = parse_timeframe(document["timeframe"]).ns <= DAY_NS
    net, gained = (column.to_numpy().astype(float) for column in (trades["return_pct"], trade_profits(trades)))
    profit = None if common_quote(symbols) is None or np.isnan(gained).all() else gained
    # A trade that is open at the end exits at the close of the last bar, which may be on the next day.
    row = np.searchsorted(daily.end, trades["exit_time"].cast(pa.int64()).to_numpy(), side="right")
    exit_day = daily.day[np.minimum(row, len(daily.day) - 1)]
    return [
        _period_table(period, daily, _Trades(exit_day, net, profit), limit)
        for period in CALENDAR_PERIODS
        if has_days or period != "day"
    ]


def _period_table(period: CalendarPeriod, daily: Daily, trades: _Trades, limit: int) -> PeriodTable:
    """Return the newest periods of one length, at most `limit`."""
    first_day, returns = returns_of(first_days(daily.day, period), daily.equity)
    row = np.searchsorted(first_day, first_days(trades.day, period))
    left_out = max(len(first_day) - limit, 0)

    def total(weights: Floats | Bools | None = None) -> Floats:
        sums: Floats = np.bincount(row, weights, minlength=len(first_day)).astype(float)
        return sums[left_out:]

    profit = None if trades.profit is None else total(trades.profit)
    return {
        "period": period,
        "left_out": left_out,
        "first_day": pack(first_day[left_out:]),
        "trades": pack(total()),
        "wins": pack(total(trades.net_return > 0)),
        "losses": pack(total(trades.net_return < 0)),
        "profit": None if profit is None else pack(profit, decimals_of_largest(profit, _AMOUNT_DIGITS)),
        "net_return": pack(returns[left_out:], FRACTION_DECIMALS),
    }


def month_rows(tables: list[PeriodTable]) -> Iterator[PeriodRow]:
    """Yield the rows of the table of months, the newest first, as the script of the page draws them."""
    (table,) = (table for table in tables if table["period"] == "month")
    months = unpack(table["first_day"]).astype("datetime64[D]").astype("datetime64[M]").astype(str)
    counts = (unpack(table[name]).astype(int).tolist() for name in _COUNTS)
    profits = [None] * len(months) if table["profit"] is None else unpack(table["profit"]).tolist()
    rows = zip(months.tolist(), *counts, profits, unpack(table["net_return"]).tolist(), strict=True)
    yield from map(PeriodRow._make, reversed([*rows]))
