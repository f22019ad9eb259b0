"""A file to the bucket and back, through the provider that programs of one's own use."""

import asyncio
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

from coin_pipeline.errors import ObjectCorrupt
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.provider import StorageProvider


def round_trip(store: ObjectStore) -> str:
    """Upload a small file, compare digests, download it and remove it; return where it was.

    Raises:
        ObjectCorrupt: it is not the same there, or here.
        StorageFailed: one of these is refused.
    """
    with TemporaryDirectory() as folder:
        sent, fetched = Path(folder, "sent"), Path(folder, "fetched")
        sent.write_text('{"test": "data"}')
        place, matches = asyncio.run(_there_and_back(StorageProvider(store), sent, fetched))
        if not matches or fetched.read_bytes() != sent.read_bytes():
            raise ObjectCorrupt(place, "it came back different")
    return place


async def _there_and_back(provider: StorageProvider, sent: Path, fetched: Path) -> tuple[str, bool]:
    key = f"runs/migration-{uuid.uuid4().hex}"
    put = await provider.upload(sent, key, {"test": "true"})
    try:
        compared = await provider.verify_integrity(key, put["etag"])
        await provider.download(key, fetched)
    finally:
        await provider.delete(key)
    return str(put["location"]), bool(compared["matches"])
