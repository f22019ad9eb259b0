"""The move from the older platform, there and back: as the documents say, and as a drill."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import COIN, START_S, free_ports, left_running
from tests.e2e.test_platform import BODY as STORED_ELSEWHERE
from tests.migration.legacy_platform import RESULTS, TASK_ID, snapshot_files, write_legacy_platform
from tests.s3 import S3Server

BODY: dict[str, Any] = {**STORED_ELSEWHERE, "symbols": ["BTC_KRW"]}
SWEEP = {**BODY, "space": {"volume_window": [10, 20]}}
UP, CHECK = "coin up", "coin migrate check"
ABOUT_THE_MACHINE = {"5.7-sync", "5.7-async", "6.1-clean"}
"""What a busy machine may miss, or a checkout that is worked on."""


def blocks(name: str) -> list[str]:
    """Return the commands of a document, block by block."""
    return re.findall(r"```bash\n(.*?)\n```", (ROOT / "docs" / name).read_text(), re.DOTALL)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of an older platform."""
    write_legacy_platform(tmp_path)
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a person: nothing but .env says where data are."""
    ours = {"DATA_ROOT", "ENVIRONMENT", "COIN_STRATEGY_FILES"}
    path = f"{COIN.parent}{os.pathsep}{os.environ['PATH']}"
    return {name: value for name, value in os.environ.items() if name not in ours} | {"PATH": path}


@contextmanager
def served(home: Path, environment: Mapping[str, str], api_port: int) -> Iterator[httpx2.Client]:
    """Run `coin up` in `home` until the block ends; yield a client of its API."""
    command = [COIN, "up", "--api-port", str(api_port), "--ui-port", str(free_ports(1)[0])]
    log = home / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_S
        while "Press Ctrl-C to stop" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        with httpx2.Client(base_url=f"http://127.0.0.1:{api_port}", timeout=60) as client:
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(40)
    assert left_running(home / "data") == []


def coin(home: Path, environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in `home`."""
    command = [COIN, *arguments]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def failing(home: Path, environment: Mapping[str, str], api: str) -> dict[str, str]:
    """Go through the checklist; return what fails and why, but for what says more of the machine than of the move."""
    done = coin(home, environment, "migrate", "check", "--api", api, "--json")
    items = json.loads(done.stdout)["items"]
    failed = {item["id"]: item["detail"] for item in items if item["status"] == "fail"}
    assert done.returncode == bool(failed), done.stderr
    assert any(item["status"] == "missing" for item in items)
    return {name: detail for name, detail in failed.items() if name not in ABOUT_THE_MACHINE}


def end_of(client: httpx2.Client, answer: httpx2.Response) -> str:
    """Poll a task that was accepted until it ends; return how."""
    assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + 60
    while True:
        status: str = client.get(f"/api/backtests/status/{answer.json()['task_id']}").json()["status"]
        if status not in {"queued", "running"}:
            return status
        assert time.monotonic() < deadline
        time.sleep(0.1)


def assert_old_results_are_answered(client: httpx2.Client, root: Path) -> None:
    """Compare each with its file, byte for byte."""
    files = {run_id: root / f"results/{run_id}.json" for run_id in RESULTS}
    for run_id, file in {**files, TASK_ID: root / f"tasks/{TASK_ID}/result.json"}.items():
        answer = client.get(f"/api/backtests/{run_id}")
        assert (answer.status_code, answer.content) == (200, file.read_bytes())


def test_both_languages_have_the_same_commands_and_chapters() -> None:
    """Nobody is told something else for the language that they read."""
    assert blocks("migration.md") == blocks("ko/migration.md")
    assert len(blocks("migration.md")) > 10
    chapters = [
        re.findall(r"^## (\d+)\.", (ROOT / "docs" / name).read_text(), re.MULTILINE)
        for name in ("migration.md", "ko/migration.md")
    ]
    assert chapters == [[str(number) for number in range(1, 11)]] * 2


@pytest.mark.timeout(300)
def test_the_commands_of_the_document_work_in_order(home: Path, environment: dict[str, str]) -> None:
    """Each block succeeds, the checklist too; no old file is touched."""
    before = snapshot_files(home)
    (port,) = free_ports(1)
    commands = [block.replace("127.0.0.1:8000", f"127.0.0.1:{port}") for block in blocks("migration.md")]
    start = commands.index(UP)

    def take(block: str) -> None:
        if block == CHECK:
            assert failing(home, environment, f"http://127.0.0.1:{port}") == {}
            return
        script = ["/bin/bash", "-euo", "pipefail", "-c", block]
        done = subprocess.run(script, cwd=home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        assert not re.search("no result:|not answered", done.stdout), f"{block}\n{done.stdout}{done.stderr}"

    for block in commands[:start]:
        take(block)
    with served(home, environment, port) as client:
        for block in commands[start + 1 :]:
            take(block)
        assert_old_results_are_answered(client, home / "data")
    after = snapshot_files(home)
    assert {name: after[name] for name in before} == before


@pytest.mark.timeout(300)
def test_the_drill_there_and_back_and_there(home: Path, environment: dict[str, str]) -> None:
    """Check, run, check; rolled back, what is asynchronous is refused and all else works; undone, it works again."""
    before = snapshot_files(home)
    (port,) = free_ports(1)
    api = f"http://127.0.0.1:{port}"
    to_do = failing(home, environment, api)
    assert to_do["4.1-backed-up"].endswith("coin migrate run")
    assert to_do["5.1-accepted"] == "the API does not answer, as above"
    assert coin(home, environment, "migrate", "run").returncode == 0
    with served(home, environment, port) as client:
        assert failing(home, environment, api) == {}
        assert coin(home, environment, "retention").returncode == 0
        assert_old_results_are_answered(client, home / "data")
        accepted = client.post("/api/backtests/run-async", json=BODY)
        assert end_of(client, accepted) == "completed"

        assert coin(home, environment, "migrate", "rollback").returncode == 0
        for path, body in (("/api/backtests/run-async", BODY), ("/api/sweeps", SWEEP)):
            refused = client.post(path, json=body)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
            assert "coin migrate rollback --undo" in refused.json()["detail"]
        assert client.post("/api/backtests/run", params={"fresh": True}, json=BODY).status_code == 200
        assert end_of(client, accepted) == "completed"
        assert_old_results_are_answered(client, home / "data")
        told = failing(home, environment, api)
        assert "5.1-accepted" in told
        assert "4.3-sync" not in told
        assert "7.2-old" not in told

        assert coin(home, environment, "migrate", "rollback", "--undo").returncode == 0
        assert end_of(client, client.post("/api/backtests/run-async", json=BODY)) == "completed"
        assert failing(home, environment, api) == {}
    after = snapshot_files(home)
    assert {name: after[name] for name in before} == before


@pytest.mark.timeout(120)
def test_the_setting_refuses_from_the_start(home: Path, environment: dict[str, str]) -> None:
    """COIN_ASYNC=off needs no command; it is named, and what is waited for works."""
    (port,) = free_ports(1)
    with served(home, {**environment, "COIN_ASYNC": "off"}, port) as client:
        refused = client.post("/api/backtests/run-async", json=BODY)
        assert (refused.status_code, "by COIN_ASYNC=off" in refused.json()["detail"]) == (503, True)
        assert client.post("/api/backtests/run", json=BODY).status_code == 200


@pytest.mark.timeout(300)
def test_a_move_to_a_bucket(home: Path, environment: dict[str, str], s3_server: S3Server) -> None:
    """Old results are answered from the bucket byte for byte, new ones lie there, and no old file is touched."""
    before = snapshot_files(home)
    (port,) = free_ports(1)
    environment |= s3_server.environment("moved-there")
    done = coin(home, environment, "migrate", "run")
    assert done.returncode == 0, done.stderr
    with served(home, environment, port) as client:
        assert failing(home, environment, f"http://127.0.0.1:{port}") == {}
        assert_old_results_are_answered(client, home / "data")
        (home / "data/results").rename(home / "data/aside")
        assert client.get("/api/backtests/late_signal_lists").status_code == 200
        (home / "data/aside").rename(home / "data/results")
    after = snapshot_files(home)
    assert {name: after[name] for name in before} == before
