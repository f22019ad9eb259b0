"""Files in the server's home."""

import fcntl
import os
import stat
from pathlib import Path

from coin_pipeline.database.embedded import files


def test_write_is_atomic_and_private(tmp_path: Path) -> None:
    """A reader that has the old file open keeps the old text; only the owner can read the new file."""
    target = tmp_path / "port"
    files.write_atomically(target, "1")
    with target.open() as old:
        files.write_atomically(target, "22")
        assert old.read() == "1"
    assert target.read_text() == "22"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["port"]


def test_lock_lasts_until_the_last_descriptor_is_closed(tmp_path: Path) -> None:
    """A lock passed to another holder of the descriptor is never free in between."""
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


def test_tail_returns_the_last_lines_after_an_offset(tmp_path: Path) -> None:
    """Earlier output is not repeated, and a long text is cut at its start."""
    log = tmp_path / "log"
    assert files.tail(log) == ""
    log.write_text("old\nnew\n")
    assert files.tail(log, len("old\n")) == "new"
    log.write_text("first " + "x" * files.TAIL_BYTES)
    assert files.tail(log) == "x" * files.TAIL_BYTES
