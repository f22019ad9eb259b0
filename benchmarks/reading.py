"""How fast stored candles are read, checked, and beside whom: ``python -m benchmarks.reading [ROW ...]``."""

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
from benchmarks.series import COLUMNS, sums
from benchmarks.worker import forget_peak, peak_mib
from benchmarks.workloads import Target, Variant, Workload
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import day_range, parse_timeframe
from coin_pipeline.candles.year_files.paths import series_folder

LATEST = Path(__file__).parent / "latest-reading.json"
START, END = date(2023, 1, 1), date(2023, 12, 31)
"""A year of Seoul, so that it lies in two files: the first nine hours are in the one of the UTC year before."""
DAYS, SYMBOLS, DIFFERENT, PROCESSES = 365, 100, 4, 2
HELD = 1.5
"""How many times the size of the columns reading many symbols may take."""


def stored(folder: Path, timeframe: str, count: int) -> Arrays:
    """Store a year of made-up candles of some symbols, a few different ones over and over; return what is asked."""
    length, begin, stop = parse_timeframe(timeframe), *day_range(START, END)
    root = folder / f"{timeframe}-{count}"
    if not root.exists():
        catalog = CandleCatalog(root)
        for number in range(count):
            if number < DIFFERENT:
                frame = synthetic_candles(number, length, START, (stop - begin) // length.ns)
                catalog.merge(f"COIN{number}_KRW", length, frame)
            else:
                first = series_folder(root, f"COIN{number % DIFFERENT}_KRW", length)
                copytree(first, series_folder(root, f"COIN{number}_KRW", length))
    symbols = [f"COIN{number}_KRW" for number in range(count)]
    texts = {"root": str(root), "timeframe": timeframe, "start": str(START), "end": str(END)}
    return {name: np.array(text) for name, text in texts.items()} | {
        "symbols": np.array(symbols),
        "range": np.array([begin, stop]),
    }


def columns(timeframe: str, number: int) -> list[np.ndarray]:
    """Return what must be found of a symbol."""
    length, begin, stop = parse_timeframe(timeframe), *day_range(START, END)
    frame = synthetic_candles(number % DIFFERENT, length, START, (stop - begin) // length.ns)
    return [frame["timestamp"].astype("int64").to_numpy(), *(frame[name].to_numpy() for name in COLUMNS[1:])]


def one(data: Arrays) -> Arrays:
    """Return what must be found of one symbol."""
    return dict(zip(COLUMNS, columns(str(data["timeframe"]), 0), strict=True))


def many(data: Arrays) -> Arrays:
    """Return what must be found of many symbols."""
    different = [columns(str(data["timeframe"]), number) for number in range(DIFFERENT)]
    return sums([different[number % DIFFERENT] for number in range(len(data["symbols"]))])


def workloads(folder: Path) -> list[Workload]:
    """Return the rows."""
    limits = {"1m": 0.015, "1d": 0.003}
    rows = [(f"R-{timeframe}", timeframe, 1, limits.get(timeframe)) for timeframe in ("1m", "1d")]
    rows += [(f"R-{SYMBOLS}-{timeframe}", timeframe, SYMBOLS, None) for timeframe in ("1h", "1d")]
    return [_row(folder, *row) for row in rows]


def _row(folder: Path, name: str, timeframe: str, count: int, limit: float | None) -> Workload:
    target = (Target(f"<= {1000 * limit:g} ms", lambda _, most=limit: most),) if limit else ()
    function, expected, keys = ("one_series", one, COLUMNS) if count == 1 else ("many_series", many, ("time", "sums"))
    day_ns = 24 * 3600 * 10**9
    return Workload(
        name,
        function,
        count * DAYS * day_ns // parse_timeframe(timeframe).ns,
        partial(stored, folder, timeframe, count),
        partial(stored, folder, "1d", 1),
        expected,
        keys,
        (Variant(name, function, target),),
        ("pandas", "polars", "duckdb"),
        rounds=41 if count == 1 else 9,
    )


def held(root: Path, timeframe: str, symbols: Sequence[str]) -> tuple[float, float]:
    """Return how much memory it takes to read symbols and hold them, and how large their columns are, both in MiB."""
    catalog, length = CandleCatalog(root), parse_timeframe(timeframe)
    catalog.read(symbols[0], length, START, START)
    before = forget_peak()
    bars = [catalog.read(symbol, length, START, END) for symbol in symbols]
    return peak_mib() - before, sum(map(len, bars)) * len(COLUMNS) * 8 / 2**20


def processes(data: Arrays) -> Figure:
    """Tell what the symbols take when processes read and hold a part of them each."""
    root, timeframe, symbols = Path(str(data["root"])), str(data["timeframe"]), data["symbols"].tolist()
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        parts = [pool.submit(held, root, timeframe, symbols[first::PROCESSES]) for first in range(PROCESSES)]
        took, size = np.sum([part.result() for part in parts], axis=0)
    text = (
        f"{len(symbols)} symbols of {timeframe} in {PROCESSES} processes: {took:.0f} MiB for {size:.0f} MiB of columns"
    )
    return Figure(f"{text}, limit {HELD:g}x", met=took <= HELD * size)


def table(outcomes: Sequence[Outcome], sizes: dict[str, float]) -> Table:
    """Return the table."""
    shown = Table(
        "row", "reader", "median ms", "range ms", "takes, of ours", "MiB taken", "of columns", "equal", "target"
    )
    ours = {one.row: one.median for one in outcomes if one.ours}
    for each in outcomes:
        if each.seconds is None:
            shown.add_row(each.row, each.engine, *["-"] * 6, each.reason)
            continue
        shown.add_row(
            each.row,
            each.engine,
            f"{1000 * each.median:.2f}",
            f"{1000 * each.seconds:.2f} to {1000 * each.longest:.2f}",
            f"{each.median / ours[each.row]:.2f}x" if ours.get(each.row) else "-",
            f"{each.grown_mib:.1f}",
            f"{each.grown_mib / sizes[each.row]:.2f}x",
            "yes" if each.equal else each.reason,
            "\n".join(f"{text}: {MET[met]}" for text, met in (each.targets or {}).items()),
            style="bold" if each.ours else None,
        )
    return shown


def main(names: Sequence[str]) -> int:
    """Measure, tell, and return 1 if anything of ours failed, differs or missed its target."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {report.described(report.machine())}")
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for row in workloads(Path(folder)) if not names or row.name in names]
        for row in rows:
            console.print(f"measuring {row.name} ...")
            outcomes += measure(row, Path(folder) / row.name, {})
        facts = [processes(stored(Path(folder), "1h", SYMBOLS))]
    console.print(table(outcomes, {row.name: row.work * len(COLUMNS) * 8 / 2**20 for row in rows}))
    for line in [*report.versions(outcomes), *map(report.told, facts)]:
        console.print(line)
    if not names:
        more = (
            {"median": each.median, "longest": each.longest, "grown_mib": each.grown_mib}
            for each in outcomes
            if each.seconds
        )
        records = [record | extra for record, extra in zip(report.records(outcomes), more, strict=True)]
        LATEST.write_text(json.dumps(records, indent=1) + "\n")
    return int(not all(each.good for each in outcomes) or any(fact.met is False for fact in facts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
