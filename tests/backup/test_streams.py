"""Backup files are hashed, encrypted and verified as streams."""

import subprocess
from pathlib import Path

import pytest

from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.folder import FolderLocation
from coin_pipeline.backup.streams import read_file, write_file
from coin_pipeline.errors import InvalidBackupKey, ObjectCorrupt, StorageFull
from coin_pipeline.settings import Settings
from tests.small_disk import fill, small_disk

CONTENT = bytes(range(256)) * 4096
NAME = "results/results_20260101_000000.tar.gz"
KEYS = [None, Key.generate()]


@pytest.fixture
def location(tmp_path: Path) -> FolderLocation:
    """A folder."""
    return FolderLocation(tmp_path)


def write(location: FolderLocation, key: Key | None, times: int, error: Exception | None = None) -> None:
    """Write the content several times into one file, then raise an error."""
    with write_file(location, NAME, key) as written:
        for _ in range(times):
            written.sink.write(CONTENT)
        if error:
            raise error


@pytest.mark.parametrize("key", KEYS, ids=["plain", "encrypted"])
def test_content_is_read_back(location: FolderLocation, key: Key | None) -> None:
    """Also with md5sum, whose file names the other one."""
    with write_file(location, NAME, key) as written:
        for start in range(0, len(CONTENT), 100_000):
            written.sink.write(CONTENT[start : start + 100_000])
    assert written.file.size == location.size(written.file.name)
    with read_file(location, written.file, key) as file:
        assert file.read() == CONTENT
    subprocess.run(
        ["/usr/bin/md5sum", "-c", "--status", *location.root.glob("results/*.md5")],
        cwd=location.root / "results",
        check=True,
    )


def test_an_encrypted_file_reveals_nothing(location: FolderLocation) -> None:
    """Its name ends in .age, and its content is not in it."""
    with write_file(location, NAME, Key.generate()) as written:
        written.sink.write(b"plain text" * 1000)
    assert written.file.name == f"{NAME}.age"
    assert b"plain text" not in (location.root / written.file.name).read_bytes()


@pytest.mark.parametrize("key", KEYS, ids=["plain", "encrypted"])
def test_an_error_leaves_no_file(location: FolderLocation, key: Key | None) -> None:
    """Neither the file nor its checksum appears, and the error is the original one."""
    with pytest.raises(ZeroDivisionError):
        write(location, key, 1, ZeroDivisionError())
    assert list(location.names()) == []


@pytest.mark.parametrize("key", KEYS, ids=["plain", "encrypted"])
def test_damage_is_found_even_if_not_all_is_read(location: FolderLocation, key: Key | None) -> None:
    """A reader that stops before the damage learns of it when it is done."""
    with write_file(location, NAME, key) as written:
        written.sink.write(CONTENT)
    path = location.root / written.file.name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ObjectCorrupt), read_file(location, written.file, key) as file:
        file.read(10)


@pytest.mark.parametrize(("key", "reason"), [(None, "is not set"), (Key.generate(), "is encrypted for another key")])
def test_another_key_does_not_decrypt(location: FolderLocation, key: Key | None, reason: str) -> None:
    """The error names the setting."""
    with write_file(location, NAME, Key.generate()) as written:
        written.sink.write(CONTENT)
    with pytest.raises(InvalidBackupKey, match=f"COIN_BACKUP_KEY.*{reason}"):  # noqa: SIM117
        with read_file(location, written.file, key) as file:
            file.read()


def test_a_full_disk_is_reported_through_the_encryption(tmp_path: Path) -> None:
    """The error of the disk is not replaced by one of the encryption or of the pipe."""
    with small_disk(tmp_path, 2) as disk:
        fill(disk)
        with pytest.raises(StorageFull):
            write(FolderLocation(disk), Key.generate(), 10)


def test_the_key_is_not_shown() -> None:
    """Neither its repr nor the error for a malformed one contains it."""
    key = Key.generate()
    assert key.secret not in repr(key)
    assert Key.from_settings(Settings(coin_backup_key=key.secret)).recipient == key.recipient
    with pytest.raises(InvalidBackupKey, match="COIN_BACKUP_KEY") as raised:
        Key.from_settings(Settings(coin_backup_key=key.secret[:-1]))
    assert key.secret[:-1] not in str(raised.value)
