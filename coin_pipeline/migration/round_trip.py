"""Round trip of a file to the object store and back, through the public storage provider."""

import asyncio
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

from coin_pipeline.errors import ObjectCorrupt
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.provider import StorageProvider


def round_trip(store: ObjectStore) -> str:
    """Upload a small file, compare digests, download it and delete it; return its URI.

    Raises:
        ObjectCorrupt: The stored or the downloaded file differs.
        StorageFailed: The store rejected one of the operations.
    """
    with TemporaryDirectory() as folder:
        sent, fetched = Path(folder, "sent"), Path(folder, "fetched")
        sent.write_text('{"test": "data"}')
        uri, matches = asyncio.run(_upload_and_download(StorageProvider(store), sent, fetched))
        if not matches or fetched.read_bytes() != sent.read_bytes():
            raise ObjectCorrupt(uri, "the file read back differs from the file sent")
    return uri


async def _upload_and_download(provider: StorageProvider, sent: Path, fetched: Path) -> tuple[str, bool]:
    key = f"runs/migration-{uuid.uuid4().hex}"
    put = await provider.upload(sent, key, {"test": "true"})
    try:
        compared = await provider.verify_integrity(key, put["etag"])
        await provider.download(key, fetched)
    finally:
        await provider.delete(key)
    return str(put["location"]), bool(compared["matches"])
