"""A DATA_ROOT that was filled by processes which were killed is, byte for byte, the one that nothing disturbed."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import parse_timeframe
from tests.collectors import collector, digests, forking
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
"""Over the turn of a year, with holes in which nobody traded, listed only after what is asked for begins."""
END_S = 60
MOST_REQUESTS = 70
"""A collector is killed after so many requests at the latest: fewer than half of what all series take."""


@pytest.fixture(scope="module")
def forks() -> ForkServerContext:
    """What starts collectors."""
    return forking()


@pytest.fixture
def server() -> Iterator[UpbitServer]:
    """A server in the middle of a minute, an hour and a day, each with an unfinished candle that it shows."""
    with serving(UpbitServer(CANDLES, Clock(NOW))) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(forks: ForkServerContext, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the files that one collector leaves which nothing disturbs."""
    root = tmp_path_factory.mktemp("undisturbed")
    with serving(UpbitServer(CANDLES, Clock(NOW))) as running:
        process = collector(forks, root, running.url, GET)
        process.join(END_S)
    assert process.exitcode == 0
    for (market, unit), expected in CANDLES.items():
        length = parse_timeframe({"minutes/1": "1m", "minutes/60": "1h", "days": "1d"}[unit])
        finished = int(NOW.timestamp()) * 10**9 // length.ns * length.ns
        bars = CandleCatalog(root).read(market, length, date(2023, 1, 1), date(2025, 1, 1))
        assert bars.time.tolist() == expected.time[expected.time < finished].tolist()
        assert bars.close.tolist() == expected.close[expected.time < finished].tolist()
    found = digests(root)
    assert sum(name.endswith(".parquet") for name in found) == 12
    return found


def kill_at_random(process: ForkServerProcess, server: UpbitServer, root: Path, chance: random.Random) -> bool:
    """Kill a collector after some requests and a moment, or while it writes a file; return whether it still ran."""
    began, requests = time.time(), len(server.asked) + chance.randrange(1, MOST_REQUESTS)
    waits_for_a_write, pause = chance.random() < 0.5, chance.uniform(0, 0.03)
    while process.is_alive() and len(server.asked) < requests:
        if waits_for_a_write and any(modified(path) >= began for path in root.rglob(".*.tmp")):
            break
        time.sleep(0.0005)
    else:
        time.sleep(pause)
    process.kill()
    process.join(END_S)
    return process.exitcode != 0


def modified(path: Path) -> float:
    """Return when a file was written to; that it is gone by now counts as never."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


@pytest.mark.parametrize("seed", range(3))
def test_killed_and_resumed_is_byte_identical(
    forks: ForkServerContext, server: UpbitServer, undisturbed: dict[str, str], tmp_path: Path, seed: int
) -> None:
    """Killed up to two dozen times, while it asks, waits or writes, it ends with the same bytes and no other file."""
    chance, kills = random.Random(seed), 0  # noqa: S311 - no secret
    while kills < 24 and kill_at_random(collector(forks, tmp_path, server.url, GET), server, tmp_path, chance):
        kills += 1
    last = collector(forks, tmp_path, server.url, GET)
    last.join(END_S)
    assert last.exitcode == 0
    assert kills >= 2
    assert digests(tmp_path) == undisturbed


@pytest.mark.parametrize("seed", range(2))
def test_two_at_once_and_killed_are_byte_identical(
    forks: ForkServerContext, server: UpbitServer, undisturbed: dict[str, str], tmp_path: Path, seed: int
) -> None:
    """Two collectors of the same series, one of them killed again and again, end with the same bytes."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    steady = collector(forks, tmp_path, server.url, GET)
    while kill_at_random(collector(forks, tmp_path, server.url, GET), server, tmp_path, chance):
        pass
    steady.join(END_S)
    assert steady.exitcode == 0
    assert digests(tmp_path) == undisturbed


def test_a_bad_network_is_byte_identical(
    forks: ForkServerContext, server: UpbitServer, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    """Every tenth answer is lost, and the files are the same."""
    for _ in range(20):
        server.plan(lambda answer: answer, times=9)
        server.plan(reset)
    process = collector(forks, tmp_path, server.url, GET)
    process.join(END_S)
    assert process.exitcode == 0
    assert digests(tmp_path) == undisturbed
