"""Migration from the legacy platform and back: as the documentation describes it, and as a drill."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import ROOT
from tests.forking import run_coin
from tests.migration.legacy_platform import RESULTS, TASK_ID, snapshot_files, write_legacy_platform
from tests.platforms import BACKTEST as BACKTEST_OF_GENERATED_CANDLES
from tests.platforms import COIN, follow_backtest, free_ports, leftover_processes, start_platform, stop_platform
from tests.s3 import S3Server

BACKTEST: dict[str, Any] = {**BACKTEST_OF_GENERATED_CANDLES, "symbols": ["BTC_KRW"]}
SWEEP = {**BACKTEST, "space": {"volume_window": [10, 20]}}
UP, CHECK = "coin up", "coin migrate check"
MACHINE_DEPENDENT = {"5.7-sync", "5.7-async", "6.1-clean"}
"""Checks that a busy machine, or a checkout with uncommitted changes, may fail."""

pytestmark = pytest.mark.timeout(300)


def command_blocks(name: str) -> list[str]:
    """Return the shell commands of a document, block by block."""
    return re.findall(r"```bash\n(.*?)\n```", (ROOT / "docs" / name).read_text(), re.DOTALL)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The folder of a legacy platform, none of whose files a test may change."""
    write_legacy_platform(tmp_path)
    before = snapshot_files(tmp_path)
    yield tmp_path
    after = snapshot_files(tmp_path)
    assert {name: after[name] for name in before} == before


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a user: only .env locates the data."""
    test_variables = {"DATA_ROOT", "ENVIRONMENT", "COIN_STRATEGY_FILES"}
    path = f"{COIN.parent}{os.pathsep}{os.environ['PATH']}"
    return {name: value for name, value in os.environ.items() if name not in test_variables} | {"PATH": path}


@contextmanager
def served(home: Path, environment: Mapping[str, str], api_port: int) -> Iterator[httpx2.Client]:
    """Run `coin up` in `home` until the block ends; yield a client of its API."""
    ports = (api_port, *free_ports(1))
    platform = start_platform(home / "data", cwd=home, environment=environment, ports=ports)
    try:
        yield platform.api
    finally:
        stop_platform(platform)
    assert leftover_processes(platform.root) == []


def failed_checks(home: Path, environment: Mapping[str, str], api: str) -> dict[str, str]:
    """Run the checklist; return the details of the failed checks that do not depend on the machine."""
    done = run_coin("migrate", "check", "--api", api, "--json", cwd=home, environment=environment)
    items = json.loads(done.stdout)["items"]
    failed = {item["id"]: item["detail"] for item in items if item["status"] == "fail"}
    assert done.returncode == bool(failed), done.stderr
    return {name: detail for name, detail in failed.items() if name not in MACHINE_DEPENDENT}


def assert_completes(api: httpx2.Client, accepted: httpx2.Response) -> None:
    """Poll an accepted task until it has completed."""
    assert accepted.status_code == 202, accepted.text
    assert follow_backtest(api, accepted.json()["task_id"])[-1]["status"] == "completed"


def assert_legacy_results_are_served(api: httpx2.Client, root: Path) -> None:
    """Compare each response with its file, byte for byte."""
    files = {run_id: root / f"results/{run_id}.json" for run_id in RESULTS}
    for run_id, file in {**files, TASK_ID: root / f"tasks/{TASK_ID}/result.json"}.items():
        answer = api.get(f"/api/backtests/{run_id}")
        assert (answer.status_code, answer.content) == (200, file.read_bytes())


def test_both_languages_have_the_same_commands_and_chapters() -> None:
    """The Korean document instructs its readers exactly as the English one does."""
    assert command_blocks("migration.md") == command_blocks("ko/migration.md")
    assert len(command_blocks("migration.md")) > 10
    chapters = [
        re.findall(r"^## (\d+)\.", (ROOT / "docs" / name).read_text(), re.MULTILINE)
        for name in ("migration.md", "ko/migration.md")
    ]
    assert chapters == [[str(number) for number in range(1, 11)]] * 2


def test_documented_commands_work_in_order(home: Path, environment: dict[str, str]) -> None:
    """Every block and the checklist succeed, and legacy results are served unchanged."""
    (port,) = free_ports(1)
    commands = [block.replace("127.0.0.1:8000", f"127.0.0.1:{port}") for block in command_blocks("migration.md")]
    start = commands.index(UP)

    def run(block: str) -> None:
        if block == CHECK:
            assert failed_checks(home, environment, f"http://127.0.0.1:{port}") == {}
            return
        script = ["/bin/bash", "-euo", "pipefail", "-c", block]
        done = subprocess.run(script, cwd=home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        assert not re.search("no result:|response differs", done.stdout), f"{block}\n{done.stdout}{done.stderr}"

    for block in commands[:start]:
        run(block)
    with served(home, environment, port) as api:
        for block in commands[start + 1 :]:
            run(block)
        assert_legacy_results_are_served(api, home / "data")


@pytest.mark.long
def test_migration_rollback_and_undo(home: Path, environment: dict[str, str]) -> None:
    """After a rollback only asynchronous requests are rejected; after its undo everything works again."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    failed = failed_checks(home, environment, url)
    assert failed["4.1-backed-up"].endswith("coin migrate run")
    assert failed["5.1-accepted"] == "the API does not respond (see above)"
    assert run_coin("migrate", "run", cwd=home, environment=environment).returncode == 0
    assert run_coin("backup", "run", cwd=home, environment=environment).returncode == 0
    with served(home, environment, port) as api:
        before = api.get("/api/backtests/history", params={"limit": 100}).json()
        assert failed_checks(home, environment, url) == {}
        assert api.get("/api/backtests/history", params={"limit": 100}).json() == before
        assert run_coin("retention", cwd=home, environment=environment).returncode == 0
        assert_legacy_results_are_served(api, home / "data")
        accepted = api.post("/api/backtests/run-async", json=BACKTEST)
        assert_completes(api, accepted)

        assert run_coin("migrate", "rollback", cwd=home, environment=environment).returncode == 0
        for path, body in (("/api/backtests/run-async", BACKTEST), ("/api/sweeps", SWEEP)):
            rejected = api.post(path, json=body)
            assert (rejected.status_code, rejected.headers["Retry-After"]) == (503, "5")
            assert "coin migrate rollback --undo" in rejected.json()["detail"]
        assert api.post("/api/backtests/run", params={"fresh": True}, json=BACKTEST).status_code == 200
        assert_completes(api, accepted)
        assert_legacy_results_are_served(api, home / "data")
        failed = failed_checks(home, environment, url)
        assert "5.1-accepted" in failed
        assert "4.3-sync" not in failed
        assert "7.2-old" not in failed

        assert run_coin("migrate", "rollback", "--undo", cwd=home, environment=environment).returncode == 0
        assert_completes(api, api.post("/api/backtests/run-async", json=BACKTEST))
        assert failed_checks(home, environment, url) == {}


@pytest.mark.long
def test_migration_to_a_bucket(home: Path, environment: dict[str, str], s3_server: S3Server) -> None:
    """Legacy results are served from the bucket byte for byte, even without the local files."""
    (port,) = free_ports(1)
    environment |= s3_server.environment("migrated")
    done = run_coin("migrate", "run", cwd=home, environment=environment)
    assert done.returncode == 0, done.stderr
    assert run_coin("backup", "run", cwd=home, environment=environment).returncode == 0
    with served(home, environment, port) as api:
        assert failed_checks(home, environment, f"http://127.0.0.1:{port}") == {}
        assert_legacy_results_are_served(api, home / "data")
        (home / "data/results").rename(home / "data/aside")
        assert api.get("/api/backtests/late_signal_lists").status_code == 200
        (home / "data/aside").rename(home / "data/results")
