"""Whether a store does what results need, tried with an object of its own."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from coin_pipeline.errors import ObjectExists, StorageFailed, StorageFull, StorageRefused, StorageUnavailable
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.base import ObjectStore, sha256_hex
from coin_pipeline.storage.local import LocalStore, supports_checksums

if TYPE_CHECKING:
    from coin_pipeline.storage.bucket import Bucket

_DATA, _OTHER = b"a probe of 'coin storage check'", b"another one"
NO_CHECKSUMS = (
    "files there have no extended attributes, so their checksums are not kept and damage goes unnoticed;"
    " use a file system that has them (ext4, xfs, btrfs, zfs), or a bucket"
)


class ProbeFinding(NamedTuple):
    """What a trial showed: `state` is fail where results would suffer, note where something is worth knowing."""

    status: Literal["ok", "note", "fail"]
    check: str
    message: str


def probe_store(store: ObjectStore) -> Iterator[ProbeFinding]:
    """Try each operation on a new object, which is removed; the first that the store refuses is the last one."""
    key = f"runs/check-{uuid.uuid4().hex}/probe"
    trials: dict[str, Callable[[], str | None]] = {
        "put": lambda: store.put(key, _DATA),
        "get": lambda: None if store.get(key) == _DATA else "other bytes come back than were put",
        "list": lambda: None if list(store.keys(key.rpartition("/")[0])) == [key] else "the listing lacks it",
        "checksum": lambda: _checksum(store, key),
        "create-only": lambda: _create_only(store, key),
        "delete": lambda: _delete(store, key),
    }
    try:
        for what, attempt in trials.items():
            wrong = attempt()
            yield ProbeFinding("fail" if wrong else "ok", what, wrong or "")
    except StorageFailed as error:
        yield ProbeFinding("fail", what, str(error))
        with suppress(StorageFailed):
            store.delete(key)


def probe_bucket(bucket: "Bucket") -> Iterator[ProbeFinding]:
    """Tell what is set for a bucket as a whole, as far as the credentials may see it."""
    unseen = "the credentials may not see it, which is fine; 'coin storage init' says it to an administrator"
    try:
        yield ProbeFinding(
            "note", "versioning", bucket.versioning() or "off; 'coin storage init --versioning' turns it on"
        )
    except StorageRefused:
        yield ProbeFinding("note", "versioning", unseen)
    try:
        missing = ", ".join(bucket.missing_rules())
        says = (
            f"without the rules {missing}; 'coin storage init' sets them"
            if missing
            else "as 'coin storage init' sets it"
        )
        yield ProbeFinding("note" if missing else "ok", "lifecycle", says)
    except StorageRefused:
        yield ProbeFinding("note", "lifecycle", unseen)


def check_writable(store: ObjectStore) -> str | None:
    """Return what somebody who starts the platform on this store should know, or None.

    Raises:
        StorageRefused: nothing can be stored until a setting or a permission is changed.
        StorageFailed: the folder cannot be written, or cannot refuse to overwrite.
    """
    if isinstance(store, LocalStore):
        with translate_os_errors(store.root):
            store.root.mkdir(parents=True, exist_ok=True)
    key = f"runs/start-{uuid.uuid4().hex}"
    try:
        store.put(key, _DATA)
        store.delete(key)
    except (StorageUnavailable, StorageFull) as error:  # it may come back, and runs wait for it; space can be freed
        return str(error)
    if isinstance(store, LocalStore) and not supports_checksums(store.root):
        return f"{store.root}: {NO_CHECKSUMS}"
    return None


def _create_only(store: ObjectStore, key: str) -> str | None:
    try:
        store.put(key, _OTHER)
    except ObjectExists:
        return None
    return "a second put replaced the first: the server ignores If-None-Match, so use one that honours it"


def _delete(store: ObjectStore, key: str) -> str | None:
    store.delete(key)
    return "it is still there afterwards" if store.exists(key) else None


def _checksum(store: ObjectStore, key: str) -> str | None:
    if store.info(key).sha256 == sha256_hex(_DATA):
        return None
    return NO_CHECKSUMS if isinstance(store, LocalStore) else "the server drops an object's metadata; use another one"
