"""Reading speed of stored candles, verified and compared with peers: ``python -m benchmarks.reading [ROW ...]``."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
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
from coin_pipeline.candles.upload import upload_candles
from coin_pipeline.candles.year_files.paths import series_folder
from coin_pipeline.settings import load_settings
from tests.s3 import start_s3, stop_s3

LATEST = Path(__file__).parent / "latest-reading.json"
START, END = date(2023, 1, 1), date(2023, 12, 31)
"""A year in Seoul time, stored in two files: the first nine hours belong to the previous UTC year."""
DAYS, SYMBOLS, DISTINCT, PROCESSES = 365, 100, 4, 2
MEMORY_LIMIT = 1.5
"""Maximum memory for reading many symbols, as a multiple of the size of the columns."""
BUCKET_ROW, FOLDER_ROW, DOWNLOAD_ROW, BUCKET_LIMIT = "S-1m", "S-1m folder", "S-1m download", 1.5
"""The row of a bucket on this machine, the same candles in a folder, the download of their files without reading them,
and the maximum ratio of a read: to the folder if it is cached, otherwise to the download followed by the folder."""


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
    return [*(_row(folder, *row) for row in rows), _bucket_row(folder)]


def _bucket_row(folder: Path) -> Workload:
    cached = Target(f"<= {BUCKET_LIMIT:g}x the folder", lambda measured: BUCKET_LIMIT * measured[FOLDER_ROW])
    not_cached = Target(
        f"<= {BUCKET_LIMIT:g}x the download and the folder",
        lambda measured: BUCKET_LIMIT * (measured[DOWNLOAD_ROW] + measured[FOLDER_ROW]),
    )
    return replace(
        _row(folder, BUCKET_ROW, "1m", 1, None),
        inputs=partial(store_in_bucket, folder, "1m"),
        small=partial(store_in_bucket, folder, "1d"),
        variants=(
            Variant(FOLDER_ROW, "one_series"),
            Variant(DOWNLOAD_ROW, "series_downloaded"),
            Variant(f"{BUCKET_ROW} cached", "series_in_bucket", (cached,)),
            Variant(f"{BUCKET_ROW} not cached", "uncached_series_in_bucket", (not_cached,)),
        ),
        libraries=(),
    )


def store_in_bucket(folder: Path, timeframe: str) -> Arrays:
    """Store a year of synthetic candles in a folder and in the configured bucket; return the request."""
    data = store_series(folder, timeframe, 1)
    settings = load_settings().model_copy(update={"data_root": Path(str(data["root"]))})
    for _ in upload_candles(settings):
        pass
    return data


@contextmanager
def bucket_server(folder: Path) -> Iterator[None]:
    """Serve a bucket on this machine, and configure it as the place of the candles."""
    server = start_s3(folder)
    try:
        server.store("candles")
        os.environ |= server.environment("candles") | {"COIN_CANDLES": "s3", "DATA_ROOT": str(folder / "root")}
        yield
    finally:
        stop_s3(server, folder)


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
    coin_ms |= {row: coin_ms[FOLDER_ROW] for row in coin_ms if row.startswith(BUCKET_ROW) and FOLDER_ROW in coin_ms}
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
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        rows = [row for row in workloads(Path(folder)) if not names or row.name in names]
        if BUCKET_ROW in [row.name for row in rows]:
            stack.enter_context(bucket_server(Path(folder) / "server"))
        for row in rows:
            console.print(f"measuring {row.name} ...")
            outcomes += measure(row, Path(folder) / row.name, {})
        memory = measure_processes(store_series(Path(folder), "1h", SYMBOLS))
    sizes = {variant.row: row.work * len(COLUMNS) * 8 / 2**20 for row in rows for variant in row.variants}
    console.print(table(outcomes, sizes))
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
