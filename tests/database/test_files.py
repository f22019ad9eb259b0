"""The files of the server's home."""

import fcntl
import os
import stat
from pathlib import Path

from coin_pipeline.database.embedded import files


def test_write_replaces_at_once_and_privately(tmp_path: Path) -> None:
    """A reader that has the old file open keeps the old text; the new file is its owner's alone."""
    target = tmp_path / "port"
    files.write(target, "1")
    with target.open() as old:
        files.write(target, "22")
        assert old.read() == "1"
    assert target.read_text() == "22"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["port"]


def test_a_lock_lasts_as_long_as_any_copy_of_its_descriptor(tmp_path: Path) -> None:
    """A lock handed to another holder of the descriptor is never free in between."""
    path = tmp_path / "lock"
    held = files.try_lock(path)
    assert held is not None
    heir = os.dup(held)
    os.close(held)
    assert files.try_lock(path, fcntl.LOCK_SH) is None
    os.close(heir)
    free = files.try_lock(path)
    assert free is not None
    os.close(free)


def test_tail_gives_the_last_lines_after_a_mark(tmp_path: Path) -> None:
    """What was logged before the mark is not repeated, and a long text is cut at its beginning."""
    log = tmp_path / "log"
    assert files.tail(log) == ""
    log.write_text("old\nnew\n")
    assert files.tail(log, len("old\n")) == "new"
    log.write_text("first " + "x" * files.TAIL_BYTES)
    assert files.tail(log) == "x" * files.TAIL_BYTES


def test_a_long_log_is_moved_and_goes_on(tmp_path: Path) -> None:
    """A log beyond its bound is kept once under another name, and its writer goes on in an empty file."""
    log = tmp_path / "log"
    with log.open("ab") as writer:
        writer.write(b"short")
        writer.flush()
        files.bound(log)
        assert files.size(log) == len("short")
        writer.write(b"x" * files.LOG_BYTES)
        writer.flush()
        files.bound(log)
        writer.write(b"next")
    assert log.read_text() == "next"
    assert files.size(tmp_path / "log.1") == len("short") + files.LOG_BYTES
