"""`coin serve`: its services in processes of their own, as containers and systemd run them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from coin_pipeline.cli.service_check import is_serving
from coin_pipeline.database.creation import ensure_database
from coin_pipeline.database.schema import is_current
from coin_pipeline.database.session import connect
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.data_root_lock import lock_data_root
from tests.conftest import store_candles
from tests.platforms import BACKTEST, COIN, SHORT_INTERVALS, free_ports, wait_until

START_S = 200
"""The code server alone takes a minute on a busy machine, and the ui and the daemon start after it."""
STOP_S = 30


def coin_serve(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start `coin serve` with its output in a pipe."""
    return subprocess.Popen(
        [COIN, "serve", *arguments],
        env={**os.environ, **SHORT_INTERVALS, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Return the output of a process that ends by itself, with its exit code in the last line."""
    output, _ = process.communicate(timeout=START_S)
    return f"{output}exit code {process.returncode}"


@pytest.fixture
def missing_database(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """DATABASE_URL of a database that does not exist, next to the one of `own_root`."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/missing_{own_root.name.replace('-', '_')}").geturl()
    monkeypatch.setenv("DATABASE_URL", url)
    return url


def test_init_twice_at_once_prepares_everything(own_root: Path, missing_database: str) -> None:
    """Both succeed: the database with its tables, Dagster's home, the workspace and the folders exist."""
    outputs = [finish(process) for process in [coin_serve("init"), coin_serve("init")]]
    assert all(output.endswith("ready\nexit code 0") for output in outputs), outputs
    assert sum("created" in output for output in outputs) == 1
    assert is_current(missing_database)
    assert {"dagster.yaml", "workspace.yaml"} <= {path.name for path in (own_root / "dagster").iterdir()}


def test_databases_are_created_once(missing_database: str) -> None:
    """Of several programs that find the database missing, one creates it and none fails."""
    with ThreadPoolExecutor(4) as pool:
        created = list(pool.map(ensure_database, [missing_database] * 4))
    assert sum(created) == 1
    connect(missing_database).close()


def test_a_refused_connection_is_not_taken_for_a_missing_database(own_root: Path) -> None:
    """The database exists, so the server's own reason is reported."""
    assert own_root.is_dir()
    url = os.environ["DATABASE_URL"]
    name = urlsplit(url).path.strip("/")
    with (
        closing(connect(urlsplit(url)._replace(path="/postgres").geturl())) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"alter database {name} with allow_connections false")
    with pytest.raises(DatabaseUnavailable, match="not currently accepting connections"):
        ensure_database(url)


def test_a_service_needs_an_outside_database(own_root: Path) -> None:
    """The embedded server belongs to one `coin up`; the error names the setting and the alternative."""
    assert own_root.is_dir()
    output = finish(coin_serve("api", DATABASE_URL=""))
    assert "DATABASE_URL: is not set" in output
    assert "'coin up'" in output
    assert output.endswith("exit code 2")


def test_a_service_refuses_the_data_root_of_coin_up(own_root: Path) -> None:
    """Two platforms would execute everything twice."""
    with closing(lock_data_root(own_root)):
        output = finish(coin_serve("api"))
    assert "another 'coin up' or 'coin serve' already serves" in output
    assert output.endswith("exit code 2")


def test_a_waiting_service_names_the_reason_and_stops(own_root: Path, missing_database: str) -> None:
    """Without `init` a service waits for it, and SIGTERM ends the wait."""
    assert own_root.is_dir()
    assert missing_database
    with coin_serve("pool") as process:
        assert process.stdout
        assert "waiting for the database: " in process.stdout.readline()
        process.terminate()
        assert process.wait(STOP_S) == 0


@pytest.mark.parametrize("service", ["init", "code", "daemon", "ui", "api", "pool"])
def test_the_check_of_a_service_that_does_not_run_fails(service: str, tmp_path: Path) -> None:
    """A container whose process is gone is unhealthy."""
    assert not is_serving(service, free_ports(1)[0], tmp_path, "postgresql://user@127.0.0.1:1/none")


@pytest.mark.parametrize(
    ("bind", "listening"),
    [("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "127.0.0.1"), ("[::1]", "::1"), ("::", "::1")],  # noqa: S104
)
def test_the_check_asks_at_the_address_of_the_server(bind: str, listening: str, tmp_path: Path) -> None:
    """A server on one address of the machine does not respond at the others."""
    family = socket.AF_INET6 if ":" in listening else socket.AF_INET
    with closing(socket.create_server((listening, 0), family=family)) as server, ThreadPoolExecutor(1) as pool:
        server.settimeout(START_S)

        def respond() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1024)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        answered = pool.submit(respond)
        assert is_serving("api", server.getsockname()[1], tmp_path, "", bind)
        answered.result()


@contextmanager
def service(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a service with its output in a file; kill its processes at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [COIN, "serve", *arguments],
            env={**os.environ, **SHORT_INTERVALS},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_services_together_are_a_platform(own_root: Path) -> None:
    """A backtest runs, every check passes, copied results are listed, `coin up` is refused, and SIGTERM stops each."""
    store_candles(own_root)
    (own_root / "results").mkdir()
    (own_root / "results/old.json").write_text('{"strategy": "s", "symbols": [{"symbol": "BTC_KRW", "signals": 3}]}')
    assert finish(coin_serve("init")).endswith("exit code 0")
    ports = dict(zip(("api", "ui"), free_ports(2), strict=True))
    logs = own_root / "service-logs"
    logs.mkdir()
    with ExitStack() as stack:
        # The ui and the daemon wait for the code server.
        running = {
            name: stack.enter_context(
                service(logs / name, name, *(("--port", str(ports[name])) if name in ports else ()))
            )
            for name in ("ui", "daemon", "code", "pool", "api")
        }
        url = load_settings().database_url
        assert url

        def serves(name: str) -> Callable[[], bool]:
            return lambda: is_serving(name, ports.get(name, 0), own_root, url.get_secret_value())

        for name in running:
            wait_until(serves(name), START_S)
        api = httpx2.Client(base_url=f"http://127.0.0.1:{ports['api']}", timeout=START_S)
        stack.enter_context(api)
        response = api.post("/api/backtests/run", json=BACKTEST)
        assert response.status_code == 200, response.text
        wait_until(lambda: api.get("/api/backtests/history", params={"strategy": "s"}).json()["total"] == 1, START_S)
        refused = subprocess.run([COIN, "up"], capture_output=True, text=True, timeout=START_S, check=False)
        assert "already serves" in refused.stderr
        for name in ("api", "ui", "daemon", "pool", "code"):
            running[name].terminate()
            assert running[name].wait(STOP_S) in {0, -signal.SIGTERM}, (name, (logs / name).read_text())
            assert not serves(name)()


def test_the_check_costs_little() -> None:
    """Containers run it every few seconds, so it must load neither Dagster nor the settings."""
    code = "import sys; from coin_pipeline.cli import app, service, service_check; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"dagster", "pydantic", "psycopg2", "numpy"} & set(loaded)
