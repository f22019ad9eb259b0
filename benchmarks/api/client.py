"""The load generator: HTTP/1.1 on kept connections in one event loop, lean so that it is not what is measured."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

PATIENCE_S = 60.0
"""Without an answer for so long, a row is given up."""
KEPT_S = 3.0
"""uvicorn closes what is idle for five seconds."""


class Refused(Exception):
    """An answer that should not be; the row is told as not measured."""

    def __init__(self, asked: str, status: int, body: bytes) -> None:
        super().__init__(f"{asked} answered {status}: {body[:200].decode(errors='replace')}")


class Late(Exception):
    """No end within the time that is given."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} within {PATIENCE_S:g} s")


class Answer(NamedTuple):
    """The body of a good answer, and the time from the first byte sent to the last one read."""

    body: bytes
    ms: float

    def json(self) -> dict[str, Any]:
        """Return the body, parsed."""
        document: dict[str, Any] = json.loads(self.body)
        return document


class Connection:
    """A kept connection, for one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open it, again if it has been idle for so long that the server may have closed it."""
        if self._streams and time.monotonic() - self._used > KEPT_S:
            self.close()
        if not self._streams:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        self._used = time.monotonic()
        return self._streams

    def close(self) -> None:
        """Close it if it is open."""
        if self._streams:
            self._streams[1].close()
        self._streams = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        """Send a request and read the answer.

        Raises:
            Refused: the status is not 2xx.
            Late: there is no answer.
        """
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        kind = "Content-Type: application/json\r\n" if body else ""
        reader, writer = await self.open()
        began = time.perf_counter()
        writer.write(f"{head}{kind}\r\n".encode() + body)
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, document = await _answer(reader)
        except TimeoutError:
            raise Late(f"{method} {path}: no answer") from None
        ms = (time.perf_counter() - began) * 1e3
        self._used = time.monotonic()
        if status // 100 != 2:  # noqa: PLR2004 - HTTP's class of success
            raise Refused(f"{method} {path}", status, document)
        return Answer(document, ms)


@asynccontextmanager
async def connected(port: int, count: int = 1) -> AsyncIterator[list[Connection]]:
    """Open connections to this machine."""
    connections = [Connection(port) for _ in range(count)]
    try:
        for one in connections:
            await one.open()
        yield connections
    finally:
        for one in connections:
            one.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    return int(lines[0].split()[1]), await reader.readexactly(length)
