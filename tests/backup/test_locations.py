"""Files at a location are complete or absent, in a folder and in a bucket, and one process at a time changes them."""

import subprocess
import sys
import threading
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coin_pipeline.backup.folder import FolderLocation
from coin_pipeline.backup.locations import Location, open_location
from coin_pipeline.errors import BackupInProgress, InvalidSettings, ObjectNotFound, StorageFull, StorageUnavailable
from coin_pipeline.settings import Settings
from coin_pipeline.storage.s3 import PART_BYTES
from tests.conftest import ROOT
from tests.small_disk import fill, small_disk

if TYPE_CHECKING:
    from coin_pipeline.backup.s3 import S3Location
    from tests.s3 import S3Server

NAME = "results/results_20260101_000000.tar.gz"


def s3_location(server: "S3Server", lease_s: float = 120) -> "S3Location":
    """Return a new location in a bucket."""
    from coin_pipeline.backup.s3 import S3Location  # noqa: PLC0415 -- tests of folders need no client

    return S3Location(server.store("backups").client, "backups", uuid.uuid4().hex, lease_s)


@pytest.fixture(params=["folder", "s3"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """An empty location of each kind."""
    if request.param == "folder":
        return FolderLocation(tmp_path / "backups")
    return s3_location(request.getfixturevalue("s3_server"))


def write(location: Location, name: str, data: bytes) -> None:
    """Write a file."""
    with location.write(name) as file:
        file.write(data)


def interrupt(location: Location, size: int) -> None:
    """Interrupt a write after some bytes."""
    with location.write(NAME) as file:
        file.write(bytes(size))
        raise KeyboardInterrupt


def test_a_written_file_is_read_back(location: Location) -> None:
    """Names, sizes and content are those that were written; the last write of a name wins."""
    for data in (b"first", b"second"):
        write(location, NAME, data)
    write(location, "sets/1.json", b"{}")
    with location.open(NAME) as file:
        assert file.read() == b"second"
    assert (list(location.names()), list(location.names("sets"))) == ([NAME, "sets/1.json"], ["sets/1.json"])
    assert (location.size(NAME), location.exists(NAME)) == (6, True)


def test_a_file_of_several_parts_is_read_back(location: Location) -> None:
    """Pieces of any size, written one after the other, form one file."""
    pieces = [bytes([number]) * (PART_BYTES // 3 + number) for number in range(8)]
    with location.write(NAME) as file:
        for piece in pieces:
            file.write(piece)
    with location.open(NAME) as file:
        assert file.read() == b"".join(pieces)


@pytest.mark.parametrize("size", [10, PART_BYTES + 1])
def test_an_interrupted_write_leaves_the_earlier_file(location: Location, size: int) -> None:
    """An error in the block is passed on, and nothing changes."""
    write(location, NAME, b"before")
    with pytest.raises(KeyboardInterrupt):
        interrupt(location, size)
    with location.open(NAME) as file:
        assert file.read() == b"before"
    assert location.remove_incomplete() == 0


def test_absent_files_are_not_found(location: Location) -> None:
    """Neither its size nor its content is known; deleting it is not an error."""
    with pytest.raises(ObjectNotFound):
        location.open(NAME)
    with pytest.raises(ObjectNotFound):
        location.size(NAME)
    location.delete(NAME)
    assert not location.exists(NAME)


def test_a_second_process_does_not_get_the_lock(location: Location) -> None:
    """The error names the process that has the lock; afterwards the lock is free."""
    with location.lock() as lock:
        lock.require()
        with pytest.raises(BackupInProgress, match=r"is in use by process \d+ on .+; try again"), location.lock():
            raise AssertionError
    with location.lock():
        pass


def test_one_of_many_threads_gets_the_lock_of_a_bucket(s3_server: "S3Server") -> None:
    """Of processes that start at once, exactly one backs up."""
    location, barrier, held = s3_location(s3_server), threading.Barrier(8), []
    done = threading.Barrier(8)

    def compete() -> None:
        barrier.wait()
        try:
            with location.lock():
                held.append(1)
                done.wait()
        except BackupInProgress:
            done.wait()

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held == [1]


def test_an_abandoned_lock_of_a_bucket_is_taken_over(s3_server: "S3Server") -> None:
    """The process that lost it learns it before it writes a manifest."""
    from coin_pipeline.storage.s3_lock import LockObject  # noqa: PLC0415 -- as above

    location = s3_location(s3_server, lease_s=-1)  # expired as soon as it is written
    bucket, prefix = location.uri().removeprefix("s3://").split("/", 1)
    key = f"{prefix}/backup.lock"
    abandoned = LockObject(s3_server.store(bucket), key, -1, partial(BackupInProgress, location.uri()))
    abandoned.acquire()
    with location.lock():
        with pytest.raises(BackupInProgress, match="took it over"):
            abandoned.require()
        abandoned.release()
        assert location.exists("backup.lock")  # of the process that has it now


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """The kernel releases the lock of a folder."""
    program = (
        "import os, pathlib, sys; from coin_pipeline.backup.folder import FolderLocation\n"
        "with FolderLocation(pathlib.Path(sys.argv[1])).lock(): os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -9
    with FolderLocation(tmp_path).lock():
        pass


def test_files_are_private(tmp_path: Path) -> None:
    """A backup contains the whole database, so other users must not read it."""
    write(FolderLocation(tmp_path / "backups"), NAME, b"")
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "backups", tmp_path / "backups" / NAME)]
    assert modes == [0o700, 0o600]


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """The error states that there is no space, and no partial file remains."""
    with small_disk(tmp_path, 2) as disk:
        location = FolderLocation(disk)
        fill(disk)
        with pytest.raises(StorageFull), location.write(NAME) as file:
            file.write(bytes(2**20))
        assert [path.name for path in (disk / "results").iterdir()] == []


def test_an_unreachable_bucket_is_reported() -> None:
    """Every operation fails with one error, which names the server."""
    settings = Settings(
        coin_backup_location="s3://backups/nightly",
        aws_endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="k",
        aws_secret_access_key="s",  # noqa: S106 -- of no server
    )
    location = open_location(settings)
    assert location.uri(NAME) == f"s3://backups/nightly/{NAME}"
    with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:9"), location.lock():
        raise AssertionError


@pytest.mark.parametrize("text", ["s3://", "s3://B", "gs://bucket", "s3://bucket/../up", "https://user:secret@host/b"])
def test_invalid_addresses_are_rejected(text: str) -> None:
    """The setting is named; its value, which may contain a password, is not."""
    with pytest.raises(InvalidSettings, match="COIN_BACKUP_LOCATION") as raised:
        open_location(Settings(coin_backup_location=text))
    assert "secret" not in str(raised.value)
