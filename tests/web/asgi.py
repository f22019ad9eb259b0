"""Requests to an ASGI application without a server, with exactly the headers that are given."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def detail(self) -> str:
        """The sentence of a problem."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(json.loads(self.body)["detail"])


async def answer_ok(scope: Scope, _receive: Receive, send: Send) -> None:
    """Respond with 200 to every request and accept every WebSocket; the application behind the gate."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"referrer-policy", b"unsafe-url")]})
    await send({"type": "http.response.body", "body": b"ok"})


def ask(
    app: ASGIApp, method: str = "GET", path: str = "/", headers: Pairs = (), query: str = "", scheme: str = "http"
) -> Answer:
    """Send a request; `Host: 127.0.0.1:8000` unless `headers` has a Host, and none if that is empty."""
    sent = exchange(app, scope_of("http", path, headers, query, method=method, scheme=scheme))
    start = sent[0]
    received = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], received, b"".join(message.get("body", b"") for message in sent[1:]))


def opens(app: ASGIApp, path: str, headers: Pairs = ()) -> bool:
    """Return whether a WebSocket is accepted."""
    return exchange(app, scope_of("websocket", path, headers))[0]["type"] == "websocket.accept"


def exchange(app: ASGIApp, scope: Scope) -> list[Message]:
    """Return the messages that an application sends."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def scope_of(kind: str, path: str, headers: Pairs, query: str = "", **fields: Any) -> Scope:  # noqa: ANN401
    """Return the scope of a request."""
    names = [name.lower() for name, _ in headers]
    host = [] if "host" in names else [("Host", "127.0.0.1:8000")]
    raw = [(n.lower().encode(), v.encode("latin-1")) for n, v in (*host, *headers) if (n, v) != ("Host", "")]
    return {
        "type": kind,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": raw,
        "scheme": "http",
        **fields,
    }
