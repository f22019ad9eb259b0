"""The migration steps: what they create, what they preserve, and what happens when they are killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from coin_pipeline.cli.app import coin
from coin_pipeline.database.session import connect
from coin_pipeline.database.url import database_url, release_database
from coin_pipeline.errors import InvalidInput
from coin_pipeline.migration.backups import newest_backup
from coin_pipeline.migration.step import MAX_NAMES
from coin_pipeline.migration.steps import STEPS, run_steps
from coin_pipeline.settings import load_settings
from tests.conftest import ROOT
from tests.forking import run_coin
from tests.migration.legacy_platform import RESULTS, TASK_ID, snapshot_files, write_legacy_platform
from tests.s3 import S3Server

COIN = Path(sys.executable).with_name("coin")
PAUSES = (0.3, 0.9, 1.1, 1.3, 1.5, 1.8, 2.2, 2.8)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a legacy platform, which is the current folder."""
    monkeypatch.setenv("DATA_ROOT", str(write_legacy_platform(tmp_path)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def migrate_run() -> list[str]:
    """Run the command in its own process; return the state of each step."""
    result = run_coin("migrate", "run")
    assert result.returncode == 0, result.stderr
    return [line[:15].strip() for line in result.stdout.splitlines()[: len(STEPS)]]


class MigratedState(NamedTuple):
    """State after a migration: folders and temporary files, archived files, tables, and indexed runs."""

    folders: list[str]
    archived: list[str]
    tables: list[str]
    indexed: list[str]


def migrated_state(root: Path) -> MigratedState:
    """Return the state under `root`."""
    folders = [name for name in ("tasks", "results", "backups/results") if (root / name).is_dir()]
    temporary = [path.name for path in (root / "backups/results").iterdir() if path.name.startswith(".tmp-")]
    settings = load_settings()
    backups = [newest_backup(settings, "results"), newest_backup(settings, "tasks")]
    with closing(connect(database_url(settings))) as connection, connection.cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname in ('coin', 'public') order by 1")
        tables = [row[0] for row in cursor.fetchall()]
        cursor.execute("select run_id from coin.result order by 1")
        indexed = [row[0] for row in cursor.fetchall()]
    release_database(settings)
    archived = [key for backup in backups if backup for key in backup.digests]
    return MigratedState(folders + temporary, archived, tables, indexed)


def test_migration_preserves_files_and_is_idempotent(home: Path) -> None:
    """Content, time, inode and mode of every legacy file are preserved; a second migration changes nothing."""
    before = snapshot_files(home)
    first = migrate_run()
    after = snapshot_files(home)
    assert {name: after[name] for name in before} == before
    assert "done" in first
    assert set(migrate_run()) == {"already", "not applicable"}
    state = migrated_state(home / "data")
    assert state.folders == ["tasks", "results", "backups/results"]
    legacy = {name for name in before if name.startswith(("data/results/", "data/tasks/"))}
    assert [f"data/{name}" for name in state.archived] == sorted(legacy)
    assert {"lease", "result", "runs", "switch"} <= set(state.tables)
    assert state.indexed == sorted([*RESULTS, TASK_ID])
    (home / "data/tasks/new").mkdir()
    (home / "data/tasks/new/result.json").write_text("{}")
    assert set(migrate_run()) == {"already", "not applicable"}  # new tasks need no backup


@pytest.mark.timeout(300)
def test_killed_migration_can_be_repeated(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After kills at various times, a complete migration ends in the same state as an undisturbed one."""
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    monkeypatch.setenv("DATA_ROOT", str(write_legacy_platform(undisturbed)))
    migrate_run()
    expected = migrated_state(undisturbed / "data")
    monkeypatch.setenv("DATA_ROOT", str(home / "data"))
    before = snapshot_files(home)
    for pause in PAUSES:
        process = subprocess.Popen([COIN, "migrate", "run"], stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(pause)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        after = snapshot_files(home)
        assert {name: after[name] for name in before} == before
    assert len(migrate_run()) == len(STEPS)
    assert migrated_state(home / "data") == expected


def test_missing_data_root_is_not_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped folder is reported before any step runs."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "typo"))
    with pytest.raises(InvalidInput, match=r"DATA_ROOT: .*typo is not a folder"):
        list(run_steps(load_settings()))
    assert not (tmp_path / "typo").exists()


def test_results_are_copied_to_the_bucket(home: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket is created, keys are kept, existing objects are not sent again, and local files stay."""
    bucket = f"moved-{os.getpid()}"
    for name, value in s3_server.environment(bucket).items():
        monkeypatch.setenv(name, value)
    before = snapshot_files(home / "data")
    reports = dict(run_steps(load_settings()))
    assert [reports[name].state for name in ("set up the bucket", "copy results to the bucket")] == ["done", "done"]
    store = s3_server.store(bucket)
    keys = [name for name in before if name.startswith(("results/", "tasks/"))]
    assert list(store.keys()) == keys
    for key in keys:
        assert store.get(key) == (home / "data" / key).read_bytes()
    store.delete(keys[0])  # as if an earlier migration had been killed before it
    again = dict(run_steps(load_settings()))
    assert again["set up the bucket"].state == "already"
    assert again["copy results to the bucket"].detail.startswith("1 object copied")
    assert dict(run_steps(load_settings()))["copy results to the bucket"].state == "already"
    after = snapshot_files(home / "data")
    assert {name: after[name] for name in before} == before
    release_database(load_settings())


def test_objects_in_the_bucket_are_never_overwritten(
    home: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conflicting keys are named, the other steps still run, and the exit code is 1."""
    bucket = f"taken-{os.getpid()}"
    for name, value in s3_server.environment(bucket).items():
        monkeypatch.setenv(name, value)
    store = s3_server.store(bucket)
    taken = [f"results/{run_id}.json" for run_id in RESULTS] + [f"results/{name}.json" for name in "abc"]
    for name in "abc":
        (home / f"data/results/{name}.json").write_text("{}")
    for key in taken:
        store.put(key, b"other")
    result = CliRunner().invoke(coin, ["migrate", "run"], catch_exceptions=False)
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("incomplete")]
    assert f"bucket {bucket} has a different object under the key of {len(taken)} local files" in line
    assert f"and {len(taken) - MAX_NAMES} more; compare them, remove one of each pair" in line
    assert {store.get(key) for key in taken} == {b"other"}
    assert store.exists(f"tasks/{TASK_ID}/result.json")
    assert "index results: 1 added" in result.stdout
    assert "Incomplete: copy results to the bucket" in result.stderr
    release_database(load_settings())


def test_file_with_an_invalid_name_is_reported(home: Path) -> None:
    """The other results are indexed, and the file is named."""
    (home / "data/results/my result 2024.json").write_text("{}")
    detail = dict(run_steps(load_settings()))["index results"].detail
    assert detail.endswith("; not served: results/my result 2024.json, its name is not a valid run id; rename a copy")
    release_database(load_settings())


def test_empty_folder_has_nothing_to_back_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are created nevertheless, and the report names the sample .env."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    reports = dict(run_steps(load_settings()))
    assert reports["create folders"] == ("done", "tasks, results, backups/results")
    assert {reports[name].state for name in ("back up results", "back up tasks")} == {"not applicable"}
    assert reports["read .env"].detail.endswith(f"cp {ROOT / '.env.sample'} .env")
    release_database(load_settings())
