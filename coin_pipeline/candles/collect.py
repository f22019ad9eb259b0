"""Filling the catalogue from an exchange: what is not fetched yet, oldest first, stored piece by piece.

A piece is stored together with the word that it was fetched, in one file. So a process may be killed at any moment:
what it had stored is known, and the next one goes on behind it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.exchanges.base import Exchange
from coin_pipeline.candles.intervals import subtract, total
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.timeframe import SECOND_NS, Timeframe, next_open
from coin_pipeline.candles.year_files.arrow import NO_CANDLES, to_frame, to_ohlcv
from coin_pipeline.candles.year_files.writer import require_same_source
from coin_pipeline.errors import ExchangeAnswer

CHUNK_CANDLES = 10_000
"""Candles of the grid that are stored at once: 50 requests to Upbit, some five seconds, are lost in a kill."""
INITIAL_CANDLES = 20_000
"""How many candles the first refresh of a series goes back."""


@dataclass(frozen=True, slots=True)
class CollectProgress:
    """How far a collector has come.

    Attributes:
        symbol: The market.
        timeframe: Length of the candles.
        done: How much of what was not fetched yet is now, in candles of the grid.
        planned: How much that is in all.
        candles: How many candles the exchange had in it.
        per_second: `done` in a second, on average; None at the beginning.
        eta_s: Seconds until the end at this rate; None at the beginning.
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
    """What a collector did.

    Attributes:
        symbol: The market.
        timeframe: Length of the candles.
        requests: How many candle requests that took.
        added: Candles that were not stored.
        replaced: Candles that were stored with other values.
        unchanged: Candles that were stored just so.
        begin: What was asked for and can have finished by now begins here, ns UTC, on the grid.
        end: It ends here, exclusive.
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
    """Fetch and store the finished candles that open in [begin, end), ns UTC, as far as they were not fetched before.

    Several collectors may work on one series at a time, in several processes.

    Raises:
        InvalidSymbol: The symbol is not a market.
        MarketUnknown: The exchange has no such market.
        ExchangeUnavailable: It does not answer, or refuses for longer than is waited; what was stored stays.
        ExchangeAnswer: It answered something else than such candles; what was stored before stays.
        InvalidInput: What is stored was fetched from another exchange.
        InvalidCandles, InvalidCandleFile, StorageFailed: As `CandleCatalog.merge` has it.
    """
    stored = catalog.provenance(symbol, timeframe)
    require_same_source(f"{symbol} {timeframe}", stored, Provenance(source=exchange.name))
    begin = next_open(begin, timeframe.phase_ns, timeframe)
    end = max(begin, min(next_open(end, timeframe.phase_ns, timeframe), exchange.last_closed(timeframe)))
    missing = subtract((begin, end), stored.fetched)
    work = _Work(catalog, exchange, symbol, timeframe, total(missing) // timeframe.ns, on_progress)
    work.tell()
    for start, stop in missing:
        work.fill(start, stop)
    return CollectReport(symbol, timeframe, work.requests, work.added, work.replaced, work.unchanged, begin, end)


def refresh_start(catalog: CandleCatalog, symbol: str, timeframe: Timeframe, now: int) -> int:
    """Return where a refresh of a series begins, ns UTC: where fetching ended the last time.

    A series that nobody fetched begins with its last stored candle, which may have been stored before it was finished;
    one of which nothing is stored 20,000 candles before `now`.
    """
    fetched = catalog.provenance(symbol, timeframe).fetched
    if fetched:
        return fetched[-1][1]
    stored = catalog.stored(symbol, timeframe)
    if stored:
        return int(stored[0].last.timestamp()) * SECOND_NS
    return now - INITIAL_CANDLES * timeframe.ns


class _Piece(NamedTuple):
    """What is known of a stretch of time: all candles from its begin to `reached`."""

    pages: list[OHLCV]
    reached: int


@dataclass
class _Work:
    """One collector at its work; `began` is of the clock that rates are measured with."""

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
        """Fetch and store what opens in [begin, end)."""
        size = CHUNK_CANDLES
        while begin < end:
            piece = self._fetched(begin, min(end, begin + size * self.timeframe.ns), is_long=size > CHUNK_CANDLES)
            if piece.reached > begin:
                self._store(piece, begin)
            # Before a market was listed there is nothing: an answer that says so is worth a longer stretch each time.
            size = 2 * size if piece.reached > begin and not piece.pages else CHUNK_CANDLES
            begin = piece.reached

    def tell(self) -> None:
        """Say how far we are."""
        passed = time.monotonic() - self.began
        rate = self.done / passed if self.done and passed else None
        eta_s = (self.planned - self.done) / rate if rate else None
        told = CollectProgress(self.symbol, self.timeframe, self.done, self.planned, self.candles, rate, eta_s)
        self.on_progress(told)

    def _fetched(self, begin: int, end: int, *, is_long: bool) -> _Piece:
        """Fetch [begin, end); of a long piece, which would not fit in memory, what it takes to see that it is empty."""
        pages: list[OHLCV] = []
        low, high = begin, end
        while low < high:
            batch = self.exchange.fetch(self.symbol, self.timeframe, low, high)
            self.requests += 1
            if low == batch.begin < batch.end <= high:
                low = batch.end
            elif low < batch.begin < batch.end == high:
                high = batch.begin
                if is_long:
                    return _Piece([], begin)
            else:
                asked = f"candles ({self.timeframe}) of {self.symbol} in [{low}, {high})"
                raise ExchangeAnswer(self.exchange.name, asked, f"with those of [{batch.begin}, {batch.end})")
            self.done += (batch.end - batch.begin) // self.timeframe.ns
            self.candles += len(batch.columns.time)
            self.tell()
            if len(batch.columns.time):
                pages.append(batch.columns)
                if is_long:
                    break
        return _Piece(sorted(pages, key=lambda page: int(page.time[0])), low if low < high else end)

    def _store(self, piece: _Piece, begin: int) -> None:
        columns = to_ohlcv(NO_CANDLES)
        if piece.pages:
            columns = OHLCV(*map(np.concatenate, zip(*piece.pages, strict=True)))
        report = self.catalog.merge(
            self.symbol,
            self.timeframe,
            to_frame(columns),
            fetched=[(begin, piece.reached)],
            source=self.exchange.name,
        )
        self.added += report.added
        self.replaced += report.replaced
        self.unchanged += report.unchanged
