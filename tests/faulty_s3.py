"""An HTTP proxy that injects faults between a client and a real S3 server."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from urllib.parse import urlsplit

_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}
ALWAYS = 1_000_000


@dataclass(frozen=True)
class Request:
    """A request of the client."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """A response to the client."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    announced: int | None = None
    """Content-Length, if it differs from the body; the connection closes after the body."""
    closes: threading.Event | None = None
    """The connection closes no earlier than this event."""


Forward = Callable[[Request], Response]
Fault = Callable[[Request, Forward], "Response | None"]
"""Responds to a request, with or without the real server; None closes the connection without a response."""


@dataclass
class _Planned:
    fault: Fault
    left: int
    hits: Callable[[Request], bool]


@dataclass
class FaultyS3:
    """A proxy to `upstream` on a port that stays the same while the proxy is stopped."""

    upstream: str
    port: int = 0
    seen: list[Request] = field(default_factory=list)
    met: int = 0
    """Number of requests that met a fault."""
    connections: int = 0
    """Number of connections opened so far."""
    healed: threading.Event = field(default_factory=threading.Event)
    _plan: list[_Planned] = field(default_factory=list)
    _open: set[socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: ThreadingHTTPServer | None = None

    @property
    def endpoint(self) -> str:
        """The URL of the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start listening."""
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Close all connections and refuse new ones."""
        self.healed.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        with self._lock:
            for connection in self._open:
                _close(connection)

    def inject(self, fault: Fault, times: int = ALWAYS, hits: Callable[[Request], bool] = lambda _: True) -> None:
        """Make the next `times` requests selected by `hits` meet a fault."""
        self.healed.clear()
        with self._lock:
            self._plan.append(_Planned(fault, times, hits))

    def heal(self) -> None:
        """End all faults."""
        with self._lock:
            self._plan.clear()
        self.healed.set()

    @contextmanager
    def down(self, seconds: float) -> Iterator[None]:
        """Refuse connections for a while, then accept them again."""
        self.stop()
        restart = threading.Timer(seconds, self.start)
        restart.start()
        try:
            yield
        finally:
            restart.join()

    def response(self, request: Request) -> Response | None:
        """Return the response to a request, or None to close the connection."""
        with self._lock:
            self.seen.append(request)
            planned = next((item for item in self._plan if item.left and item.hits(request)), None)
            if planned:
                planned.left -= 1
                self.met += 1
        return planned.fault(request, self._forward) if planned else self._forward(request)

    def track(self, connection: socket, *, is_open: bool) -> None:
        """Track an open connection."""
        with self._lock:
            self.connections += is_open
            (self._open.add if is_open else self._open.discard)(connection)

    def _forward(self, request: Request) -> Response:
        """Forward a request unchanged, including its Host header, which the signature covers."""
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=60)
        try:
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name.lower() not in {"expect", "connection"}:
                    connection.putheader(name, value)
            connection.endheaders(request.body)
            response = connection.getresponse()
            return Response(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


def refusal(
    status: int, code: str, message: str = "no", headers: Mapping[str, str] | None = None, **more: str
) -> Fault:
    """Return an S3 error response, such as `refusal(503, "SlowDown")`."""
    fields = {"Code": code, "Message": message, **more}
    elements = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>'.encode()
    return lambda _request, _forward: Response(status, {"Content-Type": "application/xml", **(headers or {})}, body)


def page(status: int, body: str = "<!DOCTYPE html><title>Welcome</title><br>") -> Fault:
    """Return a page of a gateway that is not S3."""
    headers = {"Content-Type": "text/html", "Content-Length": str(len(body))}
    return lambda _request, _forward: Response(status, headers, body.encode())


def lost(_request: Request, _forward: Forward) -> None:
    """Close the connection without executing the request."""


def response_lost(request: Request, forward: Forward) -> None:
    """Execute the request, then close the connection without a response."""
    forward(request)


def flipped(request: Request, forward: Forward) -> Response:
    """Flip a byte in the middle of the response."""
    response = forward(request)
    return Response(response.status, response.headers, _flip(response.body))


def sent_flipped(request: Request, forward: Forward) -> Response:
    """Flip a byte in the middle of the request."""
    return forward(Request(request.method, request.path, request.headers, _flip(request.body)))


def cut(request: Request, forward: Forward) -> Response:
    """Send half of the body, then close the connection, although the full length was announced."""
    response = forward(request)
    return Response(response.status, response.headers, response.body[: len(response.body) // 2], len(response.body))


def truncated(request: Request, forward: Forward) -> Response:
    """Send half of the body with a matching length."""
    response = forward(request)
    return Response(response.status, response.headers, response.body[: len(response.body) // 2])


def hung(faulty: FaultyS3) -> Fault:
    """Send nothing until the fault ends, then close the connection."""

    def wait(_request: Request, _forward: Forward) -> None:
        faulty.healed.wait(60)

    return wait


def stalled(faulty: FaultyS3) -> Fault:
    """Send half of the body, then nothing until the fault ends."""

    def wait(request: Request, forward: Forward) -> Response:
        response = cut(request, forward)
        return Response(response.status, response.headers, response.body, response.announced, faulty.healed)

    return wait


def slow(seconds: float) -> Fault:
    """Respond after a delay."""

    def wait(request: Request, forward: Forward) -> Response:
        time.sleep(seconds)
        return forward(request)

    return wait


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, faulty: FaultyS3) -> None:
        self.faulty = faulty
        super().__init__(("127.0.0.1", faulty.port), _Handler)

    def handle_error(self, *_: object) -> None:
        """Ignore broken connections, which are expected here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"
    connection: socket

    def setup(self) -> None:
        super().setup()
        self.server.faulty.track(self.connection, is_open=True)

    def finish(self) -> None:
        self.server.faulty.track(self.connection, is_open=False)
        super().finish()

    def log_message(self, *_: object) -> None:
        pass

    def response(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        response = self.server.faulty.response(Request(self.command, self.path, dict(self.headers.items()), body))
        if response is None:
            self.close_connection = True
            _close(self.connection)
        else:
            self._send(response)

    def _send(self, response: Response) -> None:
        length = response.announced or len(response.body)
        if self.command == "HEAD":
            length = int(response.headers.get("Content-Length", 0))
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
            self.wfile.flush()
        if response.announced:
            if response.closes:
                response.closes.wait(60)
            self.close_connection = True
            _close(self.connection)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = response  # noqa: N815 -- the names that http.server calls


def _flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x01]) + data[middle + 1 :] if data else data


def _close(connection: socket) -> None:
    try:
        connection.shutdown(SHUT_RDWR)
    except OSError:  # already closed
        return
