"""ASGI middleware that lets a web page use a server only if it comes from the server itself or an allowed origin.

On loopback no token is required, and a browser adds a token that its user typed to every request. It sends requests for
any page that it shows, also to loopback addresses, so the server must distinguish its own pages from others.
"""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coin_pipeline.errors import Problem
from coin_pipeline.web.access import AccessPolicy, origin_of
from coin_pipeline.web.problems import Refusal

MAX_URL_BYTES = 16_384
MAX_HEADERS = 100
MAX_HEADER_BYTES = 65_536
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Range",
    "X-Request-ID",
)
"""Request headers that pages of allowed origins may send, in addition to those that every page may."""
EXPOSED_HEADERS = (
    "Location",
    "Retry-After",
    "ETag",
    "Content-Disposition",
    "Idempotent-Replayed",
    "WWW-Authenticate",
    "X-Request-ID",
)
"""Response headers that pages of allowed origins may read, in addition to those that every page may."""
_SINGLE = frozenset(
    (
        b"host",
        b"origin",
        b"content-type",
        b"content-length",
        b"transfer-encoding",
        b"authorization",
        b"idempotency-key",
        b"last-event-id",
        b"range",
        b"referer",
        b"sec-fetch-site",
        b"sec-fetch-mode",
        b"sec-fetch-dest",
    )
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_READS = frozenset(("GET", "HEAD"))

Headers = Mapping[bytes, bytes]
Rule = Callable[[Scope, Headers], Refusal | None]
"""A further check of a request, by its ASGI scope and its headers (lower-case names, the first value of each)."""


class Gate:
    """ASGI middleware that checks each request and WebSocket before the application sees it.

    Requests without `Origin` and `Sec-Fetch-Site`, such as those of curl, httpx and notebooks, come from no web page.

    Args:
        app: The application.
        policy: Hosts and origins that may be used.
        rule: A further check for this application.
        content_policy: Content security policy of responses without one, besides who may frame them.
    """

    def __init__(
        self, app: ASGIApp, policy: AccessPolicy, rule: Rule | None = None, content_policy: str | None = None
    ) -> None:
        self._app = _with_cors(app, policy) if policy.origins else app
        self._policy = policy
        self._rule = rule
        self._content_policy = [(b"content-security-policy", content_policy.encode())] if content_policy else []
        self._own = _security_headers(policy, b"same-origin")
        self._shared = _security_headers(policy, b"cross-origin")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an allowed request on and add the security headers to the response; refuse any other."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = dict(reversed(scope["headers"]))
        refusal = _over_limit(scope) or _ambiguous(scope, headers) or self._foreign(scope, headers)
        if refusal is None and self._rule:
            refusal = self._rule(scope, headers)
        app = refusal.response() if refusal else self._app
        if scope["type"] == "websocket":
            await (_close if refusal else app)(scope, receive, send)
            return
        extra = self._shared if self._is_embedded(headers) else self._own

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [header for header in message.get("headers", ()) if header[0] not in _REPLACED]
                own = () if any(name == b"content-security-policy" for name, _ in kept) else self._content_policy
                tls = (_HSTS,) if scope["scheme"] == "https" else ()  # as a trusted proxy states
                message["headers"] = [*kept, *own, *tls, *extra]
            await send(message)

        await app(scope, receive, send_secured)

    def _foreign(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Return why the host or the page that sent a request is not allowed."""
        host = headers[b"host"].decode("latin-1")
        if not self._policy.allows_host(host):
            detail = (
                f"this server does not answer to the host {host[:100]!r}; use 127.0.0.1 or localhost, or add the name"
                " to COIN_ALLOWED_HOSTS"
            )
            return Refusal(HTTPStatus.FORBIDDEN, detail)
        site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
        if site == b"same-origin":  # by the URL in the browser, also if a proxy has replaced the host
            return None
        if origin is not None:
            return None if self._policy.allows_origin(origin.decode("latin-1"), host) else _not_allowed(origin)
        if site in {None, b"none"}:
            return None
        reads = scope["type"] == "http" and scope["method"] in _READS
        if reads and (_is_page_visit(headers) or self._is_embedded(headers)):
            return None
        return _not_allowed(origin_of(headers.get(b"referer", b"").decode("latin-1")).encode())

    def _is_embedded(self, headers: Headers) -> bool:
        """Return whether a page of an allowed origin shows the response, as a picture or in a frame."""
        if not self._policy.origins or b"referer" not in headers:
            return False
        return origin_of(headers[b"referer"].decode("latin-1")) in self._policy.origins


def _over_limit(scope: Scope) -> Refusal | None:
    """Return which limit a request exceeds."""
    if len(scope["raw_path"] or b"") + len(scope["query_string"]) > MAX_URL_BYTES:
        return Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, f"the URL is longer than {MAX_URL_BYTES} bytes")
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        detail = f"the request has more than {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes of them"
        return Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
    return None


def _ambiguous(scope: Scope, headers: Headers) -> Refusal | None:
    """Return what two programs could understand differently in a request."""
    pairs = scope["headers"]
    if _CONTROL.search(scope["path"]):
        return Refusal(HTTPStatus.BAD_REQUEST, "the path contains a control character")
    if len(headers) != len(pairs):
        names = [name for name, _ in pairs]
        for name in _SINGLE.intersection(names):
            if names.count(name) > 1:
                problem = Problem(name.decode().title(), "was sent more than once; send it once")
                return Refusal(HTTPStatus.BAD_REQUEST, f"{problem.field} {problem.message}", (problem,))
    if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
        return Refusal(HTTPStatus.NOT_IMPLEMENTED, "the only supported Transfer-Encoding is chunked")
    if b"host" not in headers:
        return Refusal(HTTPStatus.BAD_REQUEST, "the request has no Host header; send one")
    return None


def _is_page_visit(headers: Headers) -> bool:
    """Return whether a browser opens the URL as a page of its own, for example because a link was followed."""
    return headers.get(b"sec-fetch-mode") == b"navigate" and headers.get(b"sec-fetch-dest") == b"document"


def _not_allowed(origin: bytes) -> Refusal:
    page = origin.decode("latin-1")[:200]
    if page in {"", "null"}:
        detail = (
            "a web page without an origin of its own, or of a site that is not allowed, may not use this server; serve"
            " the page over HTTP and add its origin to COIN_ALLOWED_ORIGINS"
        )
    else:
        detail = f"web pages of {page} may not use this server; to allow them, add {page} to COIN_ALLOWED_ORIGINS"
    return Refusal(HTTPStatus.FORBIDDEN, detail)


def _with_cors(app: ASGIApp, policy: AccessPolicy) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=policy.origins,
        allow_methods=METHODS,
        allow_headers=REQUEST_HEADERS,
        allow_credentials=True,  # a token as HTTP Basic password, or of a proxy in front that authenticates users
        allow_private_network=True,
        expose_headers=EXPOSED_HEADERS,
    )


def _security_headers(policy: AccessPolicy, resource_policy: bytes) -> tuple[tuple[bytes, bytes], ...]:
    frames = " ".join(("frame-ancestors 'self'", *sorted(policy.origins)))
    return (
        (b"content-security-policy", frames.encode()),  # in addition to the application's own, if any
        (b"x-frame-options", b"SAMEORIGIN"),  # for browsers that do not know frame-ancestors
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", resource_policy),
    )


_REPLACED = frozenset(name for name, _ in _security_headers(AccessPolicy(), b"")) - {b"content-security-policy"}


_HSTS = (b"strict-transport-security", b"max-age=31536000")


async def _close(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})
