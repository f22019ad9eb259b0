"""Reader of year files with DuckDB, on all cores."""

import duckdb
import numpy as np

from benchmarks.measuring import Arrays, Run
from benchmarks.series import COLUMNS, Columns, SeriesRequest, all_series_run, first_series_run

PACKAGES = ("duckdb",)


def one_series(data: Arrays) -> Run:
    """Read one symbol."""
    database = duckdb.connect()
    return first_series_run(data, lambda request, symbol: read(database, request, symbol))


def many_series(data: Arrays) -> Run:
    """Read all symbols one after another, each on all cores."""
    database = duckdb.connect()
    return all_series_run(data, lambda request: [read(database, request, symbol) for symbol in request.symbols])


def read(database: duckdb.DuckDBPyConnection, request: SeriesRequest, symbol: str) -> Columns:
    """Read one symbol, with times as integers; the filter is pushed down to the row groups."""
    instants = [f"{np.datetime64(instant, 'ns')}+00" for instant in (request.begin, request.stop)]
    columns = database.execute(
        f"select epoch_ns(timestamp) as time, {', '.join(COLUMNS[1:])} from read_parquet(?)"  # noqa: S608 -- our own names
        " where timestamp >= ?::timestamptz_ns and timestamp < ?::timestamptz_ns",
        [request.files(symbol), *instants],
    ).fetchnumpy()
    return tuple(np.ma.getdata(columns[name]) for name in ("time", *COLUMNS[1:]))
