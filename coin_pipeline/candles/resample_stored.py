"""Resampling of a stored series, to be stored as a series of its own."""

from dataclasses import dataclass
from datetime import date

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.resample import contiguous_intervals, resample, whole_bars
from coin_pipeline.candles.timeframe import SECOND_NS, Timeframe

_ALWAYS = (-(2**63), 2**63 - 1)


@dataclass(frozen=True, slots=True)
class ResampleResult:
    """Bars resampled from a stored series, ready to be merged.

    Attributes:
        bars: The complete bars.
        incomplete: Number of dropped bars: they have candles, but also missing ones that were never fetched.
        fetched: Intervals in which every existing bar was made of fetched candles, ns UTC.
        source: The exchange the candles were fetched from.
    """

    bars: OHLCV
    incomplete: int
    fetched: tuple[Interval, ...]
    source: str | None


def resample_stored(catalog: CandleCatalog, symbol: str, timeframe: Timeframe, to: Timeframe) -> ResampleResult:
    """Resample all stored candles of a market to the grid of the stored bars, if there are any; store nothing.

    A bar is complete if each of its candles is stored or was fetched.

    Args:
        catalog: The stored candles.
        symbol: The market.
        timeframe: Length of the candles.
        to: Length of the bars.

    Raises:
        InvalidSymbol: The symbol is not a market.
        InvalidResample: `to` is not a multiple of `timeframe`, or their grids do not fit.
        InvalidCandleFile, InvalidCandles: Stored candles cannot be read, or are impossible.
    """
    loaded = catalog.load(symbol, timeframe, date.min, date.max)
    candles, fetched = loaded.candles, loaded.provenance.fetched
    stored = catalog.stored(symbol, to)
    phase = int(stored[0].first.timestamp()) * SECOND_NS % to.ns if stored else None
    all_bars = resample(candles, timeframe, to, [_ALWAYS], phase)
    known = union(fetched, contiguous_intervals(candles.time, timeframe))
    bars = resample(candles, timeframe, to, known, phase)
    bars_fetched = whole_bars(fetched, int(all_bars.time[0]) % to.ns, to) if len(all_bars.time) else ()
    return ResampleResult(bars, len(all_bars.time) - len(bars.time), bars_fetched, loaded.provenance.source)
