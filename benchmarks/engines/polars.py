"""Reader of year files with Polars, which reads many files in parallel."""

import polars as pl

from benchmarks.measuring import Arrays, Run
from benchmarks.series import COLUMNS, Columns, SeriesRequest, all_series_run, first_series_run

PACKAGES = ("polars",)


def one_series(data: Arrays) -> Run:
    """Read one symbol."""
    return first_series_run(data, lambda request, symbol: arrays(plan(request, symbol).collect()))


def many_series(data: Arrays) -> Run:
    """Read all symbols in one query."""

    def read(request: SeriesRequest) -> list[Columns]:
        return [arrays(frame) for frame in pl.collect_all([plan(request, symbol) for symbol in request.symbols])]

    return all_series_run(data, read)


def plan(request: SeriesRequest, symbol: str) -> pl.LazyFrame:
    """Return the query for one symbol; the filter is pushed down to the row groups."""
    begin, stop = (pl.lit(instant).cast(pl.Datetime("ns", "UTC")) for instant in (request.begin, request.stop))
    within = (pl.col("timestamp") >= begin) & (pl.col("timestamp") < stop)
    return pl.scan_parquet(request.files(symbol)).filter(within).select(COLUMNS)


def arrays(frame: pl.DataFrame) -> Columns:
    """Return the columns of a frame, each as one array."""
    time = frame["timestamp"].to_physical().to_numpy()
    return time, *(frame[name].to_numpy() for name in COLUMNS[1:])
