"""Reader of year files: DuckDB, on all cores."""

import duckdb
import numpy as np

from benchmarks.measuring import Arrays, Run
from benchmarks.series import COLUMNS, Columns, Wanted, all_series, first_series

PACKAGES = ("duckdb",)


def one_series(data: Arrays) -> Run:
    """Read one symbol."""
    database = duckdb.connect()
    return first_series(data, lambda wanted, symbol: read(database, wanted, symbol))


def many_series(data: Arrays) -> Run:
    """Read all symbols, one after another: each on all cores."""
    database = duckdb.connect()
    return all_series(data, lambda wanted: [read(database, wanted, symbol) for symbol in wanted.symbols])


def read(database: duckdb.DuckDBPyConnection, wanted: Wanted, symbol: str) -> Columns:
    """Read one symbol, its times as numbers; the condition reaches the row groups."""
    instants = [f"{np.datetime64(instant, 'ns')}+00" for instant in (wanted.begin, wanted.stop)]
    found = database.execute(
        f"select epoch_ns(timestamp) as time, {', '.join(COLUMNS[1:])} from read_parquet(?)"  # noqa: S608 -- our own names
        " where timestamp >= ?::timestamptz_ns and timestamp < ?::timestamptz_ns",
        [wanted.files(symbol), *instants],
    ).fetchnumpy()
    return tuple(np.ma.getdata(found[name]) for name in ("time", *COLUMNS[1:]))
