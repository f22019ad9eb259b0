"""Sets contain every object, copy only what is new, and report what they cannot read."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from coin_pipeline.backup.backup import back_up_target, begin_set, finish_set, run_backup
from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.folder import FolderLocation
from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.model import TARGETS, no_progress
from coin_pipeline.backup.objects import read_list
from coin_pipeline.backup.packing import NOTHING, Packing, batches
from coin_pipeline.backup.restored_objects import ObjectsRestore
from coin_pipeline.backup.sets import list_sets, read_set
from coin_pipeline.errors import BackupInProgress, BackupNotFound, InvalidSettings, StorageFailed
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectEntry, ObjectStore
from coin_pipeline.storage.local import LocalStore
from tests.backup.objects import (
    AREAS,
    NOT_BACKED_UP,
    OBJECT_TARGETS,
    back_up,
    content,
    contents,
    damage,
    fill,
    settings_for,
    write_data_root,
)
from tests.s3 import S3Server
from tests.small_disk import small_disk


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a DATA_ROOT with objects in every area."""
    return write_data_root(tmp_path)


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    """Its store."""
    return LocalStore(settings.data_root)


def test_every_object_is_in_one_target(settings: Settings) -> None:
    """Nothing is left out but the database, which has its own target, logs, sockets, locks and backups."""
    made = back_up(settings)
    for target in OBJECT_TARGETS:
        assert contents(settings, made, target) == {key: content(key) for key in AREAS[target]}
    everything = {key for key in LocalStore(settings.data_root).keys() if not key.startswith("backups/")}  # noqa: SIM118
    assert everything - {key for keys in AREAS.values() for key in keys} == set(NOT_BACKED_UP) - {"backups/old/1"}


def test_objects_of_a_bucket_are_backed_up(tmp_path: Path, s3_server: S3Server) -> None:
    """Candles come from the folder all the same, and backups in the same bucket are not backed up again."""
    store = s3_server.store("objects-of-backups")
    for target in ("results", "tasks"):
        fill(store, AREAS[target])
    fill(LocalStore(tmp_path), AREAS["candles"])
    environment = {name.lower(): value for name, value in s3_server.environment("objects-of-backups").items()}
    settings = settings_for(tmp_path, coin_backup_location="s3://objects-of-backups/backups", **environment)
    back_up(settings)
    made = back_up(settings)
    for target in OBJECT_TARGETS:
        assert contents(settings, made, target) == {key: content(key) for key in AREAS[target]}
    assert sum(backup.new_objects for backup in made.targets) == 0
    assert damage(settings, made) == []


def test_times_and_metadata_are_kept(settings: Settings, store: LocalStore) -> None:
    """The list has what a restore needs besides the bytes."""
    modified = datetime(2024, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    store.put("results/r2.json", b"{}", metadata={"from": "a test"})
    store.set_modified("results/r2.json", modified)
    backup = back_up(settings).target("results")
    items = {item.key: item for item in read_list(open_location(settings), backup.object_list, None)}
    assert datetime.fromtimestamp(items["results/r2.json"].modified / 1e6, UTC) == modified
    assert items["results/r2.json"].metadata == {"from": "a test"}


def test_standard_tools_read_a_set(settings: Settings) -> None:
    """The names are those of the checklist; md5sum and tar need nothing of this platform."""
    made = back_up(settings)
    folder = Path(open_location(settings).uri())
    archive = folder / f"results/results_{made.set_id}.tar.gz"
    for md5 in folder.rglob("*.md5"):
        subprocess.run(["/usr/bin/md5sum", "-c", "--status", md5.name], cwd=md5.parent, check=True)
    listed = subprocess.run(
        ["/usr/bin/tar", "-tzf", archive],
        check=True,
        capture_output=True,
        text=True,
        env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
    )
    assert sorted(listed.stdout.split()) == sorted(AREAS["results"])
    assert "no longer used" in (folder / "redis/README.txt").read_text()


def test_unchanged_objects_are_copied_once(settings: Settings, store: ObjectStore) -> None:
    """The second set refers to the archives of the first, and has one of its own with what is new."""
    first = back_up(settings)
    again = back_up(settings)
    assert [backup.archives for backup in again.targets] == [backup.archives for backup in first.targets]
    store.put("results/r2.json", b"new")
    store.put("fingerprints/f1.json", b"changed", overwrite=True)
    (settings.data_root / "BTC_KRW/1D/2024.parquet").write_bytes(b"without a stored digest")
    store.delete("reports/r1.html")
    third = back_up(settings)
    assert [backup.new_objects for backup in third.targets] == [2, 0, 1]
    expected = {key: content(key) for key in AREAS["results"]} | {"results/r2.json": b"new"}
    expected |= {"fingerprints/f1.json": b"changed"}
    del expected["reports/r1.html"]
    assert contents(settings, third, "results") == expected
    assert contents(settings, third, "candles")["BTC_KRW/1D/2024.parquet"] == b"without a stored digest"
    assert contents(settings, first, "results") == {key: content(key) for key in AREAS["results"]}


def test_a_mostly_dead_archive_is_replaced(settings: Settings, store: ObjectStore) -> None:
    """When less than half of it is left, the rest is copied into the new archive."""
    first = back_up(settings)
    for key in AREAS["results"][:4]:
        store.delete(key)
    made = back_up(settings).target("results")
    assert made.new_objects == 3
    assert first.target("results").archives[0] not in made.files


@pytest.mark.parametrize("damage_archive", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_a_lost_archive_is_written_again(settings: Settings, damage_archive: object) -> None:
    """A set never refers to an archive that is missing or truncated."""
    first = back_up(settings)
    damage_archive(Path(open_location(settings).uri(first.target("results").archives[0].name)))
    second = back_up(settings)
    assert second.target("results").new_objects == len(AREAS["results"])
    assert damage(settings, second) == []


def test_a_damaged_list_makes_a_full_backup(settings: Settings) -> None:
    """Without the list it is unknown what the archives contain."""
    first = back_up(settings)
    Path(open_location(settings).uri(first.target("tasks").object_list.name)).write_bytes(b"damaged")
    second = back_up(settings)
    assert second.target("tasks").new_objects == len(AREAS["tasks"])
    assert damage(settings, second) == []


def test_another_key_makes_a_full_backup(settings: Settings) -> None:
    """All files of a set are encrypted for one key, so that it is restored with one."""
    back_up(settings)
    encrypted = settings.model_copy(update={"coin_backup_key": _secret()})
    made = back_up(encrypted)
    assert made.recipient == Key.from_settings(encrypted).recipient
    assert {file.name.endswith(".age") for backup in made.targets for file in backup.files} == {True}
    assert contents(encrypted, made, "results") == {key: content(key) for key in AREAS["results"]}
    assert back_up(encrypted).target("results").new_objects == 0


def test_a_damaged_object_is_reported_and_the_others_are_backed_up(settings: Settings, store: ObjectStore) -> None:
    """The target is complete otherwise; the message names the object."""
    store.put("results/bad.json", b"as it was")
    (settings.data_root / "results/bad.json").write_bytes(b"as it is!")
    made = back_up(settings)
    assert made.target("results").damaged == (
        "'results/bad.json' is corrupt: SHA-256 mismatch: the 9 bytes read are not those that were stored",
    )
    assert contents(settings, made, "results") == {key: content(key) for key in AREAS["results"]}


def test_a_damaged_object_keeps_its_earlier_copy(settings: Settings, store: ObjectStore) -> None:
    """Also when its archive is replaced, and when it was overwritten before it was damaged."""
    first = back_up(settings)
    store.put("results/r1.json", b"later", overwrite=True)
    (settings.data_root / "results/r1.json").write_bytes(b"other")
    for key in AREAS["results"][1:5]:
        store.delete(key)
    made = back_up(settings)
    assert len(made.target("results").damaged) == 1
    assert contents(settings, made, "results")["results/r1.json"] == content("results/r1.json")
    assert first.target("results").archives[0] in made.target("results").files


def test_a_target_without_any_readable_object_fails(settings: Settings) -> None:
    """An empty backup of a damaged disk must not count as good; other targets are backed up."""
    for key in AREAS["tasks"]:
        (settings.data_root / key).write_bytes(b"damaged")
    made = run_backup(settings, OBJECT_TARGETS)
    assert [bool(backup.error) for backup in made.targets] == [False, True, False]
    assert "none of its objects can be read" in str(made.targets[1].error)
    assert list(open_location(settings).names("tasks")) == []


def test_an_unexpected_error_fails_its_target_only(settings: Settings) -> None:
    """Attributes of a file that cannot be parsed must not leave a night without a backup."""
    os.setxattr(settings.data_root / AREAS["tasks"][0], "user.coin.metadata", b"not JSON")
    made = run_backup(settings, OBJECT_TARGETS)
    assert [bool(backup.error) for backup in made.targets] == [False, True, False]
    assert list_sets(open_location(settings)) == [made]


def test_an_unavailable_database_fails_its_target_only(settings: Settings) -> None:
    """The set is stored with the error, but is not good, and the failed target leaves no files."""
    made = run_backup(settings.model_copy(update={"database_url": _secret("postgresql://coin@127.0.0.1:9/coin")}))
    assert [(backup.target, backup.error is None) for backup in made.targets] == [
        ("postgresql", False),
        ("results", True),
        ("tasks", True),
        ("candles", True),
    ]
    assert "PostgreSQL" in made.targets[0].error
    assert not made.is_good
    assert list(open_location(settings).names("postgresql")) == []
    assert list_sets(open_location(settings)) == [made]


def test_an_empty_data_root_is_backed_up(tmp_path: Path) -> None:
    """Every target is complete, without objects."""
    made = back_up(settings_for(tmp_path))
    assert [(backup.objects, backup.archives) for backup in made.targets] == [(0, ())] * 3


def test_copies_of_large_objects_are_not_on_the_disk_together() -> None:
    """A batch ends at a number of objects or at a size, and a larger object is one of its own."""
    sizes = [2**27, 2**27, 1, 2**30, *[0] * 40]
    entries = [ObjectEntry(f"results/{number}", size, datetime.now(UTC)) for number, size in enumerate(sizes)]
    found = list(batches(entries))
    assert [len(batch) for batch in found] == [2, 1, 1, 32, 8]
    assert [entry for batch in found for entry in batch] == entries


def test_a_folder_does_not_get_files_of_the_database_or_of_dagster(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Even if a forged list contains them: Dagster's configuration names code to run."""
    source, into = LocalStore(settings.data_root), LocalStore(tmp_path_factory.mktemp("into"))
    location = FolderLocation(tmp_path_factory.mktemp("location"))
    packing = Packing("results", location, None, source, source.entries)
    backup = packing.run("20260101_000000", NOTHING, no_progress)
    restore = ObjectsRestore(location, None, backup, into, no_progress)
    restore.prepare(overwrite=False)
    restore.run()
    found = set(into.keys())
    assert backup.objects > len(found)
    assert found == {key for keys in AREAS.values() for key in keys}


def test_the_id_increases_when_the_clock_goes_back(settings: Settings) -> None:
    """It is the newest id plus a second; the time in the manifest is that of the clock."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for clock, set_id in (
        (now, "20260301_120000"),
        (now - timedelta(days=400), "20260301_120001"),
        (now, "20260301_120002"),
        (now + timedelta(hours=1), "20260301_130000"),
    ):
        with begin_set(settings, clock) as context:
            made = finish_set(context, [back_up_target("tasks", context)])
        assert (made.set_id, made.started_at) == (set_id, clock)
    assert read_set(open_location(settings)).set_id == "20260301_130000"


def test_one_backup_at_a_time(settings: Settings) -> None:
    """The second one changes nothing, and the first one completes."""
    with begin_set(settings, datetime.now(UTC)) as context:
        with pytest.raises(BackupInProgress):
            run_backup(settings, OBJECT_TARGETS)
        made = finish_set(context, [back_up_target("tasks", context)])
    assert damage(settings, made) == []


def test_closing_a_finished_backup_again_does_not_disturb_the_next_one(settings: Settings) -> None:
    """It has no lock any more, so it must not clean up."""
    with begin_set(settings, datetime.now(UTC)) as first:
        finish_set(first, [back_up_target("tasks", first)])
        with begin_set(settings, datetime.now(UTC)) as second:
            backup = back_up_target("results", second)
            first.close()
            assert damage(settings, finish_set(second, [backup])) == []


def test_an_interrupted_backup_leaves_nothing(settings: Settings) -> None:
    """A context that is closed before the set is finished removes its files."""
    before = back_up(settings)
    LocalStore(settings.data_root).put("tasks/t2/result.json", b"new")
    files = set(open_location(settings).names())
    with begin_set(settings, datetime.now(UTC)) as context:
        back_up_target("tasks", context)
    assert set(open_location(settings).names()) == files
    assert list_sets(open_location(settings)) == [before]


def test_files_of_other_programs_are_left_alone(settings: Settings) -> None:
    """The default location has archives of earlier versions, named like ours, and they stay."""
    location = open_location(settings)
    for name in ("results/results_20250101_000000.tar.gz", "results/results_20250101_000000.tar.gz.md5"):
        with location.write(name) as file:
            file.write(b"of an earlier version")
    with location.write("results/results_20990101_000000.tar.gz") as file:
        file.write(b"of a machine whose clock was ahead")
    assert back_up(settings).set_id < "2099"
    assert location.exists("results/results_20250101_000000.tar.gz")


def test_a_full_disk_fails_and_keeps_the_earlier_set(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The error states it, and when there is space again the next backup is complete."""
    with small_disk(tmp_path_factory.mktemp("disk"), 2) as disk:
        on_disk = settings.model_copy(update={"coin_backup_location": str(disk)})
        before = back_up(on_disk)
        large = settings.data_root / "results/large.json"
        large.write_bytes(os.urandom(2**22))
        made = run_backup(on_disk, OBJECT_TARGETS)
        assert "no space left" in made.targets[0].error
        assert damage(on_disk, before) == []
        large.unlink()
        assert damage(on_disk, back_up(on_disk)) == []


def test_unknown_sets_are_not_found(settings: Settings) -> None:
    """The error names the id and the command that lists them."""
    with pytest.raises(BackupNotFound, match="no complete backup in "):
        read_set(open_location(settings))
    back_up(settings, ("tasks",))
    with pytest.raises(BackupNotFound, match=r"20200101_000000.*coin backup list"):
        read_set(open_location(settings), "20200101_000000")


@pytest.mark.parametrize("area", ["", "results", "BTC_KRW", "postgres", "results/2026", "backups/../tasks", "other"])
def test_backups_among_the_data_are_rejected(settings: Settings, area: str) -> None:
    """A backup leaves out its own location, so what is stored there would be missing from it."""
    with pytest.raises(InvalidSettings, match="is among the data"):
        run_backup(settings.model_copy(update={"coin_backup_location": f"{settings.data_root}/{area}"}), TARGETS)


@pytest.mark.parametrize("prefix", ["", "/results", "/nightly"])
def test_backups_among_the_objects_of_a_bucket_are_rejected(tmp_path: Path, prefix: str) -> None:
    """The same holds for the bucket of the results."""
    settings = settings_for(tmp_path, aws_bucket_name="bucket", coin_backup_location=f"s3://bucket{prefix}")
    with pytest.raises(InvalidSettings, match="DATA_ROOT and the bucket of the results only backups"):
        open_location(settings)


def test_a_location_that_is_a_file_is_not_an_empty_one(tmp_path: Path) -> None:
    """Listing it is an error, instead of the offer of a first backup."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="Not a directory"):
        list_sets(open_location(settings_for(tmp_path / "data", coin_backup_location=str(tmp_path / "file"))))


def _secret(text: str | None = None) -> SecretStr:
    return SecretStr(text or Key.generate().secret)
