"""uvicorn's protocols with limits for slow and greedy clients, of which uvicorn itself has none.

They override documented callbacks of asyncio and httptools and read uvicorn's own state of a connection:
`tests/web/test_protocol.py` notices a change of either.
"""

import asyncio
from enum import Enum, auto
from http import HTTPStatus
from operator import itemgetter
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from coin_pipeline.web.limits import Limits, WriteProgress
from coin_pipeline.web.problems import Refusal


class LimitedConfig(uvicorn.Config):
    """uvicorn's configuration with the limits."""

    def __init__(self, app: Any, limits: Limits, **options: Any) -> None:  # noqa: ANN401 -- uvicorn's own types
        self.limits = limits
        super().__init__(app, http=LimitedHttpProtocol, ws=LimitedWebSocketProtocol, **options)


class Phase(Enum):
    """What a connection waits for."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    RESPONSE = auto()
    LINGER = auto()


class InvalidRequest(Exception):
    """Ends the parsing of a request that was refused; httptools passes it on to uvicorn as a parser error."""


class _SealedHeaders(list[tuple[bytes, bytes]]):
    """Headers that trailers cannot be added to: the application has already been given them."""

    def append(self, _item: tuple[bytes, bytes]) -> None:
        raise InvalidRequest


class LimitedHttpProtocol(HttpToolsProtocol):
    """One HTTP connection with time-outs."""

    def __init__(self, config: LimitedConfig, server_state: ServerState, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(config, server_state, *arguments, **options)
        self._limits = config.limits
        self._phase = Phase.IDLE
        self._since = self.loop.time()
        self._received = 0
        self._body_bytes = 0
        self._progress = WriteProgress(config.limits, self._since)
        self._timer = self.loop.call_later(self._limits.check_s, self._watch)

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close the connection that has waited longest if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the checks."""
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what was received."""
        self._received += len(data)
        super().data_received(data)
        if self._phase is Phase.HEAD and self._received > self._limits.head_bytes:
            self._refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the headers are larger than {self._limits.head_bytes} bytes",
            )
        elif self._phase is Phase.BODY and self._received > 8 * (self._body_bytes + self._limits.head_bytes):
            self._refuse(HTTPStatus.BAD_REQUEST, "the chunks of the body are mostly empty")

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket protocol, which has checks of its own."""
        self._timer.cancel()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is not valid HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """Start the time for the headers."""
        self._enter(Phase.HEAD)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the time for the body."""
        if not self.url.startswith(b"/"):
            self._refuse(HTTPStatus.BAD_REQUEST, "the request target must be a path that begins with /")
            raise InvalidRequest
        if len(self.pipeline) >= self._limits.pipelined:
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many requests were sent ahead; wait for the responses")
            raise InvalidRequest
        self._enter(Phase.BODY)
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            self.headers = _SealedHeaders(self.headers)

    def on_body(self, body: bytes) -> None:
        """Count the body without the framing of its chunks."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the time for the body."""
        self._enter(Phase.RESPONSE)
        super().on_message_complete()

    # uvicorn's callback

    def on_response_complete(self) -> None:
        """Wait for the next request; after an early response, such as 413, read no more and close soon.

        Closing at once would reset the connection, and the client could lose the response.
        """
        if self._phase is Phase.BODY and not self.pipeline:
            self._enter(Phase.LINGER)
            self.flow.pause_reading()
            return
        super().on_response_complete()
        if self._phase is Phase.RESPONSE and self.cycle.response_complete:
            self._enter(Phase.IDLE)

    # the checks

    @property
    def is_responding(self) -> bool:
        """Whether the application works on a request."""
        return self.cycle is not None and not self.cycle.response_complete

    def _enter(self, phase: Phase) -> None:
        self._phase, self._since, self._received, self._body_bytes = phase, self.loop.time(), 0, 0

    def _watch(self) -> None:
        """Close the connection if its client is too slow."""
        now, limits = self.loop.time(), self._limits
        waited = now - self._since
        if self._phase is Phase.BODY and self.flow.read_paused:
            self._since += limits.check_s  # the application does not read: not the client's fault
        elif self._phase is Phase.BODY and waited > limits.body_s + self._received / limits.bytes_per_s:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the body was not received in time; send it faster")
        elif self._phase is Phase.HEAD and waited > limits.head_s and not self.is_responding:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the headers were not received in time; send them faster")
        elif (self._phase is Phase.IDLE and waited > limits.head_s) or (
            self._phase is Phase.LINGER and waited > limits.linger_s
        ):
            self.transport.close()
        blocked = self.flow.write_paused or self.transport.is_closing()
        if self._progress.is_stalled(self.transport, now, blocked=blocked):
            self.abort()
            return
        self._timer = self.loop.call_later(limits.check_s, self._watch)

    def _make_room(self) -> None:
        """Close the connection that is least busy, and of those the oldest; if all are busy, this one."""
        limited = (LimitedHttpProtocol, LimitedWebSocketProtocol)
        others = [c for c in self.connections if isinstance(c, limited) and c is not self]
        idle = [(rank, c) for c in others if (rank := c.idle_rank)]
        if idle:
            min(idle, key=itemgetter(0))[1].abort()
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "all connections of this server are in use; try again later")

    @property
    def idle_rank(self) -> tuple[int, float] | None:
        """Order in which connections make room: without a request, with part of one, with a stream or a WebSocket.

        A client whose stream ends connects again. None while the application works on a response, and once the
        connection is being closed.
        """
        if self.transport.is_closing():
            return None
        if not self.is_responding:
            return 0, self._since
        if self._phase is Phase.BODY:
            return 1, self._since
        return (2, self._since) if self.cycle.response_started else None

    def abort(self) -> None:
        """Close the connection at once; uvicorn discards what the application still sends."""
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.abort()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Close the connection; send a response first if the next one belongs to the refused request."""
        if self.transport.is_closing():
            return
        is_current = self._phase is Phase.BODY and not self.pipeline
        if not self.is_responding or (is_current and not self.cycle.response_started):
            self.transport.write(Refusal(status, detail).raw_response())
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.close()


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection that is closed if its client stops reading."""

    def __init__(self, config: LimitedConfig, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(config, *arguments, **options)
        self._limits = config.limits
        self._since = self.loop.time()
        self._progress = WriteProgress(config.limits, self._since)
        self._timer = self.loop.call_later(self._limits.check_s, self._watch)

    @property
    def idle_rank(self) -> tuple[int, float] | None:
        """As of an HTTP connection with a response that streams."""
        return None if self.transport.is_closing() else (2, self._since)

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the checks."""
        self._timer.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        blocked = not self.writable.is_set() or self.transport.is_closing()
        if self._progress.is_stalled(self.transport, self.loop.time(), blocked=blocked):
            self.transport.abort()
            return
        self._timer = self.loop.call_later(self._limits.check_s, self._watch)
