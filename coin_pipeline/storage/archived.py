"""A local store whose old results are in a bucket: writes go to the folder, reads continue in the bucket.

A record in the folder, `archive/RUN_ID.json`, lists the objects of a result that were moved, with their size, time and
digest. So listings, and reads of what is not archived, never wait for the bucket.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import cached_property
from io import BufferedIOBase
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from coin_pipeline.errors import ObjectCorrupt, ObjectExists, ObjectNotFound
from coin_pipeline.storage.base import IncompleteWrite, ObjectEntry, ObjectInfo, ObjectStore, sha256_hex
from coin_pipeline.storage.local import LocalStore

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

T = TypeVar("T")
AREAS = ("results", "reports")
"""Folders whose objects may be archived."""
RECORDS = "archive"
"""Area of the records; an object that is moved back needs none."""


class ArchivedObject(NamedTuple):
    """A moved object: its key, size in bytes, original modification time, and digest.

    Attributes:
        key: Its key, in the folder and in the bucket.
        size: Size in bytes.
        modified: When it was written, UTC.
        sha256: Hex digest of its bytes.
        checked: Whether the digest was stored with it; False for files of other programs.
    """

    key: str
    size: int
    modified: datetime
    sha256: str
    checked: bool


class ArchivedStore:
    """An ObjectStore in a folder, with archived objects in a bucket.

    Args:
        local: The folder.
        open_archive: Opens the bucket when an archived object is first read.
    """

    def __init__(self, local: LocalStore, open_archive: Callable[[], ObjectStore]) -> None:
        self.local = local
        self._open_archive = open_archive

    @cached_property
    def archive(self) -> ObjectStore:
        """The bucket."""
        return self._open_archive()

    def put(
        self, key: str, data: "ReadableBuffer", *, overwrite: bool = False, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Store an object in the folder; see `ObjectStore.put`."""
        if not overwrite and (found := self._find(key)):
            if found.sha256 != sha256_hex(data):
                raise ObjectExists(key)
            return
        self.local.put(key, data, overwrite=overwrite, metadata=metadata)

    def get(self, key: str) -> bytes:
        """Return the bytes under a key, from the bucket if they were archived; see `ObjectStore.get`."""
        return self._read(key, lambda store: store.get(key))

    @contextmanager
    def open(self, key: str) -> Iterator[BufferedIOBase]:
        """Open an object for reading, from the bucket if it was archived; see `ObjectStore.open`."""
        with ExitStack() as stack:
            yield self._read(key, lambda store: stack.enter_context(store.open(key)))

    def exists(self, key: str) -> bool:
        """Return whether the key holds an object."""
        return self.local.exists(key) or self._find(key) is not None or self.local.exists(key)  # restored meanwhile

    def info(self, key: str) -> ObjectInfo:
        """Return the attributes of an object, those before it was archived; see `ObjectStore.info`."""
        try:
            return self.local.info(key)
        except ObjectNotFound:
            if found := self._find(key):
                return ObjectInfo(found.size, found.modified, found.sha256 if found.checked else None, {})
            return self.local.info(key)  # restored meanwhile

    def entries(self, prefix: str = "") -> Iterator[ObjectEntry]:
        """Yield the objects under the folder `prefix`, or all objects, those in the bucket last."""
        yield from self.local.entries(prefix)
        if prefix.partition("/")[0] in {"", *AREAS}:
            for run_id in archived_ids(self.local):
                for key, size, modified, *_ in read_record(self.local, run_id):
                    below = not prefix or key.startswith(f"{prefix}/")
                    if below and not self.local.exists(key):
                        yield ObjectEntry(key, size, modified)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of `entries`."""
        return (entry.key for entry in self.entries(prefix))

    def delete(self, key: str) -> None:
        """Delete an object, also from the bucket; deleting an absent one is not an error."""
        if found := self._find(key):
            self.archive.delete(key)
            run_id = run_of(key)
            remaining = [item for item in read_record(self.local, run_id) if item != found]
            write_record(self.local, run_id, remaining)
        self.local.delete(key)

    def incomplete_writes(self, prefix: str, before: datetime) -> Iterator[IncompleteWrite]:
        """Yield the incomplete writes in the folder; see `ObjectStore.incomplete_writes`."""
        return self.local.incomplete_writes(prefix, before)

    def discard(self, leftover: IncompleteWrite) -> None:
        """Remove an incomplete write from the folder."""
        self.local.discard(leftover)

    def free_bytes(self) -> int | None:
        """Return the free space on the disk of the folder, in bytes."""
        return self.local.free_bytes()

    def uri(self, key: str) -> str:
        """Return the path of an object, or its s3:// URL if it was archived."""
        holder = self.archive if not self.local.exists(key) and self._find(key) else self.local
        return holder.uri(key)

    def _read(self, key: str, read: Callable[[ObjectStore], T]) -> T:
        """Read an object from the folder or the bucket; it may be moved from one to the other meanwhile."""
        try:
            return read(self.local)
        except ObjectNotFound:
            if self._find(key):
                with suppress(ObjectNotFound):  # restored meanwhile
                    return read(self.archive)
            return read(self.local)

    def _find(self, key: str) -> ArchivedObject | None:
        if key.partition("/")[0] not in AREAS:
            return None
        return next((item for item in read_record(self.local, run_of(key)) if item.key == key), None)


def run_of(key: str) -> str:
    """Return the run that an object in `results/` or `reports/` belongs to.

    >>> run_of("results/r1.json"), run_of("results/r1/signals.parquet"), run_of("reports/r1.html")
    ('r1', 'r1', 'r1')
    """
    return key.split("/")[1].partition(".")[0]


def archived_ids(local: LocalStore) -> Iterator[str]:
    """Yield the runs that have a record."""
    return (key.removeprefix(f"{RECORDS}/").removesuffix(".json") for key in local.keys(RECORDS))


def read_record(local: LocalStore, run_id: str) -> list[ArchivedObject]:
    """Return the moved objects of a result; an empty list if it was not archived.

    Raises:
        ObjectCorrupt: The record is damaged.
    """
    key = _record_key(run_id)
    try:
        data = local.get(key)
    except ObjectNotFound:
        return []
    try:
        return [
            ArchivedObject(**{**item, "modified": datetime.fromisoformat(item["modified"])})
            for item in json.loads(data)["objects"]
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise ObjectCorrupt(key, f"it is not a record of archived objects ({error})") from None


def write_record(local: LocalStore, run_id: str, objects: Iterable[ArchivedObject]) -> None:
    """Store the record of a result's moved objects; remove it if there are none."""
    listed = [{**item._asdict(), "modified": item.modified.isoformat()} for item in objects]
    if listed:
        local.put(_record_key(run_id), json.dumps({"objects": listed}).encode(), overwrite=True)
    else:
        local.delete(_record_key(run_id))


def _record_key(run_id: str) -> str:
    return f"{RECORDS}/{run_id}.json"
