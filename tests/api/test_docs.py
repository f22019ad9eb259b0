"""The documentation page: Swagger UI without a network."""

import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from coin_api.docs import FILES
from tests.browser import opened_browser, requires_chromium
from tests.platforms import wait_until


@pytest.fixture
def url(client: TestClient) -> Iterator[str]:
    """URL of the application on a socket."""
    server = uvicorn.Server(uvicorn.Config(client.app, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@requires_chromium
def test_the_page_works_offline(url: str) -> None:
    """It shows the operations and the schema of a body; nothing is requested from another host."""
    with opened_browser() as browser:
        page = browser.new_page()
        requested, errors = [], []
        page.on("request", lambda request: requested.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(f"{url}/docs")
        page.get_by_text("/api/backtests/run-async").first.click()
        expect(page.get_by_text("Store a backtest durably and queue it.").first).to_be_visible()
        expect(page.get_by_text("volume_zone_breakout").first).to_be_visible()
    assert {urlsplit(address).netloc for address in requested if not address.startswith("data:")} == {
        urlsplit(url).netloc
    }
    assert errors == []


def test_its_files_have_types_and_a_policy(client: TestClient) -> None:
    """Browsers refuse scripts of another type, and the policy lets none in from elsewhere."""
    for path, kind in (("", "text/html"), ("swagger-ui.css", "text/css"), ("start.js", "text/javascript")):
        response = client.get(f"/docs/{path}")
        assert (response.status_code, response.headers["Content-Type"].partition(";")[0]) == (200, kind)
        assert "script-src 'self';" in response.headers["Content-Security-Policy"]


def test_its_files_are_in_the_wheel_and_small(wheel: Path) -> None:
    """An installed package serves the page as well; two megabytes are what Swagger UI needs."""
    names = {name.removeprefix("coin_api/swagger_ui/") for name in zipfile.ZipFile(wheel).namelist()}
    assert {file.name for file in FILES.iterdir()} <= names
    assert {"index.html", "LICENSE", "NOTICE"} <= names
    assert sum(file.stat().st_size for file in FILES.iterdir()) < 2_000_000
