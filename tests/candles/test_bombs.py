"""Files that expand: none takes more than the documented memory and time, whatever it declares."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coin_pipeline.candles.imports.parser.client import CandleFileParser, ParserLimits
from coin_pipeline.candles.imports.parser.server import shared_server
from coin_pipeline.candles.imports.prepare import ImportOptions
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.errors import InvalidInput
from coin_pipeline.settings import load_settings
from tests.candles.bombs import FAMILIES, Bomb, bomb_of, bombs

MAX_MIB, MAX_CPU_S = 512, 10
COUNT, SEED = int(os.environ.get("COIN_BOMBS", "1000")), int(os.environ.get("COIN_BOMB_SEED", "1"))
pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="/proc exists on Linux only")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_bomb_of_each_family_stays_within_the_limits(tmp_path: Path, minutely: Timeframe, family: str) -> None:
    """In memory and CPU time."""
    memory, cpu, outcome = explode(bomb_of(family, "3"), tmp_path, minutely)
    assert (memory < MAX_MIB, cpu < MAX_CPU_S) == (True, True), f"{memory:.0f} MiB, {cpu:.1f} s: {outcome}"


@pytest.mark.bombs
@pytest.mark.timeout(0)
def test_a_thousand_bombs_stay_within_the_limits(tmp_path: Path, minutely: Timeframe) -> None:
    """`make bombs` prints the most that a bomb of each family takes."""
    peaks: dict[str, tuple[float, float]] = {}
    over = []
    for number, bomb in enumerate(bombs(SEED, COUNT)):
        memory, cpu, outcome = explode(bomb, tmp_path, minutely)
        highest = peaks.get(bomb.family, (0, 0))
        peaks[bomb.family] = max(highest[0], memory), max(highest[1], cpu)
        if memory >= MAX_MIB or cpu >= MAX_CPU_S:
            over.append(f"{number} {bomb.family}: {memory:.0f} MiB, {cpu:.1f} s: {outcome}")
    for family, (memory, cpu) in sorted(peaks.items()):
        print(f"{family:24} {memory:4.0f} MiB {cpu:5.1f} s")  # noqa: T201 -- the report of `make bombs`
    assert over == []


def explode(bomb: Bomb, folder: Path, minutely: Timeframe) -> tuple[float, float, str]:
    """Read a bomb; return the peak memory of the processes that do in MiB, their CPU time in s, and the outcome."""
    path = folder / bomb.name
    path.write_bytes(bomb.content)
    server = shared_server()
    server.start()
    assert server._process
    pid = server._process.pid
    parser = CandleFileParser(server, ParserLimits.of(load_settings()))
    with peak_memory(pid) as peak:
        before = children_cpu_s(pid)
        try:
            prepared = parser.prepare(path, ImportOptions("BTC_KRW", minutely, "UTC"), time.time_ns(), alone=True)
            outcome = f"{len(prepared.rows):,} candles"
        except InvalidInput as error:
            outcome = str(error)
        cpu = children_cpu_s(pid) - before
    path.unlink()
    return peak[0], cpu, outcome


@contextmanager
def peak_memory(pid: int) -> Iterator[list[float]]:
    """Yield a list with the peak memory of a process and its children in MiB, updated until the end."""
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peak[0] = max(peak[0], sum(map(memory_mib, [pid, *children(pid)])))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def memory_mib(pid: int) -> float:
    """Return the memory of a process, with shared pages in proportion; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def children_cpu_s(pid: int) -> float:
    """Return the CPU time of the ended children of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
