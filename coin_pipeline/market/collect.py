"""Candles of an exchange brought into the catalogue."""

from collections.abc import Callable
from dataclasses import dataclass

from coin_pipeline.market.candle_table import candle_frame
from coin_pipeline.market.catalog import CandleCatalog
from coin_pipeline.market.exchange import Exchange
from coin_pipeline.market.intervals import subtract
from coin_pipeline.market.quality import next_open
from coin_pipeline.market.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one series is."""

    symbol: str
    timeframe: Timeframe
    done: int
    planned: int
    candles: int
    per_second: float | None
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Collected:
    """What was collected of one series."""

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
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Collected:
    """Fetch what is not fetched yet of [begin, end)."""
    counts, requests, candles = [0, 0, 0], 0, 0
    begin = next_open(begin, timeframe.phase_ns, timeframe)
    end = max(begin, min(next_open(end, timeframe.phase_ns, timeframe), exchange.finished(timeframe)))
    while missing := subtract((begin, end), catalog.known(symbol, timeframe).fetched):
        batch = exchange.fetch(symbol, timeframe, *missing[-1])
        requests, candles = requests + 1, candles + len(batch.columns.time)
        frame = candle_frame(batch.columns)
        done = catalog.merge(symbol, timeframe, frame, fetched=[(batch.begin, batch.end)], source=exchange.name)
        counts = [a + b for a, b in zip(counts, (done.added, done.replaced, done.unchanged), strict=True)]
        planned = (end - begin) // timeframe.ns
        on_progress(Progress(symbol, timeframe, (batch.end - begin) // timeframe.ns, planned, candles, None, None))
    return Collected(symbol, timeframe, requests, counts[0], counts[1], counts[2], begin, end)


def refresh_begin(catalog: CandleCatalog, symbol: str, timeframe: Timeframe, now: int) -> int:
    """Return where a refresh begins."""
    known = catalog.known(symbol, timeframe)
    return known.fetched[-1][1] if known.fetched else now - 20_000 * timeframe.ns
