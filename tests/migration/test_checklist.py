"""The checklist: whole, in order, and honest where nothing runs."""

import json
import re
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.backup.archive import back_up
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import InvalidInput
from coin_pipeline.migration.checklist.sections import CHECKLIST
from coin_pipeline.migration.checkout import git
from coin_pipeline.migration.client import start_command
from coin_pipeline.migration.legacy_files import result_files, unserved_keys
from tests.conftest import ROOT
from tests.migration.legacy_platform import RESULTS, write_legacy_platform
from tests.platforms import free_ports
from tests.s3 import S3Server

BOXES = {"1": 10, "2": 9, "3": 13, "4": 18, "5": 27, "6": 10, "7": 5, "8": 0, "9": 4, "10": 6}
"""Boxes of the users' checklist in each of its chapters."""
OURS = {"4.2-history", "4.2-index", "8-endpoints"}
"""Items that it has as text, not as boxes."""


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of an older platform as the current folder; its DATA_ROOT is set."""
    root = write_legacy_platform(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_ROOT", str(root))
    return root


def check(*options: str) -> Result:
    """Go through the checklist where nothing is served."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    return check_at(url, *options)


def check_at(url: str, *options: str) -> Result:
    """Go through the checklist with an API at `url`."""
    return CliRunner().invoke(coin, ["migrate", "check", "--api", url, *options], catch_exceptions=False)


def looked_at() -> dict[str, tuple[str, str]]:
    """Return status and detail of each item."""
    result = check("--json")
    assert result.exit_code == 1
    return {item["id"]: (item["status"], item["detail"]) for item in json.loads(result.stdout)["items"]}


def test_every_box_of_the_users_checklist_is_an_item() -> None:
    """As many in each chapter, each with an id of its section, and no id twice."""
    items = [(section, item) for section in CHECKLIST for item in section.items]
    assert len({item.id for _, item in items}) == len(items)
    assert all(item.id.startswith(f"{section.number}-") for section, item in items)
    boxes = [section.number.split(".")[0] for section, item in items if item.id not in OURS]
    assert {chapter: boxes.count(chapter) for chapter in BOXES} == BOXES


def test_what_needs_the_api_says_how_to_start_it(older: Path) -> None:
    """Those items fail, the first with the command, and the others are looked at nevertheless."""
    found = looked_at()
    assert older.is_dir()
    assert "does not respond (" in found["1.2-sync-api"][1]
    assert "; start it with: coin up --api-port " in found["1.2-sync-api"][1]
    for needs_api in ("4.3-sync", "5.1-accepted", "5.8-ten", "6.2-backend", "7.2-old", "8-endpoints"):
        assert found[needs_api] == ("fail", "the API does not answer, as above")
    assert found["3.1-redis"] == ("n/a", "REDIS_DB, REDIS_HOST, REDIS_PORT: no longer used")
    assert found["3.1-ttl"] == ("pass", "TASK_RESULT_TTL_DAYS=7")
    assert found["9-webhook"] == ("pass", ".env has 600")
    assert found["4.2-tasks"] == ("pass", "DATA_ROOT/tasks is there; retention leaves the 1 old tasks in it")
    assert found["4.1-backed-up"] == ("fail", "results/ is not backed up; do so: coin migrate run")


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("http://127.0.0.1:8000", "coin up"),
        ("http://127.0.0.1:18000/", "coin up --api-port 18000"),
        ("http://localhost:18000", "coin up --api-port 18000"),
        ("https://coin.example:18000", "coin up"),
    ],
)
def test_the_command_that_starts_the_api_serves_the_port_that_is_asked(url: str, command: str) -> None:
    """On this machine the port is told; a proxy elsewhere says nothing of ports here."""
    assert start_command(url) == command


def test_what_this_version_lacks_is_no_failure_of_whoever_moves(older: Path) -> None:
    """It has a status of its own, and nobody is told that positions or notifications do not apply."""
    found = looked_at()
    assert older.is_dir()
    for missing in ("5.2-enter", "5.4-slack", "4.6-scheduler", "5.5-postgresql"):
        assert found[missing][0] == "missing"
        assert found[missing][1].startswith("not in this version: ")


def test_without_candles_the_import_is_named(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backtest needs some."""
    (older / "BTC_KRW").rename(older / "nothing")
    assert "coin candles import" in looked_at()["4.3-sync"][1]
    monkeypatch.setenv("DATA_ROOT", str(older / "missing"))
    assert "is not a folder" in looked_at()["3.1-data-root"][1]


def test_a_bucket_is_tried_with_a_file_there_and_back(
    older: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the trial stays; a bucket that is not there is a failure."""
    assert older.is_dir()
    for name, value in s3_server.environment("tried").items():
        monkeypatch.setenv(name, value)
    store = s3_server.store("tried")
    found = looked_at()
    for tried in ("4.4-bucket", "5.3-upload", "5.3-integrity", "5.3-download"):
        assert found[tried][0] == "pass"
        assert found[tried][1].startswith("s3://tried/runs/migration-")
    assert list(store.keys()) == []
    monkeypatch.setenv("AWS_BUCKET_NAME", "not-there-at-all")
    assert looked_at()["5.3-upload"][0] == "fail"


def test_broken_and_lost_results_are_named(older: Path) -> None:
    """A file that is no JSON, one whose name cannot be asked for, and an entry of the index without a file."""
    (older / "results/broken.json").write_text('{"run_id": ')
    (older / "results/a b.json").write_text("{}")
    (older / "results/late_signal_lists.json").unlink()
    told = {old.key: old.problem or "" for old in result_files(older)}
    assert "no JSON" in told["results/broken.json"]
    assert told["results/a b.json"] == "not served: its name is no run id; rename a copy"
    assert sorted(told.values())[: len(RESULTS)] == [""] * len(RESULTS)
    found = looked_at()
    assert found["4.2-index"] == (
        "fail",
        "no file for late_signal_lists; restore them from a backup of the legacy platform, or accept the loss",
    )


def test_a_result_whose_name_is_no_run_id_is_wanting_until_a_copy_has_one(older: Path) -> None:
    """What is not served is named; the file itself may stay as it is."""
    (older / "results/my result 2024.json").write_text('{"strategy": "s"}')
    assert unserved_keys(older) == ["results/my result 2024.json"]
    (older / "results/my_result_2024.json").write_text('{"strategy": "s"}')
    assert unserved_keys(older) == []
    keys = [old.key for old in result_files(older)]
    assert "results/my_result_2024.json" in keys
    assert "results/my result 2024.json" not in keys


def test_a_result_that_came_after_the_backup_is_named(older: Path) -> None:
    """A backup counts if every result of the older platform is in it as it is now; results made here need not be."""
    back_up(older / "results", older / "backups/results", datetime.now(UTC))
    assert looked_at()["4.1-backed-up"] == ("fail", "tasks/ is not backed up; do so: coin migrate run")
    back_up(older / "tasks", older / "backups/results", datetime.now(UTC))
    assert looked_at()["4.1-backed-up"][0] == "pass"
    (older / "results/ours.json").write_text('{"version": "1.2.0"}')
    assert looked_at()["4.1-backed-up"][0] == "pass"
    (older / "results/later.json").write_text('{"version": "1.1.0"}')
    status, detail = looked_at()["4.1-backed-up"]
    assert status == "fail"
    assert detail.endswith("results/later.json say; back them up: coin migrate run")


def test_where_nothing_old_is_stored_no_backup_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `coin migrate run` has nothing to back up then."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    found = looked_at()
    for backup in ("1.1-backup", "4.1-backed-up", "4.1-size", "5.5-results", "6.1-backup"):
        assert found[backup] == ("n/a", "no result of the older platform is stored")


def test_git_is_asked_about_this_program_and_about_the_dotenv_that_is_read(older: Path) -> None:
    """The commit is that of the program; the .env may lie in a checkout of something else, or in none."""
    found = looked_at()
    assert older.is_dir()
    latest = git(ROOT, "log", "--oneline", "-1")
    assert found["1.1-commit"] == ("pass", latest) if latest else found["1.1-commit"][0] == "n/a"
    assert found["9-ignored"] == ("n/a", "not in a git checkout, so nothing is committed")


def test_a_rollback_where_nothing_has_run_is_refused(older: Path) -> None:
    """Called in the wrong folder it would switch off what nobody uses."""
    with pytest.raises(InvalidInput, match="DATA_ROOT: no platform has run over"):
        CliRunner().invoke(coin, ["migrate", "rollback"], catch_exceptions=False)
    assert not (older / "postgres").exists()


@pytest.mark.parametrize(("mode", "status"), [(0o644, "fail"), (0o640, "fail"), (0o600, "pass")])
def test_a_dotenv_that_others_can_read_is_a_failure(older: Path, mode: int, status: str) -> None:
    """It holds secrets."""
    dotenv = older.parent / ".env"
    dotenv.chmod(mode)
    told = looked_at()["9-webhook"]
    assert told[0] == status
    assert status == "pass" or told[1].endswith("chmod 600 .env")


def test_folders_that_anybody_may_write_are_a_failure(older: Path) -> None:
    """The command that corrects it is told."""
    (older / "results").chmod(0o777)
    assert looked_at()["4.2-permissions"] == (
        "fail",
        f"{older}/results has 777; correct it: chmod 755 {older}/results",
    )


def test_the_table_groups_items_and_counts_them(older: Path) -> None:
    """Every section is a heading, once; each command to type stands below, once; the last line counts."""
    assert older.is_dir()
    (port,) = free_ports(1)
    lines = check_at(f"http://127.0.0.1:{port}").stdout.splitlines()
    for section in CHECKLIST:
        assert len([line for line in lines if line.split() == [section.number, *section.title.split()]]) == 1
    to_do = lines[lines.index("To do:") + 1 : -2]
    commands = [line.split("  (")[0].strip() for line in to_do]
    assert {"coin migrate run", f"coin up --api-port {port}"} <= set(commands)
    assert len(set(commands)) == len(commands)
    counts = r"(\d+) items: (\d+) pass, (\d+) fail, (\d+) missing, (\d+) n/a"
    (counted,) = re.findall(counts, lines[-1])
    assert int(counted[0]) == sum(len(section.items) for section in CHECKLIST) == sum(map(int, counted[1:]))


@pytest.mark.parametrize("url", ["localhost", "http://127.0.0.1:port", "ftp://127.0.0.1", "http://"])
def test_an_address_that_is_no_url_is_refused(url: str) -> None:
    """The option is named."""
    with pytest.raises(InvalidInput, match=f"--api: '{url}' is not a URL"):
        check_at(url)


def test_who_does_not_speak_http_is_no_api(older: Path) -> None:
    """Another program on the port is told like one that is not there."""
    assert older.is_dir()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = threading.Thread(target=_answer_once, args=[listening])
        answering.start()
        found = check_at(f"http://127.0.0.1:{listening.getsockname()[1]}", "--json")
        answering.join()
    told = {item["id"]: item["detail"] for item in json.loads(found.stdout)["items"]}
    assert "does not respond (220 mail" in told["1.2-sync-api"]


def _answer_once(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"220 mail\r\n")


def test_every_shape_is_among_the_results_of_these_tests() -> None:
    """Integer and listed signals, with and without version, metadata and curve."""
    signals = {type(old["symbols"][0]["signals"]) for old in RESULTS.values()}
    assert signals == {int, list}
    assert {old.get("version") for old in RESULTS.values()} == {None, "1.1.0"}
