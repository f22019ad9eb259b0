"""Copying the candles under DATA_ROOT to the bucket."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from coin_pipeline.candles.year_files.paths import YEAR_FILE, symbols_of
from coin_pipeline.errors import ObjectExists
from coin_pipeline.settings import Settings
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.base import CANDLES, sha256_hex
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.open_store import open_folder

if TYPE_CHECKING:
    from coin_pipeline.storage.s3 import S3Store


def upload_candles(settings: Settings) -> Iterator[tuple[str, bool]]:
    """Copy each year file that the bucket does not have.

    Yields:
        Its name, and whether the bucket has the same bytes now; a file with others is kept there.

    Raises:
        InvalidSettings: No bucket is named.
        StorageFailed: A file cannot be read or written.
    """
    local, bucket = LocalStore(settings.data_root), open_folder(settings, CANDLES)
    stored = set(bucket.keys())
    with translate_os_errors(settings.data_root):
        folders = sorted(name for name in os.listdir(settings.data_root) if symbols_of([name]))  # noqa: PTH208 -- names
    for folder in folders:
        for key in local.keys(folder):
            if YEAR_FILE.fullmatch(key.rpartition("/")[2]):
                data = local.get(key)
                yield key, bucket.holds(key, sha256_hex(data)) if key in stored else _copy(bucket, key, data)


def _copy(bucket: "S3Store", key: str, data: bytes) -> bool:
    try:
        bucket.put(key, data)
    except ObjectExists:  # another process has stored it meanwhile
        return False
    return True
