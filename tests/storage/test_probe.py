"""Storage checks, tested on stores with one defect each."""

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


class Overwriting(LocalStore):
    """Ignore create-only."""

    def put(self, key: str, data: Any, **options: Any) -> None:  # noqa: ANN401
        """Replace any existing object."""
        super().put(key, data, **{**options, "overwrite": True})


class Digestless(LocalStore):
    """Behave like a file system without extended attributes."""

    def info(self, key: str) -> ObjectInfo:
        """Return no digest."""
        return super().info(key)._replace(sha256=None)


class Garbling(LocalStore):
    """Return wrong bytes."""

    def get(self, key: str) -> bytes:
        """Return the bytes reversed."""
        return super().get(key)[::-1]


class Undeletable(LocalStore):
    """Delete nothing."""

    def delete(self, key: str) -> None:
        """Do nothing."""


class Unlisted(LocalStore):
    """List nothing."""

    def keys(self, prefix: str = "") -> Any:  # noqa: ANN401
        """Return no keys."""
        return iter(prefix[:0])


@pytest.mark.parametrize(
    ("kind", "check", "message"),
    [
        (Overwriting, "create-only", "ignores If-None-Match"),
        (Digestless, "checksum", "no extended attributes"),
        (Garbling, "get", "differ from those written"),
        (Undeletable, "delete", "still exists"),
        (Unlisted, "list", "lacks the object"),
    ],
)
def test_each_defect_is_detected(kind: type[LocalStore], check: str, message: str, tmp_path: Path) -> None:
    """Only the matching check fails, and its message describes the defect."""
    findings = list(probe_store(kind(tmp_path)))
    assert [finding.check for finding in findings if finding.status != "ok"] == [check]
    assert [finding for finding in findings if re.search(message, finding.message)]


class UnlistableStore(LocalStore):
    """Behave like a policy that lacks s3:ListBucket."""

    def keys(self, prefix: str = "") -> Any:  # noqa: ANN401
        """Reject the request."""
        raise StorageRefused(prefix, "not permitted")


def test_rejected_operation_ends_the_probe_and_cleans_up(tmp_path: Path) -> None:
    """The checks up to the rejected one are reported, and the test object is deleted."""
    findings = list(probe_store(UnlistableStore(tmp_path)))
    assert [(finding.status, finding.check) for finding in findings] == [("ok", "put"), ("ok", "get"), ("fail", "list")]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_writable_store_has_no_warning(tmp_path: Path, s3_server: S3Server) -> None:
    """A directory, which is created, and a bucket pass without a warning and without remains."""
    assert check_writable(LocalStore(tmp_path / "new" / "data")) is None
    bucket = s3_server.store("ready")
    assert check_writable(bucket) is None
    assert list(bucket.keys()) == []


def test_missing_extended_attributes_are_a_warning(tmp_path: Path) -> None:
    """On such platforms, macOS for example, results are stored without checksums and start-up warns about it."""
    program = (
        "import os, sys; from pathlib import Path; del os.setxattr, os.getxattr;"
        "from coin_pipeline.storage.local import LocalStore; from coin_pipeline.storage.probe import check_writable;"
        "print(check_writable(LocalStore(Path(sys.argv[1]))))"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}: the file system has no extended attributes")


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_missing_hard_links_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Without hard links, as on vfat, create-only is impossible; probe and start-up report it and clean up."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageFailed, match=r"cannot store runs/start-\w+: the file system has no hard links"):
        check_writable(LocalStore(tmp_path))
    (finding,) = probe_store(LocalStore(tmp_path))
    assert (finding.status, finding.check) == ("fail", "put")
    assert "use one that has them" in finding.message
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_unavailable_store_is_a_warning_and_rejection_an_error(tmp_path: Path, s3_server: S3Server) -> None:
    """An unavailable store may return while the platform runs; a rejection needs an operator."""
    proxy = FaultyS3(s3_server.endpoint)
    proxy.start()
    store = s3_server.store("ready", endpoint_url=proxy.endpoint)
    proxy.stop()
    assert "try again later" in str(check_writable(store))
    with pytest.raises(StorageRefused, match="coin storage init"):
        check_writable(type(store)(s3_server.client(), "never-made"))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="Not a directory"):
        check_writable(LocalStore(tmp_path / "file" / "data"))
