"""Archives of a folder: `{folder}_{YYYYmmdd_HHMMSS}.tar.gz` with its `.md5` file, both or neither.

An archive becomes visible only after it was read back and every member compared with its source. The same files
produce the same bytes: members keep their times and permissions, but no owners and no time of the backup are stored.
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
    """A complete archive.

    Attributes:
        path: Path of the .tar.gz file.
        files: Number of files in it.
        size: Its size, bytes.
        existed: Whether an earlier backup created it.
    """

    path: Path
    files: int
    size: int
    existed: bool


def back_up(source: Path, target: Path, now: datetime) -> Archive:
    """Archive the files under `source` in the folder `target`, unless it already has an archive of the same content.

    Symbolic links and incomplete writes are skipped.

    Args:
        source: Folder to archive.
        target: Folder of the archives; created if missing.
        now: Time of the backup, which the name of the archive contains.

    Raises:
        ObjectCorrupt: The archive read back differs from the files: one was modified meanwhile, or the disk is bad.
        StorageFull: The disk is full; no archive is visible.
        StorageFailed: The archive cannot be written; no archive is visible.
    """
    with translate_os_errors(source):
        digests = compute_digests(source)
    with translate_os_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        with _exclusive(target):
            _remove_incomplete(target)
            for path in list_archives(target, source.name):
                if _has_content(path, digests):
                    return Archive(path, len(digests), path.stat().st_size, existed=True)
            path = _unused_path(target, source.name, now)
            _write(source, path, digests)
    return Archive(path, len(digests), path.stat().st_size, existed=False)


def list_archives(target: Path, name: str) -> list[Path]:
    """Return the complete archives in `target` of the folder `name`, newest first."""
    complete = [path for path in target.glob(f"{name}_*{SUFFIX}") if _checksum_path(path).is_file()]
    return sorted(complete, reverse=True)


def compute_digests(source: Path) -> Digests:
    """Return the digests of the files that an archive of `source` contains, in archive order."""
    return {name: _sha256(path.open("rb")) for name, path in _members(source)}


def verify_archive(path: Path) -> Digests:
    """Read an entire archive; return the digests of its members.

    Raises:
        ObjectCorrupt: Its MD5 checksum does not match the .md5 file, or it cannot be unpacked.
    """
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, _md5).hexdigest()
    if _checksum_path(path).read_bytes() != _md5_line(md5, path.name):
        raise ObjectCorrupt(path.name, "its MD5 checksum does not match the .md5 file; create another backup")
    return _read_back(path, path.name)


def _write(source: Path, path: Path, digests: Digests) -> None:
    temporary = path.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        with temporary.open("w+b") as file:
            _pack(source, file)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            md5 = hashlib.file_digest(file, _md5).hexdigest()
        if _read_back(temporary, path.name) != digests or compute_digests(source) != digests:
            reason = "a file was modified while it was archived; stop the process that writes there and run again"
            raise ObjectCorrupt(path.name, reason)
        atomic_write(
            _checksum_path(path),
            _md5_line(md5, path.name),
            path.parent / f"{TEMPORARY}{uuid.uuid4().hex}",
            replace=True,
        )
        temporary.replace(path)
        sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _pack(source: Path, file: IO[bytes]) -> None:
    with (
        gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, dereference=True) as archive,
    ):
        for name, path in _members(source):
            with path.open("rb") as member:
                info = archive.gettarinfo(arcname=name, fileobj=member)
                info.mtime, info.uid, info.gid, info.uname, info.gname = int(info.mtime), 0, 0, "", ""
                archive.addfile(info, member)


def _read_back(path: Path, name: str) -> Digests:
    try:
        with tarfile.open(path, "r:gz") as archive:
            members = ((member.name, archive.extractfile(member)) for member in archive)
            return {name: _sha256(content) for name, content in members if content}
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ObjectCorrupt(name, f"it cannot be unpacked ({error})") from None


def _has_content(path: Path, digests: Digests) -> bool:
    """Return whether an archive is intact and has this content."""
    try:
        return verify_archive(path) == digests
    except ObjectCorrupt:
        return False


def _members(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield each file under `source`, sorted by name, with its path in the archive."""
    for folder, folders, files in os.walk(source):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink() and not name.startswith(TEMPORARY):
                yield path.relative_to(source.parent).as_posix(), path


def _unused_path(target: Path, name: str, now: datetime) -> Path:
    """Return a path without an archive; its time is that of the backup, or some seconds later."""
    path = target / f"{name}_{now:%Y%m%d_%H%M%S}{SUFFIX}"
    return path if not path.exists() else _unused_path(target, name, now + timedelta(seconds=1))


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Lock a folder so that no other process writes archives in it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_incomplete(target: Path) -> None:
    """Remove the files of backups that were killed."""
    for path in target.iterdir():
        orphan = path.name.endswith(SUFFIX + CHECKSUM) and not path.with_name(path.name.removesuffix(CHECKSUM)).exists()
        if orphan or path.name.startswith(TEMPORARY):
            path.unlink()


def _checksum_path(path: Path) -> Path:
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
