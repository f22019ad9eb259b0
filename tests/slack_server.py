"""A local stand-in for Slack: incoming webhooks over HTTP or TLS, and faults that tests inject."""

import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WEBHOOK_PATH = "/services/T0PLANTED/B0PLANTED/plantedWebhookToken"


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Fault = Callable[["SlackServer"], Answer | None]
"""Returns another response than ok; None resets the connection. A fault may wait."""


@dataclass
class SlackServer:
    """State of the server.

    Attributes:
        accepted: Messages that were confirmed with ok, as JSON, in order.
        requests: Every request: its method and path.
        stopping: Set when the server stops, so that a slow response ends.
    """

    accepted: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    stopping: threading.Event = field(default_factory=threading.Event)
    scheme: str = "http"
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """URL of the webhook."""
        return f"{self.scheme}://127.0.0.1:{self.port}{WEBHOOK_PATH}"

    @property
    def environment(self) -> dict[str, str]:
        """Settings of a platform that sends here."""
        return {"SLACK_WEBHOOK_URL": self.url, "COIN_ALLOW_PRIVATE_WEBHOOKS": "true"}

    def plan(self, fault: Fault, times: int = 1) -> None:
        """Apply a fault to the next requests."""
        self.faults.extend([fault] * times)

    def texts(self) -> list[str]:
        """Return the fallback text of each accepted message."""
        with self._lock:
            return [message["text"] for message in self.accepted]

    def answer(self, method: str, path: str, body: bytes) -> Answer | None:
        """Return the response to a request, or None to reset its connection."""
        with self._lock:
            self.requests.append((method, path))
            fault = self.faults.popleft() if self.faults else None
        if fault:
            return fault(self)
        if (method, path) != ("POST", WEBHOOK_PATH):
            return Answer(404, b"no_service")
        if problem := payload_problem(body):
            return Answer(400, problem)
        with self._lock:
            self.accepted.append(json.loads(body))
        return Answer(200, b"ok")


def payload_problem(body: bytes) -> bytes:
    """Return Slack's error code of a message, or nothing: no text, or blocks beyond the documented limits."""
    message = json.loads(body)
    if not message.get("text"):
        return b"no_text"
    blocks = message.get("blocks", [])
    return b"invalid_blocks" if len(blocks) > 50 or not all(map(_is_valid_block, blocks)) else b""


def _is_valid_block(block: dict[str, Any]) -> bool:
    if block["type"] == "header":
        return 0 < len(block["text"]["text"]) <= 150
    fields = block.get("fields", [])
    texts = [(block["text"], 3000)] if "text" in block else []
    texts += [(text, 2000) for text in fields]
    return bool(texts) and len(fields) <= 10 and all(0 < len(text["text"]) <= limit for text, limit in texts)


def reset(_server: SlackServer) -> None:
    """Reset the connection without a response."""


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Return a fault that answers with a status and headers, with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Answer(code, body, named)


def rate_limited(seconds: float | str) -> Fault:
    """Return a fault that answers 429 with Retry-After."""
    return status(429, b"rate_limited", Retry_After=str(seconds))


def redirect(url: str, code: int = 302) -> Fault:
    """Return a fault that redirects."""
    return status(code, Location=url)


def slow(server: SlackServer) -> None:
    """Send nothing until the server stops."""
    server.stopping.wait()


@contextmanager
def serving_slack(context: ssl.SSLContext | None = None) -> Iterator[SlackServer]:
    """Serve on a free port within the block; over TLS with a context."""
    server = SlackServer(scheme="https" if context else "http")
    http = _Server(("127.0.0.1", 0), _handler(server))
    if context:
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        http.shutdown()
        http.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors: killed clients drop their connections."""


def _handler(server: SlackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._respond(self.rfile.read(int(self.headers["Content-Length"])))

        def do_GET(self) -> None:
            self._respond(b"{}")

        def _respond(self, body: bytes) -> None:
            answer = server.answer(self.command, self.path, body)
            if answer is None:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.connection.close()
                return
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
