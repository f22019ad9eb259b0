"""Bounded logs, while a process writes to them."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from coin_pipeline.storage.log_files import LogFile, LogLimit

LINES = 200_000
WRITER = f"""
import os
for number in range({LINES}):
    os.write(1, b"line %06d\\n" % number)
"""


def written(path: Path, files: int) -> list[str]:
    """Return the lines of a log and its older files, oldest first."""
    paths = [*(path.with_name(f"{path.name}.{number}") for number in range(files - 1, 0, -1)), path]
    return "".join(file.read_text() for file in paths if file.exists()).splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems truncate")
def test_log_of_a_busy_writer_loses_no_line(tmp_path: Path) -> None:
    """The newest lines are kept in order and intact while the log is rotated several times."""
    path, limit = tmp_path / "log", LogLimit(300_000, files=4)
    log = LogFile(path, limit)
    with subprocess.Popen([sys.executable, "-c", WRITER], stdout=log.open_writer()) as writer:
        while writer.poll() is None:
            log.keep_bounded()
    log.keep_bounded()
    lines = written(path, limit.files)[1:]  # the file before the first one had the start of its first line
    assert lines == [f"line {number:06d}" for number in range(LINES - len(lines), LINES)]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log", "log.1", "log.2", "log.3"]
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_deleted_log_is_restored(tmp_path: Path) -> None:
    """A writer that still has the deleted file open does not fill the disk unseen: its lines are in the new file."""
    log = LogFile(tmp_path / "log", LogLimit(1000, files=2))
    writer = log.open_writer()
    os.write(writer, b"before\n")
    log.path.unlink()
    for line in (b"first\n", b"second\n"):
        os.write(writer, line)
        log.keep_bounded()
    assert log.path.read_text() == "before\nfirst\nsecond\n"
    assert os.fstat(writer).st_size == 0


def test_tail_continues_in_the_previous_file(tmp_path: Path) -> None:
    """The last lines are complete right after a rotation."""
    log = LogFile(tmp_path / "log", LogLimit(10, files=3))
    writer = log.open_writer()
    os.write(writer, b"one\ntwo\nthree\n")
    log.keep_bounded()
    os.write(writer, b"four\n")
    assert log.tail(2) == "three\nfour"


def test_rotation_without_space_keeps_the_log(tmp_path: Path) -> None:
    """A copy that cannot be written is removed, the log stays, and nothing is raised."""
    log = LogFile(tmp_path / "log", LogLimit(10, files=2))
    os.write(log.open_writer(), b"x" * 100_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        log.keep_bounded()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(file.name, file.stat().st_size) for file in tmp_path.iterdir()] == [("log", 100_000)]
    log.keep_bounded()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) == 100_000
    assert (tmp_path / "log.1").exists()


@pytest.mark.parametrize("files", [2, 5])
def test_number_of_files_is_bounded(tmp_path: Path, files: int) -> None:
    """The oldest file is dropped."""
    log = LogFile(tmp_path / "log", LogLimit(5, files))
    writer = log.open_writer()
    for number in range(10):
        os.write(writer, b"line %d\n" % number)
        log.keep_bounded()
    assert written(log.path, files) == [f"line {number}" for number in range(10 - files + 1, 10)]
