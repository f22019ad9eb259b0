"""Whether a backtest may run: its candles are there, and enough of those that are missing are known not to exist."""

from collections.abc import Iterable, Mapping

from coin_pipeline.backtest.formatting import Json, pluralize
from coin_pipeline.backtest.runner import CandleSlice, find_candles, raise_if_missing
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.candles.catalog import CandleCatalog, StoredCandles
from coin_pipeline.candles.intervals import Interval, clip, total
from coin_pipeline.candles.timeframe import SECOND_NS, day_range
from coin_pipeline.errors import InsufficientCoverage


def require_candles(catalog: CandleCatalog, spec: BacktestSpec) -> None:
    """Check from file footers alone that every symbol has candles around the range, and can have enough of them.

    Gaps between the first and the last candle are in no footer: `require_coverage` knows them once the candles are
    read.

    Raises:
        CandlesNotFound: naming each symbol that has none, and what is stored for it.
        InsufficientCoverage: naming each symbol that has too few.
    """
    whole = day_range(spec.start_date, spec.end_date)
    stored = {symbol: catalog.stored(symbol, spec.candle_length) for symbol in spec.symbols}
    spans = {symbol: clip(map(_span, series), whole) for symbol, series in stored.items()}
    raise_if_missing(catalog, spec, [symbol for symbol, inside in spans.items() if not inside])
    slack = 3 * spec.candle_length.ns  # the last stored candle, and one at each end that lies partly outside
    short = [
        symbol
        for symbol, (series,) in stored.items()
        if total([*spans[symbol], *clip(series.provenance.fetched, whole)]) + slack < spec.min_coverage * total([whole])
    ]
    if short:
        found = find_candles(catalog, spec.model_copy(update={"symbols": tuple(short)}), "results")
        require_coverage(spec, coverage_of(found))


def require_coverage(spec: BacktestSpec, coverage: Mapping[str, Json]) -> None:
    """Refuse symbols of whose candles too small a share is known.

    Args:
        spec: What is to run.
        coverage: For each symbol what `document.coverage_json` says of its candles.

    Raises:
        InsufficientCoverage: naming each such symbol, what is there of it, and where the rest begins.
    """
    short = {symbol: covered for symbol, covered in coverage.items() if covered["known"] < spec.min_coverage}
    if short:
        told = {symbol: _told(covered) for symbol, covered in short.items()}
        least = min(covered["known"] for covered in short.values())
        days = (spec.start_date, spec.end_date)
        raise InsufficientCoverage(told, spec.timeframe, *days, spec.min_coverage, least)


def coverage_of(pieces: Iterable[CandleSlice]) -> dict[str, Json]:
    """Return what `require_coverage` judges."""
    return {piece.symbol: piece.coverage for piece in pieces}


def _span(series: StoredCandles) -> Interval:
    first, last = (int(instant.timestamp()) * SECOND_NS for instant in (series.first, series.last))
    return first, last + 1


def _told(covered: Json) -> str:
    gap = covered["first_unfetched"]
    return (
        f"{pluralize(covered['expected'], 'candle')} expected, {covered['present']:,} there,"
        f" {covered['not_fetched']:,} not fetched, the first of these from {gap['start']} to {gap['end']}"
    )
