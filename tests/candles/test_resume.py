"""A DATA_ROOT filled by killed and resumed processes equals an uninterrupted one, byte for byte."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import parse_timeframe
from tests.collectors import collector, digests
from tests.forking import forking
from tests.upbit_server import Clock, UpbitServer, market_candles, reset, serving

GET = (
    *("BTC_KRW", "KRW-ETH", "--from", "2023-12-10"),
    *("--timeframe", "1m", "--timeframe", "1h", "--timeframe", "1d"),
)
NOW = datetime(2024, 1, 10, 9, 30, 30, tzinfo=UTC)
CANDLES = {
    ("KRW-BTC", "minutes/1"): market_candles(1, "1m", date(2023, 12, 28), 60 * 24 * 20),
    ("KRW-BTC", "minutes/60"): market_candles(2, "1h", date(2023, 12, 20), 24 * 30, 0.7),
    ("KRW-BTC", "days"): market_candles(3, "1d", date(2023, 12, 20), 30),
    ("KRW-ETH", "minutes/1"): market_candles(4, "1m", date(2024, 1, 6), 60 * 24 * 20),
    ("KRW-ETH", "minutes/60"): market_candles(5, "1h", date(2023, 12, 20), 24 * 30, 0.7),
    ("KRW-ETH", "days"): market_candles(6, "1d", date(2023, 12, 20), 30),
}
"""Series across a new year, with gaps without trades, listed after the start of the requested range."""
END_S = 60
MAX_REQUESTS = 70
"""A collector is killed after at most this many requests, fewer than half of those all series need."""


@pytest.fixture(scope="module")
def forks() -> ForkServerContext:
    """Starts collectors."""
    return forking()


@pytest.fixture
def server() -> Iterator[UpbitServer]:
    """A server in the middle of a minute, an hour and a day, which returns the open candle of each."""
    with serving(UpbitServer(CANDLES, Clock(NOW))) as running:
        yield running


@pytest.fixture(scope="module")
def uninterrupted(forks: ForkServerContext, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the files of one uninterrupted collector."""
    root = tmp_path_factory.mktemp("uninterrupted")
    with serving(UpbitServer(CANDLES, Clock(NOW))) as running:
        process = collector(forks, root, running.url, GET)
        process.join(END_S)
    assert process.exitcode == 0
    for (market, unit), expected in CANDLES.items():
        length = parse_timeframe({"minutes/1": "1m", "minutes/60": "1h", "days": "1d"}[unit])
        closed = int(NOW.timestamp()) * 10**9 // length.ns * length.ns
        bars = CandleCatalog(root).read(market, length, date(2023, 1, 1), date(2025, 1, 1))
        assert bars.time.tolist() == expected.time[expected.time < closed].tolist()
        assert bars.close.tolist() == expected.close[expected.time < closed].tolist()
    files = digests(root)
    assert sum(name.endswith(".parquet") for name in files) == 12
    return files


def kill_at_random(process: ForkServerProcess, server: UpbitServer, root: Path, chance: random.Random) -> bool:
    """Kill a collector after some requests and a moment, or during a write; return whether it was still running."""
    began, requests = time.time(), len(server.asked) + chance.randrange(1, MAX_REQUESTS)
    during_write, pause = chance.random() < 0.5, chance.uniform(0, 0.03)
    while process.is_alive() and len(server.asked) < requests:
        if during_write and any(modified(path) >= began for path in root.rglob(".*.tmp")):
            break
        time.sleep(0.0005)
    else:
        time.sleep(pause)
    process.kill()
    process.join(END_S)
    return process.exitcode != 0


def modified(path: Path) -> float:
    """Return the modification time of a file, or 0 if it no longer exists."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_killed_and_resumed_is_byte_identical(
    forks: ForkServerContext, server: UpbitServer, uninterrupted: dict[str, str], tmp_path: Path, seed: int
) -> None:
    """Killed up to 24 times while requesting, waiting or writing, it leaves the same bytes and no other file."""
    chance, kills = random.Random(seed), 0  # noqa: S311 - no secret
    while kills < 24 and kill_at_random(collector(forks, tmp_path, server.url, GET), server, tmp_path, chance):
        kills += 1
    last = collector(forks, tmp_path, server.url, GET)
    last.join(END_S)
    assert last.exitcode == 0
    assert kills >= 2
    assert digests(tmp_path) == uninterrupted


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_concurrent_collectors_with_kills_are_byte_identical(
    forks: ForkServerContext, server: UpbitServer, uninterrupted: dict[str, str], tmp_path: Path, seed: int
) -> None:
    """One of two collectors of the same series is killed repeatedly."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    steady = collector(forks, tmp_path, server.url, GET)
    while kill_at_random(collector(forks, tmp_path, server.url, GET), server, tmp_path, chance):
        pass
    steady.join(END_S)
    assert steady.exitcode == 0
    assert digests(tmp_path) == uninterrupted


def test_an_unreliable_network_is_byte_identical(
    forks: ForkServerContext, server: UpbitServer, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    """Every tenth response is lost."""
    for _ in range(20):
        server.plan(lambda answer: answer, times=9)
        server.plan(reset)
    process = collector(forks, tmp_path, server.url, GET)
    process.join(END_S)
    assert process.exitcode == 0
    assert digests(tmp_path) == uninterrupted
