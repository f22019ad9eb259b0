"""The steps of the move: what they make, what they leave alone, and what a kill in the middle does."""

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

from coin_pipeline.backup.archive import list_archives, verify_archive
from coin_pipeline.cli.app import coin
from coin_pipeline.database.session import connect
from coin_pipeline.database.url import database_url, release_database
from coin_pipeline.errors import InvalidInput
from coin_pipeline.migration.step import NAMED
from coin_pipeline.migration.steps import STEPS, run_steps
from coin_pipeline.settings import load_settings
from tests.conftest import ROOT
from tests.migration.legacy_platform import RESULTS, TASK_ID, snapshot_files, write_legacy_platform
from tests.s3 import S3Server

COIN = Path(sys.executable).with_name("coin")
PAUSES = (0.3, 0.9, 1.1, 1.3, 1.5, 1.8, 2.2, 2.8)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of an older platform as the current folder."""
    monkeypatch.setenv("DATA_ROOT", str(write_legacy_platform(tmp_path)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def coin_run() -> list[str]:
    """Run the command in a process of its own; return which state each step tells."""
    done = subprocess.run([COIN, "migrate", "run"], capture_output=True, text=True, check=True)
    return [line[:15].strip() for line in done.stdout.splitlines()[: len(STEPS)]]


class Made(NamedTuple):
    """What a move leaves: folders and what is left half done, what is in the backup, tables, and the history."""

    folders: list[str]
    archived: list[str]
    tables: list[str]
    indexed: list[str]


def made(root: Path) -> Made:
    """Look at what a move left."""
    folders = [name for name in ("tasks", "results", "backups/results") if (root / name).is_dir()]
    left = [path.name for path in (root / "backups/results").iterdir() if path.name.startswith(".tmp-")]
    backups = [path for name in ("results", "tasks") for path in list_archives(root / "backups/results", name)]
    settings = load_settings()
    with closing(connect(database_url(settings))) as connection, connection.cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname in ('coin', 'public') order by 1")
        tables = [row[0] for row in cursor.fetchall()]
        cursor.execute("select run_id from coin.result order by 1")
        indexed = [row[0] for row in cursor.fetchall()]
    release_database(settings)
    return Made(folders + left, [name for path in backups for name in verify_archive(path)], tables, indexed)


def test_a_move_touches_no_file_and_a_second_one_finds_all_done(home: Path) -> None:
    """Content, time, inode and mode of every old file stay; a repetition makes nothing."""
    before = snapshot_files(home)
    first = coin_run()
    after = snapshot_files(home)
    assert {name: after[name] for name in before} == before
    assert "done" in first
    assert set(coin_run()) == {"already", "not applicable"}
    found = made(home / "data")
    assert found.folders == ["tasks", "results", "backups/results"]
    old = {name for name in before if name.startswith(("data/results/", "data/tasks/"))}
    assert [f"data/{name}" for name in found.archived] == sorted(old)
    assert {"lease", "result", "runs", "switch"} <= set(found.tables)
    assert found.indexed == sorted([*RESULTS, TASK_ID])
    (home / "data/tasks/ours").mkdir()
    (home / "data/tasks/ours/result.json").write_text("{}")
    assert set(coin_run()) == {"already", "not applicable"}  # what comes and goes here needs no further backup


@pytest.mark.timeout(300)
def test_killed_at_any_moment_a_repetition_comes_to_the_same_end(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After kills all over the move, each followed by another, one that is left alone ends as an undisturbed one."""
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    monkeypatch.setenv("DATA_ROOT", str(write_legacy_platform(undisturbed)))
    coin_run()
    expected = made(undisturbed / "data")
    monkeypatch.setenv("DATA_ROOT", str(home / "data"))
    before = snapshot_files(home)
    for pause in PAUSES:
        process = subprocess.Popen([COIN, "migrate", "run"], stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(pause)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        after = snapshot_files(home)
        assert {name: after[name] for name in before} == before
    assert len(coin_run()) == len(STEPS)
    assert made(home / "data") == expected


def test_a_data_root_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped folder is told before anything is done."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "typo"))
    with pytest.raises(InvalidInput, match=r"DATA_ROOT: .*typo is not a folder"):
        list(run_steps(load_settings()))
    assert not (tmp_path / "typo").exists()


def test_results_are_copied_to_the_bucket_under_their_keys(
    home: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket is made; what is there already is not sent again; the files stay where they are."""
    bucket = f"moved-{os.getpid()}"
    for name, value in s3_server.environment(bucket).items():
        monkeypatch.setenv(name, value)
    before = snapshot_files(home / "data")
    told = dict(run_steps(load_settings()))
    assert [told[name].state for name in ("set up the bucket", "copy results to the bucket")] == ["done", "done"]
    store = s3_server.store(bucket)
    keys = [name for name in before if name.startswith(("results/", "tasks/"))]
    assert list(store.keys()) == keys
    for key in keys:
        assert store.get(key) == (home / "data" / key).read_bytes()
    store.delete(keys[0])  # as if a move had been killed before it
    again = dict(run_steps(load_settings()))
    assert again["set up the bucket"].state == "already"
    assert again["copy results to the bucket"].detail.startswith("1 objects copied")
    assert dict(run_steps(load_settings()))["copy results to the bucket"].state == "already"
    after = snapshot_files(home / "data")
    assert {name: after[name] for name in before} == before
    release_database(load_settings())


def test_an_object_of_the_bucket_is_never_replaced(
    home: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where something else has keys of results, the move names them, takes the other steps, and exits with 1."""
    bucket = f"taken-{os.getpid()}"
    for name, value in s3_server.environment(bucket).items():
        monkeypatch.setenv(name, value)
    store = s3_server.store(bucket)
    taken = [f"results/{run_id}.json" for run_id in RESULTS] + [f"results/{name}.json" for name in "abc"]
    for name in "abc":
        (home / f"data/results/{name}.json").write_text("{}")
    for key in taken:
        store.put(key, b"somebody's")
    result = CliRunner().invoke(coin, ["migrate", "run"], catch_exceptions=False)
    assert result.exit_code == 1
    (told,) = [line for line in result.stdout.splitlines() if line.startswith("incomplete")]
    assert f"bucket {bucket} holds another object under the key of {len(taken)} files in DATA_ROOT" in told
    assert f"and {len(taken) - NAMED} more; compare both, remove one of the two" in told
    assert {store.get(key) for key in taken} == {b"somebody's"}
    assert store.exists(f"tasks/{TASK_ID}/result.json")
    assert "index results: 1 added" in result.stdout
    assert "Incomplete: copy results to the bucket" in result.stderr
    release_database(load_settings())


def test_a_file_that_cannot_be_a_run_is_named(home: Path) -> None:
    """The history lists the others; nothing is left out silently."""
    (home / "data/results/my result 2024.json").write_text("{}")
    told = dict(run_steps(load_settings()))["index results"].detail
    assert told.endswith("; not served: results/my result 2024.json, its name is no run id; rename a copy")
    release_database(load_settings())


def test_an_empty_folder_has_nothing_to_back_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are made all the same, and where the sample of a .env lies is told."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    told = dict(run_steps(load_settings()))
    assert told["make folders"] == ("done", "tasks, results, backups/results")
    assert {told[name].state for name in ("back up results", "back up tasks")} == {"not applicable"}
    assert told["read .env"].detail.endswith(f"cp {ROOT / '.env.sample'} .env")
    release_database(load_settings())
