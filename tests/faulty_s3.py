"""The way to a real S3 server with faults on it: an HTTP proxy that does to a request what a test says."""

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
    """What the client asks."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What it gets."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    announced: int | None = None
    """The length that its header says; if there are fewer bytes, the connection closes after them."""
    closes: threading.Event | None = None
    """It closes no earlier than this."""


Forward = Callable[[Request], Answer]
Fault = Callable[[Request, Forward], "Answer | None"]
"""Answers a request, with the help of the real server or without; None closes the connection without an answer."""


@dataclass
class _Planned:
    fault: Fault
    left: int
    hits: Callable[[Request], bool]


@dataclass
class FaultyS3:
    """A proxy that forwards to `upstream`, on a port that it keeps while it is down."""

    upstream: str
    port: int = 0
    seen: list[Request] = field(default_factory=list)
    met: int = 0
    """How many requests have met a fault."""
    connections: int = 0
    """How many were ever opened to it."""
    healed: threading.Event = field(default_factory=threading.Event)
    _plan: list[_Planned] = field(default_factory=list)
    _open: set[socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: ThreadingHTTPServer | None = None

    @property
    def endpoint(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Close every connection, and refuse new ones."""
        self.healed.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        with self._lock:
            for connection in self._open:
                _close(connection)

    def inject(self, fault: Fault, times: int = ALWAYS, hits: Callable[[Request], bool] = lambda _: True) -> None:
        """Have the next `times` requests that `hits` picks meet a fault."""
        self.healed.clear()
        with self._lock:
            self._plan.append(_Planned(fault, times, hits))

    def heal(self) -> None:
        """End all faults."""
        with self._lock:
            self._plan.clear()
        self.healed.set()

    @contextmanager
    def away(self, seconds: float) -> Iterator[None]:
        """Refuse connections for a while; whoever waits longer than that finds it back."""
        self.stop()
        back = threading.Timer(seconds, self.start)
        back.start()
        try:
            yield
        finally:
            back.join()

    def answer(self, request: Request) -> Answer | None:
        """Return what a request gets, or None for a closed connection."""
        with self._lock:
            self.seen.append(request)
            planned = next((each for each in self._plan if each.left and each.hits(request)), None)
            if planned:
                planned.left -= 1
                self.met += 1
        return planned.fault(request, self._forward) if planned else self._forward(request)

    def opened(self, connection: socket, *, still: bool) -> None:
        """Remember a connection while it is open."""
        with self._lock:
            self.connections += still
            (self._open.add if still else self._open.discard)(connection)

    def _forward(self, request: Request) -> Answer:
        """Ask the real server; the signature covers the Host header, so that stays as it is."""
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=60)
        try:
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name.lower() not in {"expect", "connection"}:
                    connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()


def refusal(
    status: int, code: str, message: str = "no", headers: Mapping[str, str] | None = None, **more: str
) -> Fault:
    """An error in S3's own words, such as `refusal(503, "SlowDown")`."""
    told = {"Code": code, "Message": message, **more}
    elements = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>'.encode()
    return lambda _request, _forward: Answer(status, {"Content-Type": "application/xml", **(headers or {})}, body)


def page(status: int, body: str = "<!DOCTYPE html><title>Welcome</title><br>") -> Fault:
    """An answer of a gateway that is in the way, and no S3."""
    headers = {"Content-Type": "text/html", "Content-Length": str(len(body))}
    return lambda _request, _forward: Answer(status, headers, body.encode())


def lost(_request: Request, _forward: Forward) -> None:
    """Close without an answer; nothing was carried out."""


def answer_lost(request: Request, forward: Forward) -> None:
    """Close without an answer, although the request was carried out."""
    forward(request)


def flipped(request: Request, forward: Forward) -> Answer:
    """One wrong byte in the middle of the answer."""
    answer = forward(request)
    return Answer(answer.status, answer.headers, _flip(answer.body))


def sent_flipped(request: Request, forward: Forward) -> Answer:
    """One wrong byte in the middle of what is sent."""
    return forward(Request(request.method, request.path, request.headers, _flip(request.body)))


def cut(request: Request, forward: Forward) -> Answer:
    """Half of the body, then a closed connection: the length announced is that of the whole."""
    answer = forward(request)
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2], len(answer.body))


def truncated(request: Request, forward: Forward) -> Answer:
    """Half of the body, announced as if it were the whole."""
    answer = forward(request)
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def hung(faulty: FaultyS3) -> Fault:
    """Say nothing until the fault ends, and then nothing either."""

    def wait(_request: Request, _forward: Forward) -> None:
        faulty.healed.wait(60)

    return wait


def stalled(faulty: FaultyS3) -> Fault:
    """Half of the body, and silence until the fault ends."""

    def wait(request: Request, forward: Forward) -> Answer:
        answer = cut(request, forward)
        return Answer(answer.status, answer.headers, answer.body, answer.announced, faulty.healed)

    return wait


def slow(seconds: float) -> Fault:
    """Answer after a while."""

    def wait(request: Request, forward: Forward) -> Answer:
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
        """Say nothing: connections that break are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"
    connection: socket

    def setup(self) -> None:
        super().setup()
        self.server.faulty.opened(self.connection, still=True)

    def finish(self) -> None:
        self.server.faulty.opened(self.connection, still=False)
        super().finish()

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = self.server.faulty.answer(Request(self.command, self.path, dict(self.headers.items()), body))
        if found is None:
            self.close_connection = True
            _close(self.connection)
        else:
            self._send(found)

    def _send(self, found: Answer) -> None:
        length = found.announced or len(found.body)
        if self.command == "HEAD":
            length = int(found.headers.get("Content-Length", 0))
        self.send_response_only(found.status)
        for name, value in found.headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(found.body)
            self.wfile.flush()
        if found.announced:
            if found.closes:
                found.closes.wait(60)
            self.close_connection = True
            _close(self.connection)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815 -- the names that http.server calls


def _flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x01]) + data[middle + 1 :] if data else data


def _close(connection: socket) -> None:
    try:
        connection.shutdown(SHUT_RDWR)
    except OSError:  # closed already
        return
