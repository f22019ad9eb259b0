"""What a backup consists of: the manifest of a set, which is written last, and the objects of its archives."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict

Target = Literal["postgresql", "results", "tasks", "candles"]
TARGETS: tuple[Target, ...] = get_args(Target)
SET_ID = "%Y%m%d_%H%M%S"
"""Format of the id of a set, the time at which it was started, UTC."""


class BackupFile(BaseModel):
    """A file of a backup.

    Attributes:
        name: Path relative to the location, such as `results/results_20260101_000000.tar.gz`.
        size: Size in bytes, as stored.
        sha256: Digest of the stored bytes, hex.
        md5: Digest of the stored bytes, hex, for `md5sum -c`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size: int
    sha256: str
    md5: str


class TargetBackup(BaseModel):
    """One target of a set.

    Attributes:
        target: What was backed up.
        error: Why it failed; None if it is complete.
        seconds: Duration, s.
        files: All files that a restore needs, including those of earlier sets.
        objects: Number of objects, or of tables.
        size: Size of the objects, bytes, or of the dump before compression.
        new_objects: Number of objects that earlier archives did not contain.
        new_size: Size of the files that this set added, bytes.
        rows: Number of rows by table, of postgresql.
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
    """

    key: str
    size: int
    sha256: str
    archive: str
