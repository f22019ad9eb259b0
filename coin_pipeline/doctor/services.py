"""Checks of the platform's processes: database, daemon, code server, worker pool, API, Dagster UI."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from importlib import metadata
from typing import Any, NamedTuple, TypeVar

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

import coin_pipeline
from coin_pipeline.database import dagster_revisions
from coin_pipeline.database.feature_flags import is_paused
from coin_pipeline.database.schema import current, head, revisions
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.database.timeouts import INTERACTIVE
from coin_pipeline.database.url import running_database_url
from coin_pipeline.doctor import check_texts, texts
from coin_pipeline.doctor.model import Finding, Installation
from coin_pipeline.orchestration.worker_pool.protocol import SOCKET_NAME, send_request
from coin_pipeline.settings import Settings

T = TypeVar("T")
TIMEOUT_S = 5
"""How long a process may take to respond: more than healthy ones ever do, also on a busy machine."""
SILENT_S = 90
"""Age of a heartbeat at which its daemon counts as away: three of Dagster's intervals."""
DROPPED_S = 86_400
"""Age of a heartbeat at which its daemon is no longer one of those that run, if the others have recent ones."""
CROWDED = 0.8
"""Share of the connections of the server above which it is nearly full."""
_MAX_BODY = 65_536
_REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_HEARTBEATS = """
    select daemon_type, extract(epoch from now() at time zone 'utc' - timestamp)::float8
    from daemon_heartbeats order by daemon_type"""
_SERVER = """
    select current_setting('server_version'), current_setting('max_connections')::int,
           (select count(*) from pg_stat_activity where backend_type = 'client backend')"""


class Answer(NamedTuple):
    """An HTTP response: its status, and its body if that is a JSON object."""

    status: int
    document: dict[str, Any]


def database(at: Installation) -> Finding:
    """Check that the database responds and has connections left."""
    with _session(at.settings) as session:
        if session is None:
            return at.failed(texts.DATABASE_STOPPED, check_texts.START)
        session.run(lambda cursor: cursor.execute("select"))
        began = time.perf_counter()
        version, limit, used = session.run(_one(_SERVER))
        ms = (time.perf_counter() - began) * 1e3
    if used > CROWDED * limit:
        return at.warning(texts.DATABASE_CROWDED, texts.DATABASE_CROWDED_ADVICE, used=used, limit=limit)
    return at.ok(texts.DATABASE_OK, version=version.split()[0], ms=ms, used=used, limit=limit)


def migrations(at: Installation) -> Finding:
    """Compare the revision of the tables with that of this version."""
    with _session(at.settings) as session:
        if session is None:
            return at.failed(texts.DATABASE_STOPPED, check_texts.START)
        revision = current(session)
    if revision is None:
        return at.failed(texts.MIGRATIONS_NONE)
    if revision not in revisions():
        return at.failed(texts.MIGRATIONS_NEWER, texts.MIGRATIONS_NEWER_ADVICE, revision=revision, head=head())
    if revision != head():
        return at.failed(texts.MIGRATIONS_OLD, revision=revision, head=head())
    return at.ok(texts.MIGRATIONS_OK, revision=revision)


def dagster_tables(at: Installation) -> Finding:
    """Compare the revision of Dagster's own tables with that of the installed Dagster."""
    with _session(at.settings) as session:
        if session is None:
            return at.failed(texts.DATABASE_STOPPED)
        revision = dagster_revisions.current(session)
    if revision is None:
        return at.failed(texts.MIGRATIONS_NONE)
    needed, home = dagster_revisions.installed(), at.settings.dagster_home or at.settings.data_root / "dagster"
    values = {"revision": revision, "head": needed.head, "version": metadata.version("dagster"), "home": home}
    if revision not in needed.known:
        return at.failed(texts.DAGSTER_TABLES_NEWER, texts.DAGSTER_TABLES_NEWER_ADVICE, **values)
    if revision != needed.head:
        return at.failed(texts.DAGSTER_TABLES_OLD, texts.DAGSTER_TABLES_ADVICE, **values)
    return at.ok(texts.DAGSTER_TABLES_OK, **values)


def daemon(at: Installation) -> Finding:
    """Check the heartbeats of Dagster's daemons, and that a restore has not stopped them."""
    with _session(at.settings) as session:
        if session is None:
            return at.failed(texts.DATABASE_STOPPED)
        ages = dict(session.run(_all(_HEARTBEATS))) if session.run(_one(_has("daemon_heartbeats")))[0] else {}
        paused = session.run(_one(_has("coin.switch")))[0] and is_paused(session)
    silent = silent_daemons(ages)
    if not ages:
        return at.failed(texts.DAEMON_NEVER)
    if silent:
        return at.failed(texts.DAEMON_SILENT, age=max(ages[name] for name in silent), names=", ".join(silent))
    if paused:
        return at.warning(texts.DAEMON_PAUSED, texts.DAEMON_PAUSED_ADVICE)
    current_ages = [age for age in ages.values() if age < DROPPED_S]
    return at.ok(texts.DAEMON_OK, count=len(current_ages), age=min(current_ages))


def silent_daemons(ages: dict[str, float]) -> list[str]:
    """Return the daemons without a recent heartbeat; one that no longer runs by configuration does not count.

    >>> silent_daemons({"SCHEDULER": 12.0, "SENSOR": 400.0, "BACKFILL": 1e6})
    ['SENSOR']
    >>> silent_daemons({"SCHEDULER": 1e6})
    ['SCHEDULER']
    """
    newest = min(ages.values(), default=0.0)
    return [name for name, age in ages.items() if age > SILENT_S and (age < DROPPED_S or newest > SILENT_S)]


def code_location(at: Installation) -> Finding:
    """Ask the code server whether it serves."""
    address = code_server_address(at.settings)
    if address is None:
        return at.failed(texts.CODE_NEVER)
    options = [("grpc.enable_http_proxy", 0)]
    try:
        with grpc.insecure_channel(address, options) as channel:
            HealthStub(channel).Check(HealthCheckRequest(service="DagsterApi"), timeout=TIMEOUT_S, wait_for_ready=False)
    except grpc.RpcError:
        return at.failed(texts.CODE_SILENT, address=address)
    return at.ok(texts.CODE_OK, address=address)


def code_server_address(settings: Settings) -> str | None:
    """Return the address of the code server: COIN_CODE_SERVER, or what the platform recorded when it last started."""
    workspace = settings.data_root / "dagster" / "workspace.yaml"
    if settings.coin_code_server or not workspace.is_file():
        return settings.coin_code_server
    server = json.loads(workspace.read_text())["load_from"][0]["grpc_server"]
    return f"unix:{server['socket']}" if "socket" in server else f"{server['host']}:{server['port']}"


def worker_pool(at: Installation) -> Finding:
    """Ask the worker pool for its runs."""
    if at.settings.coin_launcher != "warm":
        return at.ok(texts.POOL_UNUSED)
    home = at.settings.data_root / "dagster"
    try:
        answer = send_request(home, TIMEOUT_S, runs=True)
    except OSError:
        return at.failed(texts.POOL_SILENT, socket=home / SOCKET_NAME)
    return at.ok(texts.POOL_OK, runs=len(answer["runs"]), workers=at.settings.coin_workers)


def api(at: Installation) -> Finding:
    """Check that the API responds, and is of the installed version."""
    url = at.api_url.rstrip("/")
    try:
        alive, root = _ask(at, f"{url}/health/live"), _ask(at, f"{url}/")
    except (OSError, http.client.HTTPException) as error:
        return at.failed(texts.SERVER_ABSENT, url=url, reason=_reason(error))
    if _is_refused(alive):
        return at.ok(texts.SERVER_RESPONDS, url=url)
    if alive.document.get("status") != "alive":
        return _foreign(at, url, alive)
    return _api_version(at, url, root)


def _api_version(at: Installation, url: str, root: Answer) -> Finding:
    if at.settings.coin_token and root.status == HTTPStatus.UNAUTHORIZED:
        return at.warning(texts.SERVER_REFUSES, texts.SERVER_REFUSES_ADVICE, url=url)
    version = root.document.get("version")  # absent if a token is needed
    if version is None:
        return at.ok(texts.SERVER_RESPONDS, url=url)
    if version != coin_pipeline.__version__:
        values = {"url": url, "version": version, "installed": coin_pipeline.__version__}
        return at.warning(texts.SERVER_OTHER_VERSION, texts.SERVER_OTHER_VERSION_ADVICE, **values)
    return at.ok(texts.SERVER_OK, url=url, version=version)


def dagster_ui(at: Installation) -> Finding:
    """Check that the Dagster UI responds; it may ask for a token."""
    url = at.ui_url.rstrip("/")
    try:
        answer = _ask(at, f"{url}/server_info")
    except (OSError, http.client.HTTPException) as error:
        return at.failed(texts.SERVER_ABSENT, url=url, reason=_reason(error))
    if version := answer.document.get("dagster_webserver_version"):
        return at.ok(texts.SERVER_OK, url=url, version=version)
    return at.ok(texts.SERVER_RESPONDS, url=url) if _is_refused(answer) else _foreign(at, url, answer)


@contextmanager
def _session(settings: Settings) -> Iterator[Session | None]:
    """Yield a session on the database; None if the embedded server does not run. Nothing is started."""
    url = running_database_url(settings)
    if url is None:
        yield None
        return
    with closing(Session(url, INTERACTIVE)) as session:
        yield session


def _one(statement: str) -> Callable[[Cursor], tuple[Any, ...]]:
    return lambda cursor: _all(statement)(cursor)[0]


def _all(statement: str) -> Callable[[Cursor], list[tuple[Any, ...]]]:
    def read(cursor: Cursor) -> list[tuple[Any, ...]]:
        cursor.execute(statement)
        return cursor.fetchall()

    return read


def _has(table: str) -> str:
    return f"select to_regclass('{table}') is not null"


def _ask(at: Installation, url: str) -> Answer:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 -- http or https, as checked
    if token := at.settings.coin_token:  # not for the server to which another program may redirect
        request.add_unredirected_header("Authorization", f"Bearer {token.get_secret_value()}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 -- same
            return Answer(response.status, _parse(response.read(_MAX_BODY)))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _parse(error.read(_MAX_BODY)))


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _is_refused(answer: Answer) -> bool:
    """Return whether one of our servers asks for a token, or does not answer to the host of the URL."""
    return answer.status in _REFUSALS and "detail" in answer.document


def _foreign(at: Installation, url: str, answer: Answer) -> Finding:
    detail = f"{answer.status} {answer.document.get('detail', '')}".strip()
    return at.failed(texts.SERVER_FOREIGN, texts.SERVER_FOREIGN_ADVICE, url=url, answer=detail)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)
