"""Restores that are refused, interrupted, or meet damage."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coin_pipeline.backup.backup import run_backup
from coin_pipeline.backup.drill import run_drill
from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.postgres import count_rows
from coin_pipeline.backup.restore import restore
from coin_pipeline.backup.restored_objects import ObjectsRestore
from coin_pipeline.backup.sets import write_manifest
from coin_pipeline.backup.status import read_status
from coin_pipeline.backup.verify import verify_set
from coin_pipeline.database.daemon_lock import try_daemon_lock
from coin_pipeline.database.schema import downgrade, head, is_current
from coin_pipeline.database.session import connect
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import (
    BackupTooNew,
    InvalidBackupKey,
    InvalidInput,
    ObjectCorrupt,
    ObjectNotFound,
    RestoreDiffers,
    RestoreRefused,
)
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.file_lock import FileLock
from coin_pipeline.storage.local import LocalStore
from tests.forking import forking
from tests.schemas import create_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coin_pipeline.backup.model import BackupSet
    from coin_pipeline.settings import Settings

OBJECTS = {
    **{f"results/r{number}.json": b'{"n": %d}' % number for number in range(9)},
    "results/r1/signals.parquet": bytes(range(256)) * 50,
    "reports/r1.html": "보고서".encode(),
    "tasks/t1/manifest.json": b"{}",
    "AAA_KRW/1d/2024.parquet": b"candles",
    "AAA_KRW/1d/2023.parquet": b"more candles",
}


@pytest.fixture
def settings(own_root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an instance with objects and empty tables; backups go to another folder."""
    monkeypatch.setenv("COIN_BACKUP_LOCATION", str(tmp_path_factory.mktemp("backups")))
    settings = load_settings()
    create_schema(database_url(settings))
    store = LocalStore(own_root)
    for key, data in OBJECTS.items():
        store.put(key, data, metadata={"name": "value"})
    return settings


@pytest.fixture
def backup_set(settings: Settings) -> BackupSet:
    """A good set."""
    backup_set = run_backup(settings)
    assert backup_set.is_good
    return backup_set


def wipe(settings: Settings) -> None:
    """Remove all data but the backups."""
    with closing(connect(database_url(settings))) as connection, connection.cursor() as cursor:
        cursor.execute("drop schema coin cascade; drop table runs")
    shutil.rmtree(settings.data_root)


def stored(root: Path) -> dict[str, bytes]:
    """Return the bytes of all objects."""
    store = LocalStore(root)
    return {key: store.get(key) for key in store.keys() if not key.endswith(".lock")}  # noqa: SIM118 -- not a dict


def _restore_until_killed(backup_set: BackupSet, objects: int, environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)

    def kill(_target: str, done: int, _size: int) -> None:
        if done == objects:
            os.kill(os.getpid(), signal.SIGKILL)

    restore(load_settings(), backup_set, progress=kill)


def test_an_interrupted_restore_continues(settings: Settings, backup_set: BackupSet) -> None:
    """What was restored before the kill is not written again."""
    times = {key: LocalStore(settings.data_root).info(key).modified for key in OBJECTS}
    wipe(settings)
    process = forking().Process(target=_restore_until_killed, args=(backup_set, 5, dict(os.environ)))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    store = LocalStore(settings.data_root)
    written = {key: Path(store.uri(key)).stat().st_ino for key in store.keys() if not key.endswith(".lock")}  # noqa: SIM118
    assert 5 <= len(written) < len(OBJECTS)
    store.set_modified(min(written), datetime(2000, 1, 1, tzinfo=UTC))  # as if killed before its time was set
    restore(settings, backup_set)
    assert stored(settings.data_root) == OBJECTS
    assert {key: Path(store.uri(key)).stat().st_ino for key in written} == written
    assert {key: store.info(key).modified for key in OBJECTS} == times


def test_metadata_and_times_are_restored(settings: Settings, backup_set: BackupSet) -> None:
    """The retention of tasks and the index of results compare times."""
    store = LocalStore(settings.data_root)
    before = {key: store.info(key) for key in OBJECTS}
    wipe(settings)
    restore(settings, backup_set)
    assert {key: store.info(key) for key in OBJECTS} == before


def test_the_second_restore_changes_nothing(settings: Settings, backup_set: BackupSet) -> None:
    """An operator who is not sure whether it was complete runs it again."""
    wipe(settings)
    first = restore(settings, backup_set)
    second = restore(settings, backup_set)
    assert [item._replace(seconds=0) for item in second] == [item._replace(seconds=0) for item in first]


def test_a_changed_object_is_not_replaced_unasked(settings: Settings, backup_set: BackupSet) -> None:
    """Nothing is written before everything was compared."""
    store = LocalStore(settings.data_root)
    store.delete("AAA_KRW/1d/2024.parquet")
    store.put("results/r3.json", b"newer", overwrite=True)
    with pytest.raises(RestoreRefused, match=r"has 1 object with other content than in the backup.*results/r3\.json"):
        restore(settings, backup_set, ["candles", "results"])
    assert not store.exists("AAA_KRW/1d/2024.parquet")
    restore(settings, backup_set, ["candles", "results"], overwrite=True)
    assert stored(settings.data_root) == OBJECTS


def test_later_objects_stay(settings: Settings, backup_set: BackupSet) -> None:
    """A restore brings back what is missing; it removes nothing."""
    LocalStore(settings.data_root).put("results/later.json", b"{}")
    restore(settings, backup_set, ["results"])
    assert stored(settings.data_root) == {**OBJECTS, "results/later.json": b"{}"}


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_a_damaged_archive_is_reported_and_the_database_untouched(
    damage: str, settings: Settings, backup_set: BackupSet
) -> None:
    """The database refers to the objects, so it comes last."""
    wipe(settings)
    damage_archive(settings, backup_set, damage)
    with pytest.raises(ObjectNotFound if damage == "missing" else ObjectCorrupt, match=r"results_.*\.tar\.gz"):
        restore(settings, backup_set)
    assert count_rows(database_url(settings)) == {}


def test_an_object_that_the_store_returns_differently_is_reported(settings: Settings, backup_set: BackupSet) -> None:
    """A bad disk, for example."""

    class BadDisk(LocalStore):
        def put(self, key: str, data: bytes, **_: object) -> None:
            super().put(key, data.replace(b": 4", b": 5"))

    backup = backup_set.target("results")
    assert backup
    disk = BadDisk(settings.data_root / "copy")
    objects = ObjectsRestore(open_location(settings), None, backup, disk, lambda *_: None)
    objects.prepare(overwrite=False)
    with pytest.raises(RestoreDiffers, match=r"results/r4\.json"):
        objects.run()


def test_a_set_of_a_newer_version_is_refused(settings: Settings, backup_set: BackupSet) -> None:
    """Its tables are unknown to this version."""
    newer = backup_set.model_copy(update={"schema_revision": "9999", "version": "9.9"})
    with pytest.raises(BackupTooNew, match=rf"version 9\.9 with schema revision '9999'.*{head()}"):
        restore(settings, newer, overwrite=True)


def test_a_set_of_an_older_schema_is_upgraded(settings: Settings) -> None:
    """As `coin up` would do."""
    url = database_url(settings)
    downgrade(url, "0002")
    older = run_backup(settings)
    assert older.schema_revision == "0002"
    wipe(settings)
    restore(settings, older)
    assert is_current(url)


def test_targets_that_a_set_does_not_contain_are_refused(settings: Settings) -> None:
    """Before anything is restored."""
    partial = run_backup(settings, ["results"])
    with pytest.raises(InvalidInput, match="does not contain candles"):
        restore(settings, partial, ["results", "candles"])


def test_a_database_holds_no_objects(settings: Settings, backup_set: BackupSet) -> None:
    """Its URL, which contains a password, is not repeated."""
    with pytest.raises(InvalidInput, match="name a folder") as caught:
        restore(settings, backup_set, ["results"], into="postgresql://u:hidden@h/d")
    assert "hidden" not in str(caught.value)


def test_a_place_of_another_kind_is_refused(settings: Settings, backup_set: BackupSet) -> None:
    """It would otherwise be taken for the name of a folder."""
    with pytest.raises(InvalidInput, match="neither a folder nor the URL of a PostgreSQL database"):
        restore(settings, backup_set, into="s3://bucket/prefix")


@pytest.mark.parametrize("into", ["", " ", "{data}/results", "{data}/copy", "{backups}", "{backups}/copy"])
def test_folders_among_the_data_or_the_backups_are_refused(
    settings: Settings, backup_set: BackupSet, into: str
) -> None:
    """The next backup would take the copy for data, and an empty name would be the current folder."""
    into = into.format(data=settings.data_root, backups=settings.coin_backup_location)
    with pytest.raises(InvalidInput, match=r"into: is (empty|among the data or the backups)"):
        restore(settings, backup_set, ["results"], into=into)


def test_a_database_with_an_active_daemon_is_not_replaced(settings: Settings, backup_set: BackupSet) -> None:
    """The `coin up` may run on another machine, where its lock on DATA_ROOT is not seen."""
    with closing(connect(database_url(settings))) as connection, connection.cursor() as cursor:
        cursor.execute("set application_name = 'the daemon on example'")
        assert try_daemon_lock(cursor)
        with pytest.raises(InvalidInput, match="the daemon on example is active"):
            restore(settings, backup_set, overwrite=True)


def test_an_encrypted_set_needs_its_key(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The message names the setting."""
    monkeypatch.setenv("COIN_BACKUP_KEY", Key.generate().secret)
    encrypted = run_backup(load_settings())
    into = str(tmp_path_factory.mktemp("copy"))
    with pytest.raises(InvalidBackupKey, match="COIN_BACKUP_KEY"):
        restore(settings, encrypted, ["results"], into=into)
    with pytest.raises(InvalidBackupKey, match="COIN_BACKUP_KEY"):  # the backup is not damaged
        verify_set(open_location(settings), None, encrypted, deep=True)


def test_a_drill_without_a_backup_proves_nothing(settings: Settings) -> None:
    """A set that is not good does not count."""
    run_backup(settings, ["results"])
    report = run_drill(settings)
    assert report.error is not None
    assert "there is no complete backup" in report.error
    assert read_status(open_location(settings)).last_proven_at is None


def test_a_drill_finds_damage(settings: Settings, backup_set: BackupSet) -> None:
    """It is the reason in the report; the scratch folder and what a killed drill left there are gone."""
    damage_archive(settings, backup_set, "flipped")
    scratch = settings.data_root / ".drill"
    (scratch / "left").mkdir(parents=True)
    report = run_drill(settings)
    assert "results_" in (report.error or "")
    assert read_status(open_location(settings)).last_drill_failure == report.error
    assert not scratch.exists()


def test_two_drills_do_not_share_a_scratch_folder(settings: Settings) -> None:
    """The second one is refused."""
    with closing(FileLock(settings.data_root / ".drill.lock")) as lock:
        assert lock.acquire()
        with pytest.raises(RestoreRefused, match="another drill"):
            run_drill(settings)


def test_a_drill_needs_space(settings: Settings, backup_set: BackupSet) -> None:
    """It would otherwise fill the disk of the platform."""
    large = tuple(backup.model_copy(update={"size": 1 << 60}) for backup in backup_set.targets)
    now = datetime(2099, 1, 1, tzinfo=UTC)
    update = {"targets": large, "set_id": "20990101_000000", "started_at": now, "finished_at": now}
    write_manifest(open_location(settings), backup_set.model_copy(update=update))
    assert "MiB are free" in (run_drill(settings).error or "")


def test_a_drill_leaves_space(settings: Settings, backup_set: BackupSet) -> None:
    """The disk does not become so full that an alert is sent."""
    free_mib = shutil.disk_usage(settings.data_root).free >> 20
    report = run_drill(settings.model_copy(update={"coin_alert_free_mib": 2 * free_mib}))
    assert report.set_id == backup_set.set_id
    assert "COIN_ALERT_FREE_MIB" in (report.error or "")


def damage_archive(settings: Settings, backup_set: BackupSet, damage: str) -> None:
    """Damage the archive of results."""
    backup = backup_set.target("results")
    assert backup
    (archive,) = backup.archives
    location = open_location(settings)
    with location.open(archive.name) as file:
        data = bytearray(file.read())
    location.delete(archive.name)
    if damage != "missing":
        data[len(data) // 2] ^= 1
        with location.write(archive.name) as file:
            file.write(data if damage == "flipped" else data[: len(data) // 2])
