"""The migration checklist, mostly without a running platform."""

import json
import re
import socket
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.backup.backup import run_backup
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import InvalidInput
from coin_pipeline.migration.checklist.sections import CHECKLIST
from coin_pipeline.migration.checkout import git
from coin_pipeline.migration.client import start_command
from coin_pipeline.migration.legacy_files import result_files, unserved_keys
from coin_pipeline.settings import load_settings
from tests.conftest import ROOT
from tests.migration.legacy_platform import RESULTS, write_legacy_platform
from tests.platforms import free_ports
from tests.s3 import S3Server

BOXES = {"1": 10, "2": 9, "3": 13, "4": 18, "5": 27, "6": 10, "7": 5, "8": 0, "9": 4, "10": 6}
"""Checkboxes in each chapter of the users' checklist."""
ADDED_ITEMS = {"4.2-history", "4.2-index", "8-endpoints"}
"""Items that the users' checklist has as text instead of checkboxes."""


@pytest.fixture
def legacy_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DATA_ROOT of a legacy platform, whose home is the current folder."""
    root = write_legacy_platform(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_ROOT", str(root))
    return root


def run_check(*options: str) -> Result:
    """Run the checklist without a running API."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    return run_check_at(url, *options)


def run_check_at(url: str, *options: str) -> Result:
    """Run the checklist against `url`."""
    return CliRunner().invoke(coin, ["migrate", "check", "--api", url, *options], catch_exceptions=False)


def outcomes() -> dict[str, tuple[str, str]]:
    """Return the status and the detail of each item."""
    result = run_check("--json")
    assert result.exit_code == 1
    return {item["id"]: (item["status"], item["detail"]) for item in json.loads(result.stdout)["items"]}


def test_every_checkbox_is_an_item() -> None:
    """Each chapter has as many items as checkboxes; ids are unique and start with their section."""
    items = [(section, item) for section in CHECKLIST for item in section.items]
    assert len({item.id for _, item in items}) == len(items)
    assert all(item.id.startswith(f"{section.number}-") for section, item in items)
    boxes = [section.number.split(".")[0] for section, item in items if item.id not in ADDED_ITEMS]
    assert {chapter: boxes.count(chapter) for chapter in BOXES} == BOXES


def test_items_that_need_the_api_name_the_start_command(legacy_root: Path) -> None:
    """Those items fail, the first with the command; the remaining items are still checked."""
    items = outcomes()
    assert legacy_root.is_dir()
    assert "does not respond (" in items["1.2-sync-api"][1]
    assert "; start it with: coin up --api-port " in items["1.2-sync-api"][1]
    for needs_api in ("4.3-sync", "5.1-accepted", "5.2-enter", "5.8-ten", "6.2-backend", "7.2-old", "8-endpoints"):
        assert items[needs_api] == ("fail", "the API does not respond (see above)")
    assert items["3.1-redis"] == (
        "replaced",
        "REDIS_DB, REDIS_HOST, REDIS_PORT: no longer used; PostgreSQL has its own settings",
    )
    assert items["3.1-ttl"] == ("pass", "TASK_RESULT_TTL_DAYS=7")
    assert items["9-webhook"] == ("pass", ".env has mode 600")
    assert items["4.2-tasks"] == ("pass", "DATA_ROOT/tasks exists; retention keeps the 1 legacy task in it")
    assert items["4.1-backed-up"] == ("fail", "results/ is not backed up; back it up: coin migrate run")


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("http://127.0.0.1:8000", "coin up"),
        ("http://127.0.0.1:18000/", "coin up --api-port 18000"),
        ("http://localhost:18000", "coin up --api-port 18000"),
        ("https://coin.example:18000", "coin up"),
    ],
)
def test_start_command_has_the_port_of_a_local_api(url: str, command: str) -> None:
    """A local URL determines the port; a remote one, such as a proxy, does not."""
    assert start_command(url) == command


def test_without_a_backup_the_command_is_named(legacy_root: Path) -> None:
    """The items on the newest backup fail alike; Redis needs none."""
    items = outcomes()
    assert legacy_root.is_dir()
    missing = ("fail", "there is no complete backup; create one: coin backup run")
    for name in ("5.5-postgresql", "5.5-results", "5.5-md5", "6.1-backup"):
        assert items[name] == missing
    assert items["5.5-redis"][0] == "replaced"


def test_without_candles_the_import_command_is_named(legacy_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The synchronous backtest needs stored candles."""
    (legacy_root / "BTC_KRW").rename(legacy_root / "nothing")
    assert "coin candles import" in outcomes()["4.3-sync"][1]
    monkeypatch.setenv("DATA_ROOT", str(legacy_root / "missing"))
    assert "is not a folder" in outcomes()["3.1-data-root"][1]


def test_bucket_is_tested_with_a_round_trip(
    legacy_root: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round trip leaves no object; a missing bucket is a failure."""
    assert legacy_root.is_dir()
    for name, value in s3_server.environment("checked").items():
        monkeypatch.setenv(name, value)
    store = s3_server.store("checked")
    items = outcomes()
    for name in ("4.4-bucket", "5.3-upload", "5.3-integrity", "5.3-download"):
        assert items[name][0] == "pass"
        assert items[name][1].startswith("s3://checked/runs/migration-")
    assert list(store.keys()) == []
    monkeypatch.setenv("AWS_BUCKET_NAME", "not-there-at-all")
    assert outcomes()["5.3-upload"][0] == "fail"


def test_broken_and_missing_results_are_named(legacy_root: Path) -> None:
    """A file that is not JSON, a file with an invalid name, and an index entry without a file."""
    (legacy_root / "results/broken.json").write_text('{"run_id": ')
    (legacy_root / "results/a b.json").write_text("{}")
    (legacy_root / "results/late_signal_lists.json").unlink()
    problems = {result.key: result.problem or "" for result in result_files(legacy_root)}
    assert "not valid JSON" in problems["results/broken.json"]
    assert problems["results/a b.json"] == "not served: its name is not a valid run id; rename a copy"
    assert sorted(problems.values())[: len(RESULTS)] == [""] * len(RESULTS)
    items = outcomes()
    assert items["4.2-index"] == (
        "fail",
        "no file for late_signal_lists; restore them from a backup of the legacy platform, or accept the loss",
    )


def test_result_with_an_invalid_name_is_unserved_until_copied(legacy_root: Path) -> None:
    """A copy with a valid name resolves the problem; the original may stay."""
    (legacy_root / "results/my result 2024.json").write_text('{"strategy": "s"}')
    assert unserved_keys(legacy_root) == ["results/my result 2024.json"]
    (legacy_root / "results/my_result_2024.json").write_text('{"strategy": "s"}')
    assert unserved_keys(legacy_root) == []
    keys = [result.key for result in result_files(legacy_root)]
    assert "results/my_result_2024.json" in keys
    assert "results/my result 2024.json" not in keys


def test_legacy_result_missing_from_the_backup_is_named(legacy_root: Path) -> None:
    """A backup needs the current content of every legacy result, but no results of this platform."""
    run_backup(load_settings(), ["results"])
    assert outcomes()["4.1-backed-up"] == ("fail", "tasks/ is not backed up; back it up: coin migrate run")
    run_backup(load_settings(), ["tasks"])
    assert outcomes()["4.1-backed-up"][0] == "pass"
    (legacy_root / "results/new.json").write_text('{"version": "1.2.0"}')
    assert outcomes()["4.1-backed-up"][0] == "pass"
    (legacy_root / "results/later.json").write_text('{"version": "1.1.0"}')
    status, detail = outcomes()["4.1-backed-up"]
    assert status == "fail"
    assert detail.endswith(": results/later.json; back up again: coin migrate run")


def test_no_backup_is_required_without_legacy_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`coin migrate run` would have nothing to back up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    items = outcomes()
    for backup in ("1.1-backup", "4.1-backed-up", "4.1-size"):
        assert items[backup] == ("n/a", "no results of the legacy platform are stored")


def test_git_checks_use_the_right_folders(legacy_root: Path) -> None:
    """The commit is that of this program; .gitignore is checked where the .env is, here outside any checkout."""
    items = outcomes()
    assert legacy_root.is_dir()
    latest = git(ROOT, "log", "--oneline", "-1")
    assert items["1.1-commit"] == ("pass", latest) if latest else items["1.1-commit"][0] == "n/a"
    assert items["9-ignored"] == ("n/a", "not in a git checkout, so nothing can be committed")


def test_rollback_without_a_database_is_rejected(legacy_root: Path) -> None:
    """Called in the wrong folder, it would set a flag that no API reads."""
    with pytest.raises(InvalidInput, match="DATA_ROOT: no platform has run on"):
        CliRunner().invoke(coin, ["migrate", "rollback"], catch_exceptions=False)
    assert not (legacy_root / "postgres").exists()


@pytest.mark.parametrize(("mode", "status"), [(0o644, "fail"), (0o640, "fail"), (0o600, "pass")])
def test_dotenv_must_be_private(legacy_root: Path, mode: int, status: str) -> None:
    """The .env contains secrets."""
    dotenv = legacy_root.parent / ".env"
    dotenv.chmod(mode)
    item = outcomes()["9-webhook"]
    assert item[0] == status
    assert status == "pass" or item[1].endswith("chmod 600 .env")


def test_world_writable_folders_fail(legacy_root: Path) -> None:
    """The failure names the chmod command."""
    (legacy_root / "results").chmod(0o777)
    assert outcomes()["4.2-permissions"] == (
        "fail",
        f"{legacy_root}/results has mode 777; fix it: chmod 755 {legacy_root}/results",
    )


def test_table_has_sections_remedies_and_counts(legacy_root: Path) -> None:
    """Each section has one heading, each remedy is listed once, and the last line has the counts."""
    assert legacy_root.is_dir()
    (port,) = free_ports(1)
    lines = run_check_at(f"http://127.0.0.1:{port}").stdout.splitlines()
    for section in CHECKLIST:
        assert len([line for line in lines if line.split() == [section.number, *section.title.split()]]) == 1
    to_do = lines[lines.index("To do:") + 1 : -2]
    commands = [line.split("  (")[0].strip() for line in to_do]
    assert {"coin migrate run", f"coin up --api-port {port}"} <= set(commands)
    assert len(set(commands)) == len(commands)
    counts = r"(\d+) items: (\d+) pass, (\d+) fail, (\d+) replaced, (\d+) manual, (\d+) n/a"
    (numbers,) = re.findall(counts, lines[-1])
    assert int(numbers[0]) == sum(len(section.items) for section in CHECKLIST) == sum(map(int, numbers[1:]))


@pytest.mark.parametrize("url", ["localhost", "http://127.0.0.1:port", "ftp://127.0.0.1", "http://"])
def test_invalid_api_url_is_rejected(url: str) -> None:
    """The error names the option."""
    with pytest.raises(InvalidInput, match=f"--api: '{url}' is not a URL"):
        run_check_at(url)


def test_server_that_does_not_speak_http(legacy_root: Path) -> None:
    """A program that does not speak HTTP is reported like an unreachable API."""
    assert legacy_root.is_dir()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        responding = threading.Thread(target=_respond_once, args=[listening])
        responding.start()
        result = run_check_at(f"http://127.0.0.1:{listening.getsockname()[1]}", "--json")
        responding.join()
    details = {item["id"]: item["detail"] for item in json.loads(result.stdout)["items"]}
    assert "does not respond (220 mail" in details["1.2-sync-api"]


def _respond_once(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"220 mail\r\n")


def test_legacy_results_cover_every_shape() -> None:
    """Integer and listed signals, with and without version, metadata and curve."""
    signals = {type(document["symbols"][0]["signals"]) for document in RESULTS.values()}
    assert signals == {int, list}
    assert {document.get("version") for document in RESULTS.values()} == {None, "1.1.0"}
