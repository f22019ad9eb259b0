"""Reader of year files: Polars, which reads many at once by itself."""

import polars as pl

from benchmarks.measuring import Arrays, Run
from benchmarks.series import COLUMNS, Columns, Wanted, all_series, first_series

PACKAGES = ("polars",)


def one_series(data: Arrays) -> Run:
    """Read one symbol."""
    return first_series(data, lambda wanted, symbol: arrays(plan(wanted, symbol).collect()))


def many_series(data: Arrays) -> Run:
    """Read all symbols in one go."""

    def read(wanted: Wanted) -> list[Columns]:
        return [arrays(frame) for frame in pl.collect_all([plan(wanted, symbol) for symbol in wanted.symbols])]

    return all_series(data, read)


def plan(wanted: Wanted, symbol: str) -> pl.LazyFrame:
    """Return what is to be read of one symbol; the condition reaches the row groups."""
    begin, stop = (pl.lit(instant).cast(pl.Datetime("ns", "UTC")) for instant in (wanted.begin, wanted.stop))
    within = (pl.col("timestamp") >= begin) & (pl.col("timestamp") < stop)
    return pl.scan_parquet(wanted.files(symbol)).filter(within).select(COLUMNS)


def arrays(frame: pl.DataFrame) -> Columns:
    """Return a frame's columns, each as one array."""
    time = frame["timestamp"].to_physical().to_numpy()
    return time, *(frame[name].to_numpy() for name in COLUMNS[1:])
