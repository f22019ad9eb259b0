"""Reader of year files with pandas over PyArrow, on all cores, in typical usage."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from benchmarks.measuring import Arrays, Run
from benchmarks.series import COLUMNS, Columns, SeriesRequest, all_series_run, first_series_run

PACKAGES = ("pandas", "pyarrow")


def one_series(data: Arrays) -> Run:
    """Read one symbol."""
    return first_series_run(data, read)


def many_series(data: Arrays) -> Run:
    """Read all symbols, two at a time."""
    return all_series_run(
        data, lambda request: list(ThreadPoolExecutor(2).map(lambda name: read(request, name), request.symbols))
    )


def read(request: SeriesRequest, symbol: str) -> Columns:
    """Read one symbol; the filter is pushed down to the row groups."""
    begin, stop = (pd.Timestamp(instant, tz="UTC") for instant in (request.begin, request.stop))
    within = [("timestamp", ">=", begin), ("timestamp", "<", stop)]
    frame = pd.read_parquet(request.files(symbol), columns=list(COLUMNS), filters=within)
    time = frame["timestamp"].dt.tz_localize(None).to_numpy().view("int64")
    return time, *(frame[name].to_numpy() for name in COLUMNS[1:])
