"""Partitions of the candle assets, and their materializations."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

import dagster as dg
from dagster import MetadataValue

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.collect import CollectReport
from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.candles.timeframe import HOUR_NS, Timeframe
from coin_pipeline.defs.candles.months import month_interval, months_touched, stored_month

Metadata = dict[str, MetadataValue]
FIRST_MONTH = date(2017, 9, 1)
"""The first month with candles on Upbit."""
END_OF_TIME_NS = 2**62
"""Later than any closed candle, ns UTC."""
SYMBOL, MONTH = "symbol", "month"
ROW_COUNT = "dagster/partition_row_count"
_MARKETS = "candle_symbols"
symbols = dg.DynamicPartitionsDefinition(name=_MARKETS)
"""Markets become partitions at runtime: those of the settings, of requests, and with stored candles."""
symbol_months = dg.MultiPartitionsDefinition(
    {
        SYMBOL: symbols,
        MONTH: dg.MonthlyPartitionsDefinition(start_date=f"{FIRST_MONTH:%Y-%m}", fmt="%Y-%m", end_offset=1),
    }
)


def asset_key(timeframe: Timeframe) -> dg.AssetKey:
    """Return the asset of a timeframe's candles."""
    return dg.AssetKey(["candles", timeframe.name])


def has_monthly_partitions(timeframe: Timeframe) -> bool:
    """Return whether partitions are UTC months of a market (up to 1h) rather than whole markets."""
    return timeframe.ns <= HOUR_NS


def partitions_of(timeframe: Timeframe) -> dg.PartitionsDefinition[str]:
    """Return the partitions of a timeframe's asset."""
    return symbol_months if has_monthly_partitions(timeframe) else symbols


def intervals_by_symbol(partition_keys: Sequence[str], timeframe: Timeframe) -> dict[str, tuple[Interval, ...]]:
    """Return the intervals of partitions by market, ns UTC; they may end after the last closed candle."""
    if not has_monthly_partitions(timeframe):
        return dict.fromkeys(partition_keys, ((month_interval(FIRST_MONTH)[0], END_OF_TIME_NS),))
    months: dict[str, list[Interval]] = {}
    for key in partition_keys:
        dimensions = symbol_months.get_partition_key_from_str(key).keys_by_dimension
        month = date.fromisoformat(f"{dimensions[MONTH]}-01")
        months.setdefault(dimensions[SYMBOL], []).append(month_interval(month))
    return {symbol: union(intervals) for symbol, intervals in months.items()}


def register_partitions(instance: dg.DagsterInstance, names: Iterable[str]) -> None:
    """Add markets that are not partitions yet."""
    known = set(instance.get_dynamic_partitions(_MARKETS))
    if new := [name for name in dict.fromkeys(names) if name not in known]:
        instance.add_dynamic_partitions(_MARKETS, new)


def materializations(catalog: CandleCatalog, report: CollectReport) -> Iterator[dg.AssetMaterialization]:
    """Yield a materialization of each collected partition, with metadata about its stored candles."""
    own: Metadata = {
        "fetched_until": MetadataValue.timestamp(report.end / 10**9),
        "added_by_this_run": MetadataValue.int(report.added),
    }
    for part in _partitions(catalog, report.symbol, report.timeframe, (report.begin, report.end)):
        yield _materialization(report.timeframe, part, own)


def imported_materializations(
    catalog: CandleCatalog, symbol: str, timeframe: Timeframe, year: int
) -> Iterator[dg.AssetMaterialization]:
    """Yield a materialization of each partition of a year whose candles were imported; runs report the collected ones.

    Args:
        catalog: The stored candles.
        symbol: Their market.
        timeframe: Their length.
        year: UTC year of the candles.

    Raises:
        InvalidCandleFile, InvalidCandles: As for `CandleCatalog.load`.
    """
    interval = month_interval(date(year, 1, 1))[0], month_interval(date(year, 12, 1))[1]
    for part in _partitions(catalog, symbol, timeframe, interval):
        if part.rows and not part.fetched:
            yield _materialization(timeframe, part, {"source": MetadataValue.text("import")})


class _Partition(NamedTuple):
    """A partition with stored candles: their number, the fetched share of its time (0 to 1), and its metadata."""

    key: str
    rows: int
    fetched: float
    metadata: Metadata


def _materialization(timeframe: Timeframe, part: _Partition, own: Metadata) -> dg.AssetMaterialization:
    rows: Metadata = {ROW_COUNT: MetadataValue.int(part.rows)}
    return dg.AssetMaterialization(asset_key(timeframe), partition=part.key, metadata={**rows, **part.metadata, **own})


def _partitions(catalog: CandleCatalog, symbol: str, timeframe: Timeframe, interval: Interval) -> Iterator[_Partition]:
    stored = next(iter(catalog.stored(symbol, timeframe)), None)
    if stored is None:
        return
    span: Metadata = {
        "first": MetadataValue.timestamp(stored.first),
        "last": MetadataValue.timestamp(stored.last),
    }
    if not has_monthly_partitions(timeframe):
        coverage: Metadata = {"coverage": MetadataValue.float(stored.present_ratio)}
        yield _Partition(symbol, stored.rows, float(bool(stored.provenance.fetched)), coverage | span)
        return
    for month in months_touched(interval):
        if month >= FIRST_MONTH:
            part = stored_month(catalog, symbol, timeframe, month)
            figures = {"coverage": MetadataValue.float(part.coverage), "fetched": MetadataValue.float(part.fetched)}
            key = dg.MultiPartitionKey({SYMBOL: symbol, MONTH: f"{month:%Y-%m}"})
            yield _Partition(key, part.rows, part.fetched, {**figures, **span})
