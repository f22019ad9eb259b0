"""How long a client may take, and how much it may occupy."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a server; what a response takes to compute is not limited.

    Attributes:
        connections: Open connections. Beyond them the one that is least busy is closed.
        head_s: Time for a request line with its headers, and for the first byte after connecting, s.
        head_bytes: Size of both.
        body_s: Time for a body, plus one second for each `bytes_per_s` that arrived, s.
        bytes_per_s: Slowest transfer of a body, and of a response that its client does not keep up with.
        stall_s: Time after which the transfer of a response is measured, s.
        linger_s: Time to receive an early response, such as 413, while the rest of the body is not read, s.
        pipelined: Requests that one client may send ahead.
        check_s: Interval of the checks, s.
    """

    connections: int = 512
    head_s: float = 10.0
    head_bytes: int = 65_536
    body_s: float = 30.0
    bytes_per_s: int = 8192
    stall_s: float = 30.0
    linger_s: float = 1.0
    pipelined: int = 8
    check_s: float = 1.0


class WriteProgress:
    """Notices that a client does not read what is written to it."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._since = now
        self._size = 0

    def is_stalled(self, transport: asyncio.Transport, now: float, *, blocked: bool) -> bool:
        """Return whether the client has read less than the slowest transfer since the last progress.

        Args:
            transport: The connection.
            now: Time of the event loop, s.
            blocked: Whether the writer waits for the client; otherwise the buffer may be refilled between two checks.
        """
        limits, size = self._limits, transport.get_write_buffer_size()
        if not blocked or not size or size <= self._size - limits.bytes_per_s * limits.stall_s or size > self._size:
            self._since, self._size = now, size
        return now - self._since > limits.stall_s
