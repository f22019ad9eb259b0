"""Back up, wipe everything, restore, and compare every byte and row.

Once with embedded PostgreSQL and folders, and once with an outside PostgreSQL and S3, candles included, encrypted.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import pytest

from coin_pipeline.alerts.outbox import is_muted
from coin_pipeline.backup.backup import run_backup
from coin_pipeline.backup.drill import run_drill
from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.restore import restore
from coin_pipeline.backup.sets import read_set
from coin_pipeline.backup.sources import open_source, source_entries
from coin_pipeline.backup.status import read_status
from coin_pipeline.database.feature_flags import is_paused
from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url, release_database
from coin_pipeline.errors import InvalidInput, RestoreRefused
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.data_root_lock import lock_data_root
from tests.conftest import store_candles
from tests.forking import run_coin
from tests.postgres_server import outside_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coin_pipeline.backup.model import BackupSet
    from coin_pipeline.settings import Settings

RANGE = ("--start", "2024-01-01", "--end", "2024-12-31")
COMMANDS = (
    ("backtest", "volume_zone_breakout", "AAA_KRW", "BBB_KRW", *RANGE),
    ("sweep", "volume_zone_breakout", "AAA_KRW", *RANGE, "--grid", "volume_window=5:15:5"),
    ("positions", "enter", "AAA_KRW", "BUY", "0.5", "--key", "an order"),
    ("forward", "start", "volume_zone_breakout", "AAA_KRW", "--no-collect", "--start", "2024-12-01"),
    ("forward", "advance"),
)
SWITCHES = "coin.switch"
pytestmark = pytest.mark.timeout(300)
"""The first test waits for an instance with data, which takes seven processes."""


class Content(NamedTuple):
    """Everything that is stored: SHA-256, metadata and time of each object, and the rows of each table."""

    objects: dict[str, tuple[str, object]]
    rows: dict[str, list[str]]


class Instance(NamedTuple):
    """An instance with data, and its newest backup."""

    settings: Settings
    content: Content
    backup_set: BackupSet


@pytest.fixture(scope="module", params=["folder", "s3"])
def instance(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, data_root: Path
) -> Iterator[Instance]:
    """An instance with candles, results, sweeps, positions and a forward test, and two backups of it."""
    assert data_root.is_dir()
    root = tmp_path_factory.mktemp("instance")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_ROOT", str(root))
        if request.param == "folder":
            patch.setenv("COIN_BACKUP_LOCATION", str(tmp_path_factory.mktemp("backups")))
            yield _fill(root)
            release_database(load_settings())
            return
        server, bucket = request.getfixturevalue("s3_server"), f"instance-{uuid.uuid4().hex[:8]}"
        server.store(bucket)
        for name, value in server.environment(bucket).items():
            patch.setenv(name, value)
        patch.setenv("COIN_CANDLES", "s3")
        patch.setenv("COIN_BACKUP_LOCATION", f"s3://{bucket}/backups/nightly")
        patch.setenv("COIN_BACKUP_KEY", Key.generate().secret)
        with outside_postgres() as url:
            patch.setenv("DATABASE_URL", url)
            yield _fill(root)


def test_everything_is_restored_after_everything_was_lost(instance: Instance) -> None:
    """Every byte, every time of a file, every row; apart from the switches that keep a copy from acting."""
    settings = instance.settings
    wipe(settings)
    assert read_objects(settings) == {}
    restored = restore(settings, read_set(open_location(settings)))
    assert [target.target for target in restored] == ["candles", "tasks", "results", "postgresql"]
    after = read_content(settings)
    assert after.objects == instance.content.objects
    assert after.rows | {SWITCHES: []} == instance.content.rows
    with closing(Session(database_url(settings))) as session:
        assert is_paused(session)
        assert session.run(is_muted)


def test_a_restored_instance_works(instance: Instance) -> None:
    """A backtest finds its stored result, and the ledger takes another order."""
    assert "reused" in coin(*COMMANDS[0])
    coin("positions", "enter", "BBB_KRW", "BUY", "1", "--key", "after the restore")
    coin("positions", "audit")
    assert instance.settings


def test_a_restore_refuses_an_instance_that_is_in_use(instance: Instance) -> None:
    """Neither rows nor objects that were added since are replaced, and no `coin up` may run."""
    coin("positions", "enter", "BBB_KRW", "BUY", "1", "--key", "since the backup")
    before = read_content(instance.settings)
    with pytest.raises(RestoreRefused, match="--overwrite"):
        restore(instance.settings, instance.backup_set)
    with closing(lock_data_root(instance.settings.data_root)), pytest.raises(InvalidInput, match="coin up"):
        restore(instance.settings, instance.backup_set, overwrite=True)
    assert read_content(instance.settings) == before


def test_a_restore_with_overwrite_replaces_what_changed(instance: Instance) -> None:
    """An object that was damaged and a table with other rows are as they were."""
    store = open_source(instance.settings, "results")
    key = next(key for key in instance.content.objects if key.startswith("tasks/"))
    store.put(key, b"damaged", overwrite=True)
    restore(instance.settings, instance.backup_set, overwrite=True)
    after = read_content(instance.settings)
    assert {key: after.objects[key][0] for key in instance.content.objects} == {
        key: value[0] for key, value in instance.content.objects.items()
    }
    assert after.rows | {SWITCHES: []} == instance.content.rows


def test_a_restore_into_a_folder_is_an_instance(instance: Instance, tmp_path: Path) -> None:
    """The folder is a DATA_ROOT with everything; a second attempt copies nothing again."""
    folder = tmp_path / "copy"
    restore(instance.settings, instance.backup_set, into=str(folder))
    restore(instance.settings, instance.backup_set, into=str(folder))
    copy = instance.settings.model_copy(
        update={
            "data_root": folder,
            "database_url": None,
            "aws_bucket_name": None,
            "coin_candles": "local",
            "coin_backup_location": None,
        }
    )
    content = read_content(copy)
    assert {key: value[0] for key, value in content.objects.items()} == {
        key: value[0] for key, value in instance.content.objects.items()
    }
    assert content.rows | {SWITCHES: []} == instance.content.rows
    release_database(copy)


def test_a_drill_proves_the_newest_backup(instance: Instance) -> None:
    """It serves a result from the copy, and leaves nothing behind."""
    before = sorted(instance.settings.data_root.iterdir())
    report = run_drill(instance.settings)
    assert report.error is None
    assert report.set_id == instance.backup_set.set_id
    assert report.objects == len(instance.content.objects)
    assert report.rows == sum(len(rows) for rows in instance.content.rows.values())
    assert report.served is not None
    assert read_status(open_location(instance.settings)).last_proven_set == instance.backup_set.set_id
    assert sorted(path for path in instance.settings.data_root.iterdir() if path.name != ".drill.lock") == before


def _fill(root: Path) -> Instance:
    """Create data, back them up, create more, and back up again."""
    settings = load_settings()
    store_candles(root)
    if settings.coin_candles == "s3":
        coin("candles", "upload")
        for symbol in ("AAA_KRW", "BBB_KRW"):
            shutil.rmtree(root / symbol)
    coin(*COMMANDS[0])
    run_backup(settings)
    for command in COMMANDS[1:]:
        coin(*command)
    backup_set = run_backup(settings)
    assert backup_set.is_good, backup_set
    return Instance(settings, read_content(settings), backup_set)


def coin(*arguments: str) -> str:
    """Run a command; return what it prints."""
    done = run_coin(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read_content(settings: Settings) -> Content:
    """Return everything that is stored."""
    return Content(read_objects(settings), read_rows(database_url(settings)))


def read_objects(settings: Settings) -> dict[str, tuple[str, object]]:
    """Return the digest of each object, and the time of each file or the metadata of each object in a bucket."""
    found: dict[str, tuple[str, object]] = {}
    for target in ("results", "tasks", "candles"):
        store = open_source(settings, target)
        in_bucket = settings.aws_bucket_name is not None
        for entry in source_entries(settings, target):
            other = store.info(entry.key).metadata if in_bucket else entry.modified
            found[entry.key] = hashlib.sha256(store.get(entry.key)).hexdigest(), other
    return found


def read_rows(url: str) -> dict[str, list[str]]:
    """Return all rows of all tables as text."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select schemaname || '.' || tablename from pg_tables where schemaname in ('coin', 'public') order by 1"
        )
        rows = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f'select t::text from {table} t order by t::text collate "C"')  # noqa: S608 -- our tables
            rows[table] = [row for (row,) in cursor.fetchall()]
        return rows


def wipe(settings: Settings) -> None:
    """Remove all data but the backups."""
    if settings.database_url:
        with closing(connect(database_url(settings))) as connection, connection.cursor() as cursor:
            cursor.execute("drop schema coin cascade; drop schema public cascade; create schema public")
    release_database(settings)
    for target in ("results", "tasks", "candles"):
        store = open_source(settings, target)
        for entry in list(source_entries(settings, target)):
            store.delete(entry.key)
    shutil.rmtree(settings.data_root)
    settings.data_root.mkdir()
