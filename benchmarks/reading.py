"""Reading speed of stored candles, verified and compared with peers: ``python -m benchmarks.reading [ROW ...]``."""

import json
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from shutil import copytree

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import report
from benchmarks.harness import Outcome, measure
from benchmarks.measuring import Arrays
from benchmarks.report import MET, Figure
from benchmarks.series import COLUMNS, column_sums
from benchmarks.worker import peak_mib, reset_peak
from benchmarks.workloads import Target, Variant, Workload
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import day_range, parse_timeframe
from coin_pipeline.candles.year_files.paths import series_folder

LATEST = Path(__file__).parent / "latest-reading.json"
START, END = date(2023, 1, 1), date(2023, 12, 31)
"""A year in Seoul time, stored in two files: the first nine hours belong to the previous UTC year."""
DAYS, SYMBOLS, DISTINCT, PROCESSES = 365, 100, 4, 2
MEMORY_LIMIT = 1.5
"""Maximum memory for reading many symbols, as a multiple of the size of the columns."""


def store_series(folder: Path, timeframe: str, count: int) -> Arrays:
    """Store a year of synthetic candles, repeating a few distinct series over all symbols; return the request."""
    length, begin, stop = parse_timeframe(timeframe), *day_range(START, END)
    root = folder / f"{timeframe}-{count}"
    if not root.exists():
        catalog = CandleCatalog(root)
        for number in range(count):
            if number < DISTINCT:
                candles = synthetic_candles(number, length, START, (stop - begin) // length.ns)
                catalog.merge(f"COIN{number}_KRW", length, candles)
            else:
                first = series_folder(root, f"COIN{number % DISTINCT}_KRW", length)
                copytree(first, series_folder(root, f"COIN{number}_KRW", length))
    symbols = [f"COIN{number}_KRW" for number in range(count)]
    texts = {"root": str(root), "timeframe": timeframe, "start": str(START), "end": str(END)}
    return {name: np.array(text) for name, text in texts.items()} | {
        "symbols": np.array(symbols),
        "range": np.array([begin, stop]),
    }


def expected_columns(timeframe: str, number: int) -> list[np.ndarray]:
    """Return the expected columns of a symbol."""
    length, begin, stop = parse_timeframe(timeframe), *day_range(START, END)
    return [*synthetic_candles(number % DISTINCT, length, START, (stop - begin) // length.ns)]


def expected_series(data: Arrays) -> Arrays:
    """Return the expected result for one symbol."""
    return dict(zip(COLUMNS, expected_columns(str(data["timeframe"]), 0), strict=True))


def expected_sums(data: Arrays) -> Arrays:
    """Return the expected result for many symbols."""
    distinct = [expected_columns(str(data["timeframe"]), number) for number in range(DISTINCT)]
    return column_sums([distinct[number % DISTINCT] for number in range(len(data["symbols"]))])


def workloads(folder: Path) -> list[Workload]:
    """Return the workloads, one per row."""
    limits = {"1m": 0.015, "1d": 0.003}
    rows = [(f"R-{timeframe}", timeframe, 1, limits.get(timeframe)) for timeframe in ("1m", "1d")]
    rows += [(f"R-{SYMBOLS}-{timeframe}", timeframe, SYMBOLS, None) for timeframe in ("1h", "1d")]
    return [_row(folder, *row) for row in rows]


def _row(folder: Path, name: str, timeframe: str, count: int, limit: float | None) -> Workload:
    target = (Target(f"<= {1000 * limit:g} ms", lambda _, seconds=limit: seconds),) if limit else ()
    function, expected, keys = (
        ("one_series", expected_series, COLUMNS) if count == 1 else ("many_series", expected_sums, ("time", "sums"))
    )
    day_ns = 24 * 3600 * 10**9
    return Workload(
        name,
        function,
        count * DAYS * day_ns // parse_timeframe(timeframe).ns,
        partial(store_series, folder, timeframe, count),
        partial(store_series, folder, "1d", 1),
        expected,
        keys,
        (Variant(name, function, target),),
        ("pandas", "polars", "duckdb"),
        rounds=41 if count == 1 else 9,
    )


def measure_memory(root: Path, timeframe: str, symbols: Sequence[str]) -> tuple[float, float]:
    """Return the memory needed to read and hold the symbols, and the size of their columns, both in MiB."""
    catalog, length = CandleCatalog(root), parse_timeframe(timeframe)
    catalog.read(symbols[0], length, START, START)
    before = reset_peak()
    bars = [catalog.read(symbol, length, START, END) for symbol in symbols]
    return peak_mib() - before, sum(map(len, bars)) * len(COLUMNS) * 8 / 2**20


def measure_processes(data: Arrays) -> Figure:
    """Measure the memory when several processes each read and hold a part of the symbols."""
    root, timeframe, symbols = Path(str(data["root"])), str(data["timeframe"]), data["symbols"].tolist()
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        parts = [pool.submit(measure_memory, root, timeframe, symbols[first::PROCESSES]) for first in range(PROCESSES)]
        used, size = np.sum([part.result() for part in parts], axis=0)
    text = (
        f"{len(symbols)} symbols of {timeframe} in {PROCESSES} processes: {used:.0f} MiB for {size:.0f} MiB of columns"
    )
    return Figure(f"{text}, limit {MEMORY_LIMIT:g}x", met=used <= MEMORY_LIMIT * size)


def table(outcomes: Sequence[Outcome], sizes: dict[str, float]) -> Table:
    """Return the outcomes as a table.

    Args:
        outcomes: One per row and reader.
        sizes: Size of the columns of each row, MiB.
    """
    result = Table(
        "row", "reader", "median ms", "range ms", "ratio to coin", "MiB used", "of columns", "equal", "target"
    )
    coin_ms = {outcome.row: outcome.median for outcome in outcomes if outcome.is_coin}
    for outcome in outcomes:
        if outcome.seconds is None:
            result.add_row(outcome.row, outcome.engine, *["-"] * 6, outcome.reason)
            continue
        result.add_row(
            outcome.row,
            outcome.engine,
            f"{1000 * outcome.median:.2f}",
            f"{1000 * outcome.seconds:.2f} to {1000 * outcome.longest:.2f}",
            f"{outcome.median / coin_ms[outcome.row]:.2f}x" if coin_ms.get(outcome.row) else "-",
            f"{outcome.grown_mib:.1f}",
            f"{outcome.grown_mib / sizes[outcome.row]:.2f}x",
            "yes" if outcome.equal else outcome.reason,
            "\n".join(f"{text}: {MET[met]}" for text, met in (outcome.targets or {}).items()),
            style="bold" if outcome.is_coin else None,
        )
    return result


def main(names: Sequence[str]) -> int:
    """Measure, print the results, and return 1 if our reader failed, gave a different result or missed a target."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {report.format_facts(report.machine())}")
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for row in workloads(Path(folder)) if not names or row.name in names]
        for row in rows:
            console.print(f"measuring {row.name} ...")
            outcomes += measure(row, Path(folder) / row.name, {})
        memory = measure_processes(store_series(Path(folder), "1h", SYMBOLS))
    console.print(table(outcomes, {row.name: row.work * len(COLUMNS) * 8 / 2**20 for row in rows}))
    for line in [*report.versions(outcomes), report.format_figure(memory)]:
        console.print(line)
    if not names:
        details = (
            {"median": outcome.median, "longest": outcome.longest, "grown_mib": outcome.grown_mib}
            for outcome in outcomes
            if outcome.seconds
        )
        records = [record | extra for record, extra in zip(report.records(outcomes), details, strict=True)]
        LATEST.write_text(json.dumps(records, indent=1) + "\n")
    return int(not all(outcome.passed for outcome in outcomes) or memory.met is False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
