"""Bring the stack of docker-compose.yml up, use it, damage it, and prove that nothing is lost.

Usage: python3 scripts/compose_check.py [--no-build] [--no-checklist] [--keep] [SERVICE ...]

Needs Docker with Compose and nothing else. The stack is a copy of its own, next to any other on the machine: project
coin-check, its own volumes, ports and .env; it is removed at the end. SERVICE selects what is killed; by default, all.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
SERVICES = ("worker", "code", "daemon", "api", "ui", "postgres", "s3")
API_PORT, UI_PORT = 18000, 13000
API = f"http://127.0.0.1:{API_PORT}"
START_S = 300
RECOVERY_S = 120
BACKTEST = {
    "strategy": "volume_zone_breakout",
    "symbols": ["BTC_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
}
POSITION = {"symbol": "BTC_KRW", "quantity": 1.0, "entry_price": 50000, "side": "BUY"}
STORE_CANDLES = """
from datetime import date
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.settings import load_settings
daily = parse_timeframe("1d")
CandleCatalog(load_settings().data_root).merge("BTC_KRW", daily, synthetic_candles(1, daily, date(2023, 1, 1), 731))
"""


class CheckFailed(Exception):
    """The stack did not do what it must."""


class Stack:
    """The stack under test, controlled with Compose.

    Args:
        env: Its `.env`.
    """

    def __init__(self, env: Path) -> None:
        compose = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        self.command = [
            *compose,
            "--progress",
            "quiet",
            "--project-name",
            "coin-check",
            "--project-directory",
            str(ROOT),
        ]
        self.command += ["--file", str(ROOT / "docker-compose.yml"), "--env-file", str(env)]

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run a Compose command; return its output."""
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise CheckFailed(f"compose {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if check else done.stdout + done.stderr

    def up(self) -> None:
        """Start everything and wait until it is healthy."""
        self.compose("up", "--detach", "--wait", "--wait-timeout", str(START_S))

    def remove(self) -> None:
        """Remove the containers and all data."""
        self.compose("down", "--volumes", "--timeout", "10", check=False)

    def container(self, service: str) -> dict[str, Any]:
        """Return what Docker reports about the container of a service."""
        name = self.compose("ps", "--all", "--quiet", service).split()[0]
        inspect = ["docker", "inspect", name]
        done = subprocess.run(inspect, capture_output=True, text=True, check=True)
        report: dict[str, Any] = json.loads(done.stdout)[0]
        return report

    def kill(self, *services: str) -> None:
        """Kill every process of some services with SIGKILL, from inside: Docker would not restart what it killed."""
        for service in services:
            self.compose("exec", "--no-TTY", service, "sh", "-c", "kill -9 -1", check=False)

    def is_healthy(self, service: str) -> bool:
        """Return whether a service runs and its health check passes."""
        state = self.container(service)["State"]
        return bool(state["Running"] and state["Health"]["Status"] == "healthy")


def main() -> None:
    """Run the check; exit with 1 if it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("services", nargs="*", choices=[*SERVICES, []], metavar="SERVICE")
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    parser.add_argument("--no-build", action="store_true", help="use the image as it is")
    parser.add_argument("--no-checklist", action="store_true", help="do not walk the migration checklist")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        env = Path(folder) / ".env"
        env.write_text(f"ENV_FILE={env}\nAPI_PORT={API_PORT}\nUI_PORT={UI_PORT}\n")
        subprocess.run(["sh", ROOT / "scripts/compose_env.sh", env], check=True, stdout=subprocess.DEVNULL)
        stack = Stack(env)
        stack.remove()  # what an earlier check kept has other passwords
        try:
            if not arguments.no_build:
                step("build", lambda: stack.compose("build"))
            run(stack, arguments.services or SERVICES, secrets_of(env), checklist=not arguments.no_checklist)
        except CheckFailed as error:
            print(f"FAILED: {error}\n{stack.compose('logs', '--tail', '40', check=False)}", file=sys.stderr)
            sys.exit(1)
        finally:
            if not arguments.keep:
                stack.remove()


def run(stack: Stack, services: Sequence[str], secrets: Sequence[str], *, checklist: bool) -> None:
    """Perform all steps.

    Raises:
        CheckFailed: A step did not have the expected outcome.
    """
    step("first start: database, tables and bucket are created", stack.up)
    step("hardening", lambda: check_hardening(stack))
    step("coin doctor", lambda: stack.compose("exec", "--no-TTY", "api", "coin", "doctor"))
    step("store candles", lambda: stack.compose("exec", "--no-TTY", "api", "python", "-c", STORE_CANDLES))
    kept = step("requests of the checklist", use_api)
    step("no token, no exposure", lambda: check_exposure(stack))
    if checklist:
        step("walk the checklist", lambda: walk_checklist(stack))
    step("down", lambda: stack.compose("down"))
    step("up", stack.up)
    step("data still there", lambda: check_kept(kept))
    for service in services:
        step(f"kill -9 of {service}", lambda service=service: check_recovery(stack, [service], kept))  # type: ignore[misc]
    step("kill -9 of everything while backtests are queued", lambda: check_queue(stack, services, kept))
    step("no secret in any log", lambda: check_secrets(stack, secrets))


def step(name: str, work: Callable[[], T]) -> T:
    """Perform a step and print its time."""
    print(f"{name} ...", end=" ", flush=True)
    started = time.monotonic()
    outcome = work()
    print(f"{time.monotonic() - started:.1f} s", flush=True)
    return outcome


def use_api() -> dict[str, Any]:
    """Send the requests of the migration checklist; return what must survive."""
    expect(call("GET", "/health")[0] == 200, "GET /health is not 200")
    names = json.dumps(call("GET", "/api/strategies")[1])
    expect("volume_zone_breakout" in names, f"GET /api/strategies: {names}")
    status, result = call("POST", "/api/backtests/run", BACKTEST)
    expect(status == 200, f"POST /api/backtests/run: {status} {result}")
    status, task = call("POST", "/api/backtests/run-async", BACKTEST)
    expect(status == 202, f"POST /api/backtests/run-async: {status} {task}")
    wait(lambda: is_completed(task["task_id"]), RECOVERY_S, f"task {task['task_id']} is not completed")
    status, position = call("POST", "/api/positions/enter", POSITION)
    expect(status == 200, f"POST /api/positions/enter: {status} {position}")
    paths = [
        f"/api/backtests/{result['run_id']}",
        f"/api/backtests/status/{task['task_id']}",
        "/api/positions/open",
        "/api/positions/summary",
    ]
    return {path: stable(call("GET", path)) for path in paths}


def check_kept(kept: dict[str, Any]) -> None:
    """Compare what is stored with what was."""
    for path, answer in kept.items():
        now = stable(call("GET", path))
        expect(now == answer, f"GET {path} was {answer} and is {now}")


def check_recovery(stack: Stack, services: Sequence[str], kept: dict[str, Any]) -> None:
    """Kill services; they must be restarted, nothing may be lost, and a backtest must run again."""
    restarts = {service: stack.container(service)["RestartCount"] for service in services}
    stack.kill(*services)
    for service, count in restarts.items():
        wait(
            lambda service=service, count=count: stack.container(service)["RestartCount"] > count,  # type: ignore[misc]
            RECOVERY_S,
            f"{service} was not restarted",
        )
        wait(lambda service=service: stack.is_healthy(service), RECOVERY_S, f"{service} is not healthy")  # type: ignore[misc]
    wait(lambda: call("POST", "/api/backtests/run", BACKTEST)[0] == 200, RECOVERY_S, "no backtest runs")
    check_kept(kept)


def check_queue(stack: Stack, services: Sequence[str], kept: dict[str, Any]) -> None:
    """Kill everything while ten backtests are queued or running; all of them must complete."""
    tasks = [call("POST", "/api/backtests/run-async", BACKTEST)[1]["task_id"] for _ in range(10)]
    check_recovery(stack, services, kept)
    for task in tasks:
        wait(lambda task=task: is_completed(task), RECOVERY_S, f"task {task} is not completed")  # type: ignore[misc]


def check_hardening(stack: Stack) -> None:
    """Every container has a read-only root, no capability, limits, and only the API and the UI publish a port."""
    for service in (*SERVICES, "init"):
        report = stack.container(service)
        host = report["HostConfig"]
        expect(host["ReadonlyRootfs"], f"{service} has a writable root")
        expect(host["CapDrop"] == ["ALL"] and not host["CapAdd"], f"{service} has capabilities")
        expect("no-new-privileges:true" in host["SecurityOpt"], f"{service} may gain privileges")
        expect(host["Memory"] > 0 and host["PidsLimit"] > 0, f"{service} has no limits")
        published = [port for ports in (host["PortBindings"] or {}).values() for port in ports]
        loopback = all(port["HostIp"] == "127.0.0.1" for port in published)
        expect(loopback and bool(published) == (service in {"api", "ui"}), f"{service} publishes {published}")
        expect(service == "s3" or report["Config"]["User"] not in {"", "0", "root"}, f"{service} runs as root")


def check_exposure(stack: Stack) -> None:
    """The servers do not start while other machines could reach them and there is no token."""
    for service in ("api", "ui"):
        run = ("run", "--detach", "--env", "COIN_PUBLISHED_AT=192.0.2.10", service)
        container = stack.compose(*run).split()[-1]
        logs = ["docker", "logs", container]
        try:
            wait(
                lambda logs=logs: (
                    "coin token create" in subprocess.run(logs, capture_output=True, text=True, check=False).stderr
                ),  # type: ignore[misc]
                RECOVERY_S,
                f"{service} does not wait for a token",
            )
        finally:
            subprocess.run(["docker", "rm", "--force", container], capture_output=True, check=True)


def walk_checklist(stack: Stack) -> None:
    """Perform every item of the migration checklist; print the transcript if one fails."""
    walk = [sys.executable, str(ROOT / "scripts/walk_checklist.py"), "--base-url", API, "--disruptive"]
    walk += ["--compose", shlex.join(stack.command)]
    walk += ["--allow", "5.7-sync", "--allow", "5.7-async"]  # times, which a busy machine exceeds
    done = subprocess.run(walk, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"the checklist is not complete\n{done.stdout}{done.stderr}")
    print(
        *(line for line in done.stdout.splitlines() if " commands: " in line or " items: " in line), sep="; ", end=" "
    )


def check_secrets(stack: Stack, secrets: Sequence[str]) -> None:
    """No log contains a password."""
    logs = stack.compose("logs", "--no-color")
    expect(len(logs) > 0, "there are no logs")
    for secret in secrets:
        expect(secret not in logs, "a log contains a secret of .env")


def secrets_of(env: Path) -> list[str]:
    """Return the passwords in a `.env`."""
    pairs = [line.partition("=") for line in env.read_text().splitlines() if not line.startswith("#")]
    return [value for name, _, value in pairs if name in {"POSTGRES_PASSWORD", "AWS_SECRET_ACCESS_KEY"}]


def is_completed(task_id: str) -> bool:
    """Return whether a task has its result.

    Raises:
        CheckFailed: It failed.
    """
    task = call("GET", f"/api/backtests/status/{task_id}")[1] or {}
    expect(task.get("status") != "failed", f"task {task_id} failed: {task}")
    return task.get("status") == "completed"


def call(method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Send a request to the API; return status and body, or 0 if it does not respond."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 -- the API's URL on loopback
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (OSError, ValueError):
        return 0, None


def stable(answer: tuple[int, Any]) -> tuple[int, Any]:
    """Return a response without what changes from request to request."""
    status, body = answer
    volatile = {"as_of", "server_time", "timestamp"}
    return status, {k: v for k, v in body.items() if k not in volatile} if isinstance(body, dict) else body


def wait(condition: Callable[[], bool], timeout_s: float, problem: str) -> None:
    """Wait until a condition holds.

    Raises:
        CheckFailed: It does not hold in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise CheckFailed(f"{problem} after {timeout_s:.0f} s")
        time.sleep(0.5)


def expect(holds: bool, problem: str) -> None:  # noqa: FBT001 -- reads like an assertion
    """Raise CheckFailed unless a condition holds."""
    if not holds:
        raise CheckFailed(problem)


if __name__ == "__main__":
    main()
