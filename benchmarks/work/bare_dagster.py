"""A backtest in plain Dagster with the same packages: ``python -m benchmarks.work.bare_dagster``.

It runs a Dagster job of three ops in this process, recorded in SQLite under DAGSTER_HOME. The job reads a Parquet file,
calls a kernel from Numba's cache and writes a Parquet file. ``dagster dev -f`` serves the same job.
"""

import os
from pathlib import Path

import dagster as dg
import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(os.environ["DAGSTER_HOME"])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def growth(close: np.ndarray) -> np.ndarray:
    """Return the growth factor at each close."""
    equity = np.empty_like(close)
    for i in range(len(close)):
        equity[i] = close[i] / close[0]
    return equity


@dg.op
def load() -> np.ndarray:
    """Read the closes."""
    close: np.ndarray = pq.read_table(FOLDER / "close.parquet")["close"].to_numpy()
    return close


@dg.op
def simulate(close: np.ndarray) -> np.ndarray:
    """Compute the equity."""
    equity: np.ndarray = growth(close)
    return equity


@dg.op
def persist(equity: np.ndarray) -> None:
    """Write the equity."""
    pq.write_table(pa.table({"equity": equity}), FOLDER / "equity.parquet")


@dg.job(executor_def=dg.in_process_executor)
def bare() -> None:
    """Load, simulate, persist."""
    persist(simulate(load()))


defs = dg.Definitions(jobs=[bare])

if __name__ == "__main__":
    pq.write_table(pa.table({"close": np.linspace(100.0, 200.0, 365)}), FOLDER / "close.parquet")
    with dg.DagsterInstance.get() as instance:
        bare.execute_in_process(instance=instance)
