"""Candle assets, one per timeframe, which collect the selected partitions, and the checks of each."""

from collections.abc import Iterator
from datetime import timedelta
from typing import cast

import dagster as dg
from dagster import MetadataValue

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.collect import collect
from coin_pipeline.candles.exchanges.base import UPBIT
from coin_pipeline.candles.timeframe import TIMEFRAMES, Timeframe
from coin_pipeline.defs.candles import checks
from coin_pipeline.defs.candles.ops import Exchanges, ProgressLogger
from coin_pipeline.defs.candles.partitions import (
    asset_key,
    has_monthly_partitions,
    intervals_by_symbol,
    materializations,
    partitions_of,
)
from coin_pipeline.errors import CandlesNotCollected, CoinError
from coin_pipeline.orchestration.failures import translate_errors
from coin_pipeline.orchestration.heartbeat import RunHeartbeat

GROUP = "candles"
NOTHING = cast("dg.DagsterType", dg.Nothing)
"""Steps pass no values on: candles are read from the catalog."""
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50), warn_window=timedelta(hours=26))
"""Candles are collected daily: one missed day is a warning, two are a failure."""


def _asset(timeframe: Timeframe) -> dg.AssetsDefinition:
    partitioning = "market and UTC month" if has_monthly_partitions(timeframe) else "market"

    @dg.asset(
        key=asset_key(timeframe),
        partitions_def=partitions_of(timeframe),
        freshness_policy=FRESHNESS,
        group_name=GROUP,
        kinds={"parquet"},
        dagster_type=NOTHING,
        metadata={"stored_in": MetadataValue.text(f"DATA_ROOT/SYMBOL/{timeframe.folder}/YEAR.parquet")},
        description=f"Closed {timeframe} candles, partitioned by {partitioning}.",
    )
    def candles_of_timeframe(
        context: dg.AssetExecutionContext,
        candles: dg.ResourceParam[CandleCatalog],
        exchange: dg.ResourceParam[Exchanges],
        alive: dg.ResourceParam[RunHeartbeat],
    ) -> Iterator[dg.AssetMaterialization | dg.MaterializeResult[None]]:
        with translate_errors():
            yield from _collect_partitions(context, candles, exchange, timeframe)
            alive.step_done(1)
        yield dg.MaterializeResult()

    # The decorator's backfill_policy is in beta and would warn in every process that loads the definitions.
    return candles_of_timeframe.with_attributes(backfill_policy=dg.BackfillPolicy.single_run())


def _collect_partitions(
    context: dg.AssetExecutionContext, candles: CandleCatalog, exchange: Exchanges, timeframe: Timeframe
) -> Iterator[dg.AssetMaterialization]:
    """Collect each market of the run's partitions, and attach the metadata of each partition.

    Raises:
        CandlesNotCollected: Some markets failed; materializations of the others have been yielded.
    """
    materialized: list[dg.AssetMaterialization] = []
    failed: dict[str, CoinError] = {}
    for symbol, intervals in intervals_by_symbol(context.partition_keys, timeframe).items():
        try:
            for begin, end in intervals:
                report = collect(candles, exchange(UPBIT), symbol, timeframe, begin, end, ProgressLogger(context))
                materialized += materializations(candles, report)
        except CoinError as error:
            failed[symbol] = error
    if failed:
        yield from materialized
        raise CandlesNotCollected(str(timeframe), failed)
    for materialization in materialized:  # Dagster emits one materialization per partition of the run
        context.add_asset_metadata(materialization.metadata, partition_key=materialization.partition)


def _check(timeframe: Timeframe) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"check_{timeframe}",
        specs=checks.specs(timeframe),
        can_subset=True,  # otherwise the UI runs them only together with the asset
        description=f"Audit all stored {timeframe} candles.",
    )
    def check_candles(
        context: dg.AssetCheckExecutionContext,
        candles: dg.ResourceParam[CandleCatalog],
        alive: dg.ResourceParam[RunHeartbeat],
    ) -> Iterator[dg.AssetCheckResult]:
        with translate_errors():
            for evaluation in checks.evaluate(candles, timeframe):
                if evaluation.asset_check_key in context.selected_asset_check_keys:
                    yield dg.AssetCheckResult(
                        check_name=evaluation.check_name,
                        passed=evaluation.passed,
                        severity=evaluation.severity,
                        description=evaluation.description,
                        metadata=evaluation.metadata,
                    )
            alive.step_done(1)

    return check_candles


_COLLECTED = [timeframe for timeframe in TIMEFRAMES.values() if timeframe.base is None]
assets = [_asset(timeframe) for timeframe in _COLLECTED]
asset_checks = [_check(timeframe) for timeframe in _COLLECTED]
