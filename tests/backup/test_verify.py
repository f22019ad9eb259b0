"""Verification finds every damage: flipped bits, truncated and missing files, and objects that differ."""

import random
from pathlib import Path

import pytest

from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.model import BackupFile, BackupSet
from coin_pipeline.backup.sets import damaged_manifests, list_sets, newest_good, read_set
from coin_pipeline.backup.verify import verify_set
from coin_pipeline.errors import CoinError, ObjectCorrupt
from coin_pipeline.settings import Settings
from coin_pipeline.storage.local import LocalStore
from tests.backup.objects import OBJECT_TARGETS, back_up, damage, write_data_root

FLIPS = 1000


@pytest.fixture(params=["plain", "encrypted"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of a DATA_ROOT with two sets, of which the second needs an archive of the first."""
    encrypted = {"coin_backup_key": Key.generate().secret} if request.param == "encrypted" else {}
    settings = Settings.model_validate({**write_data_root(tmp_path).model_dump(), **encrypted})
    back_up(settings)
    LocalStore(tmp_path).put("results/r2.json", b"new")
    back_up(settings)
    return settings


def is_damaged(settings: Settings, set_id: str, *, deep: bool) -> bool:
    """Return whether a set is found to be damaged; it never fails in another way."""
    location = open_location(settings)
    try:
        found = read_set(location, set_id)
        verified = verify_set(location, Key.from_settings(settings), found, deep=deep)
    except CoinError:
        return True
    return any(target.error for target in verified)


@pytest.mark.parametrize("deep", [False, True])
def test_every_flipped_bit_is_found(settings: Settings, deep: bool) -> None:  # noqa: FBT001
    """Wherever it is: in an archive, a list, a checksum or the manifest."""
    folder, newest = Path(open_location(settings).uri()), read_set(open_location(settings))
    names = [file.name for backup in newest.targets for file in backup.files] + [f"sets/{newest.set_id}.json"]
    files = [folder / (name + ending) for name in names for ending in ("", ".md5")]
    assert not is_damaged(settings, newest.set_id, deep=deep)
    choose, missed = random.Random(1), []  # noqa: S311 -- reproducible
    for _ in range(FLIPS // 4):  # a quarter for each way of verification and kind of file
        path = choose.choice(files)
        intact = path.read_bytes()
        bit = choose.randrange(8 * len(intact))
        flipped = bytearray(intact)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        if not is_damaged(settings, newest.set_id, deep=deep):
            missed.append((path.name, bit))
        path.write_bytes(intact)
    assert missed == []


@pytest.mark.parametrize("damage_file", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-7])])
@pytest.mark.parametrize("ending", [".tar.gz", ".list.gz", ".md5"])
def test_missing_and_truncated_files_are_found(settings: Settings, ending: str, damage_file: object) -> None:
    """The error names the file; the other targets are intact."""
    newest = read_set(open_location(settings))
    files = [file for file in newest.targets[1].files if (ending if ending != ".md5" else ".tar.gz") in file.name]
    name = files[0].name + (".md5" if ending == ".md5" else "")
    damage_file(Path(open_location(settings).uri(name)))
    errors = {found.target: found.error for found in verify_set(open_location(settings), None, newest, deep=False)}
    assert name in str(errors["tasks"])
    assert (errors["results"], errors["candles"]) == (None, None)


def test_a_set_without_a_manifest_does_not_exist(settings: Settings) -> None:
    """The one before it is the newest."""
    location = open_location(settings)
    newest, before = list_sets(location)
    location.delete(f"sets/{newest.set_id}.json")
    assert list_sets(location) == [before]


def test_a_damaged_manifest_is_reported(settings: Settings) -> None:
    """It is not used, and it is not passed over in silence either."""
    location = open_location(settings)
    newest, before = list_sets(location)
    with location.write(f"sets/{newest.set_id}.json") as file:
        file.write(newest.model_dump_json(indent=2).replace('"seconds"', '"second"', 1).encode())
    assert list_sets(location) == [before]
    assert [newest.set_id in message for message in damaged_manifests(location)] == [True]
    with pytest.raises(ObjectCorrupt, match="MD5 checksum"):
        read_set(location)


def test_a_list_that_differs_from_its_archive_is_found(settings: Settings) -> None:
    """All checksums match, but an object is in the archive of another set."""
    first, second = list_sets(open_location(settings))[::-1]
    swapped = second.target("results")
    assert swapped
    archives: tuple[BackupFile, ...] = first.target("tasks").archives  # type: ignore[union-attr]
    wrong = swapped.model_copy(update={"files": (*archives, swapped.object_list)})
    found = damage(settings, BackupSet.model_validate({**second.model_dump(), "targets": [wrong.model_dump()]}))
    assert len(found) == 1


def test_what_was_verified_is_counted(settings: Settings) -> None:
    """A deep verification compares each object."""
    newest = read_set(open_location(settings))
    verified = verify_set(open_location(settings), Key.from_settings(settings), newest, deep=True)
    assert [(found.target, found.files, found.objects) for found in verified] == [
        ("results", 3, 8),
        ("tasks", 2, 4),
        ("candles", 2, 2),
    ]
    assert [found.objects for found in verify_set(open_location(settings), None, newest, deep=False)] == [0, 0, 0]


def test_a_set_of_some_targets_is_not_good(settings: Settings) -> None:
    """The newest good set is one with every target."""
    assert len(OBJECT_TARGETS) == 3
    assert newest_good(open_location(settings)) is None
