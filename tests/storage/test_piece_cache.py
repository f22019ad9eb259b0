"""The cache of pieces of objects: bounded, shared by processes, and as good as none if it cannot be used."""

import logging
import os
import signal
import sys
from pathlib import Path

import pytest

from coin_pipeline.storage.piece_cache import PieceCache
from tests.forking import forking

PIECE = bytes(4_000)
LIMIT = 100_000


def size_of(folder: Path) -> int:
    """Return the size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def fill(folder: Path, prefix: str) -> None:
    """Store twice as many pieces as the cache may hold."""
    cache = PieceCache(folder, LIMIT)
    for number in range(2 * LIMIT // len(PIECE)):
        cache.put(f"{prefix}{number}", PIECE)


def test_the_least_recently_used_copies_are_removed(tmp_path: Path) -> None:
    """A copy that is read stays, and the size is never more than a twentieth above the limit."""
    cache = PieceCache(tmp_path, LIMIT)
    cache.put("used", PIECE)
    for number in range(2 * LIMIT // len(PIECE)):
        cache.put(f"piece{number}", PIECE)
        assert cache.get("used", len(PIECE)) is not None
        assert size_of(tmp_path) <= LIMIT * 1.05
    assert cache.get("piece0", len(PIECE)) is None
    assert cache.get(f"piece{number}", len(PIECE)) is not None


def test_two_processes_fill_one_cache(tmp_path: Path) -> None:
    """Together they keep the limit, apart from a twentieth each, and leave nothing unfinished."""
    processes = [forking().Process(target=fill, args=(tmp_path, prefix)) for prefix in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert LIMIT / 2 < size_of(tmp_path) <= LIMIT * 1.1
    assert not list(tmp_path.glob(".*"))


def test_a_copy_of_another_size_is_not_used(tmp_path: Path) -> None:
    """A power failure may cut a copy."""
    cache = PieceCache(tmp_path, LIMIT)
    cache.put("cut", PIECE)
    (tmp_path / "cut").write_bytes(PIECE[:-1])
    assert cache.get("cut", len(PIECE)) is None


def test_a_limit_of_zero_stores_nothing(tmp_path: Path) -> None:
    """The folder is not created either."""
    cache = PieceCache(tmp_path / "cache", 0)
    cache.put("piece", PIECE)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_used_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Reads continue without a cache."""
    blocked = tmp_path / "cache"
    blocked.write_bytes(b"")
    cache = PieceCache(blocked, LIMIT)
    with caplog.at_level(logging.WARNING):
        for name in ("first", "second"):
            cache.put(name, PIECE)
            assert cache.get(name, len(PIECE)) is None
    assert [record.getMessage() for record in caplog.records] == [
        f"candles of the bucket are not cached in {blocked}: Not a directory"
    ]


def fill_until_killed(folder: Path, moment: int) -> None:
    """Store a piece; the process is killed before the `moment`-th time that it opens, renames or removes a file."""
    left = moment

    def count(event: str, _: object) -> None:
        nonlocal left
        if event in {"os.rename", "os.remove", "open"}:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    PieceCache(folder, LIMIT).put("piece", PIECE)


def test_a_kill_at_any_write_leaves_no_part_of_a_copy(tmp_path: Path) -> None:
    """The copy is whole or does not exist."""
    for moment in range(10):
        process = forking().Process(target=fill_until_killed, args=(tmp_path / str(moment), moment))
        process.start()
        process.join()
        copy = tmp_path / str(moment) / "piece"
        assert not copy.exists() or copy.read_bytes() == PIECE
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert moment >= 2
