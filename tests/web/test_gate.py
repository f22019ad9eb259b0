"""Which requests pass the gate, by the headers that browsers and other clients send."""

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from coin_pipeline.settings import Settings
from coin_pipeline.web.access import AccessPolicy
from coin_pipeline.web.gate import MAX_HEADERS, MAX_URL_BYTES, Gate
from tests.web.asgi import Pairs, answer_ok, ask, exchange, opens, scope_of

CLIENT = "http://localhost:5173"
"""A web client that is allowed."""
EVIL = "http://evil.test"
GATE = Gate(answer_ok, AccessPolicy(["coin.example"], [CLIENT]))
CLOSED = Gate(answer_ok, AccessPolicy())
"""A gate without settings."""
FRAME = (("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe"))
PICTURE = (("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image"))
VISIT = (("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8000",
        "localhost",
        "LOCALHOST:3000",
        "coin.localhost:80",
        "localhost.",
        "[::1]:8000",
        "127.8.8.8",
        "coin.example",
        "Coin.Example:8443",
    ],
)
def test_loopback_and_configured_hosts_are_served(host: str) -> None:
    """Any port, in any case."""
    assert ask(GATE, headers=[("Host", host)]).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.test:8000",
        "127.0.0.1.evil.test",
        "localhost.evil.test",
        "localhost@evil.test",
        "evil.test/localhost",
        "0.0.0.0:8000",
        "192.168.0.2",
        "[::]",
        "sub.coin.example",
        "localhost:x",
        "127.0.0.1, evil.test",
        " ",
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    """A name that a foreign site points at this machine does not make its pages the server's own."""
    answer = ask(GATE, headers=[("Host", host), ("Origin", f"http://{host}")])
    assert (answer.status, "COIN_ALLOWED_HOSTS" in answer.detail) == (403, True)


def test_forwarded_host_is_not_trusted() -> None:
    """Only Host counts: a browser sends no other name, and a proxy can be configured to send Host."""
    forwarded = [("X-Forwarded-Host", "localhost"), ("Forwarded", "host=localhost")]
    assert ask(GATE, headers=[("Host", "evil.test"), *forwarded]).status == 403
    assert ask(GATE, headers=[("Host", "localhost"), ("X-Forwarded-Host", "evil.test")]).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "origin",
    [EVIL, "null", "http://127.0.0.1:9000", "http://localhost:8000", "http://127.0.0.1:8000.evil.test", "x", "file://"],
)
def test_pages_of_other_origins_are_refused(method: str, origin: str) -> None:
    """Whatever the method, another port is another origin, and the answer has no CORS headers."""
    answer = ask(GATE, method, headers=[("Origin", origin), ("Access-Control-Request-Method", "POST")])
    assert (answer.status, "COIN_ALLOWED_ORIGINS" in answer.detail) == (403, True)
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        [("Referer", EVIL)],
        [("Origin", "http://127.0.0.1:8000"), ("Sec-Fetch-Site", "same-origin")],
        [("Host", "coin.example"), ("Origin", "https://coin.example")],
        [("Origin", CLIENT), ("Sec-Fetch-Site", "cross-site")],
        [("Origin", "https://proxied.example"), ("Sec-Fetch-Site", "same-origin")],
        [("Sec-Fetch-Site", "none")],
    ],
    ids=["curl", "referer", "own page", "behind TLS", "allowed page", "proxy replaces the host", "typed URL"],
)
def test_own_pages_allowed_pages_and_programs_pass(headers: Pairs) -> None:
    """With any method and as WebSockets."""
    assert [ask(GATE, method, headers=headers).status for method in ("GET", "POST", "DELETE")] == [200] * 3
    assert opens(GATE, "/graphql", headers)


@pytest.mark.parametrize("headers", [[("Origin", EVIL)], [("Origin", "null")], PICTURE, [("Host", "evil.test")]])
def test_foreign_websockets_are_refused(headers: Pairs) -> None:
    """A browser opens a WebSocket to any server; only the server can refuse it."""
    assert not opens(GATE, "/graphql", headers)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_pages_can_link_to_this_server_but_not_embed_it(site: str) -> None:
    """A link opens a page of its own; pictures, scripts and frames would run or be measured inside the other page."""
    for headers, status in ((VISIT, 200), (PICTURE, 403), (FRAME, 403)):
        assert ask(GATE, headers=[("Sec-Fetch-Site", site), *headers[1:]]).status == status
    assert ask(GATE, "POST", headers=VISIT).status == 403


def test_allowed_pages_can_embed() -> None:
    """A browser sends no Origin with pictures and frames, but the origin of the page in Referer."""
    for headers in (PICTURE, FRAME):
        answer = ask(GATE, headers=[*headers, ("Referer", f"{CLIENT}/")])
        assert (answer.status, answer.headers["cross-origin-resource-policy"]) == (200, "cross-origin")
        for page in (f"{EVIL}/{CLIENT}/", f"{CLIENT}@evil.test/", f"{CLIENT}.evil.test"):
            assert ask(GATE, headers=[*headers, ("Referer", page)]).status == 403
        assert ask(CLOSED, headers=[*headers, ("Referer", f"{CLIENT}/")]).status == 403


def test_preflight_of_an_allowed_page() -> None:
    """The browser learns that it may send JSON with an idempotency key, with cookies of a proxy, to loopback."""
    request = [
        ("Origin", CLIENT),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type,idempotency-key"),
        ("Access-Control-Request-Private-Network", "true"),
    ]
    headers = ask(GATE, "OPTIONS", "/api/backtests/run", request).headers
    assert headers["access-control-allow-origin"] == CLIENT
    assert "POST" in headers["access-control-allow-methods"]
    assert {"Content-Type", "Idempotency-Key"} <= set(headers["access-control-allow-headers"].split(", "))
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["access-control-allow-private-network"] == "true"


def test_allowed_page_reads_the_response() -> None:
    """It may also read the headers that direct it while it polls."""
    headers = ask(GATE, headers=[("Origin", CLIENT)]).headers
    assert (headers["access-control-allow-origin"], headers["vary"]) == (CLIENT, "Origin")
    assert {"Location", "Retry-After", "ETag"} <= set(headers["access-control-expose-headers"].split(", "))


@pytest.mark.parametrize("headers", [[], [("Host", "evil.test")]], ids=["answer", "refusal"])
def test_every_response_refuses_framing_sniffing_and_embedding(headers: Pairs) -> None:
    """The gate's values replace those of the application, but for the content policy, which both may narrow."""
    received = ask(CLOSED, headers=headers).headers
    assert received["content-security-policy"] == "frame-ancestors 'self'"
    assert received["x-frame-options"] == "SAMEORIGIN"
    assert received["x-content-type-options"] == "nosniff"
    assert received["referrer-policy"] == "same-origin"
    assert received["cross-origin-opener-policy"] == "same-origin"
    assert received["cross-origin-resource-policy"] == "same-origin"


def test_responses_without_a_content_policy_load_nothing() -> None:
    """JSON that a browser takes for a page runs no script; a page with a policy of its own keeps it."""

    async def page(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-security-policy", b"default-src 'self'")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def policies(app: ASGIApp) -> list[bytes]:
        start = exchange(Gate(app, AccessPolicy(), content_policy="default-src 'none'"), scope)[0]
        return [value for name, value in start["headers"] if name == b"content-security-policy"]

    scope = scope_of("http", "/", (), method="GET")
    assert policies(answer_ok) == [b"default-src 'none'", b"frame-ancestors 'self'"]
    assert policies(page) == [b"default-src 'self'", b"frame-ancestors 'self'"]


def test_browsers_are_kept_on_tls() -> None:
    """Only where the request came over it, as a trusted proxy states."""
    assert ask(CLOSED, scheme="https").headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in ask(CLOSED).headers


def test_preflight_allows_listed_methods_and_headers_only() -> None:
    """A page of an allowed origin sends what clients of the API need."""
    for name, value in (("Method", "TRACE"), ("Headers", "x-forwarded-for")):
        request = [("Origin", CLIENT), ("Access-Control-Request-Method", "POST")]
        headers = [*(h for h in request if not h[0].endswith(name)), (f"Access-Control-Request-{name}", value)]
        assert ask(GATE, "OPTIONS", "/", headers).status == 400


@pytest.mark.parametrize(
    ("settings", "host", "status"),
    [
        ({"coin_bind": "192.0.2.1"}, "192.0.2.1:8000", 200),
        ({"coin_bind": "192.0.2.1"}, "192.0.2.2", 403),
        ({"coin_bind": "0.0.0.0", "coin_published_at": "192.0.2.1"}, "192.0.2.1", 200),  # noqa: S104
        ({"coin_bind": "0.0.0.0"}, "192.0.2.1", 403),  # noqa: S104
    ],
)
def test_own_address_is_served(settings: dict[str, str], host: str, status: int) -> None:
    """Without COIN_ALLOWED_HOSTS."""
    gate = Gate(answer_ok, AccessPolicy.from_settings(Settings(_env_file=None, **settings)))
    assert ask(gate, headers=[("Host", host)]).status == status


def test_allowed_pages_may_frame() -> None:
    """Their origins are listed after the server's own."""
    assert ask(GATE).headers["content-security-policy"] == f"frame-ancestors 'self' {CLIENT}"


@pytest.mark.parametrize(
    "name", ["Host", "Origin", "Content-Type", "Idempotency-Key", "Authorization", "Sec-Fetch-Site", "Last-Event-ID"]
)
def test_header_that_may_occur_once_is_refused_twice(name: str) -> None:
    """The sentence names it: a proxy could read one and the server the other."""
    value = "127.0.0.1" if name == "Host" else "x"
    answer = ask(GATE, "POST", headers=[(name, value), (name, value)])
    assert (answer.status, answer.detail.lower()) == (400, f"{name.lower()} was sent more than once; send it once")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", [("Host", "")], 400),
        ("/graphql\n", [], 400),
        ("/" + "a" * MAX_URL_BYTES, [], 414),
        ("/", [(f"x-{i}", "1") for i in range(MAX_HEADERS)], 431),
        ("/", [("x", "1" * 70_000)], 431),
        ("/", [("x", "1" * 7_000)] * 10, 431),
        ("/", [("Transfer-Encoding", "gzip, chunked")], 501),
        ("/", [("Accept", "a"), ("Accept", "b")], 200),
    ],
    ids=["no host", "control character", "long URL", "many headers", "long header", "long list", "gzip", "list"],
)
def test_malformed_and_oversized_requests(path: str, headers: Pairs, status: int) -> None:
    """Each limit has its status code."""
    assert ask(GATE, path=path, headers=headers).status == status
