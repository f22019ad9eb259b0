"""ASGI middleware that lets a request through if its token permits it, and records what changes something."""

import base64
import binascii
import math
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import cast

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coin_pipeline.auth.access import AccessControl
from coin_pipeline.auth.audit import Action, new_entry
from coin_pipeline.auth.scopes import READS, ScopeTable
from coin_pipeline.auth.scopes import Scope as TokenScope
from coin_pipeline.auth.tokens import Identity
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.web.problems import problem_response

CHALLENGES = (b'Bearer realm="coin"', b'Basic realm="coin: any user name, a token as the password", charset="UTF-8"')
"""Browsers ask for user name and password; programs send the token."""
RECHECK_S = 1.0
MISSING = "this server requires a token; send Authorization: Bearer TOKEN, or the token as the password of a browser"
WRONG = "the token is not valid: it is mistyped, revoked or expired"


Describe = Callable[[Scope], Action | None]
"""Describes a request that the application has handled; None if it changed nothing."""


class Guard:
    """ASGI middleware that identifies the token of each request and applies its scopes and limits.

    The application finds the `Identity` in `scope["state"]["identity"]`; it is None for a request without a token,
    which is allowed if tokens are not required.

    Args:
        app: The application.
        access: What the server checks and records.
        scopes: The scope that each operation requires.
        describe: Describes what a request changed.
        recheck_s: How often a response that streams checks whether its token was revoked, s.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: AccessControl,
        scopes: ScopeTable,
        describe: Describe,
        recheck_s: float = RECHECK_S,
    ) -> None:
        self._app = app
        self._access = access
        self._scopes = scopes
        self._describe = describe
        self._recheck_s = recheck_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an allowed request on; respond with 401, 403, 429 or 503 to any other."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        method = scope.get("method", "GET")  # a WebSocket reads
        required = self._scopes.required(method, scope["path"])
        scope.setdefault("state", {})["identity"] = None
        if required is None:
            await self._app(scope, receive, send)
            return
        try:
            identity, refusal = await self._check(scope, required)
        except DatabaseUnavailable as error:
            identity, refusal = None, problem_response(HTTPStatus.SERVICE_UNAVAILABLE, error.for_clients)
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
            return
        if identity is None:
            await self._run(scope, receive, send)
            return
        if not self._access.concurrency.enter(identity.token_id):
            detail = f"the token has {self._access.concurrency.limit} open requests, as many as one may have"
            await _refuse(_retry_later(detail, 1), scope, receive, send)
            return
        scope["state"]["identity"] = identity
        try:
            await self._run(scope, receive, self._until_revoked(identity, send))
        finally:
            self._access.concurrency.leave(identity.token_id)

    async def _check(self, scope: Scope, required: TokenScope) -> tuple[Identity | None, Response | None]:
        """Return whose token a request has, and why it is refused."""
        token = _sent_token(scope)
        if token is None:
            return None, self._unauthorized(scope, MISSING) if self._access.is_required else None
        identity = await self._access.tokens.identify(token)
        if identity is None:
            return None, self._unauthorized(scope, WRONG)
        if wait_s := self._access.rate.wait_s(identity.token_id):
            return identity, _retry_later("the token sends more requests than COIN_RATE_LIMIT allows", wait_s)
        if not identity.may(required):
            self._record(scope, identity, Action(scope["path"], None), HTTPStatus.FORBIDDEN)
            return identity, forbidden(identity, required)
        return identity, None

    def _unauthorized(self, scope: Scope, detail: str) -> Response:
        if not self._access.refusals.wait_s(None):
            self._record(scope, None, Action(scope["path"], None), HTTPStatus.UNAUTHORIZED)
        response = problem_response(HTTPStatus.UNAUTHORIZED, detail)
        response.raw_headers.extend((b"www-authenticate", challenge) for challenge in CHALLENGES)
        return response

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and record the outcome if the request may have changed something."""
        if scope["type"] != "http" or scope["method"] in READS:
            await self._app(scope, receive, send)
            return
        status: int | None = None
        location: str | None = None

        async def send_observed(message: Message) -> None:
            nonlocal status, location
            if message["type"] == "http.response.start":
                status = message["status"]
                location = dict(message.get("headers", ())).get(b"location", b"").decode("latin-1") or None
            await send(message)

        try:
            await self._app(scope, receive, send_observed)
        except Exception:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            raise
        finally:
            action = self._describe(scope)
            if action is not None:
                target = action.target or (location and location.rpartition("/")[2])
                self._record(scope, scope["state"]["identity"], Action(action.route, target), status)

    def _record(self, scope: Scope, identity: Identity | None, action: Action, status: int | None) -> None:
        client = scope["client"][0] if scope.get("client") else "unknown"
        self._access.audit.record(new_entry(identity, client, scope.get("method", "WEBSOCKET"), action, status))

    def _until_revoked(self, identity: Identity, send: Send) -> Send:
        """Return a `send` that ends a stream or WebSocket soon after its token was revoked or has expired."""
        checked, streams, ended = time.monotonic(), False, False

        async def send_checked(message: Message) -> None:
            nonlocal checked, streams, ended
            if ended:
                return
            if message["type"] == "http.response.start":  # a download has a length, and ends by itself
                streams = all(name.lower() != b"content-length" for name, _ in message.get("headers", ()))
            elif (end := _END.get(message["type"])) and (streams or message["type"] == "websocket.send"):
                now = time.monotonic()
                if now > checked + self._recheck_s:
                    checked = now
                    if not await self._is_usable(identity):
                        ended, message = True, dict(end)
            await send(message)

        return send_checked

    async def _is_usable(self, identity: Identity) -> bool:
        try:
            return await self._access.tokens.is_usable(identity)
        except DatabaseUnavailable:
            return False


_END: Mapping[str, Mapping[str, object]] = {
    "http.response.body": {"type": "http.response.body", "body": b"", "more_body": False},
    "websocket.send": {"type": "websocket.close", "code": 1008},
}
"""What ends a response instead of a further message."""


def identity_of(scope: Scope) -> Identity | None:
    """Return whose token a request has; None without one."""
    return cast("Identity | None", scope.get("state", {}).get("identity"))


def describe_route(scope: Scope) -> Action:
    """Describe a request by the template of its route and what the route concerns.

    A handler can set `request.state.target` if the path does not contain it.
    """
    route = scope.get("route")
    template: str = route.path if route else scope["path"]
    named = "/".join(str(value) for value in scope.get("path_params", {}).values())
    return Action(template, named or scope["state"].get("target"))


def forbidden(identity: Identity, required: TokenScope) -> Response:
    """Return the response to a request that its token does not permit."""
    detail = f"the token {identity.name} has the scope {', '.join(identity.scopes)}; this requires {required}"
    return problem_response(HTTPStatus.FORBIDDEN, detail)


def _sent_token(scope: Scope) -> str | None:
    """Return the token of a Bearer header, or the password of a Basic one; None without a header of either scheme.

    Other schemes are of proxies and browsers, which may send them unasked.
    """
    header: bytes | None = next((value for name, value in scope["headers"] if name == b"authorization"), None)
    if header is None:
        return None
    scheme, _, value = header.decode("latin-1").partition(" ")
    scheme, value = scheme.lower(), value.strip()
    if scheme != "basic":
        return value if scheme == "bearer" else None
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _retry_later(detail: str, wait_s: float) -> Response:
    response = problem_response(HTTPStatus.TOO_MANY_REQUESTS, detail)
    response.headers["Retry-After"] = str(math.ceil(wait_s))
    return response


async def _refuse(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await response(scope, receive, send)
