"""Starting and stopping the platform."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.builders import SLOW_STRATEGY
from tests.conftest import store_candles
from tests.database.programs import wait_until
from tests.e2e.conftest import (
    COIN,
    free_ports,
    healthy,
    left_running,
    process_of,
    programs_of,
    start_platform,
    stop_platform,
)


def test_ctrl_c_stops_everything_a_run_included(tmp_path: Path) -> None:
    """After one Ctrl-C nothing that was started is left: no program, no run, no database."""
    store_candles(tmp_path)
    (tmp_path / "slow.py").write_text(SLOW_STRATEGY)
    platform = start_platform(tmp_path, "--strategy-file", str(tmp_path / "slow.py"))
    body = {"strategy": "slow", "symbols": ["AAA_KRW"], "start_date": "2024-01-01", "end_date": "2024-12-31"}
    task_id = platform.api.post("/api/backtests/run-async", json=body).json()["task_id"]
    deadline = time.monotonic() + 30
    while process_of(tmp_path, task_id) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert len(left_running(tmp_path)) >= 6
    assert stop_platform(platform) == 0
    assert left_running(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a program that its parent was killed")
def test_kill_minus_9_leaves_nothing_behind(tmp_path: Path) -> None:
    """Even if `coin up` itself is killed, what it started ends."""
    platform = start_platform(tmp_path)
    platform.process.send_signal(signal.SIGKILL)
    platform.process.wait()
    deadline = time.monotonic() + 30
    while left_running(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left_running(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which program is which")
def test_programs_that_are_killed_come_back(tmp_path: Path) -> None:
    """All of them killed at once, each is started again and told of, and a backtest then runs to its end."""
    store_candles(tmp_path)
    platform = start_platform(tmp_path)
    killed = {pid: name for name, pid in programs_of(platform.process.pid).items()}
    assert set(killed.values()) >= {"code-server", "daemon", "webserver", "api"}
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: healthy(platform), 60)
    log = (tmp_path / "up.log").read_text()
    for name in killed.values():
        told = f"{name} was killed by SIGKILL; restarting it (log: {tmp_path}/logs/{name}.log)"
        assert log.splitlines().count(told) == 1
    assert killed.keys().isdisjoint(programs_of(platform.process.pid).values())
    body = {"strategy": "volume_zone_breakout", "symbols": ["AAA_KRW"], "start_date": "2024-01-01"}
    answer = platform.api.post("/api/backtests/run", json={**body, "end_date": "2024-12-31"})
    assert answer.status_code == 200, answer.text
    assert stop_platform(platform) == 0
    assert left_running(tmp_path) == []


def test_results_that_were_copied_here_are_in_the_history(tmp_path: Path) -> None:
    """Soon after the start, without a command; a file that is broken is named, and ends nothing."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/old.json").write_text('{"strategy": "s", "symbols": [{"symbol": "BTC_KRW", "signals": 3}]}')
    (tmp_path / "results/broken.json").write_text("{")
    platform = start_platform(tmp_path)
    wait_until(lambda: platform.api.get("/api/backtests/history").json()["total"] == 1, 30)
    wait_until(lambda: "not listed: 'results/broken.json' is corrupt" in (tmp_path / "up.log").read_text(), 30)
    assert healthy(platform)
    assert stop_platform(platform) == 0
    assert left_running(tmp_path) == []


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """The option, the port and what to do are told, and nothing is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [COIN, "up", "--api-port", str(port), "--ui-port", str(free_ports(1)[0])],
            env={**os.environ, "DATA_ROOT": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert f"--api-port: port {port} cannot be used" in done.stderr
    assert left_running(tmp_path) == []


def test_a_market_that_is_none_is_told_before_anything_starts(tmp_path: Path) -> None:
    """The variable, the value, and what to write."""
    environment = {**os.environ, "DATA_ROOT": str(tmp_path), "SCHEDULER_SYMBOLS": "KRW-BTC,BTC"}
    ports = [str(port) for port in free_ports(2)]
    command = [COIN, "up", "--api-port", ports[0], "--ui-port", ports[1]]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "SCHEDULER_SYMBOLS: 'BTC' is not a market; write BTC_KRW or KRW-BTC" in done.stderr
    assert not (tmp_path / "postgres").exists()


def test_a_program_that_cannot_start_is_told_with_its_log(tmp_path: Path) -> None:
    """A broken DATABASE_URL ends `coin up` with a sentence."""
    api_port, ui_port, nobody = free_ports(3)
    done = subprocess.run(
        [COIN, "up", "--api-port", str(api_port), "--ui-port", str(ui_port)],
        env={**os.environ, "DATA_ROOT": str(tmp_path), "DATABASE_URL": f"postgresql://a:secret@127.0.0.1:{nobody}/x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "PostgreSQL at DATABASE_URL" in done.stderr
    assert "secret" not in done.stdout + done.stderr
    assert left_running(tmp_path) == []
