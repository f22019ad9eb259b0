"""The sets of backups at a location: their manifests, and the records of sets that are being written or removed.

A set exists while its manifest `sets/SET_ID.json` does, which is written after all its files and deleted before them.
An unfinished set has the record `sets/SET_ID.unfinished`, which names the files that may go; so a backup or a removal
that was killed is cleaned up without touching the files of other sets or programs.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from coin_pipeline.backup.locations import Location
from coin_pipeline.backup.model import FOLDERS, SET_ID, SETS, TARGETS, BackupSet
from coin_pipeline.backup.streams import CHECKSUM, md5_line
from coin_pipeline.errors import BackupNotFound, ObjectCorrupt, ObjectNotFound, validation_message
from coin_pipeline.storage.atomic import translate_os_errors

LATEST = "latest"
_MANIFEST, _UNFINISHED = ".json", ".unfinished"
_ID, _SECOND = re.compile(r"[0-9]{8}_[0-9]{6}"), timedelta(seconds=1)


def list_sets(location: Location) -> list[BackupSet]:
    """Return all sets, newest first; unreadable manifests are left out.

    Raises:
        StorageFailed: The location cannot be read.
    """
    return [found for found in _read_all(location) if isinstance(found, BackupSet)]


def damaged_manifests(location: Location) -> list[str]:
    """Return why manifests cannot be read, newest first."""
    return [str(found) for found in _read_all(location) if isinstance(found, ObjectCorrupt)]


def read_set(location: Location, set_id: str = LATEST) -> BackupSet:
    """Return a set.

    Args:
        location: Where the sets are.
        set_id: Its id, or LATEST for the newest one.

    Raises:
        BackupNotFound: There is no such set.
        ObjectCorrupt: Its manifest is damaged.
    """
    ids = set_ids(location)
    wanted = ids[0] if ids and set_id == LATEST else set_id
    if wanted not in ids:
        raise BackupNotFound(set_id, location.uri())
    try:
        return _read(location, wanted)
    except ObjectNotFound:  # removed meanwhile
        raise BackupNotFound(set_id, location.uri()) from None


def newest_good(location: Location) -> BackupSet | None:
    """Return the newest set whose targets are all complete, or None."""
    return next((found for found in list_sets(location) if found.is_good), None)


def set_ids(location: Location) -> list[str]:
    """Return the ids of all sets, newest first, whether their manifests are readable or not."""
    return sorted(_ids(location, _MANIFEST), reverse=True)


def new_set_id(location: Location, now: datetime) -> str:
    """Return the id for a new set: the time, or the second after the newest id if the clock was set back.

    No other file has it in its name, so that none is ever replaced.

    Args:
        location: Where the sets are.
        now: Current time, with a time zone.
    """
    used = {found for folder in FOLDERS for name in location.names(folder) for found in _ID.findall(name)}
    made = [time for set_id in (*_ids(location, _MANIFEST), *_ids(location, _UNFINISHED)) if (time := parse_id(set_id))]
    time = max([now.astimezone(UTC), *(earlier + _SECOND for earlier in made)])
    while time.strftime(SET_ID) in used:
        time += _SECOND
    return time.strftime(SET_ID)


def write_manifest(location: Location, backup_set: BackupSet) -> None:
    """Write the manifest of a set, whose files are complete; its checksum is written before it."""
    name, data = _manifest_name(backup_set.set_id), backup_set.model_dump_json(indent=2).encode()
    _write(location, name + CHECKSUM, _checksum(data, name))
    _write(location, name, data)


def begin_unfinished(location: Location, set_id: str, files: Collection[str] = ()) -> None:
    """Record that a set is being written or removed.

    Args:
        location: Where the set is.
        set_id: Its id.
        files: Files of earlier sets that go with it, unless other sets need them.
    """
    _write(location, _unfinished_name(set_id), json.dumps(sorted(files)).encode())


def end_unfinished(location: Location, set_id: str) -> None:
    """Remove the record of a set that is complete, or completely removed."""
    location.delete(_unfinished_name(set_id))


def remove_unfinished(location: Location) -> list[str]:
    """Remove the files of sets that were not finished; the caller holds the lock of the location.

    Files that another set needs are kept. While a manifest is damaged, nothing is removed: it may need any file.

    Returns:
        The names of the removed files.

    Raises:
        StorageFailed: The location cannot be read or changed.
    """
    removed: list[str] = []
    for set_id in sorted(_ids(location, _UNFINISHED)):
        if not location.exists(_manifest_name(set_id)):
            if damaged_manifests(location):
                continue
            removed += _remove_files(location, set_id)
        end_unfinished(location, set_id)
    return removed


def remove_set(location: Location, backup_set: BackupSet) -> list[str]:
    """Remove a set and the files that no other set needs; the caller holds the lock of the location.

    Returns:
        The names of the removed files.

    Raises:
        ObjectCorrupt: A manifest is damaged, so it is unknown which files it needs; nothing was removed.
        StorageFailed: The location cannot be read or changed.
    """
    if damaged := damaged_manifests(location):
        raise ObjectCorrupt(_manifest_name(backup_set.set_id), f"nothing was removed, because {damaged[0]}")
    begin_unfinished(location, backup_set.set_id, files_of(backup_set))
    location.delete(_manifest_name(backup_set.set_id))
    return remove_unfinished(location)


def files_of(backup_set: BackupSet) -> set[str]:
    """Return the names of all files that a set needs, with those of their checksums."""
    names = {file.name for backup in backup_set.targets for file in backup.files}
    return names | {name + CHECKSUM for name in names}


def _remove_files(location: Location, set_id: str) -> list[str]:
    """Remove the files of a set without a manifest, and those named in its record, which no manifest needs."""
    needed = {name for backup_set in list_sets(location) for name in files_of(backup_set)}
    own = {name for folder in (*TARGETS, SETS) for name in location.names(folder) if set_id in name}
    unneeded = (own | _recorded_files(location, set_id)) - needed - {_unfinished_name(set_id)}
    for name in sorted(unneeded):
        location.delete(name)
    return sorted(unneeded)


def _recorded_files(location: Location, set_id: str) -> set[str]:
    try:
        return set(json.loads(_read_bytes(location, _unfinished_name(set_id))))
    except ValueError:  # damaged: its own files are found by their names
        return set()


def _read_all(location: Location) -> Iterator[BackupSet | ObjectCorrupt]:
    for set_id in set_ids(location):
        try:
            yield _read(location, set_id)
        except ObjectNotFound:  # removed meanwhile
            continue
        except ObjectCorrupt as error:
            yield error


def _read(location: Location, set_id: str) -> BackupSet:
    name = _manifest_name(set_id)
    data = _read_bytes(location, name)
    remedy = f"delete {name} if you do not need this backup"
    try:
        if _read_bytes(location, name + CHECKSUM) != _checksum(data, name):
            raise ObjectCorrupt(name, f"its MD5 checksum does not match the .md5 file; {remedy}")
        backup_set = BackupSet.model_validate_json(data)
    except ObjectNotFound:
        raise ObjectCorrupt(name, f"its .md5 file is missing; {remedy}") from None
    except ValidationError as error:
        reason = validation_message(error.errors()[0], with_value=False)
        raise ObjectCorrupt(name, f"it is not a manifest of this version ({reason}); {remedy}") from None
    if backup_set.set_id != set_id:
        raise ObjectCorrupt(name, f"it is the manifest of {backup_set.set_id}; {remedy}")
    return backup_set


def _ids(location: Location, ending: str) -> Iterator[str]:
    for name in location.names(SETS):
        set_id = name.removeprefix(f"{SETS}/").removesuffix(ending)
        if name.endswith(ending) and _ID.fullmatch(set_id):
            yield set_id


def parse_id(set_id: str) -> datetime | None:
    """Return the time in an id; None if it is not one."""
    try:
        return datetime.strptime(set_id, SET_ID).replace(tzinfo=UTC)
    except ValueError:
        return None


def _manifest_name(set_id: str) -> str:
    return f"{SETS}/{set_id}{_MANIFEST}"


def _unfinished_name(set_id: str) -> str:
    return f"{SETS}/{set_id}{_UNFINISHED}"


def _checksum(data: bytes, name: str) -> bytes:
    return md5_line(hashlib.md5(data, usedforsecurity=False).hexdigest(), name)


def _read_bytes(location: Location, name: str) -> bytes:
    with location.open(name) as file, translate_os_errors(name):
        return file.read()


def _write(location: Location, name: str, data: bytes) -> None:
    with location.write(name) as file:
        file.write(data)
