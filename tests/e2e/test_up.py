"""Starting and stopping the platform."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psycopg2
import pytest

from coin_pipeline.database.embedded.cluster import DATABASE, USER
from tests.builders import SLOW_STRATEGY
from tests.conftest import store_candles
from tests.forking import run_coin
from tests.other_user import as_other_user, connectable, listening_sockets, readable
from tests.platforms import (
    BACKTEST,
    COIN,
    START_TIMEOUT_S,
    Platform,
    SharedPlatform,
    follow_backtest,
    free_ports,
    is_healthy,
    leftover_processes,
    program_pids,
    start_platform,
    stop_platform,
    submit_backtest,
    wait_for_process,
    wait_until,
)

EVERYWHERE = "0.0.0.0"  # noqa: S104 -- the platform refuses it without tokens
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="/proc and prctl exist on Linux only")

KILLED = "code-server was killed"


@pytest.fixture(scope="module")
def shared() -> Iterator[SharedPlatform]:
    """A platform with candles, a strategy file, and results that were copied into its folder before it started.

    Other users may enter the folder, whose path is too long for a Unix socket.
    """
    parent = Path(tempfile.mkdtemp(prefix="coin-tests-"))
    parent.chmod(0o755)
    root = parent / ("long" * 25)
    root.mkdir(mode=0o755)
    store_candles(root)
    (root / "slow.py").write_text(SLOW_STRATEGY)
    (root / "results").mkdir(mode=0o755)
    (root / "results/old.json").write_text('{"strategy": "s", "symbols": [{"symbol": "BTC_KRW", "signals": 3}]}')
    (root / "results/broken.json").write_text("{")
    platform = SharedPlatform(lambda: start_platform(root, "--strategy-file", str(root / "slow.py")))
    yield platform
    platform.stop()
    shutil.rmtree(parent)


@pytest.fixture
def platform(shared: SharedPlatform) -> Iterator[Platform]:
    """That platform, running."""
    with shared.use() as platform:
        yield platform


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that other machines can reach, whose client sends a token; a test may kill it.

    It accepts no asynchronous requests.
    """
    root = tmp_path_factory.mktemp("platform")
    store_candles(root)
    created = run_coin(
        *("token", "create", "test", "--scope", "admin"), environment={**os.environ, "DATA_ROOT": str(root)}
    )
    platform = start_platform(root, COIN_BIND=EVERYWHERE, COIN_ASYNC="off")
    platform.api.headers["Authorization"] = f"Bearer {created.stdout.strip()}"
    yield platform
    platform.api.close()
    if platform.is_up:
        stop_platform(platform)


def run_up(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a `coin up` that cannot start."""
    api_port, ui_port = map(str, free_ports(2))
    return subprocess.run(
        [COIN, "up", "--api-port", environment.pop("api_port", api_port), "--ui-port", ui_port],
        env={**os.environ, "DATA_ROOT": str(root), **environment},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_copied_results_appear_in_the_history(platform: Platform) -> None:
    """Results are indexed after every start; a broken file is named in the daemon's log and does no harm."""
    wait_until(lambda: platform.api.get("/api/backtests/history").json()["total"] == 1, 30)
    log = platform.root / "logs/daemon.log"
    wait_until(lambda: "the first: 'results/broken.json' is corrupt" in log.read_text(), 30)
    assert is_healthy(platform)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_other_users_reach_neither_data_nor_what_starts_work(platform: Platform) -> None:
    """The folder was open to them before; only the ports for clients and the database with its password are left."""
    assert f"could read {platform.root}" in platform.log.read_text()
    sockets, ports = listening_sockets(platform)
    assert {path.name for path in sockets} >= {"pool.sock", "code-server.sock"}
    paths = [platform.root, *platform.root.rglob("*")]
    assert connectable(sockets) == sockets
    assert as_other_user(lambda: (readable(paths), connectable(sockets))) == ([], [])
    database = int((platform.root / "postgres/port").read_text())
    assert ports <= {urlsplit(str(platform.api.base_url)).port, urlsplit(platform.ui_url).port, database}
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(host="127.0.0.1", port=database, user=USER, dbname=DATABASE)
    secret = (platform.root / "postgres/password").read_text()
    assert not any(secret in command for command in leftover_processes(platform.root))


@linux_only
def test_killed_programs_are_restarted(platform: Platform) -> None:
    """All programs are killed at once; each restart is logged once, and a backtest then completes."""
    killed = {pid: name for name, pid in program_pids(platform).items()}
    assert set(killed.values()) >= {"code-server", "daemon", "webserver", "api"}
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_healthy(platform), START_TIMEOUT_S)
    lines = platform.log.read_text().splitlines()
    for name in killed.values():
        log = platform.root / f"logs/{name}.log"
        assert lines.count(f"{name} was killed by SIGKILL; restarting it (log: {log})") == 1
    assert killed.keys().isdisjoint(program_pids(platform).values())
    answer = platform.api.post("/api/backtests/run", json=BACKTEST)
    assert answer.status_code == 200, answer.text


def ui_responds(platform: Platform) -> bool:
    """Return whether the Dagster UI responds."""
    try:
        return platform.api.get(f"{platform.ui_url}/server_info").is_success
    except httpx2.HTTPError:
        return False


def delete(folder: Path) -> None:
    """Delete a folder in which a running platform may create a file meanwhile."""
    for _ in range(10):
        try:
            return shutil.rmtree(folder)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
    raise AssertionError(f"{folder} is never empty")


def test_deleted_files_are_created_again(platform: Platform) -> None:
    """Locks, Dagster's home and logs; runs are not affected, and restarted programs find what they need."""
    home, logs = platform.root / "dagster", platform.root / "logs"
    killed = platform.log.read_text().count(KILLED)
    (location,) = json.loads((home / "workspace.yaml").read_text())["load_from"]
    Path(location["grpc_server"]["socket"]).unlink()  # not in that folder, whose path is too long for one
    delete(home)
    delete(logs)
    (platform.root / "up.lock").unlink()
    expected = [home / name for name in ("pool.sock", "pool.lock", "dagster.yaml", "workspace.yaml")]
    wait_until(lambda: all(path.exists() for path in [*expected, logs, platform.root / "up.lock"]), timeout_s=10)
    assert "already serves" in run_up(platform.root).stderr
    wait_until(lambda: platform.log.read_text().count(KILLED) > killed)  # it cannot create its socket again
    os.kill(program_pids(platform)["webserver"], signal.SIGKILL)
    wait_until(lambda: program_pids(platform).keys() >= {"code-server", "webserver"})
    wait_until(lambda: is_healthy(platform))
    assert follow_backtest(platform.api, submit_backtest(platform))[-1]["status"] == "completed"
    wait_until(lambda: ui_responds(platform))
    assert platform.graphql("{ version }")["version"]


def test_ctrl_c_stops_everything_including_a_run(platform: Platform) -> None:
    """One Ctrl-C leaves no process behind: no program, no run, no database."""
    wait_for_process(platform, submit_backtest(platform, strategy="slow"))
    assert len(leftover_processes(platform.root)) >= 6
    assert stop_platform(platform) == 0
    assert leftover_processes(platform.root) == []


def test_an_exposed_platform_answers_only_requests_with_a_token(exposed: Platform) -> None:
    """The API and the Dagster UI, at an address that a platform on 127.0.0.1 does not listen on."""
    for base, path in ((str(exposed.api.base_url), "/api/backtests/history"), (exposed.ui_url, "/runs")):
        url = f"{base.replace('127.0.0.1', '127.0.0.2').rstrip('/')}{path}"
        assert (httpx2.get(url).status_code, exposed.api.get(url).status_code) == (401, 200)
    assert exposed.graphql("{ version }")["version"]


def test_without_a_token_an_exposed_platform_does_not_start(own_root: Path) -> None:
    """The message has the setting and the command that creates a token, and nothing is left running."""
    failed = run_up(own_root, COIN_BIND=EVERYWHERE)
    assert failed.returncode == 2
    assert f"COIN_BIND: {EVERYWHERE} lets other machines use the platform" in failed.stderr
    assert "coin token create" in failed.stderr
    assert leftover_processes(own_root) == []


def test_async_setting_rejects_async_requests_only(exposed: Platform) -> None:
    """COIN_ASYNC=off rejects them with the setting's name; synchronous requests still work."""
    rejected = exposed.api.post("/api/backtests/run-async", json=BACKTEST)
    assert (rejected.status_code, "by COIN_ASYNC=off" in rejected.json()["detail"]) == (503, True)
    assert exposed.api.post("/api/backtests/run", json=BACKTEST).status_code == 200


@linux_only
def test_sigkill_leaves_no_process_behind(exposed: Platform) -> None:
    """What `coin up` started ends even if `coin up` itself is killed."""
    exposed.process.send_signal(signal.SIGKILL)
    exposed.process.wait()
    wait_until(lambda: not leftover_processes(exposed.root), 30)


def test_port_in_use_is_named(tmp_path: Path) -> None:
    """The message has the option and the port, and nothing is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        failed = run_up(tmp_path, api_port=str(port))
    assert failed.returncode == 2
    assert f"--api-port: port {port} cannot be used" in failed.stderr
    assert leftover_processes(tmp_path) == []


def test_invalid_market_is_reported_before_anything_starts(tmp_path: Path) -> None:
    """The message has the variable, the value and what to write instead."""
    failed = run_up(tmp_path, SCHEDULER_SYMBOLS="KRW-BTC,BTC")
    assert failed.returncode == 2
    assert "SCHEDULER_SYMBOLS: 'BTC' is not a market; write BTC_KRW or KRW-BTC" in failed.stderr
    assert not (tmp_path / "postgres").exists()


def test_coin_up_exits_with_a_message_if_the_database_is_unreachable(tmp_path: Path) -> None:
    """The message names DATABASE_URL without its password, and nothing is left running."""
    (port,) = free_ports(1)
    failed = run_up(tmp_path, DATABASE_URL=f"postgresql://a:secret@127.0.0.1:{port}/x")
    assert failed.returncode == 1
    assert "PostgreSQL at DATABASE_URL" in failed.stderr
    assert "secret" not in failed.stdout + failed.stderr
    assert leftover_processes(tmp_path) == []
