"""Which markets are partitions of the assets of candles."""

import dagster as dg

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.refresh_spec import daily_symbols
from coin_pipeline.defs.candles.partitions import register_partitions
from coin_pipeline.settings import load_settings


@dg.sensor(
    name="markets",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Make each market that the settings name, or of which candles are stored, a partition.",
)
def markets(context: dg.SensorEvaluationContext, candles: dg.ResourceParam[CandleCatalog]) -> dg.SkipReason:
    """Look at the settings and the folders."""
    found = dict.fromkeys((*daily_symbols(load_settings()), *candles.symbols()))
    register_partitions(context.instance, found)
    return dg.SkipReason(f"{len(found)} markets")
