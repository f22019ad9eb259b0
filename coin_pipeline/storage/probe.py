"""Checks that a store provides what results need, performed on a temporary object."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from coin_pipeline.errors import (
    ObjectExists,
    StorageFailed,
    StorageForbidden,
    StorageFull,
    StorageUnavailable,
    StorageUnsupported,
)
from coin_pipeline.storage.archived import ArchivedStore
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.base import ObjectStore, sha256_hex
from coin_pipeline.storage.local import LocalStore, supports_checksums

if TYPE_CHECKING:
    from coin_pipeline.storage.bucket import Bucket

_DATA, _OTHER = b"a probe of 'coin storage check'", b"another one"
_HIDDEN = "these credentials may not read it, which is fine; an administrator's 'coin storage init' reports it"
NO_CHECKSUMS = (
    "the file system has no extended attributes, so checksums are not stored and damage goes unnoticed;"
    " use one that has them (ext4, xfs, btrfs, zfs), or a bucket"
)


class ProbeFinding(NamedTuple):
    """The outcome of one check.

    Attributes:
        status: fail if results are at risk, note for information, otherwise ok.
        check: Name of the check.
        message: What was found; empty if the check passed.
    """

    status: Literal["ok", "note", "fail"]
    check: str
    message: str


def probe_store(store: ObjectStore) -> Iterator[ProbeFinding]:
    """Try each operation on a new object, which is deleted afterwards. The first rejected operation ends the probe."""
    key = f"runs/check-{uuid.uuid4().hex}/probe"
    checks: dict[str, Callable[[], str | None]] = {
        "put": lambda: store.put(key, _DATA),
        "get": lambda: None if store.get(key) == _DATA else "the bytes read differ from those written",
        "list": lambda: None if list(store.keys(key.rpartition("/")[0])) == [key] else "the listing lacks the object",
        "checksum": lambda: _checksum(store, key),
        "create-only": lambda: _create_only(store, key),
        "delete": lambda: _delete(store, key),
    }
    try:
        for name, check in checks.items():
            defect = check()
            yield ProbeFinding("fail" if defect else "ok", name, defect or "")
    except StorageFailed as error:
        yield ProbeFinding("fail", name, str(error))
        with suppress(StorageFailed):
            store.delete(key)


def probe_bucket(bucket: "Bucket") -> Iterator[ProbeFinding]:
    """Report the settings of a bucket, as far as the store has them and the credentials permit.

    Results need none of them, so a setting that cannot be read is only a note.
    """
    for name, check in (("versioning", _versioning), ("lifecycle", _lifecycle)):
        try:
            yield check(bucket)
        except StorageForbidden:
            yield ProbeFinding("note", name, _HIDDEN)
        except StorageUnsupported:
            yield ProbeFinding("note", name, "this server does not have it; results do not need it")
        except StorageFailed as error:
            yield ProbeFinding("note", name, f"unknown: {error}")


def _versioning(bucket: "Bucket") -> ProbeFinding:
    status = bucket.versioning() or "off; 'coin storage init --versioning' enables it"
    return ProbeFinding("note", "versioning", status)


def _lifecycle(bucket: "Bucket") -> ProbeFinding:
    missing = ", ".join(bucket.missing_rules())
    if missing:
        return ProbeFinding("note", "lifecycle", f"the rules {missing} are missing; 'coin storage init' sets them")
    return ProbeFinding("ok", "lifecycle", "the rules of 'coin storage init' are set")


def check_writable(store: ObjectStore) -> str | None:
    """Check at start-up that objects can be stored.

    Returns:
        A warning, or None. An unavailable or full store is only a warning, since runs wait for it.

    Raises:
        StorageRefused: Nothing can be stored until a setting or a permission changes.
        StorageFailed: The folder is not writable, or its file system has no hard links.
    """
    folder = _folder_of(store)
    if folder is not None:
        with translate_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
    key = f"runs/start-{uuid.uuid4().hex}"
    try:
        store.put(key, _DATA)
        store.delete(key)
    except (StorageUnavailable, StorageFull) as error:
        return str(error)
    if folder is not None and not supports_checksums(folder):
        return f"{folder}: {NO_CHECKSUMS}"
    return None


def _create_only(store: ObjectStore, key: str) -> str | None:
    try:
        store.put(key, _OTHER)
    except ObjectExists:
        return None
    return "a second put replaced the first: the server ignores If-None-Match; use one that honours it"


def _delete(store: ObjectStore, key: str) -> str | None:
    store.delete(key)
    return "the object still exists after its deletion" if store.exists(key) else None


def _checksum(store: ObjectStore, key: str) -> str | None:
    if store.info(key).sha256 == sha256_hex(_DATA):
        return None
    return NO_CHECKSUMS if _folder_of(store) else "the server drops object metadata; use another one"


def _folder_of(store: ObjectStore) -> Path | None:
    """Return the folder that a store writes to, or None if it is a bucket."""
    local = store.local if isinstance(store, ArchivedStore) else store
    return local.root if isinstance(local, LocalStore) else None
