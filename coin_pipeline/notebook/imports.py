"""Import of candle files from Python, as `coin candles import` does it."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.imports.batch import FailedImport, ImportedSeries, candle_paths, plan_import
from coin_pipeline.candles.imports.mapping import check_columns
from coin_pipeline.candles.imports.parser.client import CandleFileParser, ParserLimits
from coin_pipeline.candles.imports.parser.server import shared_server
from coin_pipeline.candles.imports.prepare import ImportOptions
from coin_pipeline.candles.imports.series import store_series
from coin_pipeline.candles.imports.stamps import Stamps
from coin_pipeline.candles.open_catalog import open_catalog
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.settings import load_settings


def import_candles(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    symbol: str | None = None,
    timeframe: str | None = None,
    tz: str | None = None,
    columns: Mapping[str, str] | None = None,
    stamps: Stamps = "auto",
    dry_run: bool = False,
    catalog: CandleCatalog | None = None,
) -> list[ImportedSeries]:
    """Merge candle files, or those of a folder, into the stored candles.

    Args:
        files: One file or folder, or several.
        symbol: Market of all files; by default, as their names or contents have it.
        timeframe: Length of the candles of all files; by default, as their names have it.
        tz: IANA name of the time zone of times without one.
        columns: Column of each of time, open, high, low, close and volume that is not recognized.
        stamps: Whether candles open or close at their times; "auto" rejects times that look like the latter.
        dry_run: Store nothing.
        catalog: Where to store the candles; by default DATA_ROOT.

    Returns:
        Each series: what was understood in `planned.files`, and what was stored in `stored`.

    Raises:
        InvalidInput: A file cannot be read, or does not fit; then nothing of any file is stored.
        StorageFailed: The candles cannot be written.
    """
    options = ImportOptions(
        symbol=parse_symbol(symbol) if symbol else None,
        timeframe=parse_timeframe(timeframe) if timeframe else None,
        tz=tz,
        columns=check_columns(columns) if columns else None,
        stamps=stamps,
    )
    given = [files] if isinstance(files, str | os.PathLike) else list(files)
    paths, now = candle_paths(map(Path, given)), time.time_ns()
    settings = load_settings()
    stored_candles = catalog or open_catalog(settings)
    planned = []
    parser = CandleFileParser(shared_server(), ParserLimits.of(settings))
    for outcome in plan_import(stored_candles, paths, options, now, parser):
        if isinstance(outcome, FailedImport):
            raise outcome.error
        planned.append(outcome)
    return [ImportedSeries(series, None if dry_run else store_series(stored_candles, series)) for series in planned]
