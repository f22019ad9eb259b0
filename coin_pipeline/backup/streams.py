"""Streams of backup files: hashed on the way to a location, and encrypted if there is a key.

Nothing is held in memory as a whole, and no unencrypted copy is written to a disk.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from coin_pipeline.backup.encryption import Key, decrypting, encrypting
from coin_pipeline.backup.model import BLOCK_BYTES, BackupFile
from coin_pipeline.errors import InvalidBackupKey, ObjectCorrupt, Problem
from coin_pipeline.liveness import report_progress
from coin_pipeline.storage.atomic import translate_os_errors

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from coin_pipeline.backup.locations import Location

ENCRYPTED, CHECKSUM = ".age", ".md5"
"""Endings of the names of encrypted files, and of the files that `md5sum -c` reads."""


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


def md5_line(md5: str, name: str) -> bytes:
    """Return the content of the .md5 file of a file, which names it relative to its folder."""
    return f"{md5}  {name.rpartition('/')[2]}\n".encode()


def _require_key(key: Key | None, file: BackupFile) -> Key:
    if key is None:
        reason = f"is not set, and {file.name} is encrypted; set the key with which it was made"
        raise InvalidBackupKey([Problem("COIN_BACKUP_KEY", reason)])
    return key
