"""A stored series: its summary, and candles of a range with their origin."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.resample import bar_phase, whole_bars
from coin_pipeline.candles.timeframe import SECOND_NS, Timeframe, next_open, utc
from coin_pipeline.engine.bars import Bars


@dataclass(frozen=True, slots=True)
class StoredCandles:
    """Summary of the stored candles of one market and timeframe.

    Attributes:
        symbol: The market.
        timeframe: Length of the candles.
        first: Open of the first candle, UTC.
        last: Open of the last candle, UTC.
        rows: Number of candles.
        files: Number of year files.
        bytes: Total size of the files.
        provenance: What was fetched, and from which exchange.
        resampled_from: Length of the stored candles from which these are resampled when they are read; None if these
            are stored themselves. Then `first`, `last` and `rows` are bounds: bars with missing candles do not exist.
    """

    symbol: str
    timeframe: Timeframe
    first: datetime
    last: datetime
    rows: int
    files: int
    bytes: int
    provenance: Provenance
    resampled_from: Timeframe | None = None

    @property
    def span(self) -> Interval:
        """From the open of the first candle to the close of the last, ns UTC."""
        first, last = (int(instant.timestamp()) * SECOND_NS for instant in (self.first, self.last))
        return first, last + self.timeframe.ns

    @property
    def slots(self) -> int:
        """Candles of a gapless series from the first to the last."""
        return 1 + (self.last - self.first) // timedelta(microseconds=self.timeframe.ns // 1000)

    @property
    def present_ratio(self) -> float:
        """Stored candles as a fraction of a gapless series."""
        return self.rows / self.slots


@dataclass(frozen=True, slots=True)
class LoadedCandles:
    """Candles of a range and their origin, read from the same files.

    Attributes:
        candles: The candles, validated.
        provenance: What was fetched, for the whole years that were read.
        snapshot: SHA-256 that identifies the stored candles of these years.
        resampled_from: Length of the stored candles from which these were resampled; None if these are stored.
    """

    candles: OHLCV
    provenance: Provenance
    snapshot: str
    resampled_from: Timeframe | None = None

    @property
    def bars(self) -> Bars:
        """The candles as the engine's bars, without a copy."""
        return Bars(*self.candles)


def resampled_summary(source: StoredCandles, timeframe: Timeframe) -> StoredCandles:
    """Return the summary of the bars that can be resampled from a stored series, with bounds instead of counts."""
    begin, end = source.span
    phase = bar_phase(begin, source.timeframe, timeframe)
    first, stop = begin - (begin - phase) % timeframe.ns, next_open(end, phase, timeframe)
    fetched = whole_bars(source.provenance.fetched, phase, timeframe)
    return replace(
        source,
        timeframe=timeframe,
        first=utc(first),
        last=utc(stop - timeframe.ns),
        rows=(stop - first) // timeframe.ns,
        provenance=Provenance(fetched, source.provenance.source),
        resampled_from=source.timeframe,
    )
