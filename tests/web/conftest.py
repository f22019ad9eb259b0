"""A server with short time-outs, and connections to it that send and receive plain bytes."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from coin_pipeline.web.access import AccessPolicy
from coin_pipeline.web.body_limit import BodyLimit
from coin_pipeline.web.gate import Gate
from coin_pipeline.web.limits import Limits
from coin_pipeline.web.server import create_server, listen

LIMITS = Limits(
    connections=20, head_s=0.5, body_s=0.5, bytes_per_s=100_000, stall_s=0.5, linger_s=0.2, pipelined=4, check_s=0.05
)
MAX_BODY_BYTES = 100_000
HEAD = b" HTTP/1.1\r\nHost: localhost\r\n"
LONG_S = 1.5
"""Longer than any time-out of the server."""
GREEDY_BYTES = 50_000_000
"""More than the buffers of a connection hold."""


@dataclass
class Server:
    """A running server.

    Attributes:
        port: Its port.
        bodies: Bodies that reached the application.
    """

    port: int = 0
    bodies: list[bytes] = field(default_factory=list)

    def connect(self, data: bytes = b"") -> socket.socket:
        """Return a connection on which `data` was sent; reading from it fails after ten seconds."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(data)
        return connection

    def talk(self, data: bytes) -> bytes:
        """Return everything that the server sends in return until it closes the connection."""
        with self.connect(data) as connection:
            return read_to_end(connection)

    def app(self) -> ASGIApp:
        """Return the application: it echoes bodies, waits, sends events, and sends more than a client reads."""

        async def echo(request: Request) -> Response:
            body = await request.body()
            self.bodies.append(body)
            return PlainTextResponse(body)

        def wait(_request: Request) -> Response:
            time.sleep(LONG_S)
            return PlainTextResponse("done")

        def events(_request: Request) -> Response:
            def slowly() -> Iterator[bytes]:
                for _ in range(3):
                    yield b"event\n"
                    time.sleep(LONG_S / 3)

            return StreamingResponse(slowly())

        def greedy(_request: Request) -> Response:
            return Response(bytes(GREEDY_BYTES))

        async def feed(websocket: WebSocket) -> None:
            await websocket.accept()
            for _ in range(GREEDY_BYTES // 100_000):
                await websocket.send_bytes(bytes(100_000))

        routes = [
            Route("/", echo, methods=["GET", "POST"]),
            Route("/wait", wait),
            Route("/events", events),
            Route("/greedy", greedy),
            WebSocketRoute("/feed", feed),
        ]
        return Gate(BodyLimit(Starlette(routes=routes), MAX_BODY_BYTES), AccessPolicy())


def read_to_end(connection: socket.socket) -> bytes:
    """Return what arrives until the server closes the connection."""
    received = bytearray()
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return bytes(received)


@contextmanager
def running(limits: Limits) -> Iterator[Server]:
    """Yield a server with these limits."""
    served = Server()
    server, listener = create_server(served.app(), limits), listen("127.0.0.1", 0)
    served.port = listener.getsockname()[1]
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield served
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with short time-outs."""
    with running(LIMITS) as served:
        yield served
