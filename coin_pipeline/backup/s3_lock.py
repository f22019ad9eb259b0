"""The lock of a location in a bucket: an object that only one process can create."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from coin_pipeline.backup.folder import LOCK, holder
from coin_pipeline.errors import BackupInProgress, CoinError
from coin_pipeline.storage.s3_errors import ABSENT, translate_s3_errors

if TYPE_CHECKING:
    from coin_pipeline.backup.s3 import S3Location

_MIN_RENEWAL_S = 0.5
_CONFLICT = {"PreconditionFailed", "412", "ConditionalRequestConflict", *ABSENT}


class LockObject:
    """A lock that is an object: created on the condition that it does not exist, and renewed while it is held.

    Its age is measured by the clock of the server, so that the clocks of its users do not matter. Each renewal changes
    its content and thus its ETag, on which a process that takes it over insists.

    Args:
        location: The location that it locks.
        key: Key of the object.
        lease_s: Seconds without renewal after which another process may take it over.
    """

    def __init__(self, location: "S3Location", key: str, lease_s: float) -> None:
        self._location, self._key, self._lease_s = location, key, lease_s
        self._content = {"holder": holder(), "token": uuid.uuid4().hex}
        self._etag, self._renewals = "", 0
        self._mutex, self._ended = threading.Lock(), threading.Event()

    def acquire(self) -> None:
        """Create the object, or take over one that was not renewed in time.

        Raises:
            BackupInProgress: Another process holds the lock.
        """
        if self._put(IfNoneMatch="*"):
            return
        current = self._read()
        if current is None or current.age_s > self._lease_s:  # released meanwhile, or abandoned
            condition = {"IfMatch": current.etag} if current else {"IfNoneMatch": "*"}
            if self._put(**condition):
                return
        raise BackupInProgress(self._location.uri(), current.holder if current else "another process")

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew the lock in a thread while the block runs."""
        thread = threading.Thread(target=self._renew, name="backup lock", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def require(self) -> None:
        """Return if the lock was not taken over; see `HeldLock.require`."""
        with self._mutex:
            if not self._put(IfMatch=self._etag):
                raise BackupInProgress(self._location.uri(), "another process, which took it over after an outage")

    def release(self) -> None:
        """Delete the object, unless another process has taken it over."""
        with suppress(CoinError):  # otherwise it expires
            self.require()
            self._location.delete(LOCK)

    def _renew(self) -> None:
        while not self._ended.wait(max(self._lease_s / 4, _MIN_RENEWAL_S)):
            with suppress(CoinError):  # the next renewal may succeed; require() has the last word
                self.require()

    def _put(self, **condition: str) -> bool:
        """Write the object on a condition; return whether it is this process's now."""
        self._renewals += 1
        body = json.dumps({**self._content, "renewals": self._renewals}).encode()
        response = self._location.call("put_object", self._key, _CONFLICT, Body=body, **condition)
        current = None if response else self._read()
        if current and current.token == self._content["token"]:  # written, but the response was lost
            response = {"ETag": current.etag}
        if response:
            self._etag = response["ETag"]
        return bool(response)

    def _read(self) -> "_LockState | None":
        """Return the state of the object, or None if it does not exist."""
        response = self._location.call("get_object", self._key, ABSENT)
        if response is None:
            return None
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        age = parsedate_to_datetime(headers["date"]) - response["LastModified"]
        try:
            with translate_s3_errors(self._location.uri(LOCK)):
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
