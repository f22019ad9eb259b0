"""Archives of a folder: `{folder}_{YYYYmmdd_HHMMSS}.tar.gz` with a `.md5` beside it, both or neither.

An archive appears when it has been read back and each member compared with its source. The same files give the same
bytes: times and permissions are theirs, owners and the time of the backup are left out.
"""

import fcntl
import gzip
import hashlib
import os
import tarfile
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, NamedTuple

from coin_pipeline.errors import ObjectCorrupt
from coin_pipeline.storage.atomic import atomic_write, sync_directory, translate_os_errors
from coin_pipeline.storage.local import TEMPORARY

SUFFIX, CHECKSUM = ".tar.gz", ".md5"
_LEVEL, _BLOCK = 6, 2**20
Digests = Mapping[str, str]
"""SHA-256, hex, of each member by its path in the archive."""


class Archive(NamedTuple):
    """A complete archive: where it lies, how many files are in it, its bytes, and whether it was there before."""

    path: Path
    files: int
    size: int
    known: bool


def back_up(source: Path, target: Path, now: datetime) -> Archive:
    """Archive the files below `source` in the folder `target`, unless an archive with the same content is there.

    Symbolic links, and files that are still being written, are left out.

    Raises:
        ObjectCorrupt: what was read back is not what is there; a file was changed meanwhile, or the disk is bad.
        StorageFull, StorageFailed: it cannot be written; nothing of it is visible.
    """
    with translate_os_errors(source):
        digests = compute_digests(source)
    with translate_os_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            _tidy(target)
            for path in list_archives(target, source.name):
                if _holds(path, digests):
                    return Archive(path, len(digests), path.stat().st_size, known=True)
            path = _free(target, source.name, now)
            _write(source, path, digests)
    return Archive(path, len(digests), path.stat().st_size, known=False)


def list_archives(target: Path, name: str) -> list[Path]:
    """Return the complete archives of the folder called `name`, newest first."""
    found = [path for path in target.glob(f"{name}_*{SUFFIX}") if _checksum_of(path).is_file()]
    return sorted(found, reverse=True)


def compute_digests(source: Path) -> Digests:
    """Return the digests of what an archive of `source` holds, in its order."""
    return {name: _sha256(path.open("rb")) for name, path in _members(source)}


def verify_archive(path: Path) -> Digests:
    """Read a whole archive; return the digests of its members.

    Raises:
        ObjectCorrupt: it is not what its .md5 says, or cannot be unpacked.
    """
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, _md5).hexdigest()
    if _checksum_of(path).read_bytes() != _md5_line(md5, path.name):
        raise ObjectCorrupt(path.name, "its MD5 is not the one beside it; make another backup")
    return _read_back(path, path.name)


def _write(source: Path, path: Path, digests: Digests) -> None:
    aside = path.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        with aside.open("w+b") as file:
            _pack(source, file)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            md5 = hashlib.file_digest(file, _md5).hexdigest()
        if _read_back(aside, path.name) != digests or compute_digests(source) != digests:
            raise ObjectCorrupt(
                path.name, "a file was changed while it was archived; stop what writes there, run again"
            )
        sums = _checksum_of(path)
        atomic_write(sums, _md5_line(md5, path.name), path.parent / f"{TEMPORARY}{uuid.uuid4().hex}", replace=True)
        aside.replace(path)
        sync_directory(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def _pack(source: Path, file: IO[bytes]) -> None:
    with (
        gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, dereference=True) as archive,
    ):
        for name, path in _members(source):
            with path.open("rb") as member:
                told = archive.gettarinfo(arcname=name, fileobj=member)
                told.mtime, told.uid, told.gid, told.uname, told.gname = int(told.mtime), 0, 0, "", ""
                archive.addfile(told, member)


def _read_back(path: Path, name: str) -> Digests:
    try:
        with tarfile.open(path, "r:gz") as archive:
            members = ((member.name, archive.extractfile(member)) for member in archive)
            return {name: _sha256(content) for name, content in members if content}
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ObjectCorrupt(name, f"it cannot be unpacked ({error})") from None


def _holds(path: Path, digests: Digests) -> bool:
    """Tell whether an archive is sound and its content is this."""
    try:
        return verify_archive(path) == digests
    except ObjectCorrupt:
        return False


def _members(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield each file below `source` in the order of names, with its path in the archive."""
    for folder, folders, files in os.walk(source):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink() and not name.startswith(TEMPORARY):
                yield path.relative_to(source.parent).as_posix(), path


def _free(target: Path, name: str, now: datetime) -> Path:
    """Return a path that no archive has: the time in it is that of the backup, or seconds later."""
    path = target / f"{name}_{now:%Y%m%d_%H%M%S}{SUFFIX}"
    return path if not path.exists() else _free(target, name, now + timedelta(seconds=1))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Have nobody else write archives there."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _tidy(target: Path) -> None:
    """Remove what a backup left that was killed."""
    for path in target.iterdir():
        orphan = path.name.endswith(SUFFIX + CHECKSUM) and not path.with_name(path.name.removesuffix(CHECKSUM)).exists()
        if orphan or path.name.startswith(TEMPORARY):
            path.unlink()


def _checksum_of(path: Path) -> Path:
    return path.with_name(path.name + CHECKSUM)


def _md5_line(md5: str, name: str) -> bytes:
    return f"{md5}  {name}\n".encode()


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
