"""Incremental backup of objects: those that an archive of the previous set contains are not copied again.

An object that cannot be read does not stop the backup: it keeps the copy of the previous set if there is one, and is
reported.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple

from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import Location
from coin_pipeline.backup.model import BLOCK_BYTES, LIST, ArchivedObject, BackupFile, Progress, Target, TargetBackup
from coin_pipeline.backup.objects import LEVEL, ArchiveWriter, read_list, write_list
from coin_pipeline.backup.streams import write_file
from coin_pipeline.errors import (
    ObjectCorrupt,
    ObjectNotFound,
    StorageFailed,
    StorageFull,
    StorageRefused,
    StorageUnavailable,
)
from coin_pipeline.liveness import report_progress
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.base import ObjectEntry, ObjectInfo, ObjectStore

MAX_ARCHIVES = 30
"""Archives that one target refers to, after which the smallest half is copied into the new one."""
MAX_REPORTED = 20
_LEVELS = {"candles": 0}
"""Levels of gzip other than the usual one: year files are compressed already."""
_THREADS, _BATCH = 8, 32
_BATCH_BYTES = 2**28
_IN_MEMORY = 2**20
"""Largest object that waits in memory to be archived; of a batch, larger ones are in temporary files."""
_NOT_OF_THE_OBJECT = (StorageFull, StorageRefused, StorageUnavailable)
"""Errors that concern the whole store, so that the target fails."""


class Previous(NamedTuple):
    """What an earlier set has of a target.

    Attributes:
        objects: Its objects by key, of archives that are still complete.
        files: Its archives by name.
    """

    objects: Mapping[str, ArchivedObject]
    files: Mapping[str, BackupFile]


NOTHING = Previous({}, {})


class _Inspected(NamedTuple):
    """An object that was compared with the previous set.

    Attributes:
        item: What the list has of it; its archive is empty if it is new. None if it cannot be archived.
        content: A copy of its bytes, if it is new.
        damage: Why it cannot be read; None if it can.
    """

    item: ArchivedObject | None
    content: IO[bytes] | None = None
    damage: str | None = None


class Packing:
    """The backup of the objects of one target.

    Args:
        target: The target.
        location: Where it is written.
        key: Encrypts it, unless it is None.
        store: The store of the objects.
        list_entries: Lists the objects; called twice.
    """

    def __init__(
        self,
        target: Target,
        location: Location,
        key: Key | None,
        store: ObjectStore,
        list_entries: Callable[[], Iterable[ObjectEntry]],
    ) -> None:
        self._target: Target = target
        self._location, self._key, self._store, self._list_entries = location, key, store, list_entries
        self._objects, self._size, self._damage = 0, 0, list[str]()

    def run(self, set_id: str, previous: Previous, progress: Progress) -> TargetBackup:
        """Write the archive of new objects, and the list of all objects.

        Args:
            set_id: The set.
            previous: What the previous set has of the target.
            progress: Called after some objects.

        Raises:
            StorageFailed: The store or the location is not available, or no object can be read.
        """
        sparse = self._find_sparse_archives(previous)
        base = f"{self._target}/{self._target}_{set_id}"
        used: set[str] = set()
        with (
            write_file(self._location, base + LIST, self._key) as written,
            write_list(written) as objects,
            ArchiveWriter(self._location, f"{base}.tar.gz", self._key, _LEVELS.get(self._target, LEVEL)) as archive,
        ):
            for inspected in self._inspect_all(previous.objects, sparse):
                if item := self._archive(inspected, archive):
                    objects.add(item)
                    used.add(item.archive)
                progress(self._target, self._objects, self._size)
            if self._damage and not self._objects:
                raise ObjectCorrupt(self._target, f"none of its objects can be read: {self._damage[0]}")
        own = archive.file
        kept = [previous.files[name] for name in sorted(used) if name in previous.files]
        return TargetBackup(
            target=self._target,
            files=(*kept, *([own] if own else []), written.file),
            objects=self._objects,
            size=self._size,
            new_objects=archive.objects,
            new_size=written.file.size + (own.size if own else 0),
            damaged=_first(self._damage),
        )

    def _find_sparse_archives(self, previous: Previous) -> set[str]:
        """Return the archives that are to be replaced by the new one."""
        live = Counter[str]()
        for entry in self._list_entries():
            known = previous.objects.get(entry.key)
            if known and known.size == entry.size:
                live[known.archive] += known.size
        return sparse_archives(live, {name: file.content for name, file in previous.files.items()})

    def _archive(self, inspected: _Inspected, archive: ArchiveWriter) -> ArchivedObject | None:
        """Add an object to the archive if it is new; return its entry of the list."""
        if inspected.damage:
            self._damage.append(inspected.damage)
        item = inspected.item
        if item is None:
            return None
        if inspected.content:
            archive.add(item.key, inspected.content, item.size, item.modified // 1_000_000)
            item = item._replace(archive=archive.name)
        self._objects += 1
        self._size += item.size
        return item

    def _inspect_all(self, known: Mapping[str, ArchivedObject], sparse: set[str]) -> Iterator[_Inspected]:
        """Compare all objects with those that are known, several at once: a store answers after some milliseconds."""

        def inspect(entry: ObjectEntry) -> _Inspected:
            report_progress()
            return self._inspect(entry, known.get(entry.key), sparse)

        with ThreadPoolExecutor(_THREADS) as pool:
            for batch in batches(self._list_entries()):
                calls = [pool.submit(copy_context().run, inspect, entry) for entry in batch]
                with ExitStack() as stack:
                    for call in calls:
                        stack.callback(_close_content, call)
                    yield from (call.result() for call in calls)

    def _inspect(self, entry: ObjectEntry, known: ArchivedObject | None, sparse: set[str]) -> _Inspected:
        try:
            info = self._store.info(entry.key)
            if known and known.archive not in sparse and self._is_unchanged(known, info):
                return _Inspected(_describe(entry.key, known.size, known.sha256, info, known.archive))
            content, size, digest = self._copy(entry.key)
            return _Inspected(_describe(entry.key, size, digest, info, ""), content)
        except ObjectNotFound:  # deleted since it was listed
            return _Inspected(None)
        except _NOT_OF_THE_OBJECT:
            raise
        except StorageFailed as error:
            return _Inspected(known, damage=str(error))

    def _is_unchanged(self, known: ArchivedObject, info: ObjectInfo) -> bool:
        """Compare the digest that is stored with an object; files of other programs have none and are read."""
        if info.size != known.size:
            return False
        if info.sha256:
            return info.sha256 == known.sha256
        with self._store.open(known.key) as file, translate_os_errors(known.key):
            return hashlib.file_digest(file, "sha256").hexdigest() == known.sha256

    def _copy(self, key: str) -> tuple[IO[bytes], int, str]:
        """Return a copy of an object, with its size and digest: what is archived is what was hashed."""
        digest, size = hashlib.sha256(), 0
        copy = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 -- closed once it is archived
        try:
            with self._store.open(key) as file, translate_os_errors(key):
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
                    size += copy.write(block)
                    report_progress()
                copy.seek(0)
        except BaseException:
            copy.close()
            raise
        return copy, size, digest.hexdigest()


def read_previous(location: Location, key: Key | None, backup: TargetBackup) -> Previous:
    """Return what a set has of a target, for a set that is encrypted as the new one will be.

    Archives that are missing or have another size are left out, so that their objects are copied again.

    Raises:
        ObjectCorrupt: The list of objects is damaged.
        StorageFailed: The location cannot be read.
    """
    if backup.object_list is None:
        return NOTHING
    files = {file.name: file for file in backup.archives if _is_complete(location, file)}
    objects = {item.key: item for item in read_list(location, backup.object_list, key) if item.archive in files}
    return Previous(objects, files)


def batches(entries: Iterable[ObjectEntry]) -> Iterator[list[ObjectEntry]]:
    """Yield objects in batches that are small enough for their copies to be on a disk at the same time.

    An object that is larger than the limit is a batch of its own.
    """
    batch, size = list[ObjectEntry](), 0
    for entry in entries:
        if batch and (len(batch) == _BATCH or size + entry.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    if batch:
        yield batch


def sparse_archives(live: Mapping[str, int], content: Mapping[str, int], limit: int = MAX_ARCHIVES) -> set[str]:
    """Return the archives whose objects are copied into a new one.

    These are archives of whose content less than half is still stored. If more than `limit` are left, the smallest of
    them go too, until half of the limit is left: a small one for every day would otherwise add up.

    Args:
        live: Bytes of each archive that are still stored.
        content: Bytes that each archive contains.
        limit: Number of archives that may be left.

    >>> sorted(sparse_archives({"a": 49, "b": 50}, {"a": 100, "b": 100}))
    ['a']
    >>> sorted(sparse_archives({"a": 9, "b": 1, "c": 5}, {"a": 9, "b": 1, "c": 5}, limit=2))
    ['b', 'c']
    """
    dense = sorted((name for name, size in content.items() if 2 * live.get(name, 0) >= size), key=live.__getitem__)
    small = dense[: len(dense) - limit // 2] if len(dense) > limit else []
    return content.keys() - set(dense) | set(small)


def _is_complete(location: Location, file: BackupFile) -> bool:
    try:
        return location.size(file.name) == file.size
    except ObjectNotFound:
        return False


def _close_content(call: "Future[_Inspected]") -> None:
    if not call.exception() and (content := call.result().content):
        content.close()


def _describe(key: str, size: int, sha256: str, info: ObjectInfo, archive: str) -> ArchivedObject:
    return ArchivedObject(key, size, sha256, archive, round(info.modified.timestamp() * 1e6), info.metadata)


def _first(messages: list[str]) -> tuple[str, ...]:
    """Return the first messages and the number of the others."""
    others = len(messages) - MAX_REPORTED
    return (*messages[:MAX_REPORTED], *([f"and {others:,} others"] if others > 0 else []))
