"""Places that store backups: a folder, or a prefix of a bucket.

A file becomes visible, complete, when it has been written without an error; otherwise it does not appear.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from coin_pipeline.backup.folder import FolderLocation
from coin_pipeline.errors import InvalidSettings, Problem
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import is_key
from coin_pipeline.storage.open_store import SLOW_TIMEOUTS, StoreTimeouts, new_client

S3_SCHEME = "s3://"
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"


class HeldLock(Protocol):
    """The right to change a location."""

    def require(self) -> None:
        """Return if no other process has taken the lock over.

        Raises:
            BackupInProgress: Another process has, because this one did not respond for too long.
        """
        ...


class Location(Protocol):
    """Files under names such as `results/results_20260101_000000.tar.gz`; methods may raise StorageFailed."""

    def write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Write a file, which replaces an existing one of this name when the block ends without an error."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading from its start to its end.

        Raises:
            ObjectNotFound: There is no such file.
        """
        ...

    def names(self, prefix: str = "") -> Iterator[str]:
        """Yield the names of the files in the folder `prefix`, or all names."""
        ...

    def size(self, name: str) -> int:
        """Return the size of a file in bytes.

        Raises:
            ObjectNotFound: There is no such file.
        """
        ...

    def exists(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file; deleting an absent one is not an error."""
        ...

    def uri(self, name: str = "") -> str:
        """Return the path or the s3:// URL of a file, or of the location itself."""
        ...

    def free_bytes(self) -> int | None:
        """Return the free space in bytes, or None if it is unlimited."""
        ...

    def lock(self) -> AbstractContextManager[HeldLock]:
        """Keep other processes from changing the location while the block runs.

        Raises:
            BackupInProgress: Another process has the lock.
        """
        ...

    def remove_incomplete(self) -> int:
        """Remove what interrupted writes left, and return how many there were; the caller holds the lock."""
        ...


AREA = "backups"
"""The only area under DATA_ROOT, or in the bucket of the results, that may contain backups."""


def open_location(settings: Settings, timeouts: StoreTimeouts = SLOW_TIMEOUTS) -> Location:
    """Return the location of backups: COIN_BACKUP_LOCATION, or the folder DATA_ROOT/backups.

    Args:
        settings: The settings.
        timeouts: Time limits of a bucket; FAST_TIMEOUTS where something waits for the response.

    Raises:
        InvalidSettings: The setting is malformed, or is where the data are.
        StorageRefused: The settings of the bucket are malformed.
    """
    prefix = key_prefix(settings)
    if prefix is not None and prefix.partition("/")[0] != AREA:
        # A backup leaves out its own location: the data there would be missing from it.
        place = "DATA_ROOT" if settings.aws_bucket_name is None else "DATA_ROOT and the bucket of the results"
        raise _invalid(f"is among the data; in {place} only {AREA} and what is below it can be used, or another place")
    bucket, path = _address(settings)
    if bucket is None:
        return FolderLocation(Path(path))
    from coin_pipeline.backup.s3 import S3Location  # noqa: PLC0415 -- boto3 takes 250 ms, which a folder does not need

    client = new_client(settings.model_copy(update={"aws_bucket_name": bucket}), timeouts)
    return S3Location(client, bucket, path)


def key_prefix(settings: Settings) -> str | None:
    """Return the prefix of the keys that backups have in the object store; None if they are stored elsewhere.

    Raises:
        InvalidSettings: The setting is malformed.
    """
    bucket, path = _address(settings)
    if bucket is not None:
        return path if bucket == settings.aws_bucket_name else None
    root = settings.data_root.resolve()
    folder = Path(path).resolve()
    return folder.relative_to(root).as_posix().removeprefix(".") if folder.is_relative_to(root) else None


def _address(settings: Settings) -> tuple[str | None, str]:
    """Return the bucket, or None, and the prefix or the folder."""
    text = settings.coin_backup_location or str(settings.data_root / "backups")
    if "://" not in text:
        return None, str(Path(text).expanduser().absolute())
    bucket, _, prefix = text.removeprefix(S3_SCHEME).strip("/").partition("/")
    if not text.startswith(S3_SCHEME) or not re.fullmatch(_BUCKET, bucket) or (prefix and not is_key(prefix)):
        raise _invalid("is not a folder, nor an address such as s3://bucket/prefix")
    return bucket, prefix


def _invalid(reason: str) -> InvalidSettings:
    """Return the error without the value, which may contain a password."""
    return InvalidSettings([Problem("COIN_BACKUP_LOCATION", reason)])
