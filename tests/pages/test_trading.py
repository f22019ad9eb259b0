"""The pages of paper positions and of forward tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Route, expect

from coin_api.app import create_app
from coin_pipeline.forward.store import list_tests
from coin_pipeline.settings import load_settings
from tests.api.conftest import client_of
from tests.browser import requires_chromium
from tests.fakes import FakeOrchestrator
from tests.forward.conftest import SYMBOLS, hourly, workbench
from tests.pages.served import served, watched_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

    from coin_pipeline.candles.catalog import CandleCatalog
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
    """The note of an order is text, and a price has separators and all its digits."""
    order = {**ORDER, "entry_price": "57053000.125", "note": HOSTILE}
    opened = app.post("/api/positions/enter", json=order).json()
    page = app.get(f"/app/positions/{opened['position_id']}?lang=ko").text
    assert "진입, 매수" in page
    assert '<td class="n">57,053,000.125</td>' in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert HOSTILE not in page


def test_average_price_has_ten_digits(app: TestClient) -> None:
    """Not those of a division without end."""
    for quantity, price in (("1", "100"), ("2", "50000")):
        app.post("/api/positions/enter", json={**ORDER, "quantity": quantity, "entry_price": price})
    assert '<td class="n">33,366.66667</td>' in app.get("/app/positions").text


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


@pytest.fixture
def url(workbench: Workbench, candles: CandleCatalog) -> Iterator[str]:
    """URL of the application, with the candles of the session."""
    assert candles
    app = create_app(load_settings(), lambda _: FakeOrchestrator(), find_database=lambda _: workbench.url)
    with served(app) as url:
        yield url


@pytest.mark.parametrize(("language", "default"), [("en", "default on"), ("ko", "기본값 켬")])
def test_default_of_a_switch_is_in_the_language_of_the_page(app: TestClient, language: str, default: str) -> None:
    """Candles are collected by default."""
    page = app.get(f"/app/forward-tests/new?lang={language}").text
    assert f"<small>{default}</small>" in page
    assert "True" not in page


@requires_chromium
def test_a_position_is_opened_and_closed_in_a_browser(url: str) -> None:
    """What is wrong with an order is shown next to its field; numbers keep all their digits."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/positions")
        page.get_by_label("Market").fill("BTC_KRW")
        page.get_by_label("Quantity").fill("a lot")
        page.get_by_label("Price").fill("50000")
        page.get_by_role("button", name="Place the order").click()
        expect(page.locator("#field-quantity-error")).to_contain_text("a lot")
        page.get_by_label("Quantity").fill("0.123456789")
        page.get_by_role("button", name="Place the order").click()
        page.get_by_role("link", name="BTC_KRW").click()
        expect(page.get_by_text("0.123456789").first).to_be_visible()
        page.get_by_label("Price").fill("51000")
        page.get_by_role("button", name="Close the position").click()
        expect(page.get_by_text("closed", exact=True)).to_be_visible()


@requires_chromium
def test_an_order_without_a_price_states_the_time_of_the_close(url: str) -> None:
    """The newest stored candle may be old; a price of the user makes it irrelevant."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/positions")
        hint = page.locator("#field-entry_price-help")
        symbol = page.request.get(f"{url}/api/candles").json()["series"][0]["symbol"]
        page.get_by_label("Market").fill(symbol.lower())
        page.get_by_label("Quantity").focus()
        expect(hint).to_have_text(
            re.compile(rf"The newest stored close of {symbol} is that of 20\d\d-\d\d-\d\d \d\d:\d\d, Seoul\.$")
        )
        page.get_by_label("Market").fill("ZZZ_KRW")
        page.get_by_label("Quantity").focus()
        expect(hint).to_contain_text("No candles of ZZZ_KRW are stored; enter a price.")
        page.get_by_label("Price", exact=True).fill("1000")
        page.get_by_label("Quantity").focus()
        expect(hint).to_have_text("Empty: the close of the newest stored candle.")
        assert watched.errors == []


@requires_chromium
def test_button_of_an_order_is_enabled_before_the_page_is_loaded_again(url: str) -> None:
    """A browser that restores the state of a form, as Firefox does, would otherwise keep it disabled."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/positions")
        page.get_by_label("Market").fill("BTC_KRW")
        page.get_by_label("Quantity").fill("1")
        page.get_by_label("Price").fill("50000")
        button = page.get_by_role("button", name="Place the order")
        button.evaluate("""button => addEventListener("beforeunload", () => {
          sessionStorage.setItem("left", `${button.disabled} ${button.getAttribute("autocomplete")}`);
        })""")
        button.click()
        expect(page.get_by_role("link", name="BTC_KRW")).to_be_visible()
        assert page.evaluate("sessionStorage.getItem('left')") == "false off"


@requires_chromium
def test_an_order_is_kept_in_another_language_and_placed_once(url: str, app: TestClient) -> None:
    """Although its response is lost; once it is placed, the form is empty."""
    app.post("/api/positions/enter", json=ORDER)
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/positions")
        page.get_by_label("Market").fill("BTC_KRW")
        page.locator("#field-side").select_option("SELL")
        page.get_by_label("Quantity").fill("0.5")
        page.get_by_label("Price").fill("50000")
        page.route("**/enter", lambda route: (route.fetch(), route.abort()), times=1)
        page.get_by_role("button", name="Place the order").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_role("link", name="한국어").click()
        expect(page.locator("html")).to_have_attribute("lang", "ko")
        for name, value in (("symbol", "BTC_KRW"), ("side", "SELL"), ("quantity", "0.5"), ("entry_price", "50000")):
            expect(page.locator(f"#field-{name}")).to_have_value(value)
        page.locator('#order [type="submit"]').click()
        expect(page.locator("#field-quantity")).to_have_value("")
    (position,) = app.get("/api/positions/open").json()["positions"]
    assert position["quantity"] == 0.5


@requires_chromium
def test_a_forward_test_is_started_once_although_the_response_is_lost(url: str, workbench: Workbench) -> None:
    """Submitting again leads to the test that the first request started."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/forward-tests/new")
        page.locator('[name="symbols"][value="AAA_KRW"]').check()

        def lose(route: Route) -> None:
            route.fetch()
            route.abort()

        page.route("**/api/forward-tests", lose, times=1)
        page.get_by_role("button", name="Start the forward test").click()
        expect(page.locator("#problem")).to_contain_text("nothing runs twice")
        page.get_by_role("button", name="Start the forward test").click()
        page.wait_for_url("**/app/forward-tests/*-*")
    (test,) = workbench.ledger.run(list_tests)
    assert page.url.endswith(str(test.test_id))


@requires_chromium
def test_a_forward_test_is_started_and_stopped_in_a_browser(url: str) -> None:
    """Nothing fails in the console."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/forward-tests")
        page.get_by_role("link", name="New forward test").click()
        page.locator('[name="symbols"][value="AAA_KRW"]').check()
        page.locator("details summary").click()
        page.get_by_label("Collect candles").uncheck()
        page.get_by_role("button", name="Start the forward test").click()
        page.wait_for_url("**/app/forward-tests/*-*")
        page.locator("summary", has_text="Stop the forward test").click()
        page.get_by_role("button", name="Stop the forward test").click()
        expect(page.get_by_text("stopped", exact=True)).to_be_visible()
    assert watched.errors == []
