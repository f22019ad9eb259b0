"""New candles for forward tests, from the exchanges that their specs name."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.collect import collect, refresh_start
from coin_pipeline.candles.exchanges.base import Exchange
from coin_pipeline.candles.timeframe import Timeframe, parse_timeframe
from coin_pipeline.errors import CoinError
from coin_pipeline.forward.records import ForwardTest


class Series(NamedTuple):
    """Candles that one or more forward tests need."""

    exchange: str
    symbol: str
    timeframe: Timeframe


class Collected(NamedTuple):
    """What collecting a series did: candles that were not stored before, or why it failed."""

    series: Series
    added: int = 0
    failure: str | None = None


def series_of(tests: Iterable[ForwardTest]) -> list[Series]:
    """Return the series to collect for tests, each once."""
    return list(
        dict.fromkeys(
            Series(test.spec.exchange, symbol, parse_timeframe(test.spec.candle_length.fetched_as))
            for test in tests
            if test.spec.collect
            for symbol in test.spec.symbols
        )
    )


def collect_new(
    catalog: CandleCatalog, exchange: Callable[[str], Exchange], series: Iterable[Series]
) -> Iterator[Collected]:
    """Collect the closed candles after those of each series, as a refresh does; one that fails does not stop others.

    Args:
        catalog: Where the candles are stored.
        exchange: Returns an exchange by name.
        series: What to collect.
    """
    for own in series:
        try:
            source = exchange(own.exchange)
            end = source.last_closed(own.timeframe)
            begin = refresh_start(catalog, own.symbol, own.timeframe, end)
            report = collect(catalog, source, own.symbol, own.timeframe, begin, end)
        except CoinError as error:
            yield Collected(own, failure=str(error))
        else:
            yield Collected(own, report.added)
