"""Checks of the platform's processes, against a real database and servers that respond as theirs do."""

import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import coin_pipeline
from coin_pipeline.database.dagster_revisions import installed
from coin_pipeline.database.feature_flags import PAUSE
from coin_pipeline.database.schema import downgrade, head, revisions
from coin_pipeline.database.session import connect
from coin_pipeline.doctor import services
from coin_pipeline.doctor.model import Installation
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.settings import Settings, load_settings
from tests.platforms import free_ports
from tests.schemas import create_schema

DAGSTER = installed()
HEARTBEATS = "create table daemon_heartbeats (daemon_type varchar(255) unique, timestamp timestamp)"
BEAT = "insert into daemon_heartbeats values ('{name}', now() at time zone 'utc' - interval '{age} s')"


def run(*statements: str) -> None:
    """Run statements on the database of the settings."""
    url = load_settings().database_url
    assert url
    with closing(connect(url.get_secret_value())) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def installation(api_url: str = "", ui_url: str = "") -> Installation:
    """Return the installation of the settings."""
    return Installation(load_settings(), api_url, ui_url)


@pytest.fixture
def tables(own_root: Path) -> Path:
    """DATA_ROOT with a database that has the platform's tables."""
    url = load_settings().database_url
    assert url
    create_schema(url.get_secret_value())
    return own_root


@contextmanager
def serving(
    answers: Mapping[str, tuple[int, object]], token: str | None = None, free: Collection[str] = ()
) -> Iterator[str]:
    """Serve JSON under paths, to clients with the token and under the free paths to others too; yield the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = answers.get(self.path, (404, {"error": "not found"}))
            if token and self.path not in free and self.headers["Authorization"] != f"Bearer {token}":
                status, document = 401, {"detail": "the token is not valid"}
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_database_that_responds(tables: Path) -> None:
    """With its version and connections."""
    assert tables.is_dir()
    finding = services.database(installation())
    assert finding.state == "ok"
    assert "connections used" in finding.found


def test_a_database_that_is_away_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the server's port."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://coin:planted@127.0.0.1:{free_ports(1)[0]}/coin")
    with pytest.raises(DatabaseUnavailable) as caught:
        services.database(installation())
    assert "planted" not in str(caught.value)


def test_current_tables(tables: Path) -> None:
    """At the newest revision."""
    assert tables.is_dir()
    assert services.migrations(installation())[:2] == ("ok", f"revision {head()}, the newest")


def test_old_tables(tables: Path) -> None:
    """The advice is the command that upgrades them."""
    assert tables.is_dir()
    url = load_settings().database_url
    assert url
    downgrade(url.get_secret_value(), revisions()[-2])
    finding = services.migrations(installation())
    assert finding.state == "failed"
    assert finding.found == f"revision {revisions()[-2]}; this version needs {head()}"


def test_tables_of_a_newer_version(tables: Path) -> None:
    """They are not to be upgraded by this one."""
    assert tables.is_dir()
    run("update coin.schema_revision set version_num = '9999'")
    finding = services.migrations(installation())
    assert finding.state == "failed"
    assert f"coin database downgrade {head()}" in finding.advice


def test_no_tables(own_root: Path) -> None:
    """A database that was just created."""
    assert own_root.is_dir()
    assert services.migrations(installation())[:2] == ("failed", "the tables do not exist")
    assert services.dagster_tables(installation())[:2] == ("failed", "the tables do not exist")
    assert services.daemon(installation())[:2] == ("failed", "it has never run")


@pytest.mark.parametrize(
    ("revision", "state", "found"),
    [
        (DAGSTER.head, "ok", ", as Dagster "),
        (min(DAGSTER.known - {DAGSTER.head}), "failed", f" needs {DAGSTER.head}"),
        ("ffffffffffff", "failed", " of a newer Dagster"),
    ],
)
def test_tables_of_dagster(own_root: Path, revision: str, state: str, found: str) -> None:
    """Their revision is that of the installed Dagster."""
    assert own_root.is_dir()
    run(f"create table alembic_version as select '{revision}' as version_num")
    finding = services.dagster_tables(installation())
    assert finding.state == state
    assert found in finding.found


def test_daemons_with_recent_heartbeats(tables: Path) -> None:
    """One that was configured away long ago does not count."""
    assert tables.is_dir()
    beats = (("SENSOR", 5), ("SCHEDULER", 40), ("BACKFILL", 10**6))
    run(HEARTBEATS, *(BEAT.format(name=name, age=age) for name, age in beats))
    finding = services.daemon(installation())
    assert finding.state == "ok"
    assert finding.found.startswith("2 daemons, last heartbeat ")


def test_a_silent_daemon(tables: Path) -> None:
    """It is named although the others have heartbeats."""
    assert tables.is_dir()
    run(HEARTBEATS, BEAT.format(name="SENSOR", age=400), BEAT.format(name="SCHEDULER", age=1))
    finding = services.daemon(installation())
    assert finding.state == "failed"
    assert finding.found.endswith(" s: SENSOR")


def test_schedules_that_a_restore_has_stopped(tables: Path) -> None:
    """They do not start by themselves."""
    assert tables.is_dir()
    run(HEARTBEATS, BEAT.format(name="SENSOR", age=1), PAUSE)
    assert services.daemon(installation()).advice == "Run 'coin database resume'."


def test_the_api_of_this_version() -> None:
    """It responds, and its version is the installed one."""
    answers = {"/health/live": (200, {"status": "alive"}), "/": (200, {"version": coin_pipeline.__version__})}
    with serving(answers) as url:
        assert services.api(installation(url)).state == "ok"


def test_the_api_of_another_version() -> None:
    """It was not restarted after an upgrade."""
    with serving({"/health/live": (200, {"status": "alive"}), "/": (200, {"version": "0.0.1"})}) as url:
        finding = services.api(installation(url))
    assert (finding.state, finding.advice) == ("warning", "Restart the platform.")


@pytest.mark.parametrize(("status", "detail"), [(401, "a token is required"), (403, "does not answer to the host")])
def test_servers_that_require_a_token_or_another_name_respond(status: int, detail: str) -> None:
    """This needs no token."""
    refusal = status, {"detail": detail}
    with serving({"/health/live": refusal, "/": refusal, "/server_info": refusal}) as url:
        assert services.api(installation(url)).state == "ok"
        assert services.dagster_ui(installation(ui_url=url)).state == "ok"


@pytest.mark.parametrize(("token", "state"), [("right", "ok"), ("wrong", "warning")])
def test_coin_token_is_sent(monkeypatch: pytest.MonkeyPatch, token: str, state: str) -> None:
    """The API states its version to a usable token; one that it refuses is reported."""
    monkeypatch.setenv("COIN_TOKEN", token)
    answers = {"/health/live": (200, {"status": "alive"}), "/": (200, {"version": coin_pipeline.__version__})}
    with serving(answers, token="right", free={"/health/live"}) as url:  # noqa: S106 -- of no server
        finding = services.api(installation(url))
    assert finding.state == state
    assert (coin_pipeline.__version__ in finding.found) == (token == "right")  # noqa: S105 -- same


def test_another_program_at_the_ports() -> None:
    """It is not taken for the platform."""
    with serving({}) as url:
        findings = services.api(installation(url)), services.dagster_ui(installation(ui_url=url))
    assert [finding.state for finding in findings] == ["failed", "failed"]
    assert findings[0].found == f"another program uses {url}: it answered 404"


def test_the_dagster_ui() -> None:
    """It is identified by its version."""
    with serving({"/server_info": (200, {"dagster_webserver_version": "1.13.27"})}) as url:
        assert services.dagster_ui(installation(ui_url=url)).found == f"responds at {url}, version 1.13.27"


@pytest.mark.parametrize("check", [services.code_location, services.worker_pool])
def test_processes_that_do_not_respond(tmp_path: Path, check: Callable[[Installation], object]) -> None:
    """Their sockets are left over from a platform that was killed, or there are none."""
    (tmp_path / "dagster").mkdir()
    at = Installation(Settings(data_root=tmp_path), "", "")
    never = check(at)
    (tmp_path / "dagster" / "pool.sock").touch()
    server = {"socket": str(tmp_path / "dagster" / "code-server.sock"), "location_name": "coin_pipeline"}
    (tmp_path / "dagster" / "workspace.yaml").write_text(json.dumps({"load_from": [{"grpc_server": server}]}))
    killed = check(at)
    assert [finding.state for finding in (never, killed)] == ["failed", "failed"]  # type: ignore[attr-defined]


def test_the_pool_is_not_needed_with_the_default_launcher(tmp_path: Path) -> None:
    """Each run has a process of its own then."""
    at = Installation(Settings(data_root=tmp_path, coin_launcher="dagster"), "", "")
    assert services.worker_pool(at).state == "ok"
