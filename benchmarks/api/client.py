"""Load generator: HTTP/1.1 on keep-alive connections in one event loop, lean enough not to dominate the measurement."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

TIMEOUT_S = 60.0
"""A row is abandoned after this long without a response."""
KEEP_ALIVE_S = 3.0
"""uvicorn closes connections that have been idle for five seconds."""


class UnexpectedStatus(Exception):
    """A response with an unexpected status; the row is reported as not measured."""

    def __init__(self, request: str, status: int, body: bytes) -> None:
        super().__init__(f"{request} returned {status}: {body[:200].decode(errors='replace')}")


class DeadlineExceeded(Exception):
    """Something did not happen within the time limit."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} within {TIMEOUT_S:g} s")


class Response(NamedTuple):
    """Body of a successful response, and the time from the first byte sent to the last byte read."""

    body: bytes
    ms: float

    def json(self) -> dict[str, Any]:
        """Return the body, parsed."""
        document: dict[str, Any] = json.loads(self.body)
        return document


class Connection:
    """A keep-alive connection, for one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._last_used = 0.0

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the connection; reopen it if it has been idle so long that the server may have closed it."""
        if self._streams and time.monotonic() - self._last_used > KEEP_ALIVE_S:
            self.close()
        if not self._streams:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        self._last_used = time.monotonic()
        return self._streams

    def close(self) -> None:
        """Close the connection if it is open."""
        if self._streams:
            self._streams[1].close()
        self._streams = None

    async def request(self, method: str, path: str, body: bytes = b"") -> Response:
        """Send a request and read the response.

        Raises:
            UnexpectedStatus: The status is not 2xx.
            DeadlineExceeded: There is no response in time.
        """
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        content_type = "Content-Type: application/json\r\n" if body else ""
        reader, writer = await self.open()
        began = time.perf_counter()
        writer.write(f"{head}{content_type}\r\n".encode() + body)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, document = await _read_response(reader)
        except TimeoutError:
            raise DeadlineExceeded(f"{method} {path}: no response") from None
        ms = (time.perf_counter() - began) * 1e3
        self._last_used = time.monotonic()
        if status // 100 != 2:  # noqa: PLR2004 - HTTP's success class
            raise UnexpectedStatus(f"{method} {path}", status, document)
        return Response(document, ms)


@asynccontextmanager
async def open_connections(port: int, count: int = 1) -> AsyncIterator[list[Connection]]:
    """Yield open connections to a port of this machine."""
    connections = [Connection(port) for _ in range(count)]
    try:
        for connection in connections:
            await connection.open()
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def _read_response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    return int(lines[0].split()[1]), await reader.readexactly(length)
