"""Reader of year files: pandas over PyArrow, on all cores, as its users call it."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from benchmarks.measuring import Arrays, Run
from benchmarks.series import COLUMNS, Columns, Wanted, all_series, first_series

PACKAGES = ("pandas", "pyarrow")


def one_series(data: Arrays) -> Run:
    """Read one symbol."""
    return first_series(data, read)


def many_series(data: Arrays) -> Run:
    """Read all symbols, two at a time."""
    return all_series(
        data, lambda wanted: list(ThreadPoolExecutor(2).map(lambda name: read(wanted, name), wanted.symbols))
    )


def read(wanted: Wanted, symbol: str) -> Columns:
    """Read one symbol; the condition reaches the row groups."""
    begin, stop = (pd.Timestamp(instant, tz="UTC") for instant in (wanted.begin, wanted.stop))
    within = [("timestamp", ">=", begin), ("timestamp", "<", stop)]
    frame = pd.read_parquet(wanted.files(symbol), columns=list(COLUMNS), filters=within)
    time = frame["timestamp"].dt.tz_localize(None).to_numpy().view("int64")
    return time, *(frame[name].to_numpy() for name in COLUMNS[1:])
