"""Locks in a bucket: objects that only one process can create."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from coin_pipeline.errors import CoinError, Conflict
from coin_pipeline.storage.file_lock import holder
from coin_pipeline.storage.s3 import S3Store
from coin_pipeline.storage.s3_errors import ABSENT, translate_s3_errors

_MIN_RENEWAL_S = 0.5
_CONFLICT = {"PreconditionFailed", "412", "ConditionalRequestConflict", *ABSENT}


class LockObject:
    """A lock that is an object: created on the condition that it does not exist, and renewed while it is held.

    Its age is measured by the clock of the server, so that the clocks of its users do not matter. Each renewal changes
    its content and thus its ETag, on which a process that takes it over insists.

    Args:
        store: The store of the object.
        key: Key of the object.
        lease_s: Seconds without renewal after which another process may take it over.
        refused: Returns the error that names the holder of the lock.
    """

    def __init__(self, store: S3Store, key: str, lease_s: float, refused: Callable[[str], Conflict]) -> None:
        self._store, self._key, self._lease_s, self._refused = store, key, lease_s, refused
        self._content = {"holder": holder(), "token": uuid.uuid4().hex}
        self._etag, self._renewals = "", 0
        self._mutex, self._ended = threading.Lock(), threading.Event()

    def acquire(self) -> None:
        """Create the object, or take over one that was not renewed in time.

        Raises:
            Conflict: Another process holds the lock.
        """
        if self._put(IfNoneMatch="*"):
            return
        current = self._read()
        if current is None or current.age_s > self._lease_s:  # released meanwhile, or abandoned
            condition = {"IfMatch": current.etag} if current else {"IfNoneMatch": "*"}
            if self._put(**condition):
                return
        raise self._refused(current.holder if current else "another process")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Renew the acquired lock in a thread while the block runs, and release it afterwards."""
        thread = threading.Thread(target=self._renew, name="lock in a bucket", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
            self.release()

    def require(self) -> None:
        """Return if the lock was not taken over.

        Raises:
            Conflict: Another process has taken it over.
        """
        with self._mutex:
            if not self._put(IfMatch=self._etag):
                raise self._refused("another process, which took it over after an outage")

    def release(self) -> None:
        """Delete the object, unless another process has taken it over."""
        with suppress(CoinError):  # otherwise it expires
            self.require()
            self._store.delete(self._key)

    def _renew(self) -> None:
        while not self._ended.wait(max(self._lease_s / 4, _MIN_RENEWAL_S)):
            with suppress(CoinError):  # the next renewal may succeed; require() has the last word
                self.require()

    def _put(self, **condition: str) -> bool:
        """Write the object on a condition; return whether it is this process's now."""
        self._renewals += 1
        body = json.dumps({**self._content, "renewals": self._renewals}).encode()
        response = self._store.request("put_object", self._key, _CONFLICT, Body=body, **condition)
        current = None if response else self._read()
        if current and current.token == self._content["token"]:  # written, but the response was lost
            response = {"ETag": current.etag}
        if response:
            self._etag = response["ETag"]
        return bool(response)

    def _read(self) -> "_LockState | None":
        """Return the state of the object, or None if it does not exist."""
        response = self._store.request("get_object", self._key, ABSENT)
        if response is None:
            return None
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        age = parsedate_to_datetime(headers["date"]) - response["LastModified"]
        try:
            with translate_s3_errors(self._store.uri(self._key)):
                content = json.loads(response["Body"].read())
        except ValueError:
            content = {}
        return _LockState(response["ETag"], age.total_seconds(), content.get("holder", "?"), content.get("token", ""))


class _LockState(NamedTuple):
    """ETag and age (s) of a lock, and the process that holds it."""

    etag: str
    age_s: float
    holder: str
    token: str
