"""Slow, greedy and ambiguous clients, byte by byte on real connections.

With uvicorn's own protocols each of the slow ones keeps its connection, and bodies are read without end.
"""

import socket
import time
from contextlib import ExitStack

import pytest

from tests.web.conftest import GREEDY_BYTES, HEAD, LIMITS, LONG_S, MAX_BODY_BYTES, Server, read_to_end

CHUNKED = b"POST /" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
DECLARED = b"POST /" + HEAD + b"Content-Length: "
SEND_BYTES = 200_000_000
"""What a client sends that the server never stops."""
UPGRADE = (
    b"GET /feed" + HEAD + b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
CLOSE = b"Connection: close\r\n\r\n"


def status(response: bytes) -> int:
    """Return the status code of a response, or 0 if the connection was closed without one."""
    return int(response[9:12] or 0)


def send_until_closed(connection: socket.socket, chunk: bytes, pause_s: float = 0) -> int:
    """Send a chunk again and again until the server has closed the connection; return the bytes sent."""
    sent = 0
    while sent < SEND_BYTES:
        try:
            connection.sendall(chunk)
        except (ConnectionResetError, BrokenPipeError):
            return sent
        sent += len(chunk)
        time.sleep(pause_s)
    return sent


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", 0),
        (b"\r\n", 0),
        (b"GET /", 408),
        (b"GET /" + HEAD, 408),
        (b"GET /" + HEAD + b"\r\nGET", 200),
        (DECLARED + b"9\r\n\r\nabc", 408),
        (CHUNKED, 408),
        (CHUNKED + b"9\r\nabc", 408),
    ],
)
def test_incomplete_request_is_closed(server: Server, sent: bytes, expected: int) -> None:
    """Whichever part is missing, including the first byte."""
    assert status(server.talk(sent)) == expected


@pytest.mark.parametrize("begin", [b"GET /" + HEAD, DECLARED + b"9999\r\n\r\n"], ids=["head", "body"])
def test_trickle_is_closed(server: Server, begin: bytes) -> None:
    """A byte now and then does not extend the time."""
    with server.connect(begin) as connection:
        assert send_until_closed(connection, b"x", pause_s=0.02) < 100


def test_body_that_keeps_arriving_is_read(server: Server) -> None:
    """A slow upload takes longer than the time-out."""
    size, parts = 90_000, 30
    with server.connect(DECLARED + f"{size}\r\n".encode() + CLOSE) as connection:
        for _ in range(parts):
            connection.sendall(bytes(size // parts))
            time.sleep(0.8 / parts)
        assert status(read_to_end(connection)) == 200


@pytest.mark.parametrize("path", [b"/wait", b"/events"])
def test_slow_responses_are_not_cut(server: Server, path: bytes) -> None:
    """Only the client's time is limited."""
    response = server.talk(b"GET " + path + HEAD + CLOSE)
    assert (status(response), response.endswith((b"done", b"0\r\n\r\n"))) == (200, True)


def test_client_that_does_not_read_is_closed(server: Server) -> None:
    """The response does not wait in memory for ever."""
    with server.connect(b"GET /greedy" + HEAD + CLOSE) as connection:
        time.sleep(LONG_S)
        assert len(read_to_end(connection)) < GREEDY_BYTES


def test_client_that_reads_slowly_gets_all(server: Server) -> None:
    """Within the slowest transfer; it takes longer than the time-out."""
    with server.connect(b"GET /greedy" + HEAD + CLOSE) as connection:
        received = 0
        for _ in range(50):
            received += len(connection.recv(100_000))
            time.sleep(LONG_S / 50)
        assert received + len(read_to_end(connection)) > GREEDY_BYTES


def test_websocket_client_that_does_not_read_is_closed(server: Server) -> None:
    """As any other."""
    with server.connect(UPGRADE) as connection:
        time.sleep(LONG_S)
        assert status(received := read_to_end(connection)) == 101
        assert len(received) < GREEDY_BYTES


def test_endless_body_is_cut_at_the_limit(server: Server) -> None:
    """What the client could send beyond it stays in the buffers of the connection."""
    with server.connect(CHUNKED) as connection:
        assert send_until_closed(connection, b"10000\r\n" + bytes(65_536) + b"\r\n") < 4_000_000
        assert status(read_to_end(connection)) == 413


def test_response_to_a_body_over_the_limit_arrives(server: Server) -> None:
    """Also if the client reads it only after it has sent everything."""
    body = bytes(2 * MAX_BODY_BYTES)
    assert status(server.talk(DECLARED + f"{len(body)}\r\n".encode() + CLOSE + body)) == 413


@pytest.mark.parametrize("framing", [b"1\r\nx\r\n", b"1;" + b"e" * 1000 + b"\r\nx\r\n"], ids=["bytes", "extensions"])
def test_framing_counts_too(server: Server, framing: bytes) -> None:
    """Chunks with little in them and chunk extensions do not evade the limit."""
    with server.connect(CHUNKED) as connection:
        assert send_until_closed(connection, framing * 100) < 4_000_000


def test_aborted_body_does_not_reach_the_application(server: Server) -> None:
    """A client that disconnects early has not sent a request."""
    server.bodies.clear()
    server.connect(DECLARED + b"9\r\n\r\n{}").close()
    assert status(server.talk(b"GET /" + HEAD + CLOSE)) == 200
    assert server.bodies == [b""]


def test_idle_connections_make_room(server: Server) -> None:
    """Silent and half-sent requests, streams and WebSockets beyond the limit do not keep others out."""
    with ExitStack() as stack:
        part = DECLARED + b"9\r\n\r\nabc"
        for sent in (b"", b"GET /", part, b"GET /events" + HEAD + CLOSE, UPGRADE) * LIMITS.connections:
            stack.enter_context(server.connect(sent))
        assert status(server.talk(b"GET /" + HEAD + CLOSE)) == 200


def test_busy_connections_do_not(server: Server) -> None:
    """Responses in progress are not given up for new clients, which get 503."""
    with ExitStack() as stack:
        busy = [stack.enter_context(server.connect(b"GET /wait" + HEAD + CLOSE)) for _ in range(LIMITS.connections)]
        time.sleep(LONG_S / 5)
        refusal = server.talk(b"")
        assert (status(refusal), b"retry-after: 5" in refusal) == (503, True)
        assert [status(read_to_end(connection)) for connection in busy] == [200] * LIMITS.connections


def test_requests_sent_ahead(server: Server) -> None:
    """A few are answered in order; a flood is closed."""
    request = b"GET /" + HEAD
    assert server.talk(3 * (request + b"\r\n") + request + CLOSE).count(b"HTTP/1.1 200") == 4
    assert server.talk(1000 * (request + b"\r\n")).count(b"HTTP/1.1 200") < 1000


@pytest.mark.parametrize(
    "request_",
    [
        DECLARED + b"4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        DECLARED + b"4\r\nContent-Length: 4\r\n\r\nabcd",
        DECLARED + b"4, 4\r\n\r\nabcd",
        DECLARED + b"+4\r\n\r\nabcd",
        b"POST /" + HEAD + b"Content-Length : 4\r\n\r\nabcd",
        b"POST /" + HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /" + HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /" + HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"FFFFFFFFFFFFFFFFF\r\nabcd",
        CHUNKED + b"4\r\nabcd\r\n0\r\nHost: evil.test\r\n\r\n",
        b"GET /" + HEAD + b"X: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\nHost: localhost\n\n",
        b"GET / HTTP/1.1\r\nHost: local\0host\r\n\r\n",
        b"GET http://evil.test/" + HEAD + b"\r\n",
        b"CONNECT evil.test:80" + HEAD + b"\r\n",
        b"OPTIONS *" + HEAD + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\r\n\r\n",
    ],
)
def test_ambiguous_requests_are_refused(server: Server, request_: bytes) -> None:
    """No proxy in front can understand them as other requests than the server, and none is executed."""
    server.bodies.clear()
    response = server.talk(request_)
    assert (status(response), b"application/problem+json" in response, server.bodies) == (400, True, [])


def test_large_head_is_refused(server: Server) -> None:
    """While it arrives."""
    assert status(server.talk(b"GET /" + HEAD + b"X: " + b"x" * 400_000)) == 431
