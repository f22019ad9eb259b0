"""The age encryption of backups, as files that encrypt what is written to them and decrypt what is read."""

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from io import BufferedReader, BufferedWriter
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar, cast

import pyrage

from coin_pipeline.backup.model import BLOCK_BYTES
from coin_pipeline.errors import InvalidBackupKey, ObjectCorrupt, Problem
from coin_pipeline.settings import Settings

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

T = TypeVar("T")


class Key:
    """The age identity with which backups are encrypted and decrypted; its text is a secret."""

    def __init__(self, identity: pyrage.x25519.Identity) -> None:
        self.identity = identity

    @classmethod
    def from_settings(cls, settings: Settings) -> "Key | None":
        """Return the key in COIN_BACKUP_KEY, or None if it is not set.

        Raises:
            InvalidBackupKey: It is not an age secret key.
        """
        if settings.coin_backup_key is None:
            return None
        try:
            return cls(pyrage.x25519.Identity.from_str(settings.coin_backup_key.get_secret_value().strip()))
        except pyrage.IdentityError:  # without its text, which may quote the key
            reason = "is not an age secret key, AGE-SECRET-KEY-1...; 'coin backup key' creates one"
            raise InvalidBackupKey([Problem("COIN_BACKUP_KEY", reason)]) from None

    @classmethod
    def generate(cls) -> "Key":
        """Return a new key."""
        return cls(pyrage.x25519.Identity.generate())

    @property
    def recipient(self) -> str:
        """The public part of the key, which identifies it."""
        return str(self.identity.to_public())

    @property
    def secret(self) -> str:
        """The text of the key for COIN_BACKUP_KEY."""
        return str(self.identity)

    def __repr__(self) -> str:
        return f"Key({self.recipient})"


@contextmanager
def encrypting(sink: BinaryIO, key: Key) -> Iterator[BinaryIO]:
    """Yield a file that encrypts what is written to it into `sink`.

    pyrage pulls its input, so it runs in a thread at the other end of a pipe.
    """
    recorded, broken = _Recorder(sink), None
    source, output = _pipe()
    with _PipeThread(lambda: pyrage.encrypt_io(source, recorded, [key.identity.to_public()]), source) as thread:
        try:
            with output:
                yield output
        except BrokenPipeError as error:  # the thread ended early, and its error is the reason
            broken = error
    if failure := recorded.error or thread.error or broken:
        raise failure


@contextmanager
def decrypting(source: BinaryIO, key: Key, name: str) -> Iterator[BinaryIO]:
    """Yield a file with the decrypted content of `source`.

    Raises:
        ObjectCorrupt: The content is damaged; raised by the read at which it would otherwise end.
        InvalidBackupKey: It is not encrypted for this key.
    """
    recorded = _Recorder(source)
    pipe, output = _pipe()
    thread = _PipeThread(lambda: pyrage.decrypt_io(recorded, output, [key.identity]), output)

    def raise_error() -> None:
        thread.join()
        if recorded.error:
            raise recorded.error
        if isinstance(thread.error, pyrage.DecryptError) and "No matching keys" in str(thread.error):
            reason = f"{name} is encrypted for another key; set the one with which it was made"
            raise InvalidBackupKey([Problem("COIN_BACKUP_KEY", reason)])
        if thread.error:
            raise ObjectCorrupt(name, f"it cannot be decrypted ({thread.error})")

    with thread, pipe:  # the pipe is closed before the thread is joined, which may be waiting for space in it
        yield cast("BinaryIO", BufferedReader(_Decrypted(pipe, raise_error), BLOCK_BYTES))


class _Recorder(io.RawIOBase):
    """Passes reads and writes on, and keeps the error of a failed one, which pyrage replaces by its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        return self._record(lambda: self._file.read(size))

    def write(self, data: "ReadableBuffer", /) -> int:
        return self._record(lambda: self._file.write(data))

    def _record(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except BaseException as error:
            self.error = error
            raise


class _Decrypted(io.RawIOBase):
    """The reading end of a pipe, which calls `at_end` before it reports the end."""

    def __init__(self, pipe: BufferedReader, at_end: Callable[[], None]) -> None:
        self._pipe, self._at_end = pipe, at_end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._pipe.read1(len(view))
        view[: len(data)] = data
        if not data and len(view):
            self._at_end()
        return len(data)


def _pipe() -> tuple[BufferedReader, BufferedWriter]:
    """Return the ends of a new pipe."""
    read_end, write_end = os.pipe()
    return BufferedReader(io.FileIO(read_end), BLOCK_BYTES), BufferedWriter(io.FileIO(write_end, "wb"), BLOCK_BYTES)


class _PipeThread(threading.Thread):
    """A thread that works at one end of a pipe, and closes it afterwards; leaving the context waits for it."""

    def __init__(self, work: Callable[[], object], end: BufferedReader | BufferedWriter) -> None:
        super().__init__(name="age", daemon=True)
        self._work, self._end = work, end
        self._context = copy_context()  # the location tolerates outages as in the calling thread
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with self._end:
                self._context.run(self._work)
        except Exception as error:  # noqa: BLE001 -- raised in the thread at the other end
            self.error = error

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.join()
