"""The commands of backups, from the first backup to the restored copy."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.folder import FolderLocation
from coin_pipeline.backup.sets import list_sets
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import BackupNotFound, RestoreRefused
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from tests.backup_records import record_set


def invoke(*arguments: str) -> Result:
    """Run a command of backups in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, ["backup", *arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def root(own_module_root: Path) -> Path:
    """A DATA_ROOT with a result and a backup; tests leave both intact."""
    LocalStore(own_module_root).put("results/one.json", b'{"run_id": "one"}')
    with open_instance(load_settings()):  # creates the tables
        pass
    made = invoke("run")
    assert made.exit_code == 0, made.output
    return own_module_root


@pytest.fixture
def damaged(root: Path) -> Iterator[Path]:
    """The archive of the results, with one bit flipped."""
    (archive,) = (root / "backups/results").glob("*.tar.gz")
    content = archive.read_bytes()
    archive.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    yield archive
    archive.write_bytes(content)


def newest(root: Path) -> str:
    """Return the id of the newest set."""
    return list_sets(FolderLocation(root / "backups"))[0].set_id


@pytest.mark.parametrize("command", ["list", "stats"])
def test_an_empty_location_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """There is nothing to show, which the output states."""
    monkeypatch.setenv("COIN_BACKUP_LOCATION", str(tmp_path / "none"))
    shown = invoke(command)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert ("none yet" if command == "stats" else "create one: coin backup run") in shown.stdout


def test_the_list_has_each_set(root: Path) -> None:
    """As a table, and as JSON with everything in the manifest."""
    assert newest(root) in invoke("list").stdout
    (listed,) = json.loads(invoke("list", "--json").stdout)
    assert listed["set_id"] == newest(root)


def test_a_damaged_manifest_is_not_left_out_silently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup that is only missing from the list would look as if it had never been made."""
    monkeypatch.setenv("COIN_BACKUP_LOCATION", str(tmp_path))
    made = record_set(tmp_path, datetime.now(UTC))
    (tmp_path / f"sets/{made.set_id}.json").write_text("{}")
    shown = invoke("list")
    assert shown.exit_code == 0
    assert f"sets/{made.set_id}.json" in shown.stderr


def test_statistics_as_json_have_the_ages(root: Path) -> None:
    """For monitoring systems."""
    found = json.loads(invoke("stats", "--json").stdout)
    assert (found["newest"], found["good_sets"]) == (newest(root), 1)
    assert found["last_good_at"] is not None


def test_an_intact_backup_is_verified(root: Path) -> None:
    """A deep verification compares the objects, too."""
    assert root.is_dir()
    shown = invoke("verify", "--deep")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.count("intact") == 4


def test_a_damaged_file_is_named(root: Path, damaged: Path) -> None:
    """The exit code tells monitoring systems."""  # prose: ok
    shown = invoke("verify", newest(root))
    assert shown.exit_code == 1
    assert damaged.name in shown.stderr


def test_a_set_that_does_not_exist_is_an_error(root: Path) -> None:
    """The message names the location and the command that lists the sets."""
    with pytest.raises(BackupNotFound, match=f"{root}/backups; 'coin backup list' lists them"):
        invoke("verify", "20000101_000000")


def test_a_target_that_fails_is_named_and_the_others_are_made(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is 1; the list shows which one is missing."""
    assert root.is_dir()
    monkeypatch.setenv("COIN_BACKUP_LOCATION", str(tmp_path))
    (tmp_path / "tasks").write_text("in the way")
    made = invoke("run")
    assert made.exit_code == 1
    assert "tasks failed: " in made.stderr
    assert "failed: tasks" in invoke("list").stdout


def test_only_the_chosen_targets_are_backed_up(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list shows that the set is not complete."""
    assert root.is_dir()
    monkeypatch.setenv("COIN_BACKUP_LOCATION", str(tmp_path))
    assert invoke("run", "--target", "results", "--target", "tasks").exit_code == 0
    assert "only results, tasks" in invoke("list").stdout


def test_results_are_restored_into_another_folder(root: Path, tmp_path: Path) -> None:
    """They are the same bytes; the output names the folder."""
    restored = invoke("restore", "latest", "--target", "results", "--into", str(tmp_path))
    assert (restored.exit_code, restored.stderr) == (0, "")
    assert f"restored into {tmp_path}" in restored.stdout
    assert (tmp_path / "results/one.json").read_bytes() == (root / "results/one.json").read_bytes()


def test_nothing_is_replaced_unasked(root: Path, tmp_path: Path) -> None:
    """The place already has another result of this name."""
    assert root.is_dir()
    LocalStore(tmp_path).put("results/one.json", b"another")
    with pytest.raises(RestoreRefused, match="--overwrite"):
        invoke("restore", "latest", "--target", "results", "--into", str(tmp_path))
    assert (tmp_path / "results/one.json").read_bytes() == b"another"


def test_a_drill_states_what_it_has_proven(root: Path) -> None:
    """The next statistics have its time."""
    proven = invoke("drill")
    assert (proven.exit_code, proven.stderr) == (0, "")
    assert f"backup {newest(root)} is proven" in proven.stdout
    assert "result one was read" in proven.stdout
    assert json.loads(invoke("stats", "--json").stdout)["last_proven_set"] == newest(root)


def test_a_dry_run_of_the_cleanup_removes_nothing(root: Path) -> None:
    """Nor does a cleanup, while the newest backup is the only one."""
    assert invoke("cleanup", "--dry-run").stdout.startswith("nothing would be removed")
    assert invoke("cleanup").stdout.startswith("nothing was removed")
    assert newest(root)


def test_backups_are_kept_for_the_days_of_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older of two good ones is ten days old."""
    monkeypatch.setenv("COIN_BACKUP_LOCATION", str(tmp_path))
    old, _ = (record_set(tmp_path, datetime.now(UTC) - timedelta(days=days)) for days in (10, 0))
    for days, is_removed in (("11", False), ("9", True)):
        monkeypatch.setenv("BACKUP_RETENTION_DAYS", days)
        assert (f"{old.set_id} would be removed" in invoke("cleanup", "--dry-run").stdout) == is_removed


def test_the_key_is_a_line_for_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipient, which is not a secret, is on standard error."""
    created = invoke("key")
    name, _, secret = created.stdout.strip().partition("=")
    monkeypatch.setenv(name, secret)
    key = Key.from_settings(load_settings())
    assert key is not None
    assert key.recipient in created.stderr
    assert secret not in created.stderr
