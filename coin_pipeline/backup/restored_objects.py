"""Restore the objects of a target: each is compared with its digest before it is written, and after that.

What is already there with the same bytes is kept, so that a restore that was interrupted continues.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import BinaryIO

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import Location
from coin_pipeline.backup.model import BLOCK_BYTES, ArchivedObject, Progress, TargetBackup
from coin_pipeline.backup.objects import read_list, unpack
from coin_pipeline.backup.sources import target_of
from coin_pipeline.errors import ObjectCorrupt, ObjectNotFound, RestoreDiffers, RestoreRefused
from coin_pipeline.liveness import report_progress
from coin_pipeline.storage.archived import RECORDS
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.base import ObjectStore, check_key, sha256_hex
from coin_pipeline.storage.local import LocalStore

_THREADS, _BATCH = 8, 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ObjectsRestore:
    """The restore of the objects of one target.

    Args:
        location: Where the backup is.
        key: Decrypts it; may be None if it is not encrypted.
        backup: The target in the set.
        store: Where its objects go.
        progress: Called after some objects.
    """

    def __init__(
        self, location: Location, key: Key | None, backup: TargetBackup, store: ObjectStore, progress: Progress
    ) -> None:
        self._location, self._key, self._backup, self._store, self._progress = location, key, backup, store, progress
        self._listed: Mapping[str, ArchivedObject] = {}
        self._missing: set[str] = set()
        self._done, self._size = 0, 0

    def prepare(self, *, overwrite: bool) -> None:
        """Compare what is there with the set.

        Args:
            overwrite: Whether to replace objects of other content.

        Raises:
            RestoreRefused: There are such objects.
            ObjectCorrupt: The list of objects is damaged.
            StorageFailed: The location or the store cannot be read.
        """
        self._listed = {check_key(item.key): item for item in self._read_list()}
        same = {key for key, sha256 in self._digests(self._listed) if sha256 == self._listed[key].sha256}
        self._missing = self._listed.keys() - same
        others = [key for key in sorted(self._missing) if self._store.exists(key)]
        if others and not overwrite:
            reason = (
                f"has {pluralize(len(others), 'object')} with other content than in the backup, such as {others[0]}"
            )
            raise RestoreRefused(self._store.uri(others[0]).removesuffix(f"/{others[0]}"), reason)

    def run(self) -> tuple[int, int]:
        """Write what is missing and compare it; return the number of all objects, and their size in bytes.

        Raises:
            ObjectCorrupt: An archive is damaged.
            RestoreDiffers: The store does not return what was written.
            StorageFailed: The location cannot be read, or the store not written.
        """
        written = set(self._missing)
        for key in self._listed.keys() - written:  # the attempt that wrote them may have been killed before this
            self._finish(self._listed[key])
        for archive in self._backup.archives:
            if any(self._listed[key].archive == archive.name for key in self._missing):
                unpack(self._location, archive, self._key, self._writer(archive.name))
        if self._missing:
            reason = f"its archives lack {pluralize(len(self._missing), 'object')}, such as {min(self._missing)}"
            raise ObjectCorrupt(self._backup.target, reason)
        for key, sha256 in self._digests(written):
            if sha256 != self._listed[key].sha256:
                raise RestoreDiffers(self._backup.target, f"{key} has other bytes than were written")
        return self._done, self._size

    def _read_list(self) -> Iterator[ArchivedObject]:
        if self._backup.object_list is None:
            raise ObjectCorrupt(self._backup.target, "its list of objects is missing from the manifest")
        for item in read_list(self._location, self._backup.object_list, self._key):
            if not isinstance(self._store, LocalStore) or _belongs_into_folder(item.key):
                yield item

    def _writer(self, archive: str) -> Callable[[str, BinaryIO], None]:
        def write(key: str, content: BinaryIO) -> None:
            item = self._listed.get(key)
            if item is None or item.archive != archive or key not in self._missing:
                return
            data = content.read(item.size + 1)  # not all of a forged one
            if sha256_hex(data) != item.sha256:
                raise ObjectCorrupt(archive, f"its {key!r} is not what the list of objects contains")
            self._store.put(key, data, overwrite=True, metadata=item.metadata)
            self._missing.remove(key)
            self._finish(item)

        return write

    def _finish(self, item: ArchivedObject) -> None:
        """Set the time of a stored object, and count it."""
        if isinstance(self._store, LocalStore):
            self._store.set_modified(item.key, _EPOCH + timedelta(microseconds=item.modified))
        report_progress()
        self._done += 1
        self._size += item.size
        self._progress(self._backup.target, self._done, self._size)

    def _digests(self, keys: Collection[str]) -> Iterator[tuple[str, str | None]]:
        """Yield keys with the digest of the stored bytes, or None if there is no intact object; several at once."""
        remaining = iter(keys)
        with ThreadPoolExecutor(_THREADS) as pool:
            while batch := list(islice(remaining, _BATCH)):
                yield from zip(batch, pool.map(self._digest, batch), strict=True)

    def _digest(self, key: str) -> str | None:
        report_progress()
        digest = hashlib.sha256()
        try:
            with self._store.open(key) as file, translate_os_errors(key):
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
        except (ObjectNotFound, ObjectCorrupt):
            return None
        return digest.hexdigest()


def _belongs_into_folder(key: str) -> bool:
    """Return whether a DATA_ROOT gets an object.

    It gets archived objects themselves, and needs no record of where else they are. A bucket, or a forged list,
    may have keys that are Dagster's configuration or files of the database in a DATA_ROOT.
    """
    area = key.partition("/")[0]
    return area != RECORDS and target_of(area) is not None
