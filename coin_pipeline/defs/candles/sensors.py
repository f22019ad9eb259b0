"""Sensors of the candle assets: they register markets as partitions, and report imported candles."""

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import dagster as dg

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.refresh_spec import daily_symbols
from coin_pipeline.candles.timeframe import TIMEFRAMES, Timeframe
from coin_pipeline.candles.year_files.places import CandlePlace, YearFile
from coin_pipeline.defs.candles.partitions import imported_materializations, register_partitions
from coin_pipeline.errors import InvalidCandleFile, InvalidCandles
from coin_pipeline.settings import load_settings

MAX_FILES = 20
"""Year files per tick of `imported_candles`, each of up to twelve partitions, so that a tick takes seconds."""
SETTLING_NS = 5 * 10**9
"""Age of a file at which no older one appears any more: a file has its time before it has its name."""


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


@dg.sensor(
    name="imported_candles",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Report imported candles as materialized partitions, whichever program imported them.",
)
def imported_candles(
    context: dg.SensorEvaluationContext, candles: dg.ResourceParam[CandleCatalog]
) -> dg.SensorResult | dg.SkipReason:
    """Report the partitions in year files that were written since the last tick; the cursor is their newest time."""
    since, until = int(context.cursor or 0), time.time_ns() - SETTLING_NS
    written = _oldest(file for file in _year_files(candles.place.listed()) if since < file.modified_ns <= until)
    if not written:
        return dg.SkipReason("no new file")
    register_partitions(context.instance, (file.symbol for file in written))
    events: list[dg.AssetMaterialization] = []
    for file in written:
        try:
            events += imported_materializations(candles, file.symbol, TIMEFRAMES[file.timeframe], file.year)
        except (InvalidCandleFile, InvalidCandles) as error:  # the checks of the asset report it
            context.log.warning("%s %s of %s is not reported: %s", file.symbol, file.timeframe, file.year, error)
    return dg.SensorResult(asset_events=events, cursor=str(written[-1].modified_ns))


def _oldest(files: Iterable["_YearFile"]) -> list["_YearFile"]:
    """Return the `MAX_FILES` oldest files and those as old as the last of them: the cursor is their time."""
    ordered = sorted(files)
    until = ordered[:MAX_FILES][-1].modified_ns if ordered else 0
    return [file for file in ordered if file.modified_ns <= until]


class _YearFile(NamedTuple):
    """A stored file: when it was written, and which candles it has."""

    modified_ns: int
    symbol: str
    timeframe: str
    year: int


def _year_files(place: CandlePlace) -> Iterator[_YearFile]:
    """Yield the files of series that are assets; others are resampled from them."""
    for symbol in place.symbols():
        for timeframe in TIMEFRAMES.values():
            if timeframe.base is None:
                for file in _files_of(place, symbol, timeframe):
                    yield _YearFile(file.modified_ns(), symbol, timeframe.name, file.year)


def _files_of(place: CandlePlace, symbol: str, timeframe: Timeframe) -> list[YearFile]:
    try:
        return place.series(symbol, timeframe).files()
    except InvalidCandleFile:  # stored under two spellings, which the checks of the asset report
        return []
