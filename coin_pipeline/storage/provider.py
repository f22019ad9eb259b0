"""Awaitable file transfers for custom programs, with the interface of the legacy platform's storage provider.

An `etag` here is the SHA-256 of the bytes in hex. S3's own ETag is not a digest of the bytes for multipart uploads.
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
    """File transfers to and from an ObjectStore; each call runs in a thread and may raise StorageFailed."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    async def upload(
        self, file_path: str | Path, remote_path: str, metadata: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Store a file, replacing any existing object. The whole file is held in memory.

        Args:
            file_path: The file to upload.
            remote_path: Key of the object.
            metadata: Names and ASCII values to store with the object.

        Returns:
            success, etag, sha256, remote_path, location and size (bytes).

        Raises:
            InvalidInput: The file does not exist, or the key or the metadata is invalid.
            StorageFailed: The file was not stored, or was modified during the upload.
        """
        return await asyncio.to_thread(self._upload, Path(file_path), remote_path, metadata)

    async def download(self, remote_path: str, file_path: str | Path) -> dict[str, Any]:
        """Write an object to a file, atomically. The whole object is held in memory.

        Returns:
            success, etag, sha256, remote_path, file_path and size (bytes).

        Raises:
            ObjectNotFound: There is no such object.
            ObjectCorrupt: The bytes differ from those that were stored; the file is unchanged.
        """
        return await asyncio.to_thread(self._download, remote_path, Path(file_path))

    async def delete(self, remote_path: str) -> dict[str, Any]:
        """Delete an object and return success and remote_path; deleting an absent object is not an error."""
        await asyncio.to_thread(self.store.delete, remote_path)
        return {"success": True, "remote_path": remote_path}

    async def list_files(self, prefix: str = "") -> list[dict[str, Any]]:
        """Return path, size (bytes) and last_modified (ISO 8601) of each object whose path begins with `prefix`."""
        return await asyncio.to_thread(self._list, prefix)

    async def verify_integrity(self, remote_path: str, local_etag: str) -> dict[str, Any]:
        """Read an object and compare its digest with a local one.

        Args:
            remote_path: Key of the object.
            local_etag: The etag of an upload, or a SHA-256 or MD5 in hex.

        Returns:
            matches, algorithm (sha256 or md5), and the compared digests local_etag and remote_etag. For a corrupt
            object remote_etag is None and `reason` describes the damage.

        Raises:
            InvalidInput: `local_etag` is not a digest.
            ObjectNotFound: There is no such object.
        """
        return await asyncio.to_thread(self._verify, remote_path, local_etag)

    async def get_metadata(self, remote_path: str) -> dict[str, Any]:
        """Return remote_path, size, last_modified, etag and metadata of an object.

        The etag is None for an object that another program wrote.

        Raises:
            ObjectNotFound: There is no such object.
        """
        info = await asyncio.to_thread(self.store.info, remote_path)
        return {
            "remote_path": remote_path,
            "size": info.size,
            "last_modified": info.modified.isoformat(),
            "etag": info.sha256,
            "metadata": dict(info.metadata),
        }

    def _upload(self, path: Path, key: str, metadata: Mapping[str, str] | None) -> dict[str, Any]:
        if not path.is_file():
            raise InvalidInput([Problem("file_path", f"the file {path} does not exist")])
        with translate_os_errors(path):
            data = path.read_bytes()  # not memory-mapped: truncating a mapped file would kill the process
            digest, size = sha256_hex(data), len(data)
            self.store.put(key, data, overwrite=True, metadata=metadata)
            if _file_digest(path) != digest:
                raise StorageFailed(f"{path} was modified during its upload as {key!r}; upload it again")
        return _report(key, digest, size) | {"location": self.store.uri(key)}

    def _download(self, key: str, path: Path) -> dict[str, Any]:
        data = self.store.get(key)
        with translate_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, data, path.parent / f"{TEMPORARY}{uuid.uuid4().hex}", replace=True)
        return _report(key, sha256_hex(data), len(data)) | {"file_path": str(path)}

    def _list(self, prefix: str) -> list[dict[str, Any]]:
        folder = prefix.rpartition("/")[0]
        return [
            {"path": entry.key, "size": entry.size, "last_modified": entry.modified.isoformat()}
            for entry in self.store.entries(folder)
            if entry.key.startswith(prefix)
        ]

    def _verify(self, key: str, local_etag: str) -> dict[str, Any]:
        algorithm, local = _parse_digest(local_etag)
        compared = {"remote_path": key, "algorithm": algorithm, "local_etag": local}
        try:
            data = self.store.get(key)
        except ObjectCorrupt as error:
            return {**compared, "matches": False, "remote_etag": None, "reason": str(error)}
        remote = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
        return {**compared, "matches": remote == local, "remote_etag": remote}


class S3StorageProvider(StorageProvider):
    """File transfers to and from a bucket; credentials come from the settings or the AWS credential chain."""

    def __init__(
        self,
        bucket_name: str,
        region: str | None = None,
        endpoint_url: str | None = None,
        *,
        path_style: bool | None = None,
    ) -> None:
        """Create the client; the bucket is not accessed yet. Omitted arguments default to the settings.

        Args:
            bucket_name: Name of an existing bucket.
            region: AWS region of the bucket.
            endpoint_url: URL of an S3-compatible server; AWS by default.
            path_style: Use path-style bucket URLs, as most servers other than AWS need.

        Raises:
            StorageRefused: The region or the endpoint is malformed.
        """
        from coin_pipeline.storage.s3 import S3Store  # noqa: PLC0415 -- the import takes 250 ms

        options = {"aws_region": region, "aws_endpoint_url": endpoint_url, "coin_s3_path_style": path_style}
        overrides = {name: value for name, value in options.items() if value is not None}
        settings = load_settings().model_copy(update={"aws_bucket_name": bucket_name, **overrides})
        super().__init__(S3Store(new_client(settings), bucket_name))


def _report(key: str, digest: str, size: int) -> dict[str, Any]:
    return {"success": True, "etag": digest, "sha256": digest, "remote_path": key, "size": size}


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse_digest(etag: str) -> tuple[str, str]:
    """Return the algorithm of a hex digest, which may be quoted, and the digest itself."""
    text = etag.strip().strip('"').lower()
    if len(text) not in _DIGESTS or not re.fullmatch("[0-9a-f]+", text):
        message = (
            f"{etag[:80]!r} is neither a SHA-256 nor an MD5 in hex; pass the etag of the upload or the output of"
            " sha256sum or md5sum (S3's ETag of a multipart upload is not a digest of its bytes)"
        )
        raise InvalidInput([Problem("local_etag", message)])
    return _DIGESTS[len(text)], text
