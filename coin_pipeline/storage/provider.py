"""Files to and from an object store for programs of one's own: the storage provider of the older platform, awaitable.

An `etag` here is the SHA-256 of the bytes in hex. What S3 calls so is none of the bytes where an upload went in parts.
"""

import asyncio
import hashlib
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coin_pipeline.errors import InvalidInput, ObjectCorrupt, Problem, StorageFailed
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.atomic import atomic_write, translate_os_errors
from coin_pipeline.storage.base import ObjectStore, sha256_hex
from coin_pipeline.storage.local import TEMPORARY
from coin_pipeline.storage.open_store import new_client

_DIGESTS = {64: "sha256", 32: "md5"}


class StorageProvider:
    """Files in an ObjectStore; each call works in a thread and raises StorageFailed where the store fails."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    async def upload(
        self, file_path: str | Path, remote_path: str, metadata: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Store a file, in place of what lies there; return success, etag, sha256, remote_path, location and size.

        The file is held in memory meanwhile, as what is downloaded is.

        Raises:
            InvalidInput: there is no such file, or the path or the metadata cannot be stored.
            StorageFailed: it is not stored, or was written to meanwhile.
        """
        return await asyncio.to_thread(self._upload, Path(file_path), remote_path, metadata)

    async def download(self, remote_path: str, file_path: str | Path) -> dict[str, Any]:
        """Write an object to a file, which appears whole or not at all; return success, etag, sha256, paths and size.

        Raises:
            ObjectNotFound: there is no such object.
            ObjectCorrupt: it is not what was put; the file is as it was.
        """
        return await asyncio.to_thread(self._download, remote_path, Path(file_path))

    async def delete(self, remote_path: str) -> dict[str, Any]:
        """Remove an object; one that is absent is not an error. Return success and remote_path."""
        await asyncio.to_thread(self.store.delete, remote_path)
        return {"success": True, "remote_path": remote_path}

    async def list_files(self, prefix: str = "") -> list[dict[str, Any]]:
        """Return path, size in bytes and last_modified, in ISO 8601, of each object whose path begins with `prefix`."""
        return await asyncio.to_thread(self._list, prefix)

    async def verify_integrity(self, remote_path: str, local_etag: str) -> dict[str, Any]:
        """Read what the store holds and compare it with a digest of yours: the etag of an upload, or what md5sum says.

        Returns:
            matches; algorithm (sha256 or md5); local_etag and remote_etag, the digests that were compared, the latter
            None where the object is not even what was put; then `reason` says so.

        Raises:
            InvalidInput: `local_etag` is no such digest.
            ObjectNotFound: there is no such object.
        """
        return await asyncio.to_thread(self._verify, remote_path, local_etag)

    async def get_metadata(self, remote_path: str) -> dict[str, Any]:
        """Return remote_path, size, last_modified, etag (None: another program's) and metadata, or ObjectNotFound."""
        facts = await asyncio.to_thread(self.store.info, remote_path)
        return {
            "remote_path": remote_path,
            "size": facts.size,
            "last_modified": facts.modified.isoformat(),
            "etag": facts.sha256,
            "metadata": dict(facts.metadata),
        }

    def _upload(self, path: Path, key: str, metadata: Mapping[str, str] | None) -> dict[str, Any]:
        if not path.is_file():
            raise InvalidInput([Problem("file_path", f"there is no file {path}")])
        with translate_os_errors(path):
            data = path.read_bytes()  # not mapped: a file that is cut short meanwhile would kill the process
            digest, size = sha256_hex(data), len(data)
            self.store.put(key, data, overwrite=True, metadata=metadata)
            if _digest_of(path) != digest:
                raise StorageFailed(f"{path} was written to while it was uploaded as {key!r}; upload it again")
        return _done(key, digest, size) | {"location": self.store.uri(key)}

    def _download(self, key: str, path: Path) -> dict[str, Any]:
        data = self.store.get(key)
        with translate_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, data, path.parent / f"{TEMPORARY}{uuid.uuid4().hex}", replace=True)
        return _done(key, sha256_hex(data), len(data)) | {"file_path": str(path)}

    def _list(self, prefix: str) -> list[dict[str, Any]]:
        folder = prefix.rpartition("/")[0]
        return [
            {"path": entry.key, "size": entry.size, "last_modified": entry.modified.isoformat()}
            for entry in self.store.entries(folder)
            if entry.key.startswith(prefix)
        ]

    def _verify(self, key: str, local_etag: str) -> dict[str, Any]:
        algorithm, local = _digest(local_etag)
        compared = {"remote_path": key, "algorithm": algorithm, "local_etag": local}
        try:
            data = self.store.get(key)
        except ObjectCorrupt as error:
            return {**compared, "matches": False, "remote_etag": None, "reason": str(error)}
        remote = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
        return {**compared, "matches": remote == local, "remote_etag": remote}


class S3StorageProvider(StorageProvider):
    """Files in a bucket; what is not given, credentials above all, is taken from the settings or AWS's own ways."""

    def __init__(
        self,
        bucket_name: str,
        region: str | None = None,
        endpoint_url: str | None = None,
        *,
        path_style: bool | None = None,
    ) -> None:
        """Make a client; nothing is asked of the bucket yet.

        Args:
            bucket_name: Of a bucket that is there.
            region: Where it is.
            endpoint_url: A server that speaks S3's protocol, other than AWS.
            path_style: Name the bucket in the path instead of the host, as such servers mostly need.

        Raises:
            StorageRefused: a region or endpoint that cannot be one.
        """
        from coin_pipeline.storage.s3 import S3Store  # noqa: PLC0415 -- it takes a quarter of a second

        given = {"aws_region": region, "aws_endpoint_url": endpoint_url, "coin_s3_path_style": path_style}
        known = {name: value for name, value in given.items() if value is not None}
        settings = load_settings().model_copy(update={"aws_bucket_name": bucket_name, **known})
        super().__init__(S3Store(new_client(settings), bucket_name))


def _done(key: str, digest: str, size: int) -> dict[str, Any]:
    return {"success": True, "etag": digest, "sha256": digest, "remote_path": key, "size": size}


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(etag: str) -> tuple[str, str]:
    """Return the algorithm of a digest in hex, with quotes around it or without, and the digest itself."""
    text = etag.strip().strip('"').lower()
    if len(text) not in _DIGESTS or not re.fullmatch("[0-9a-f]+", text):
        says = (
            f"{etag[:80]!r} is neither a SHA-256 nor an MD5 in hex; give the etag of the upload, or what sha256sum or"
            " md5sum says (the ETag that S3 gives an upload in parts is no digest of its bytes)"
        )
        raise InvalidInput([Problem("local_etag", says)])
    return _DIGESTS[len(text)], text
