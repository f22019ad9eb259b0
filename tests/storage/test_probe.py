"""Trials that find what is wrong with a store: stores that do one thing wrong each."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.errors import StorageFailed, StorageRefused
from coin_pipeline.storage.base import ObjectInfo
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.probe import check_writable, probe_store
from tests.faulty_s3 import FaultyS3
from tests.s3 import S3Server


class Overwrites(LocalStore):
    """Heeds no create-only."""

    def put(self, key: str, data: Any, **options: Any) -> None:  # noqa: ANN401
        """Replace what is there."""
        super().put(key, data, **{**options, "overwrite": True})


class Forgets(LocalStore):
    """On a file system without extended attributes."""

    def info(self, key: str) -> ObjectInfo:
        """Return no digest."""
        return super().info(key)._replace(sha256=None)


class Garbles(LocalStore):
    """Gives other bytes than it got."""

    def get(self, key: str) -> bytes:
        """Return them backwards."""
        return super().get(key)[::-1]


class Keeps(LocalStore):
    """Deletes nothing."""

    def delete(self, key: str) -> None:
        """Do nothing."""


class Hides(LocalStore):
    """Lists nothing."""

    def keys(self, prefix: str = "") -> Any:  # noqa: ANN401
        """Return no key."""
        return iter(prefix[:0])


@pytest.mark.parametrize(
    ("kind", "what", "says"),
    [
        (Overwrites, "create-only", "ignores If-None-Match"),
        (Forgets, "checksum", "no extended attributes"),
        (Garbles, "get", "other bytes"),
        (Keeps, "delete", "still there"),
        (Hides, "list", "lacks it"),
    ],
)
def test_each_thing_that_is_wrong_is_found(kind: type[LocalStore], what: str, says: str, tmp_path: Path) -> None:
    """Only that trial fails, and says what to think of it."""
    found = list(probe_store(kind(tmp_path)))
    assert [finding.check for finding in found if finding.status != "ok"] == [what]
    assert [finding for finding in found if re.search(says, finding.message)]


class RefusesListings(LocalStore):
    """Has a policy that forgets s3:ListBucket."""

    def keys(self, prefix: str = "") -> Any:  # noqa: ANN401
        """Refuse."""
        raise StorageRefused(prefix, "not permitted")


def test_a_refusal_ends_the_trials_and_leaves_nothing(tmp_path: Path) -> None:
    """What was tried until then is told, and its object is gone."""
    found = list(probe_store(RefusesListings(tmp_path)))
    assert [(finding.status, finding.check) for finding in found] == [("ok", "put"), ("ok", "get"), ("fail", "list")]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_store_that_is_ready_says_nothing(tmp_path: Path, s3_server: S3Server) -> None:
    """Neither a folder, which is made, nor a bucket; nothing of the trial is left in it."""
    assert check_writable(LocalStore(tmp_path / "new" / "data")) is None
    bucket = s3_server.store("ready")
    assert check_writable(bucket) is None
    assert list(bucket.keys()) == []


def test_a_platform_without_extended_attributes_is_warned_of(tmp_path: Path) -> None:
    """There, as on macOS, results are stored without their checksums, and the start says so."""
    program = (
        "import os, sys; from pathlib import Path; del os.setxattr, os.getxattr;"
        "from coin_pipeline.storage.local import LocalStore; from coin_pipeline.storage.probe import ready;"
        "print(ready(LocalStore(Path(sys.argv[1]))))"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}: files there have no extended attributes")


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_hard_links_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """On vfat nothing could be put without replacing; the trials and the start say so, and nothing is left."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageFailed, match=r"cannot store runs/start-\w+: files there cannot have a second name"):
        check_writable(LocalStore(tmp_path))
    (found,) = probe_store(LocalStore(tmp_path))
    assert (found.state, found.what) == ("fail", "put")
    assert "use a file system that has hard links" in found.says
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_store_that_is_away_is_a_warning_and_one_that_refuses_an_error(tmp_path: Path, s3_server: S3Server) -> None:
    """The first may come back while the platform runs; the second needs somebody."""
    away = FaultyS3(s3_server.endpoint)
    away.start()
    store = s3_server.store("ready", endpoint_url=away.endpoint)
    away.stop()
    assert "try again later" in str(check_writable(store))
    with pytest.raises(StorageRefused, match="coin storage init"):
        check_writable(type(store)(s3_server.client(), "never-made"))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="Not a directory"):
        check_writable(LocalStore(tmp_path / "file" / "data"))
