"""Streams of backup files: hashed on the way to a location, and encrypted in the age format if there is a key.

Nothing is held in memory as a whole, and no unencrypted copy is written to a disk.
"""

import hashlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from io import BufferedReader, BufferedWriter
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar, cast

import pyrage

from coin_pipeline.backup.model import BackupFile
from coin_pipeline.errors import InvalidBackupKey, ObjectCorrupt, Problem
from coin_pipeline.liveness import report_progress
from coin_pipeline.settings import Settings
from coin_pipeline.storage.atomic import translate_os_errors

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from coin_pipeline.backup.locations import Location

T = TypeVar("T")
BLOCK_BYTES = 2**20
ENCRYPTED, CHECKSUM = ".age", ".md5"
"""Endings of the names of encrypted files, and of the files that `md5sum -c` reads."""


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


class HashingWriter(io.RawIOBase):
    """Writes to a file and computes the size and the digests of what is written.

    Args:
        file: The file; not closed.

    Attributes:
        size: Number of bytes written.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.size = file, 0
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        self._file.write(view)
        self._sha256.update(view)
        self._md5.update(view)
        self.size += view.nbytes
        report_progress()
        return view.nbytes

    @property
    def sha256(self) -> str:
        """Digest of what was written so far, hex."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str:
        """Digest of what was written so far, hex."""
        return self._md5.hexdigest()

    def describe(self, name: str) -> BackupFile:
        """Return what was written as a file of a backup."""
        return BackupFile(name=name, size=self.size, sha256=self.sha256, md5=self.md5)


class WrittenFile:
    """A file of a backup that is being written.

    Attributes:
        sink: Where to write its content.
        name: Its name, which ends in .age if it is encrypted.
        file: Its description, once it is complete.
    """

    def __init__(self, sink: BinaryIO, name: str) -> None:
        self.sink, self.name = sink, name
        self._file: BackupFile | None = None

    @property
    def file(self) -> BackupFile:
        """The description of the complete file."""
        if self._file is None:
            raise AssertionError(f"{self.name} is not complete")
        return self._file

    def complete(self, file: BackupFile) -> None:
        """Set the description."""
        self._file = file


@contextmanager
def write_file(location: "Location", name: str, key: Key | None) -> Iterator[WrittenFile]:
    """Write a file of a backup and its .md5 file; an error in the block leaves neither.

    Args:
        location: Where to write it.
        name: Its name without .age.
        key: Encrypts it; None for no encryption.

    Raises:
        StorageFailed: It cannot be written.
    """
    name = encrypted_name(name, key)
    with location.write(name) as raw:
        hashing = HashingWriter(raw)
        with ExitStack() as stack:
            plain = cast("BinaryIO", hashing)
            written = WrittenFile(stack.enter_context(encrypting(plain, key)) if key else plain, name)
            yield written
    file = hashing.describe(name)
    with location.write(name + CHECKSUM) as checksum:
        checksum.write(md5_line(file.md5, name))
    written.complete(file)


def encrypted_name(name: str, key: Key | None) -> str:
    """Return the name of a file that is encrypted with this key, or not encrypted without one."""
    return name + ENCRYPTED if key else name


@contextmanager
def read_file(location: "Location", file: BackupFile, key: Key | None) -> Iterator[BinaryIO]:
    """Read the decrypted content of a file of a backup; when the block ends, the rest of the file has been verified.

    What was read before the end of the block is unverified: an error at the end means that it must not be used.

    Args:
        location: Where the file is.
        file: The file.
        key: Decrypts it; may be None for a file that is not encrypted.

    Raises:
        ObjectCorrupt: The stored bytes are not those that were written.
        InvalidBackupKey: The file is encrypted, and not for this key.
        StorageFailed: It cannot be read.
    """
    with location.open(file.name) as raw:
        verified = VerifyingReader(raw, file)
        plain = cast("BinaryIO", verified)
        if not file.name.endswith(ENCRYPTED):
            yield plain
        else:
            with decrypting(plain, _require_key(key, file), file.name) as content:
                yield content
        verified.finish()


class VerifyingReader(io.RawIOBase):
    """Reads a file and compares it with its digest at the end.

    Args:
        file: The file; not closed.
        expected: What it should contain.
    """

    def __init__(self, file: BinaryIO, expected: BackupFile) -> None:
        self._file, self._expected = file, expected
        self._sha256, self._size = hashlib.sha256(), 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read some bytes.

        Raises:
            ObjectCorrupt: The file ends, and it differs from what was written.
        """
        view = memoryview(buffer).cast("B")
        with translate_os_errors(self._expected.name):
            data = self._file.read(min(len(view), BLOCK_BYTES))
        view[: len(data)] = data
        self._sha256.update(data)
        self._size += len(data)
        report_progress()
        if not data and len(view):
            self._compare()
        return len(data)

    def finish(self) -> None:
        """Read the rest and verify it.

        Raises:
            ObjectCorrupt: The file differs from what was written.
        """
        while self.read(BLOCK_BYTES):
            pass

    def _compare(self) -> None:
        if self._size != self._expected.size:
            reason = f"it has {self._size:,} bytes instead of {self._expected.size:,}"
        elif self._sha256.hexdigest() != self._expected.sha256:
            reason = "its SHA-256 is not that of the manifest"
        else:
            return
        raise ObjectCorrupt(
            self._expected.name, f"{reason}; delete it, so that the next backup stores its content again"
        )


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


def md5_line(md5: str, name: str) -> bytes:
    """Return the content of the .md5 file of a file, which names it relative to its folder."""
    return f"{md5}  {name.rpartition('/')[2]}\n".encode()


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


def _require_key(key: Key | None, file: BackupFile) -> Key:
    if key is None:
        reason = f"is not set, and {file.name} is encrypted; set the key with which it was made"
        raise InvalidBackupKey([Problem("COIN_BACKUP_KEY", reason)])
    return key
