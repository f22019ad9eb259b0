"""Archives of objects, and the list of all objects that each set has for a target.

An archive is a .tar.gz file that standard tools read; a member is named by the key of its object. The list has one JSON
object per line. Both are read and written as streams.
"""

import gzip
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import IO, BinaryIO, Self, cast

from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import Location
from coin_pipeline.backup.model import BLOCK_BYTES, ArchivedObject, BackupFile
from coin_pipeline.backup.streams import WrittenFile, encrypted_name, read_file, write_file
from coin_pipeline.errors import ObjectCorrupt

LEVEL = 1
"""Of gzip: results shrink by almost as much as at higher levels, and several times faster."""
_MODE = 0o600
_UNREADABLE = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, ValueError, TypeError)
"""What damaged archives and lists raise, before the end at which their digest is compared."""


class ArchiveWriter:
    """A context in which objects are added to an archive, which is created with the first of them.

    Args:
        location: Where it is written.
        name: Its name, without .age.
        key: Encrypts it, unless it is None.
        level: Level of gzip, 0 to 9.

    Attributes:
        name: Its name.
        content: Size of the objects in it, bytes.
        objects: Number of objects in it.
    """

    def __init__(self, location: Location, name: str, key: Key | None, level: int = LEVEL) -> None:
        self._location, self._key, self._level = location, key, level
        self.name, self.content, self.objects = encrypted_name(name, key), 0, 0
        self._base_name, self._stack = name, ExitStack()
        self._written: WrittenFile | None = None
        self._tar: tarfile.TarFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, key: str, file: IO[bytes], size: int, modified_s: int) -> None:
        """Add an object.

        Args:
            key: Its key.
            file: Its content.
            size: Size of the content in bytes.
            modified_s: When it was written, seconds since 1970, UTC.
        """
        tar = self._tar or self._create()
        info = tarfile.TarInfo(key)
        info.size, info.mtime, info.mode = size, modified_s, _MODE
        tar.addfile(info, file)
        tar.members = []  # type: ignore[attr-defined]  # or it would remember every object
        self.content += size
        self.objects += 1

    @property
    def file(self) -> BackupFile | None:
        """The complete archive, once the context has ended; None if no object was added."""
        return self._written.file.model_copy(update={"content": self.content}) if self._written else None

    def _create(self) -> tarfile.TarFile:
        self._written = self._stack.enter_context(write_file(self._location, self._base_name, self._key))
        packed = self._stack.enter_context(gzip.GzipFile("", "wb", self._level, self._written.sink, mtime=0))
        self._tar = tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 -- closed by the stack
        self._tar.copybufsize = BLOCK_BYTES  # type: ignore[attr-defined]  # a public argument of the constructor
        return self._stack.enter_context(self._tar)


class ListWriter:
    """The list of the objects of a set, while it is being written.

    Args:
        file: Receives the list.
    """

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file

    def add(self, item: ArchivedObject) -> None:
        """Add an object."""
        fields = item._asdict() | {"metadata": dict(item.metadata)}
        self._file.write(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


@contextmanager
def write_list(written: WrittenFile) -> Iterator[ListWriter]:
    """Write a list of objects into a file of a backup."""
    with gzip.GzipFile("", "wb", LEVEL, written.sink, mtime=0) as packed:
        yield ListWriter(packed)


def read_list(location: Location, file: BackupFile, key: Key | None) -> Iterator[ArchivedObject]:
    """Yield the objects in a list, in constant memory.

    Raises:
        ObjectCorrupt: The list is damaged; this may show at its end only.
        InvalidBackupKey: It is encrypted, and not for this key.
        StorageFailed: It cannot be read.
    """
    with (
        _explain_damage(file),
        read_file(location, file, key) as packed,
        gzip.GzipFile("", "rb", fileobj=packed) as lines,
    ):
        for line in lines:
            yield ArchivedObject(**json.loads(line))


def unpack(location: Location, file: BackupFile, key: Key | None, receive: Callable[[str, BinaryIO], object]) -> None:
    """Read an archive from its start to its end and verify it.

    Args:
        location: Where the archive is.
        file: The archive.
        key: Decrypts it; may be None if it is not encrypted.
        receive: Called with the key and the content of each object. The content is verified only when this returns,
            so compare it with the digest of the object.

    Raises:
        ObjectCorrupt: The archive is damaged.
        InvalidBackupKey: It is encrypted, and not for this key.
        StorageFailed: It cannot be read.
    """
    with (
        _explain_damage(file),
        read_file(location, file, key) as packed,
        gzip.GzipFile("", "rb", fileobj=packed) as content,
        tarfile.open(fileobj=content, mode="r|") as tar,
    ):
        while member := tar.next():
            if member_file := tar.extractfile(member):
                receive(member.name, cast("BinaryIO", member_file))
            tar.members = []  # type: ignore[attr-defined]  # or it would remember every object


@contextmanager
def _explain_damage(file: BackupFile) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise ObjectCorrupt(file.name, f"it cannot be unpacked ({error})") from None
