"""What a backup consists of: the manifest of a set, which is written last, and the objects of its archives."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict

Target = Literal["postgresql", "results", "tasks", "candles"]
TARGETS: tuple[Target, ...] = get_args(Target)
SETS = "sets"
DRILLS = "drills"
FOLDERS = (*TARGETS, SETS, DRILLS, "redis")
"""Folders of a location."""
BLOCK_BYTES = 2**20
"""Size of the blocks in which files are read and written, bytes."""
LIST = ".list.gz"
"""In the names of files that list objects."""
Progress = Callable[[str, int, int], None]
"""Called with the name of a target, and with the number and the size (bytes) of its objects that are done."""
SET_ID = "%Y%m%d_%H%M%S"
"""Format of the id of a set: its start, UTC."""


def no_progress(_target: str, _objects: int, _size: int) -> None:
    """Ignore progress."""


class BackupFile(BaseModel):
    """A file of a backup.

    Attributes:
        name: Path relative to the location, such as `results/results_20260101_000000.tar.gz`.
        size: Size in bytes, as stored.
        sha256: Digest of the stored bytes, hex.
        md5: Digest of the stored bytes, hex, for `md5sum -c`.
        content: Size of the objects in it, bytes; 0 for a file that is not an archive of objects.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size: int
    sha256: str
    md5: str
    content: int = 0


class TargetBackup(BaseModel):
    """One target of a set.

    Attributes:
        target: What was backed up.
        error: Why it failed; None if it is complete.
        seconds: Duration, s.
        files: All files that a restore needs, including those of earlier sets.
        objects: Number of objects, or of tables.
        size: Size of the objects, bytes, or of the dump.
        new_objects: Number of objects that earlier archives did not contain.
        new_size: Size of the files that this set added, bytes.
        rows: Number of rows by table, of postgresql.
        damaged: Why objects could not be read, one message for each of the first ones. The backup has their copy of the
            set before, or else lacks them; the target is complete otherwise, and a restore is as good as it can be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Target
    error: str | None = None
    seconds: float = 0.0
    files: tuple[BackupFile, ...] = ()
    objects: int = 0
    size: int = 0
    new_objects: int = 0
    new_size: int = 0
    rows: Mapping[str, int] = {}
    damaged: tuple[str, ...] = ()

    @property
    def object_list(self) -> BackupFile | None:
        """The file that lists the objects; None for postgresql, and for a target that failed."""
        return next((file for file in self.files if LIST in file.name), None)

    @property
    def archives(self) -> tuple[BackupFile, ...]:
        """The files with the content: the dump, or the archives of objects."""
        return tuple(file for file in self.files if LIST not in file.name)


class BackupSet(BaseModel):
    """The manifest of a backup; a set without one is incomplete and never used.

    Attributes:
        set_id: Time of its start, in the format SET_ID.
        started_at: The same, UTC.
        finished_at: When the manifest was written, UTC.
        version: Version of the platform.
        schema_revision: Revision of the tables of the platform; None without a database.
        recipient: age recipient that its files are encrypted for; None if they are not encrypted.
        targets: What it contains.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    set_id: str
    started_at: datetime
    finished_at: datetime
    version: str
    schema_revision: str | None
    recipient: str | None
    targets: tuple[TargetBackup, ...]

    def target(self, name: Target) -> TargetBackup | None:
        """Return a target if the set contains it, complete."""
        return next((backup for backup in self.targets if backup.target == name and backup.error is None), None)

    @property
    def is_good(self) -> bool:
        """Whether every target of a full backup is complete."""
        return {backup.target for backup in self.targets if backup.error is None} == set(TARGETS)


class ArchivedObject(NamedTuple):
    """One object of a target: an entry of the list of objects that each set stores.

    Attributes:
        key: Its key in the object store, or its path relative to DATA_ROOT.
        size: Size in bytes.
        sha256: Digest of its bytes, hex.
        archive: Name of the file that contains it.
        modified: When it was written, microseconds since 1970, UTC.
        metadata: What was stored with it in the object store.
    """

    key: str
    size: int
    sha256: str
    archive: str
    modified: int
    metadata: Mapping[str, str] = MappingProxyType({})


class DrillReport(BaseModel):
    """What a restore drill found.

    Attributes:
        set_id: The set that was restored; empty if there was none.
        started_at: Its start, UTC.
        finished_at: Its end, UTC.
        error: Why the set is not proven; None if it is.
        objects: Number of restored objects, all compared with the digests of the backup.
        rows: Number of restored rows, compared with the counts of the backup.
        size: Size of the restored objects, bytes.
        served: The run whose result was read from the restored files; None if the set contains no result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    set_id: str
    started_at: datetime
    finished_at: datetime
    error: str | None = None
    objects: int = 0
    rows: int = 0
    size: int = 0
    served: str | None = None
