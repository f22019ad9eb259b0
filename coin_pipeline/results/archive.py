"""Archive of old results: moved from DATA_ROOT to a bucket, and back, without changing a byte.

Every step can be repeated, and a killed move is completed by the next one. A result is uploaded and read back, then
recorded, then removed from the folder, its document last. At every moment it is readable in one of both places.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from coin_pipeline.errors import (
    InvalidInput,
    ObjectCorrupt,
    ObjectExists,
    ObjectNotFound,
    Problem,
    ResultNotFound,
)
from coin_pipeline.results.store import is_run_id, parse_document, report_key, result_key
from coin_pipeline.storage.archived import ArchivedObject, ArchivedStore, archived_ids, read_record, write_record
from coin_pipeline.storage.base import sha256_hex


class MovedResult(NamedTuple):
    """A result that was moved, or would be.

    Attributes:
        run_id: The result.
        objects: Number of objects moved.
        size: Their size, bytes.
        skipped: Why it was left where it is; empty if it was not.
    """

    run_id: str
    objects: int
    size: int
    skipped: str = ""


LEGACY = "it is of the legacy platform; --include-legacy moves it too"


class ResultArchive:
    """Moves results between the folder and the bucket of a store.

    Args:
        store: The store.
        dry_run: Read, but neither write nor remove anything.
    """

    def __init__(self, store: ArchivedStore, *, dry_run: bool = False) -> None:
        self._store, self._local = store, store.local
        self._dry_run = dry_run

    def written_before(self, before: datetime) -> Iterator[str]:
        """Yield the results in the folder that were written before a time, by ID."""
        for key, _, modified in self._local.entries("results"):
            run_id = key.removeprefix("results/").removesuffix(".json")
            if modified < before and is_run_id(run_id) and key == result_key("results", run_id):
                yield run_id

    def archived(self) -> Iterator[str]:
        """Yield the results in the bucket."""
        return archived_ids(self._local)

    def archive(self, run_id: str, *, include_legacy: bool = False) -> MovedResult:
        """Move a result with its report and its tables to the bucket.

        Args:
            run_id: The result.
            include_legacy: Whether to move a result of the legacy platform.

        Raises:
            ResultNotFound: There is no such synchronous result.
            StorageFailed: The folder or the bucket cannot be read or written.
        """
        try:
            return self._archive(run_id, include_legacy=include_legacy)
        except (ObjectCorrupt, ObjectExists) as error:
            return MovedResult(run_id, 0, 0, str(error))

    def restore(self, run_id: str) -> MovedResult:
        """Move a result back from the bucket.

        Raises:
            ResultNotFound: It is not in the archive.
            StorageFailed: The folder or the bucket cannot be read or written.
        """
        if not (moved := read_record(self._local, run_id)):
            raise ResultNotFound(run_id)
        if not self._dry_run:
            try:
                for item in moved:
                    self._restore_object(item)
            except (ObjectCorrupt, ObjectExists, ObjectNotFound) as error:
                return MovedResult(run_id, 0, 0, str(error))
            for item in moved:
                self._store.archive.delete(item.key)
            write_record(self._local, run_id, ())
        return _moved(run_id, moved)

    def _archive(self, run_id: str, *, include_legacy: bool) -> MovedResult:
        document = result_key("results", run_id)
        if not self._local.exists(document):
            raise ResultNotFound(run_id)
        if not include_legacy and "result_sha256" not in parse_document(document, self._local.get(document)):
            return MovedResult(run_id, 0, 0, LEGACY)
        report = report_key("results", run_id)
        keys = [*self._local.keys(f"results/{run_id}"), *([report] if self._local.exists(report) else []), document]
        recorded = {item.key: item for item in read_record(self._local, run_id)}
        present = [self._upload(key) for key in keys]
        if not self._dry_run:
            write_record(self._local, run_id, (recorded | {item.key: item for item in present}).values())
            for key in keys:
                self._local.delete(key)
        return _moved(run_id, present)

    def _upload(self, key: str) -> ArchivedObject:
        """Store an object of the folder in the bucket, and read it back.

        This also applies to an object with a record: a restoration that was killed may have removed it from the bucket.
        """
        data, facts = self._local.get(key), self._local.info(key)
        item = ArchivedObject(key, len(data), facts.modified, sha256_hex(data), checked=facts.sha256 is not None)
        if not self._dry_run:
            self._store.archive.put(key, data)
            _require_same(item, self._store.archive.get(key))
        return item

    def _restore_object(self, item: ArchivedObject) -> None:
        if not self._local.exists(item.key):
            data = self._store.archive.get(item.key)
            _require_same(item, data)
            self._local.put(item.key, data)
        _require_same(item, self._local.get(item.key))
        self._local.set_modified(item.key, item.modified)


@contextmanager
def archive_lock(data_root: Path) -> Iterator[None]:
    """Keep other processes from moving results of a DATA_ROOT until the block ends.

    Raises:
        InvalidInput: Another process moves results.
    """
    with (data_root / "archive.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reason = f"another 'coin results archive' is moving results of {data_root}; wait for it or stop it"
            raise InvalidInput([Problem("DATA_ROOT", reason)]) from None
        yield


def _require_same(item: ArchivedObject, data: bytes) -> None:
    if sha256_hex(data) != item.sha256:
        raise ObjectCorrupt(item.key, "the folder and the archive hold different bytes under this key")


def _moved(run_id: str, objects: list[ArchivedObject]) -> MovedResult:
    return MovedResult(run_id, len(objects), sum(item.size for item in objects))
