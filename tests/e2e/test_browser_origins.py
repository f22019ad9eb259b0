"""What web pages of other sites, and clients that imitate them, can do with the ports of `coin up`: nothing."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Frame, Page
from websockets.sync.client import connect

from tests.browser import opened_browser, requires_chromium
from tests.e2e.conftest import CLIENT
from tests.platforms import BACKTEST, Platform

EVIL = CLIENT.replace("client.test", "evil.test")
SANDBOXED = "/sandboxed"
"""Path of a page without an origin of its own: its requests have `Origin: null`."""
LAUNCH = """
mutation { launchRun(executionParams: {
  selector: {repositoryLocationName: "coin_pipeline", repositoryName: "__repository__", jobName: "retention"},
  runConfigData: "{}" }) { __typename } }"""
"""Starts a run without any configuration."""
ATTACKS = """async ([api, ui, launch, backtest]) => {
  const settled = {};
  const attempt = (name, work) => Promise.race([
    new Promise((done) => setTimeout(() => done("timeout"), 8000)),
    Promise.resolve().then(work).catch((error) => "blocked"),
  ]).then((result) => { settled[name] = result; });
  const element = (tag, fields) => new Promise((done) => {
    const made = Object.assign(document.createElement(tag), fields, {
      onload: () => done("loaded"), onerror: () => done("blocked") });
    document.body.append(made);
  });
  const opens = (made, ready) => new Promise((done) => {
    made[ready] = () => done("opened"); made.onerror = () => done("blocked"); });
  const post = (url, body, type, mode) =>
    fetch(url, {method: "POST", body, mode, headers: {"Content-Type": type}}).then((response) => response.type);
  const form = (name, action, encoding) => {
    const target = Object.assign(document.createElement("iframe"), {name});
    const made = Object.assign(document.createElement("form"), {method: "POST", action, target: name});
    made.enctype = encoding;
    made.append(Object.assign(document.createElement("input"), {name: launch + "{", value: "}"}));
    document.body.append(target, made);
    return new Promise((done) => { target.onload = () => done("blocked"); made.submit(); });
  };
  const graphql = ui + "/graphql", byQuery = graphql + "?query=" + encodeURIComponent(launch);
  await Promise.all([
    attempt("read the API", () => fetch(api + "/api/backtests").then((response) => response.text())),
    attempt("read the UI", () => fetch(ui + "/server_info").then((response) => response.text())),
    attempt("post JSON", () => post(api + "/api/backtests/run-async", backtest, "application/json", "cors")),
    attempt("post GraphQL", () => post(graphql, JSON.stringify({query: launch}), "application/json", "cors")),
    attempt("read events", () => opens(new EventSource(api + "/api/backtests/status/x/events"), "onopen")),
    attempt("open a WebSocket", () => opens(new WebSocket(graphql.replace("http", "ws"), "graphql-ws"), "onopen")),
    attempt("show a picture", () => element("img", {src: ui + "/favicon.png"})),
    attempt("mutate by picture", () => element("img", {src: byQuery})),
    attempt("run a script", () => element("script", {src: ui + "/server_info"})),
    attempt("read JSON as a script", () => element("script", {src: api + "/api/strategies"})),
    attempt("apply a style", () => element("link", {rel: "stylesheet", href: byQuery})),
  ]);
  const unread = {};
  await Promise.all([
    ["text", () => post(graphql + "?query=" + encodeURIComponent(launch), launch, "text/plain", "no-cors")],
    ["run", () => post(api + "/api/backtests/run-async", backtest, "text/plain", "no-cors")],
    ["get", () => fetch(byQuery, {mode: "no-cors"}).then((response) => response.type)],
    ["beacon", () => navigator.sendBeacon(byQuery, launch)],
    ["form", () => form("a", byQuery, "application/x-www-form-urlencoded")],
    ["plain form", () => form("b", byQuery, "text/plain")],
    ["multipart form", () => form("c", byQuery, "multipart/form-data")],
    ["form to the API", () => form("d", api + "/api/backtests/run-async", "text/plain")],
  ].map(([name, work]) => attempt(name, work)));
  for (const name of ["text", "run", "get", "beacon", "form", "plain form", "multipart form", "form to the API"]) {
    delete settled[name];  // the browser sends these and hides the outcome from the page
  }
  return settled;
}"""


@pytest.fixture(scope="module")
def site(platform: Platform) -> Iterator[str]:
    """A web server on the port of CLIENT and EVIL, with an empty page and one that frames the URL in its query.

    Under any name, it passes POST requests on to the API.
    """

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path)[2:4]
            self.send_response(200)
            if path == SANDBOXED:
                self.send_header("Content-Security-Policy", "sandbox allow-scripts allow-forms")
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<body>{f'<iframe src={query}></iframe>' if query else ''}</body>".encode())

        def do_POST(self) -> None:
            """Pass a request on with the host that this server connects to, as nginx does by default."""
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            body = self.rfile.read(int(self.headers["Content-Length"]))
            response = httpx2.post(f"{platform.api.base_url}{self.path}", content=body, headers=headers)
            self.send_response(response.status_code)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", urlsplit(CLIENT).port or 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield CLIENT
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser."""
    with opened_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """A page in a new profile."""
    assert site
    page = browser.new_page()
    yield page
    page.close()


def run_ids(platform: Platform) -> set[str]:
    """Return the ids of all runs."""
    data = platform.graphql("{ runsOrError { ... on Runs { results { runId } } } }")
    return {run["runId"] for run in data["runsOrError"]["results"]}


def attack(platform: Platform, page: Page) -> dict[str, Any]:
    """Try everything that a page can do to both ports; return what succeeded as far as the page knows."""
    outcomes = page.evaluate(ATTACKS, [str(platform.api.base_url), platform.ui_url, LAUNCH, json.dumps(BACKTEST)])
    return {name: outcome for name, outcome in outcomes.items() if outcome != "blocked"}


def open_frame(page: Page, origin: str, url: str) -> Frame:
    """Return the frame of a page of `origin` that shows `url`, once it has been loaded or refused."""
    page.goto(f"{origin}/?{url}")
    (frame,) = page.frames[1:]
    while not frame.url:
        page.wait_for_timeout(50)
    return frame


@requires_chromium
@pytest.mark.parametrize("path", ["/", SANDBOXED])
def test_foreign_page_reads_and_changes_nothing(platform: Platform, page: Page, path: str) -> None:
    """Neither by requests that a page can read, nor by those that a browser sends without asking."""
    before = run_ids(platform)
    page.goto(EVIL + path)
    succeeded = attack(platform, page)
    assert run_ids(platform) == before
    assert succeeded == {}


@requires_chromium
@pytest.mark.parametrize("port", ["api", "ui"])
def test_foreign_page_cannot_frame(platform: Platform, page: Page, port: str) -> None:
    """A page inside another could be clicked unknowingly."""
    url = {"api": f"{platform.api.base_url}/docs", "ui": platform.ui_url}[port]
    assert open_frame(page, EVIL, url).url.startswith("chrome-error:")


@requires_chromium
@pytest.mark.parametrize("port", ["api", "ui"])
def test_rebound_name_is_refused(platform: Platform, page: Page, port: str) -> None:
    """A foreign name that leads to this machine makes a page the server's own; the server does not know the name."""
    url = {"api": str(platform.api.base_url), "ui": platform.ui_url}[port].replace("127.0.0.1", "evil.test")
    response = page.goto(url)
    assert response is not None
    assert (response.status, "COIN_ALLOWED_HOSTS" in response.text()) == (403, True)


@requires_chromium
def test_allowed_page_uses_the_api(platform: Platform, page: Page) -> None:
    """It submits JSON with a key and reads where the task is; it may show the UI in a frame."""
    page.goto(CLIENT)
    location = page.evaluate(
        """async ([url, body]) => {
          const headers = {"Content-Type": "application/json", "Idempotency-Key": "from a page"};
          const response = await fetch(url, {method: "POST", body, headers, credentials: "include"});
          return response.headers.get("Location");
        }""",
        [f"{platform.api.base_url}/api/backtests/run-async", json.dumps(BACKTEST)],
    )
    assert location.startswith("/api/backtests/status/")
    assert "dagster_version" in open_frame(page, CLIENT, f"{platform.ui_url}/server_info").content()


@requires_chromium
def test_page_behind_its_own_proxy_uses_the_api(platform: Platform, page: Page) -> None:
    """Without a setting, and even if the proxy replaces the host."""
    page.goto(EVIL.replace("evil.test", "localhost"))
    status = page.evaluate(
        """async (body) => {
          const headers = {"Content-Type": "application/json"};
          return (await fetch("/api/backtests/run-async", {method: "POST", body, headers})).status;
        }""",
        json.dumps(BACKTEST),
    )
    assert (status, platform.is_up) == (202, True)


@pytest.mark.parametrize(
    ("method", "content_type", "query"),
    [
        ("GET", "", f"?query={quote(LAUNCH)}"),
        ("POST", "", f"?query={quote(LAUNCH)}"),
        ("POST", "text/plain", f"?query={quote(LAUNCH)}"),
        ("POST", "application/graphql", ""),
    ],
    ids=["GET", "POST", "text", "graphql"],
)
def test_mutations_that_are_not_json_posts_are_refused(
    platform: Platform, method: str, content_type: str, query: str
) -> None:
    """Also from clients without an origin."""
    before = run_ids(platform)
    headers = {"Content-Type": content_type} if content_type else {}
    response = httpx2.request(method, f"{platform.ui_url}/graphql{query}", headers=headers, content=LAUNCH)
    assert response.status_code in {405, 415}
    assert run_ids(platform) == before


def test_mutation_as_json_post_is_executed(platform: Platform) -> None:
    """The mutation of the other tests starts a run where it is allowed."""
    before = run_ids(platform)
    assert platform.graphql(LAUNCH) == {"launchRun": {"__typename": "LaunchRunSuccess"}}
    assert len(run_ids(platform) - before) == 1


def test_websocket_executes_no_mutation(platform: Platform) -> None:
    """It serves subscriptions only, whatever the document contains."""
    before = run_ids(platform)
    url = f"{platform.ui_url.replace('http', 'ws')}/graphql"
    with connect(url, subprotocols=["graphql-ws"], proxy=None) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"type": "start", "id": "1", "payload": {"query": LAUNCH}}))
        assert json.loads(socket.recv(10))["type"] == "error"
    assert run_ids(platform) == before
