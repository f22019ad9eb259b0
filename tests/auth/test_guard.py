"""The guard in front of an application: tokens, scopes, limits, revocation and the audit log."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coin_pipeline.auth.access import AccessControl, require_reachable
from coin_pipeline.auth.audit import Action, AuditEntry, AuditFilter, AuditLog, list_entries, new_entry
from coin_pipeline.auth.guard import Guard, identity_of
from coin_pipeline.auth.known_tokens import KnownTokens
from coin_pipeline.auth.scopes import API
from coin_pipeline.auth.tokens import create_token, revoke_token
from coin_pipeline.database.session import Session
from coin_pipeline.errors import DatabaseUnavailable, InvalidSettings
from coin_pipeline.settings import Settings
from tests.platforms import wait_until

NO_DATABASE = "postgresql://127.0.0.1:1/none"
READ, RUN = "/api/backtests/latest", "/api/backtests/run"


def settings_of(**values: Any) -> Settings:  # noqa: ANN401 -- values of settings
    """Return settings that require tokens, with these values."""
    return Settings(_env_file=None, **({"coin_auth": "on"} | values))


async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
    """Respond with the name of the token."""
    identity = identity_of(scope)
    body = (identity.name if identity else "anonymous").encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Server:
    """The application behind a guard, and one event loop."""

    def __init__(
        self, database: str, settings: Settings, app: ASGIApp = answer, *, recheck_s: float = 1.0, **limits: float
    ) -> None:
        self.access = AccessControl(settings, lambda _: database)
        self.access.tokens = KnownTokens(lambda: database, **limits)
        self.guard = Guard(app, self.access, API, lambda scope: Action(scope["path"], "target"), recheck_s)
        self.loop = asyncio.new_event_loop()

    def ask(self, method: str, path: str, authorization: str | None = None) -> tuple[int, dict[str, str], str]:
        """Send a request; return status, headers and body."""
        return self.loop.run_until_complete(self.request(method, path, authorization))

    async def request(self, method: str, path: str, authorization: str | None) -> tuple[int, dict[str, str], str]:
        """Send a request in the running loop."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await self.guard(scope_of("http", method, path, authorization), _no_body, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, b"".join(message["body"] for message in sent[1:]).decode()

    def close(self) -> None:
        """Store the audit log."""
        self.access.close()
        self.loop.close()


def scope_of(kind: str, method: str, path: str, authorization: str | None) -> Scope:
    """Return the ASGI scope of a request."""
    headers = [(b"authorization", authorization.encode())] if authorization is not None else []
    scope = {"type": kind, "path": path, "headers": headers, "client": ("192.0.2.7", 1234)}
    return scope | ({"method": method} if kind == "http" else {})


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


@pytest.fixture
def server(database: str, session: Session) -> Iterator[Server]:
    """A server that requires tokens."""
    assert session
    with closing(Server(database, settings_of())) as server:
        yield server


def entries_after(server: Server, session: Session) -> list[AuditEntry]:
    """Return the audit log, the oldest first, after the server has stored it."""
    server.access.close()
    return list_entries(session, AuditFilter(), 100)[::-1]


def test_programs_send_a_bearer_token(server: Server, session: Session) -> None:
    """The application learns its name."""
    token = create_token(session, "ci", ["read"])
    assert server.ask("GET", READ, f"Bearer {token}")[::2] == (200, "ci")


@pytest.mark.parametrize("user", ["", "ci", "someone-else"])
def test_browsers_send_the_token_as_password(server: Server, session: Session, user: str) -> None:
    """Whatever the user name."""
    token = create_token(session, "ci", ["read"])
    basic = base64.b64encode(f"{user}:{token}".encode()).decode()
    assert server.ask("GET", READ, f"Basic {basic}")[::2] == (200, "ci")


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer x", "Basic !", "Basic Og==", "Bearer coin_1_" + "a" * 43, "Digest coin", "ÿ"],
)
def test_other_requests_are_refused(server: Server, session: Session, authorization: str | None) -> None:
    """With the challenge that makes a browser ask for the token."""
    create_token(session, "ci", ["admin"])
    status, headers, body = server.ask("GET", READ, authorization)
    assert (status, headers["content-type"]) == (401, "application/problem+json")
    assert headers["www-authenticate"].startswith("Basic")
    assert "token" in json.loads(body)["detail"]


def test_probes_need_no_token(server: Server) -> None:
    """Load balancers have none."""
    assert server.ask("GET", "/health/live")[0] == 200
    assert server.ask("POST", "/health/live")[0] == 401
    assert server.ask("GET", "/health")[0] == 401


def test_scope_is_required(server: Server, session: Session) -> None:
    """A token that may only read starts nothing; what is not in the table requires admin."""
    read, admin = (f"Bearer {create_token(session, scope, [scope])}" for scope in ("read", "admin"))
    status, _, body = server.ask("POST", RUN, read)
    assert (status, json.loads(body)["detail"]) == (403, "the token read has the scope read; this requires run")
    assert server.ask("POST", "/api/unknown", read)[0] == 403
    assert [server.ask("POST", path, admin)[0] for path in (RUN, "/api/unknown")] == [200, 200]


def test_tokens_are_optional_on_loopback(database: str, session: Session) -> None:
    """Without a token everything is allowed; one that is sent counts."""
    token = create_token(session, "ci", ["read"])
    with closing(Server(database, settings_of(coin_auth="auto"))) as server:
        assert server.ask("POST", RUN)[::2] == (200, "anonymous")
        assert server.ask("GET", READ, f"Bearer {token}")[::2] == (200, "ci")
        assert server.ask("POST", RUN, f"Bearer {token}")[0] == 403
        assert server.ask("GET", READ, "Bearer wrong")[0] == 401
        assert server.ask("GET", READ, "Negotiate wrong")[::2] == (200, "anonymous")


def test_without_the_database_no_token_is_accepted(session: Session) -> None:
    """It may have been revoked; requests that need none continue."""
    token = create_token(session, "ci", ["read"])
    with closing(Server(NO_DATABASE, settings_of())) as server:
        status, headers, body = server.ask("GET", READ, f"Bearer {token}")
        assert (status, headers["retry-after"]) == (503, "5")
        assert "127.0.0.1" not in body
        assert server.ask("GET", READ)[0] == 401
        assert server.ask("GET", "/health/live")[0] == 200


def test_new_token_works_at_once(database: str, session: Session) -> None:
    """Although the known ones were read before it was created."""
    with closing(Server(database, settings_of(), fresh_s=3600.0, retry_s=0.0)) as server:
        for name in ("first", "second"):
            token = create_token(session, name, ["read"])
            assert server.ask("GET", READ, f"Bearer {token}")[0] == 200


def test_revoked_token_stops_working(database: str, session: Session) -> None:
    """As soon as the tokens are read again."""
    token = create_token(session, "ci", ["read"])
    with closing(Server(database, settings_of(), fresh_s=0.0)) as server:
        assert server.ask("GET", READ, f"Bearer {token}")[0] == 200
        revoke_token(session, "ci")
        assert server.ask("GET", READ, f"Bearer {token}")[0] == 401


def test_known_tokens_are_read_once_for_many_requests(session: Session) -> None:
    """Requests that arrive together wait for one read."""
    reads: list[object] = []
    token = create_token(session, "ci", ["read"])

    def find_database(_: Settings) -> str:
        reads.append(None)
        raise DatabaseUnavailable("here", "away")

    server = Server("", settings_of())
    server.access = AccessControl(settings_of(), find_database)
    server.guard = Guard(answer, server.access, API, lambda _: None)

    async def many() -> list[int]:
        answers = await asyncio.gather(*(server.request("GET", READ, f"Bearer {token}") for _ in range(50)))
        return [status for status, *_ in answers]

    with closing(server):
        assert server.loop.run_until_complete(many()) == [503] * 50
        assert len(reads) == 1


def test_rate_is_limited_per_token(database: str, session: Session) -> None:
    """A burst of two seconds' worth is allowed; other tokens are not affected."""
    one, two = (f"Bearer {create_token(session, name, ['read'])}" for name in ("one", "two"))
    with closing(Server(database, settings_of(coin_rate_limit=0.01))) as server:
        assert server.ask("GET", READ, one)[0] == 200
        status, headers, _ = server.ask("GET", READ, one)
        assert status == 429
        assert 90 < int(headers["retry-after"]) <= 100
        assert server.ask("GET", READ, two)[0] == 200


def test_open_requests_are_limited_per_token(database: str, session: Session) -> None:
    """One token cannot take all connections; ended requests no longer count."""
    token = f"Bearer {create_token(session, 'ci', ['read'])}"
    released = asyncio.Event()

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        await released.wait()
        await answer(scope, receive, send)

    async def many(server: Server) -> list[int]:
        tasks = [asyncio.create_task(server.request("GET", READ, token)) for _ in range(6)]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        released.set()
        assert {task.result()[0] for task in done} == {429}
        return sorted([(await task)[0] for task in tasks] + [(await server.request("GET", READ, token))[0]])

    with closing(Server(database, settings_of(coin_max_connections=8), wait)) as server:
        assert server.loop.run_until_complete(many(server)) == [200] * 5 + [429] * 2


def streaming(kind: str) -> ASGIApp:
    """Return an application that sends messages fifty times."""

    async def stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start if kind == "http" else {"type": "websocket.accept"})
        body = {"type": "http.response.body", "body": b"x", "more_body": True}
        for _ in range(50):
            await send(body if kind == "http" else {"type": "websocket.send", "text": "x"})
            await asyncio.sleep(0.01)

    return stream


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("http", {"type": "http.response.body", "body": b"", "more_body": False}),
        ("websocket", {"type": "websocket.close", "code": 1008}),
    ],
)
def test_streams_end_when_their_token_is_revoked(database: str, session: Session, kind: str, end: Message) -> None:
    """An event stream or WebSocket may otherwise stay open for days."""
    token = f"Bearer {create_token(session, 'ci', ['read'])}"
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if len(sent) == 3:
            revoke_token(session, "ci")

    with closing(Server(database, settings_of(), streaming(kind), recheck_s=0.05, fresh_s=0.05)) as server:
        scope = scope_of(kind, "GET", "/api/backtests/status/1/events", token)
        server.loop.run_until_complete(server.guard(scope, _no_body, send))
    assert sent[-1] == end
    assert 3 <= len(sent) < 50


def test_streams_of_usable_tokens_continue(database: str, session: Session) -> None:
    """The check lets them through."""
    token = f"Bearer {create_token(session, 'ci', ['read'])}"
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with closing(Server(database, settings_of(), streaming("http"), recheck_s=0.0)) as server:
        server.loop.run_until_complete(server.guard(scope_of("http", "GET", READ, token), _no_body, send))
    assert len(sent) == 51


def test_websocket_without_token_is_closed(server: Server) -> None:
    """Before it is accepted."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    server.loop.run_until_complete(server.guard(scope_of("websocket", "GET", "/graphql", None), _no_body, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_changes_and_refusals_are_recorded(server: Server, session: Session) -> None:
    """Who, from where, what, and the outcome; reads are not."""
    read, run = (f"Bearer {create_token(session, scope, [scope])}" for scope in ("read", "run"))
    for method, path, token in (
        ("GET", READ, run),
        ("POST", RUN, run),
        ("POST", RUN, read),
        ("GET", READ, None),
        ("POST", RUN, "Bearer x"),
    ):
        server.ask(method, path, token)
    recorded = entries_after(server, session)
    assert [(e.actor, e.client, e.method, e.route, e.status, e.target) for e in recorded] == [
        ("run", "192.0.2.7", "POST", RUN, 200, "target"),
        ("read", "192.0.2.7", "POST", RUN, 403, None),
        (None, "192.0.2.7", "GET", READ, 401, None),
        (None, "192.0.2.7", "POST", RUN, 401, None),
    ]


def test_refusals_cannot_fill_the_audit_log(server: Server, session: Session) -> None:
    """Every client can send requests without a token."""
    for _ in range(100):
        server.ask("GET", READ)
    assert 60 <= len(entries_after(server, session)) < 70


def test_failures_are_recorded(database: str, session: Session) -> None:
    """An application that raises has responded with 500."""

    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ValueError

    with closing(Server(database, settings_of(coin_auth="auto"), fail)) as server:
        with pytest.raises(ValueError):  # noqa: PT011 -- as raised above
            server.ask("POST", RUN)
        assert [entry.status for entry in entries_after(server, session)] == [500]


def test_entries_that_cannot_be_stored_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An operator finds them in the log of the server."""
    with closing(Server(NO_DATABASE, settings_of(coin_auth="auto"))) as server:
        server.ask("POST", RUN)
    assert f"'route': '{RUN}'" in caplog.text


def test_a_value_that_the_database_refuses_does_not_hold_up_others(
    database: str, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, as it would be refused again."""
    entry = new_entry(None, "local", "POST", Action("refused", None), 2**40)
    with closing(AuditLog(lambda: database)) as log:
        log.record(entry)
        wait_until(lambda: "'route': 'refused'" in caplog.text, 10)
        log.record(new_entry(None, "local", "POST", Action("stored", None), 200))
        wait_until(lambda: bool(list_entries(session, AuditFilter(), 10)), 10)
    assert [found.route for found in list_entries(session, AuditFilter(), 10)] == ["stored"]


def test_a_database_that_hangs_loses_no_entries(caplog: pytest.LogCaptureFixture) -> None:
    """A server that stops meanwhile logs what it is storing, and what waits behind that."""
    asked, released = threading.Event(), threading.Event()

    def hang() -> str:
        asked.set()
        released.wait()
        return NO_DATABASE

    log = AuditLog(hang, close_s=0.1)
    log.record(new_entry(None, "local", "POST", Action("first", None), 200))
    assert asked.wait(10)
    log.record(new_entry(None, "local", "POST", Action("second", None), 200))
    log.close()
    released.set()
    assert "'route': 'first'" in caplog.text
    assert "'route': 'second'" in caplog.text


@pytest.mark.parametrize(
    ("values", "variable"),
    [
        ({"coin_auth": "on"}, "COIN_AUTH: COIN_AUTH=on requires tokens"),
        ({"coin_auth": "auto", "coin_bind": "0.0.0.0"}, r"COIN_BIND: 0\.0\.0\.0 lets other machines"),  # noqa: S104
        (
            {"coin_auth": "auto", "coin_published_at": "192.0.2.1"},
            r"COIN_PUBLISHED_AT: 192\.0\.2\.1 lets other machines",
        ),
        (
            {"coin_auth": "auto", "coin_bind": "0.0.0.0", "coin_published_at": "127.0.0.1"},  # noqa: S104
            r"COIN_BIND: 0\.0\.0\.0 lets other machines",
        ),
    ],
)
def test_start_is_refused_without_a_usable_token(
    database: str, session: Session, values: dict[str, str], variable: str
) -> None:
    """With the command that creates one; afterwards it starts."""
    settings = settings_of(**values)
    with pytest.raises(InvalidSettings, match=f"{variable}.*coin token create NAME --scope admin"):
        require_reachable(settings, database)
    create_token(session, "ops", ["admin"])
    require_reachable(settings, database)
    revoke_token(session, "ops")
    with pytest.raises(InvalidSettings):
        require_reachable(settings, database)


def test_loopback_starts_without_tokens() -> None:
    """And without asking the database."""
    require_reachable(settings_of(coin_auth="auto"), NO_DATABASE)


def test_modules_do_not_log_tokens(server: Server, session: Session, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a right nor a wrong one."""
    caplog.set_level(0)
    token = create_token(session, "ci", ["read"])
    server.ask("GET", READ, f"Bearer {token}")
    server.ask("POST", RUN, f"Bearer {token}")
    server.ask("POST", RUN, f"Bearer {token}x")
    secret = token.split("_", 2)[2]
    assert secret not in caplog.text
    assert secret not in str(entries_after(server, session))


def test_path_is_recorded_without_control_characters(server: Server, session: Session) -> None:
    """A terminal that lists the log must not execute what a client sent."""
    server.ask("POST", "/\x1b[2J" + "x" * 500)
    (entry,) = entries_after(server, session)
    assert entry.route.startswith("/?[2Jxxx")
    assert len(entry.route) == 300
