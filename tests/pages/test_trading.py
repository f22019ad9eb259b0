"""The pages of paper positions and of forward tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.conftest import client_of
from tests.fakes import FakeOrchestrator
from tests.forward.conftest import SYMBOLS, hourly, workbench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

    from tests.forward.conftest import Workbench

__all__ = ["hourly", "workbench"]
ORDER: dict[str, Any] = {"symbol": "BTC_KRW", "quantity": 1, "entry_price": 50000, "side": "BUY"}
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def app(workbench: Workbench) -> Iterator[TestClient]:
    """A client of the application with an empty ledger, without forward tests."""
    with client_of(FakeOrchestrator(), database=workbench.url) as client:
        yield client


def test_without_positions_the_page_names_what_opens_them(app: TestClient) -> None:
    """Nothing is summed up."""
    page = app.get("/app/positions").text
    assert "There are no positions yet." in page
    assert "<table" not in page


def test_open_and_closed_positions(app: TestClient) -> None:
    """An open one is valued at its entry without candles; a closed one has its exact result with sign and arrow."""
    opened = app.post("/api/positions/enter", json=ORDER).json()
    app.post(f"/api/positions/{opened['position_id']}/exit", json={"exit_price": 51000})
    app.post("/api/positions/enter", json={**ORDER, "symbol": "ETH_KRW", "quantity": "0.5", "note": HOSTILE})
    page = app.get("/app/positions").text
    assert '<span class="gain">▲ +878.80 KRW</span>' in page
    assert "entry price, no candle stored" in page
    assert page.index("ETH_KRW") < page.index("Closed positions") < page.index(">BTC_KRW<")


def test_a_position_shows_its_journal(app: TestClient) -> None:
    """The note of an order is text."""
    opened = app.post("/api/positions/enter", json={**ORDER, "note": HOSTILE}).json()
    page = app.get(f"/app/positions/{opened['position_id']}?lang=ko").text
    assert "진입, 매수" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert HOSTILE not in page


def test_closed_positions_come_in_pages(app: TestClient) -> None:
    """The link to the next page keeps the book and the number of rows."""
    for price in (51000, 52000):
        opened = app.post("/api/positions/enter", json={**ORDER, "book": "own"}).json()
        app.post(f"/api/positions/{opened['position_id']}/exit", json={"exit_price": price})
    page = app.get("/app/positions?book=own&limit=1").text
    assert "/app/positions?book=own&amp;limit=1&amp;cursor=" in page


@pytest.mark.parametrize("path", ["/app/positions", "/app/forward-tests", "/app/forward-tests/{test_id}"])
def test_each_page_has_both_languages(app: TestClient, workbench: Workbench, path: str) -> None:
    """The language of an address is not a field of the page's own query."""
    address = path.format(test_id=workbench.start().test_id)
    pages = [app.get(f"{address}?lang={language}") for language in ("en", "ko")]
    assert [(page.status_code, page.headers["Content-Language"]) for page in pages] == [(200, "en"), (200, "ko")]


@pytest.mark.parametrize(
    "path",
    [
        "/app/positions/x",
        "/app/forward-tests/x",
        "/app/positions?book=a b",
        "/app/positions?cursor=x",
        "/app/positions?limit=0",
    ],
)
def test_what_does_not_exist_has_a_page(app: TestClient, path: str) -> None:
    """With the status of the API."""
    response = app.get(path)
    assert response.status_code in {404, 422}
    assert "<h1>" in response.text


def test_a_forward_test_shows_its_accounts_and_decisions(app: TestClient, workbench: Workbench) -> None:
    """The list links to it, and it to its positions."""
    test = workbench.start(params={"volume_window": 5, "hold_period_bars": 3}, symbols=SYMBOLS)
    workbench.advance(3)
    assert f'href="/app/forward-tests/{test.test_id}"' in app.get("/app/forward-tests").text
    page = app.get(f"/app/forward-tests/{test.test_id}").text
    assert "10,000,000 KRW" in page
    assert page.count("<td>on time</td>") == 3 * len(SYMBOLS)
    assert f"/app/positions?book=forward%3A{test.test_id}" in page
    assert "The drift report appears after the first night" in page
