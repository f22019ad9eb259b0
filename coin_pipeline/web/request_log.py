"""ASGI middleware that gives each HTTP request an id, and logs and measures its response."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coin_pipeline import logs

HEADER = b"x-request-id"
CLIENT_GONE = 499
"""Status code in the log of a request whose client disconnected before the response, as in nginx."""
OTHER_ROUTE = "other"
"""Route of requests that match none, so that clients cannot create new values."""
_VALID_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_TASK_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_log = logging.getLogger("coin.access")


@dataclass(frozen=True, slots=True)
class Served:
    """A request that has ended.

    Attributes:
        method: Its method, or `other`.
        route: Template of the path, such as `/api/backtests/status/{task_id}`, or `other`.
        status: Status code; CLIENT_GONE if there was none.
        started_s: Time until the response began, s.
        ended_s: Time until the response ended, s; that of a stream includes all its events.
    """

    method: str
    route: str
    status: int
    started_s: float
    ended_s: float

    @property
    def is_refused(self) -> bool:
        """Whether the request failed other than because a component is down."""
        return self.status >= HTTPStatus.BAD_REQUEST and self.status != HTTPStatus.SERVICE_UNAVAILABLE


class RequestLog:
    """ASGI middleware around all others: request ids, access log, measurements.

    Args:
        app: The application.
        observe: Receives each request that has ended.
        polled: Routes that clients poll. They are logged only if they fail, and not as 503: while a component is down,
            every poll would be.
    """

    def __init__(
        self, app: ASGIApp, observe: Callable[[Served], None] = lambda _: None, polled: frozenset[str] = frozenset()
    ) -> None:
        self._app = app
        self._observe = observe
        self._polled = polled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request under its id, which the response returns."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        logs.request_id.set(request_id)  # not reset: the server logs what the application raises
        begun = time.perf_counter()
        status, started_s, task_id = CLIENT_GONE, None, None

        async def send_with_id(message: Message) -> None:
            nonlocal status, started_s, task_id
            if message["type"] == "http.response.start":
                status, started_s = message["status"], time.perf_counter() - begun
                task_id = _created_task(message)
                message["headers"] = [*message.get("headers", ()), (HEADER, request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            raise
        finally:
            ended_s = time.perf_counter() - begun
            served = Served(_method(scope), route_of(scope), status, started_s or ended_s, ended_s)
            self._observe(served)
            if served.route not in self._polled or served.is_refused:
                _write(scope, served, task_id)


def route_of(scope: Scope) -> str:
    """Return the template of the path that a request matched, as the routers recorded it."""
    return getattr(scope.get("route"), "path", None) or OTHER_ROUTE


def _write(scope: Scope, served: Served, task_id: str | None) -> None:
    """Write a line of the access log, with nothing of a client's choice but short plain ids."""
    client = scope.get("client")
    identity = scope.get("state", {}).get("identity")
    fields = {
        "method": served.method,
        "route": served.route,
        "status": int(served.status),
        "ms": round(served.ended_s * 1000, 1),
        "client": client[0] if client else None,
        "token": getattr(identity, "name", None),
        "task_id": task_id or _named_task(scope),
    }
    _log.info("%s %s %d", served.method, served.route, served.status, extra=fields)


def _request_id(scope: Scope) -> str:
    """Return the id that the client sent, if it is short and plain; else a new one."""
    sent = next((value for name, value in scope["headers"] if name == HEADER), b"")
    return sent.decode() if _VALID_ID.fullmatch(sent) else uuid4().hex


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else OTHER_ROUTE


def _named_task(scope: Scope) -> str | None:
    """Return the task of the path, unless it is a text that no task has as its id."""
    task_id = str(scope.get("path_params", {}).get("task_id", ""))
    return task_id if _TASK_ID.fullmatch(task_id) else None


def _created_task(message: Message) -> str | None:
    """Return the task that an accepted request has created, from the last part of its Location header."""
    if message["status"] != HTTPStatus.ACCEPTED:
        return None
    location = next((value for name, value in message.get("headers", ()) if name == b"location"), b"")
    return location.decode("latin-1").rpartition("/")[2] or None
