"""Verification of a set: every file is read and compared with its digests, and on request every object with its own."""

import hashlib
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import Location
from coin_pipeline.backup.model import BLOCK_BYTES, BackupFile, BackupSet, Progress, Target, TargetBackup, no_progress
from coin_pipeline.backup.objects import read_list, unpack
from coin_pipeline.backup.streams import CHECKSUM, VerifyingReader, md5_line, read_file
from coin_pipeline.errors import CoinError, InvalidBackupKey, ObjectCorrupt
from coin_pipeline.storage.atomic import translate_os_errors


class VerifiedTarget(NamedTuple):
    """A target that was verified.

    Attributes:
        target: The target.
        files: Number of intact files.
        size: Their size, bytes.
        objects: Number of objects that were compared, of a deep verification.
        error: What is damaged or missing; None if nothing is.
    """

    target: Target
    files: int
    size: int
    objects: int
    error: str | None


def verify_set(
    location: Location, key: Key | None, backup_set: BackupSet, *, deep: bool, progress: Progress = no_progress
) -> list[VerifiedTarget]:
    """Verify all targets of a set; damage is part of the result.

    Args:
        location: Where the set is.
        key: Decrypts it; needed only by a deep verification of a set that is encrypted.
        backup_set: The set.
        deep: Whether to decrypt and unpack every file, and to compare every object, too.
        progress: Called after each file, with the number and the size of those that were read.

    Raises:
        InvalidBackupKey: A deep verification needs another key.
    """
    return [_Verification(location, key, backup, progress).run(deep=deep) for backup in backup_set.targets]


class _Verification:
    """The verification of one target."""

    def __init__(self, location: Location, key: Key | None, backup: TargetBackup, progress: Progress) -> None:
        self._location, self._key, self._backup, self._progress = location, key, backup, progress
        self._intact, self._size, self._objects, self._errors = 0, 0, 0, list[str]()

    def run(self, *, deep: bool) -> VerifiedTarget:
        target, error = self._backup.target, self._backup.error
        if error:
            return VerifiedTarget(target, 0, 0, 0, f"it was not backed up: {error}")
        digests = self._read_digests() if deep else {}
        for file in self._backup.files:
            self._verify(file, deep, digests.get(file.name))
        return VerifiedTarget(target, self._intact, self._size, self._objects, "; ".join(self._errors) or None)

    def _verify(self, file: BackupFile, deep: bool, digests: Mapping[str, str] | None) -> None:  # noqa: FBT001
        try:
            self._verify_checksum_file(file)
            if not deep:
                self._verify_bytes(file)
            elif digests is None:  # a dump, a list, or an archive whose list is damaged
                self._decrypt(file)
            else:
                self._verify_objects(file, dict(digests))
        except InvalidBackupKey:  # not a fault of the backup
            raise
        except CoinError as error:
            self._errors.append(str(error))
        else:
            self._intact += 1
            self._size += file.size
        self._progress(self._backup.target, self._intact, self._size)

    def _verify_checksum_file(self, file: BackupFile) -> None:
        name = file.name + CHECKSUM
        with self._location.open(name) as checksum, translate_os_errors(name):
            if checksum.read() != md5_line(file.md5, file.name):
                raise ObjectCorrupt(name, f"it does not have the MD5 checksum of {file.name}")

    def _verify_bytes(self, file: BackupFile) -> None:
        with self._location.open(file.name) as raw:
            VerifyingReader(raw, file).finish()

    def _decrypt(self, file: BackupFile) -> None:
        with read_file(self._location, file, self._key) as content:
            while content.read(BLOCK_BYTES):
                pass

    def _verify_objects(self, file: BackupFile, expected: dict[str, str]) -> None:
        def compare(key: str, content: BinaryIO) -> None:
            if key in expected:
                digest = hashlib.sha256()
                while block := content.read(BLOCK_BYTES):
                    digest.update(block)
                if digest.hexdigest() != expected.pop(key):
                    raise ObjectCorrupt(file.name, f"its {key!r} is not what the list of objects contains")
                self._objects += 1

        unpack(self._location, file, self._key, compare)
        if expected:
            raise ObjectCorrupt(file.name, f"it lacks {pluralize(len(expected), 'object')}, such as {min(expected)!r}")

    def _read_digests(self) -> dict[str, dict[str, str]]:
        """Return the SHA-256 of each object by its key, by the name of its archive; {} if the list is damaged."""
        if (file := self._backup.object_list) is None:
            return {}
        digests: dict[str, dict[str, str]] = {archive.name: {} for archive in self._backup.archives}
        try:
            for item in read_list(self._location, file, self._key):
                digests.setdefault(item.archive, {})[item.key] = item.sha256  # any name in a damaged list
        except InvalidBackupKey:
            raise
        except CoinError:  # reported when the file is verified
            return {}
        if unknown := digests.keys() - {archive.name for archive in self._backup.archives}:
            self._errors.append(str(ObjectCorrupt(file.name, f"it needs {min(unknown)}, which the manifest lacks")))
        return digests
