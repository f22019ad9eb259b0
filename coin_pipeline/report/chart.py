"""The price chart of a symbol: its candles, the strategy's indicators, and the stops of its positions."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Literal, NamedTuple, TypedDict

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.fingerprint import candles_digest
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.candles.timeframe import SECOND_NS, SEOUL, Timeframe, parse_timeframe
from coin_pipeline.engine.bars import Bars, Floats, Ints
from coin_pipeline.errors import CoinError
from coin_pipeline.languages import Language, Text
from coin_pipeline.report.packing import decimals_of, decimals_of_largest, last_known, length_of, pack
from coin_pipeline.report.payload import Candles, ChartLine, Column, LongerCandles, SymbolData
from coin_pipeline.report.periods import period_rows
from coin_pipeline.report.strategy_lines import LinesOf, no_lines
from coin_pipeline.strategies.plot import Pane, PlotLine

StopKind = Literal["stop_loss", "take_profit", "trailing_stop"]
Lines = Mapping[str, Floats]
"""Lines by label, one value per bar, shape (n,), NaN where there is none."""
_NUMBERS_PER_CANDLE, _NUMBERS_PER_LONGER, _MIN_CANDLES = 6, 5, 500
_VOLUME_DIGITS, _LINE_DIGITS = 5, 7
_NEAR = (0.5, 2.0)
"""Lines between these multiples of the close are drawn on the price."""
_MIN_COMBINED = 4
"""Candles of the chart that one of a longer timeframe combines on average."""

NOT_STORED = Text(
    "The candles of this backtest are no longer stored.", "이 백테스트에 사용한 캔들이 더 이상 저장되어 있지 않습니다."
)
CHANGED = Text(
    "The stored candles have changed since this backtest, so its trades may not match them.",
    "백테스트 이후 저장된 캔들이 바뀌어 거래 내역과 맞지 않을 수 있습니다.",
)
UNREADABLE = Text("The candles cannot be read: {error}", "캔들을 읽을 수 없습니다: {error}")


class ChartInputs(NamedTuple):
    """What the price charts of a report show besides its trades.

    Attributes:
        candles: Where the candles of the backtest are stored; None if that is unknown.
        indicators: Lines that were stored with the result, by symbol.
        language: Language of the texts.
        plot: Lines that the strategy plots now; see `strategy_lines`.
        symbol: The only symbol whose price and trades are shown; None for all.
    """

    candles: CandleSource | None = None
    indicators: Mapping[str, Lines] = {}
    language: Language = "en"
    plot: LinesOf = no_lines
    symbol: str | None = None


NO_INPUTS = ChartInputs()
"""No candles and no indicators, in English."""


class BarLine(NamedTuple):
    """A line of a chart: one value per bar, shape (n,), NaN where there is none; see `ChartLine`."""

    label: str
    kind: Literal["indicator"] | StopKind
    pane: Pane
    values: Floats

    def pack(self, starts: Ints) -> ChartLine:
        """Return the line on candles that begin at some bars: the last value of each, on the volume the sum."""
        is_volume = self.pane == "volume"  # a candle has the sum of the volumes of its bars too
        values = np.add.reduceat(self.values, starts) if is_volume else last_known(self.values, starts)
        packed = pack(values, decimals_of_largest(values, _LINE_DIGITS))
        return {"label": self.label, "kind": self.kind, "pane": self.pane, "values": packed}


def symbol_data(document: Json, symbol: str, trades: pa.Table, inputs: ChartInputs, room: int, most: int) -> SymbolData:
    """Return the chart of a symbol; without candles unless those of the backtest are still stored.

    Args:
        document: Result document of schema 1.2.0.
        symbol: One of its symbols.
        trades: The trades of the symbol, all columns of the table.
        inputs: Candles, indicators and the language.
        room: Numbers that candles and lines may have; if there are more, several candles are combined to one, but 500
            remain.
        most: Maximum number of candles.
    """
    bars = _read_bars(document, symbol, inputs)
    if isinstance(bars, str):
        return {
            "name": symbol,
            "trades": len(trades),
            "candles": None,
            "longer": [],
            "no_candles": bars,
            "lines": [],
            "no_lines": None,
        }
    plotted = inputs.plot(symbol, bars)
    stored = {label: PlotLine(line) for label, line in inputs.indicators.get(symbol, {}).items()}
    lines = [
        *_indicators({**plotted.lines, **stored}, bars, inputs.language),
        *stop_lines(document["stops"], bars, trades),
    ]
    limit = min(max(room // (_NUMBERS_PER_CANDLE + len(lines)), _MIN_CANDLES), most)
    size = -(-len(bars) // limit)
    starts = np.arange(0, len(bars), size)
    return {
        "name": symbol,
        "trades": len(trades),
        "candles": _candles(bars, starts, size, parse_timeframe(document["timeframe"])),
        "longer": list(_longer_candles(bars, len(starts), document.get("timezone", SEOUL))),
        "no_candles": None,
        "lines": [line.pack(starts) for line in lines],
        "no_lines": plotted.missing,
    }


def size_of(chart: SymbolData) -> int:
    """Return how many numbers a chart has."""
    if chart["candles"] is None:
        return 0
    candles, longer = length_of(chart["candles"]["time"]), sum(length_of(found["time"]) for found in chart["longer"])
    return candles * (_NUMBERS_PER_CANDLE + len(chart["lines"])) + longer * _NUMBERS_PER_LONGER


def _indicators(lines: Mapping[str, PlotLine], bars: Bars, language: Language) -> Iterator[BarLine]:
    """Yield the lines that have a value for each bar, with their panes and their labels in a language."""
    for key, line in lines.items():
        if len(line.values) == len(bars):
            pane = line.pane or ("price" if _is_near(line.values, bars.close) else "own")
            label = line.label.pick(language) if line.label else key
            yield BarLine(label, "indicator", pane, line.values)


def _read_bars(document: Json, symbol: str, inputs: ChartInputs) -> Bars | str:
    """Return the candles that the backtest ran on, or why there are none."""
    known = document["fingerprint"]["candles"].get(symbol)
    if inputs.candles is None or known is None:
        return NOT_STORED.write(inputs.language)
    start, end = (date.fromisoformat(document[name]) for name in ("start_date", "end_date"))
    timeframe, zone = parse_timeframe(document["timeframe"]), document.get("timezone", SEOUL)
    try:
        bars = inputs.candles.load(symbol, timeframe, start, end, zone).bars
    except CoinError as error:
        return UNREADABLE.write(inputs.language, error=error)
    if not len(bars):
        return NOT_STORED.write(inputs.language)
    return bars if candles_digest(bars) == known else CHANGED.write(inputs.language)


def _candles(bars: Bars, starts: Ints, size: int, timeframe: Timeframe) -> Candles:
    """Return the candles, each combined from the bars of a bucket."""
    volume = np.add.reduceat(bars.volume, starts)
    return {
        "time": pack(bars.time[starts] // SECOND_NS),
        **_prices(bars, starts),
        "volume": pack(volume, decimals_of_largest(volume, _VOLUME_DIGITS)),
        "bar_seconds": size * timeframe.ns // SECOND_NS,
        "thinned": None if size == 1 else {"rows": len(starts), "total": len(bars)},
    }


def _longer_candles(bars: Bars, shown: int, zone: str) -> Iterator[LongerCandles]:
    """Yield the candles of longer timeframes that several of those shown make up."""
    for period, starts in period_rows(bars.time, zone):
        if 1 < len(starts) <= shown // _MIN_COMBINED:
            yield {"period": period, "time": pack(bars.time[starts] // SECOND_NS), **_prices(bars, starts)}


class _Prices(TypedDict):
    open: Column
    high: Column
    low: Column
    close: Column


def _prices(bars: Bars, starts: Ints) -> _Prices:
    """Return the prices of candles that combine bars, given the first bar of each."""
    last = np.append(starts[1:], len(bars)) - 1
    prices = {
        "open": bars.open[starts],
        "high": np.maximum.reduceat(bars.high, starts),
        "low": np.minimum.reduceat(bars.low, starts),
        "close": bars.close[last],
    }
    decimals = decimals_of(*prices.values())
    return {
        "open": pack(prices["open"], decimals),
        "high": pack(prices["high"], decimals),
        "low": pack(prices["low"], decimals),
        "close": pack(prices["close"], decimals),
    }


def _is_near(line: Floats, close: Floats) -> bool:
    """Return whether a line is of the size of the price, so that both fit one scale."""
    low, high = _NEAR
    ratio = line / close
    known = ratio[np.isfinite(ratio)]
    return bool(len(known)) and bool(np.all((known > low) & (known < high)))


def stop_lines(stops: Json, bars: Bars, trades: pa.Table) -> Iterator[BarLine]:
    """Yield the level of each stop on the bars of a position, NaN elsewhere.

    On its bar, a trailing stop follows the open and the highest price of the bars before; see `compute_outcomes`.

    Args:
        stops: The fractions of `Stops`, null if disabled.
        bars: n candles.
        trades: The trades on them.
    """
    entry, exit_ = (_rows_at(bars.time, trades[name]) for name in ("entry_time", "exit_time"))
    held = exit_ - entry + 1
    age = np.arange(held.sum()) - np.repeat(np.cumsum(held) - held, held)  # bars since the entry, of each bar held
    row, paid = np.repeat(entry, held) + age, np.repeat(trades["entry_price"].to_numpy(), held)
    levels: dict[StopKind, Floats] = {}
    if stops["stop_loss"] is not None:
        levels["stop_loss"] = paid * (1 - stops["stop_loss"])
    if stops["take_profit"] is not None:
        levels["take_profit"] = paid * (1 + stops["take_profit"])
    if stops["trailing_stop"] is not None:
        before = _highest_so_far(np.where(age > 0, bars.high[row - 1], paid), age)
        levels["trailing_stop"] = np.maximum(before, bars.open[row]) * (1 - stops["trailing_stop"])
    for kind, level in levels.items():
        line = np.full(len(bars), np.nan)
        line[row] = level
        yield BarLine(kind, kind, "price", line)


def _highest_so_far(values: Floats, age: Ints) -> Floats:
    """Return the highest value of each position so far, shape (m,).

    Args:
        values: Values of the positions, one position after the other, shape (m,).
        age: Number of values of the same position before each, shape (m,).
    """
    highest, step = values.copy(), 1
    while len(rows := np.flatnonzero(age >= step)):  # each step doubles the number of values that are compared
        highest[rows] = np.maximum(highest[rows], highest[rows - step])
        step *= 2
    return highest


def _rows_at(time: Ints, stamps: pa.ChunkedArray) -> Ints:
    """Return the row of the bar at each time; a time after the last open is that of the last bar."""
    rows: Ints = np.searchsorted(time, stamps.cast(pa.int64()).to_numpy(), side="right") - 1
    return rows
