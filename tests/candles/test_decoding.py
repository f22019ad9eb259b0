"""Memory of reading, measured by the allocators, so that it does not depend on the machine."""

import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import Timeframe, parse_timeframe
from coin_pipeline.candles.year_files.paths import series_folder
from coin_pipeline.engine.bars import Bars

FIRST, LAST = date(2023, 7, 1), date(2024, 6, 30)
SYMBOLS, THREADS = 100, 2
GROUP = 65_536 * 6 * 8


@dataclass
class Peak:
    """Peak memory in bytes: NumPy's and Python's, and Arrow's."""

    numpy: int = 0
    arrow: int = 0


@contextmanager
def measured() -> Iterator[Peak]:
    """Measure allocations within the block."""
    peak, before = Peak(), pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        yield peak
        peak.numpy, peak.arrow = tracemalloc.get_traced_memory()[1], pool.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)


def size(bars: Bars) -> int:
    """Return the size of the columns in bytes."""
    return sum(getattr(bars, field.name).nbytes for field in fields(bars))


def owner(column: np.ndarray) -> np.ndarray:
    """Return the array that owns the memory of a view."""
    return column if column.base is None else owner(column.base)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> CandleCatalog:
    """A year of minutes of one market, and a year of hours of a hundred, each in two files."""
    catalog = CandleCatalog(tmp_path_factory.mktemp("data"))
    for name, bars in (("1m", 527_040), ("1h", 8_784)):
        timeframe = parse_timeframe(name)
        catalog.merge("BTC_KRW", timeframe, synthetic_candles(1, timeframe, FIRST, bars))
    hours = series_folder(catalog.root, "BTC_KRW", parse_timeframe("1h"))
    for number in range(SYMBOLS):
        shutil.copytree(hours, catalog.root / f"COIN{number}_KRW" / "1H")
    return catalog


def test_a_year_of_minutes_is_in_memory_once(stored: CandleCatalog, minutely: Timeframe) -> None:
    """Beyond the columns there is one row group per thread and masks of some rows, whatever the range."""
    with measured() as peak:
        bars = stored.read("BTC_KRW", minutely, FIRST, LAST)
    assert len(bars) == 366 * 1_440
    assert peak.numpy < 1.1 * size(bars) + 2**20
    assert peak.arrow < 2 * min(pa.cpu_count(), 4) * GROUP


def test_bars_are_views_of_the_decoded_block(stored: CandleCatalog, minutely: Timeframe) -> None:
    """All columns share one block, also for two files, and so does a window of the bars."""
    bars = stored.read("BTC_KRW", minutely, FIRST, LAST)
    part = bars.window(100, 200)
    blocks = {id(owner(getattr(view, field.name))) for view in (bars, part) for field in fields(view)}
    assert len(blocks) == 1


def test_a_forked_process_starts_its_own_threads(stored: CandleCatalog) -> None:
    """A child does not wait for threads that exist only in its parent."""
    program = (
        "import os, sys; from datetime import date; from pathlib import Path;"
        "from coin_pipeline.candles.catalog import CandleCatalog;"
        "from coin_pipeline.candles.timeframe import parse_timeframe;"
        "read = lambda: len(CandleCatalog(Path(sys.argv[1])).read("
        "'BTC_KRW', parse_timeframe('1m'), date(2023, 7, 1), date(2023, 9, 30)));"
        "report = lambda: os.write(1, b'%d ' % read());"  # one write, since two processes share the pipe
        "report(); child = os.fork(); report();"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0)"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(stored.root)]
    completed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert completed.stdout.split() == [str(92 * 1_440)] * 3


def test_a_hundred_symbols_are_in_memory_once(stored: CandleCatalog, hourly: Timeframe) -> None:
    """Two threads that read a hundred symbols need little more than the candles."""
    with measured() as peak, ThreadPoolExecutor(THREADS) as pool:
        loaded = list(pool.map(lambda n: stored.read(f"COIN{n}_KRW", hourly, FIRST, LAST), range(SYMBOLS)))
    total = sum(map(size, loaded))
    assert total == SYMBOLS * 366 * 24 * 48
    assert peak.numpy < 1.1 * total
    assert peak.arrow < THREADS * GROUP
