"""Check of candles against the tick sizes that a backtest assumes: stored prices are prices that were quoted."""

import math

import numpy as np

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.messages import Message, check_json
from coin_pipeline.candles.timeframe import Timeframe, seoul_day, utc
from coin_pipeline.engine.bars import Bars, Floats
from coin_pipeline.engine.ticks import TickTable

MIN_ON_GRID = 0.999
"""Share of prices on the grid; what is off lies within hours of a change of the ticks."""


def check_ticks(bars: Bars, timeframe: Timeframe, ticks: TickTable | None) -> list[Json]:
    """Return the check of all prices of the bars, or nothing without ticks or bars.

    A price is on the grid if the market could quote it when the bar opened or when it closed: the bar of a change holds
    prices of both tables.

    Args:
        bars: n candles.
        timeframe: Their length.
        ticks: Tick sizes of the market.
    """
    if ticks is None or not len(bars):
        return []
    closing = bars.time + (timeframe.ns - 1)
    prices: Floats = np.stack([bars.open, bars.high, bars.low, bars.close], axis=1)
    on_grid = np.stack(
        [ticks.on_grid(column, bars.time) | ticks.on_grid(column, closing) for column in prices.T], axis=1
    )
    share = float(np.mean(on_grid))
    counted = {"share": _percent(share), "prices": prices.size}
    if share >= MIN_ON_GRID:
        return [check_json("tick_sizes", Message("ticks_fit", counted), passed=True)]
    first = int(np.argmin(on_grid))
    price = np.format_float_positional(prices.flat[first], trim="-")
    day = seoul_day(utc(bars.time[first // prices.shape[1]])).isoformat()
    return [check_json("tick_sizes", Message("ticks_differ", {**counted, "price": price, "day": day}), passed=False)]


def _percent(share: float) -> str:
    """Format a share with two decimals, rounded down so that 100 % means all."""
    return f"{math.floor(share * 10_000) / 100:.2f}%"
