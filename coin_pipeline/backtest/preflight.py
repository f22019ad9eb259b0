"""Preflight checks of a backtest: its candles exist, and enough of the missing ones are known not to exist."""

from collections.abc import Iterable, Mapping

from coin_pipeline.backtest.candle_source import raise_if_missing
from coin_pipeline.backtest.formatting import Json, pluralize
from coin_pipeline.backtest.runner import CandleSlice, find_candles
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.intervals import Interval, clip, total
from coin_pipeline.candles.stored_series import StoredCandles
from coin_pipeline.candles.timeframe import SECOND_NS, day_range, seoul_day, utc
from coin_pipeline.errors import InsufficientCoverage, coded


def require_candles(catalog: CandleCatalog, spec: BacktestSpec) -> dict[str, int]:
    """Check from file footers alone that every symbol has candles in the range, and can have enough of them.

    Footers do not list the gaps between the first and the last candle: `require_coverage` checks those once the candles
    are read.

    Returns:
        The number of candles that each symbol has at most, as `limits.require_room` takes it.

    Raises:
        CandlesNotFound: Names each symbol that has none, and what is stored for it.
        InsufficientCoverage: Names each symbol that has too few.
    """
    whole = day_range(spec.start_date, spec.end_date, spec.timezone)
    stored = {symbol: catalog.available(symbol, spec.candle_length) for symbol in spec.symbols}
    spans = {symbol: clip([_span(series)] if series else [], whole) for symbol, series in stored.items()}
    raise_if_missing(catalog, spec, [symbol for symbol, inside in spans.items() if not inside])
    slack = 3 * spec.candle_length.ns  # the last stored candle, and one at each end that is partly outside
    short = [
        symbol
        for symbol, series in stored.items()
        if series and _known(spans[symbol], series, whole) + slack < spec.min_coverage * total([whole])
    ]
    if short:
        slices = find_candles(catalog, spec.model_copy(update={"symbols": tuple(short)}), "results")
        require_coverage(spec, coverage_of(slices))
    length = spec.candle_length.ns
    return {symbol: min(series.rows, -(-total(spans[symbol]) // length)) for symbol, series in stored.items() if series}


def require_coverage(spec: BacktestSpec, coverage: Mapping[str, Json]) -> None:
    """Raise an error if the known share of a symbol's candles is below the spec's `min_coverage`.

    Args:
        spec: What is to run.
        coverage: What `document.coverage_json` returned for each symbol.

    Raises:
        InsufficientCoverage: Names each such symbol, its candle counts, and its first unfetched gap.
    """
    short = {symbol: covered for symbol, covered in coverage.items() if covered["known"] < spec.min_coverage}
    if short:
        descriptions = {symbol: _describe(covered) for symbol, covered in short.items()}
        lowest = min(covered["known"] for covered in short.values())
        begin, stop = day_range(spec.start_date, spec.end_date, spec.timezone)
        days = (seoul_day(utc(begin)), seoul_day(utc(stop - 1)))  # those that the command to fetch takes
        fetched_as = spec.candle_length.fetched_as
        raise InsufficientCoverage(
            descriptions, spec.timeframe, *days, spec.min_coverage, lowest, fetched_as=fetched_as
        )


def coverage_of(slices: Iterable[CandleSlice]) -> dict[str, Json]:
    """Return the coverage of each symbol, as `require_coverage` takes it."""
    return {part.symbol: part.coverage for part in slices}


def _known(inside: Iterable[Interval], series: StoredCandles, whole: Interval) -> int:
    """Return the most time that can be known of a range, ns: between its candles, and where candles were fetched."""
    return total([*inside, *clip(series.provenance.fetched, whole)])


def _span(series: StoredCandles) -> Interval:
    first, last = (int(instant.timestamp()) * SECOND_NS for instant in (series.first, series.last))
    return first, last + 1


def _describe(covered: Json) -> str:
    counts = {name: covered[name] for name in ("expected", "present", "not_fetched")}
    counted = pluralize(covered["expected"], "candle")
    return coded("coverage", counted=counted, **counts, **covered["first_unfetched"])
