"""Fetching missing candles from an exchange into the catalog, oldest first, in chunks.

Each chunk is stored in one file together with its fetched interval. A process killed at any moment loses at most the
current chunk, and the next one resumes after the last stored chunk.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.exchanges.base import Exchange
from coin_pipeline.candles.intervals import subtract, total
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.timeframe import SECOND_NS, Timeframe, next_open
from coin_pipeline.candles.year_files.writer import require_same_source
from coin_pipeline.errors import ExchangeAnswer, coded

CHUNK_CANDLES = 10_000
"""Grid candles stored at once: 50 requests to Upbit, about five seconds, which a kill can lose."""
INITIAL_CANDLES = 20_000
"""Number of candles that the first refresh of a series goes back."""


@dataclass(frozen=True, slots=True)
class CollectProgress:
    """Progress of a collection.

    Attributes:
        symbol: The market.
        timeframe: Length of the candles.
        done: Grid candles fetched so far.
        planned: Grid candles to fetch in total.
        candles: Candles received so far.
        per_second: Average rate of `done`; None at the beginning.
        eta_s: Estimated seconds to completion at this rate; None at the beginning.
    """

    symbol: str
    timeframe: Timeframe
    done: int
    planned: int
    candles: int
    per_second: float | None
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class CollectReport:
    """Result of a collection.

    Attributes:
        symbol: The market.
        timeframe: Length of the candles.
        requests: Number of candle requests sent.
        added: Candles that were not stored before.
        replaced: Candles that were stored with other values.
        unchanged: Candles that were already stored with the same values.
        begin: Start of the requested range that can be closed by now, ns UTC, on the grid.
        end: Its end, exclusive.
    """

    symbol: str
    timeframe: Timeframe
    requests: int
    added: int
    replaced: int
    unchanged: int
    begin: int
    end: int


def collect(
    catalog: CandleCatalog,
    exchange: Exchange,
    symbol: str,
    timeframe: Timeframe,
    begin: int,
    end: int,
    on_progress: Callable[[CollectProgress], None] = lambda _: None,
) -> CollectReport:
    """Fetch and store the closed candles that open in [begin, end) and were not fetched before.

    Several processes may collect the same series at once.

    Args:
        catalog: Where the candles are stored.
        exchange: The exchange to fetch from.
        symbol: The market.
        timeframe: Length of the candles.
        begin: Start of the range, ns UTC.
        end: End of the range, exclusive, ns UTC.
        on_progress: Called at the start and after each request.

    Raises:
        InvalidSymbol: The symbol is not a market.
        MarketUnknown: The exchange does not have the market.
        ExchangeUnavailable: The exchange does not respond, or rejects requests for too long; stored chunks stay.
        ExchangeAnswer: The exchange returned something other than the requested candles; stored chunks stay.
        InvalidInput: The stored candles were fetched from another exchange.
        InvalidCandles, InvalidCandleFile, StorageFailed: As for `CandleCatalog.merge`.
    """
    stored = catalog.provenance(symbol, timeframe)
    require_same_source(f"{symbol} {timeframe}", stored, Provenance(source=exchange.name))
    begin = next_open(begin, timeframe.phase_ns, timeframe)
    end = max(begin, min(next_open(end, timeframe.phase_ns, timeframe), exchange.last_closed(timeframe)))
    missing = subtract((begin, end), stored.fetched)
    collection = _Collection(catalog, exchange, symbol, timeframe, total(missing) // timeframe.ns, on_progress)
    collection.report()
    for start, stop in missing:
        collection.fill(start, stop)
    counts = (collection.requests, collection.added, collection.replaced, collection.unchanged)
    return CollectReport(symbol, timeframe, *counts, begin, end)


def refresh_start(catalog: CandleCatalog, symbol: str, timeframe: Timeframe, now: int) -> int:
    """Return the start of the next refresh of a series, ns UTC: the end of the last fetched interval.

    A series that was never fetched starts at its last stored candle, which may have been stored before it closed. A
    series without stored candles starts `INITIAL_CANDLES` before `now`, ns UTC.
    """
    provenance = catalog.provenance(symbol, timeframe)
    if provenance.fetched and provenance.source:
        return provenance.fetched[-1][1]
    stored = catalog.stored(symbol, timeframe)
    if stored:
        return int(stored[0].last.timestamp()) * SECOND_NS
    return now - INITIAL_CANDLES * timeframe.ns


class _Chunk(NamedTuple):
    """Pages with all candles from the chunk's begin to `reached`, ns UTC."""

    pages: list[OHLCV]
    reached: int


@dataclass
class _Collection:
    """State of one collection; `began` is a monotonic time in seconds, used to compute rates."""

    catalog: CandleCatalog
    exchange: Exchange
    symbol: str
    timeframe: Timeframe
    planned: int
    on_progress: Callable[[CollectProgress], None]
    began: float = field(default_factory=time.monotonic)
    requests: int = 0
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    done: int = 0
    candles: int = 0

    def fill(self, begin: int, end: int) -> None:
        """Fetch and store the candles that open in [begin, end)."""
        size = CHUNK_CANDLES
        while begin < end:
            chunk = self._fetch(begin, min(end, begin + size * self.timeframe.ns), is_long=size > CHUNK_CANDLES)
            if chunk.reached > begin:
                self._store(chunk, begin)
            # Before a market's listing nothing exists: double the chunk after each empty one.
            size = 2 * size if chunk.reached > begin and not chunk.pages else CHUNK_CANDLES
            begin = chunk.reached

    def report(self) -> None:
        """Report the current progress."""
        elapsed = time.monotonic() - self.began
        rate = self.done / elapsed if self.done and elapsed else None
        eta_s = (self.planned - self.done) / rate if rate else None
        self.on_progress(
            CollectProgress(self.symbol, self.timeframe, self.done, self.planned, self.candles, rate, eta_s)
        )

    def _fetch(self, begin: int, end: int, *, is_long: bool) -> _Chunk:
        """Fetch [begin, end). A long chunk may not fit in memory: stop as soon as it turns out not to be empty."""
        pages: list[OHLCV] = []
        low, high = begin, end
        while low < high:
            result = self.exchange.fetch(self.symbol, self.timeframe, low, high)
            self.requests += 1
            if low == result.begin < result.end <= high:
                low = result.end
            elif low < result.begin < result.end == high:
                high = result.begin
                if is_long:
                    return _Chunk([], begin)
            else:
                request = f"candles ({self.timeframe}) of {self.symbol} in [{low}, {high})"
                interval = coded("other_interval", begin=result.begin, end=result.end)
                raise ExchangeAnswer(self.exchange.name, request, interval)
            self.done += (result.end - result.begin) // self.timeframe.ns
            self.candles += len(result.candles.time)
            self.report()
            if len(result.candles.time):
                pages.append(result.candles)
                if is_long:
                    break
        return _Chunk(sorted(pages, key=lambda page: int(page.time[0])), low if low < high else end)

    def _store(self, chunk: _Chunk, begin: int) -> None:
        report = self.catalog.merge(
            self.symbol,
            self.timeframe,
            OHLCV.concat(chunk.pages),
            fetched=[(begin, chunk.reached)],
            source=self.exchange.name,
        )
        self.added += report.added
        self.replaced += report.replaced
        self.unchanged += report.unchanged
