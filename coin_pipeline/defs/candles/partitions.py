"""How candles are cut into partitions, and what Dagster is told of them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import dagster as dg
from dagster import MetadataValue

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.collect import CollectReport
from coin_pipeline.candles.intervals import Interval, union
from coin_pipeline.candles.timeframe import HOUR_NS, Timeframe
from coin_pipeline.defs.candles.months import month_interval, months_touched, stored_month

Told = dict[str, MetadataValue]
FIRST_MONTH = date(2017, 9, 1)
"""The first month of which Upbit has candles."""
END_OF_TIME_NS = 2**62
"""Later than any candle that is finished, ns UTC."""
SYMBOL, MONTH = "symbol", "month"
ROW_COUNT = "dagster/partition_row_count"
_MARKETS = "candle_symbols"
symbols = dg.DynamicPartitionsDefinition(name=_MARKETS)
"""Markets become partitions at runtime: those of the settings, and whatever is stored or asked for."""
symbol_months = dg.MultiPartitionsDefinition(
    {
        SYMBOL: symbols,
        MONTH: dg.MonthlyPartitionsDefinition(start_date=f"{FIRST_MONTH:%Y-%m}", fmt="%Y-%m", end_offset=1),
    }
)


def asset_key(timeframe: Timeframe) -> dg.AssetKey:
    """Return the asset of all candles of a timeframe."""
    return dg.AssetKey(["candles", timeframe.name])


def has_monthly_partitions(timeframe: Timeframe) -> bool:
    """Tell whether each UTC month of a market is a partition; of longer candles the market as a whole is one."""
    return timeframe.ns <= HOUR_NS


def partitions_of(timeframe: Timeframe) -> dg.PartitionsDefinition[str]:
    """Return how the candles of a timeframe are cut."""
    return symbol_months if has_monthly_partitions(timeframe) else symbols


def intervals_by_symbol(partition_keys: Sequence[str], timeframe: Timeframe) -> dict[str, tuple[Interval, ...]]:
    """Return what partitions hold of each market, ns UTC; what is not finished yet is left out when it is collected."""
    if not has_monthly_partitions(timeframe):
        return dict.fromkeys(partition_keys, ((month_interval(FIRST_MONTH)[0], END_OF_TIME_NS),))
    found: dict[str, list[Interval]] = {}
    for key in partition_keys:
        of = symbol_months.get_partition_key_from_str(key).keys_by_dimension
        found.setdefault(of[SYMBOL], []).append(month_interval(date.fromisoformat(f"{of[MONTH]}-01")))
    return {symbol: union(each) for symbol, each in found.items()}


def register_partitions(instance: dg.DagsterInstance, names: Iterable[str]) -> None:
    """Make markets partitions that are none yet."""
    known = set(instance.get_dynamic_partitions(_MARKETS))
    if new := [name for name in dict.fromkeys(names) if name not in known]:
        instance.add_dynamic_partitions(_MARKETS, new)


def materializations(catalog: CandleCatalog, done: CollectReport) -> Iterator[dg.AssetMaterialization]:
    """Yield each partition of which candles were collected, with what is stored of it now."""
    for partition, told in _partitions(catalog, done):
        counts = {"added_by_this_run": MetadataValue.int(done.added)}
        yield dg.AssetMaterialization(asset_key(done.timeframe), partition=partition, metadata={**told, **counts})


def _partitions(catalog: CandleCatalog, done: CollectReport) -> Iterator[tuple[str, Told]]:
    stored = next(iter(catalog.stored(done.symbol, done.timeframe)), None)
    if stored is None:
        return
    told: Told = {
        "first": MetadataValue.timestamp(stored.first),
        "last": MetadataValue.timestamp(stored.last),
        "fetched_until": MetadataValue.timestamp(done.end / 10**9),
    }
    if not has_monthly_partitions(done.timeframe):
        coverage = MetadataValue.float(stored.present_ratio)
        yield done.symbol, {ROW_COUNT: MetadataValue.int(stored.rows), "coverage": coverage, **told}
        return
    for month in months_touched((done.begin, done.end)):
        if month >= FIRST_MONTH:
            has = stored_month(catalog, done.symbol, done.timeframe, month)
            figures = {"coverage": MetadataValue.float(has.coverage), "fetched": MetadataValue.float(has.fetched)}
            key = dg.MultiPartitionKey({SYMBOL: done.symbol, MONTH: f"{month:%Y-%m}"})
            yield key, {ROW_COUNT: MetadataValue.int(has.rows), **figures, **told}
