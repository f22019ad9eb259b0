"""The sensor that registers markets as partitions of the candle assets."""

import dagster as dg

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.refresh_spec import daily_symbols
from coin_pipeline.defs.candles.partitions import register_partitions
from coin_pipeline.settings import load_settings


@dg.sensor(
    name="markets",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Register the markets of the settings, and those with stored candles, as partitions.",
)
def markets(context: dg.SensorEvaluationContext, candles: dg.ResourceParam[CandleCatalog]) -> dg.SkipReason:
    """Register the markets of the settings and of the catalog."""
    names = dict.fromkeys((*daily_symbols(load_settings()), *candles.symbols()))
    register_partitions(context.instance, names)
    return dg.SkipReason(f"{len(names)} markets")
