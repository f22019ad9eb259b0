"""The pages of stored candles."""

from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from coin_api.app import create_app
from coin_api.candles import UPLOAD_SUFFIXES
from coin_api.pages.candles import MEDIA_TYPES
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.exchanges.registry import exchange_names
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.candles.timezones import timezone_names
from coin_pipeline.settings import load_settings
from tests.api.conftest import NO_DATABASE
from tests.browser import axe_findings, requires_chromium
from tests.fakes import FakeOrchestrator
from tests.pages.served import served, watched_page

DAILY = parse_timeframe("1d")


class _Items(HTMLParser):
    """Collects the class of each item of the calendar."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "li" and "title" in values:
            self.states.append(values.get("class"))


def test_the_inventory_links_to_each_series(client: TestClient) -> None:
    """With its period in days of Seoul, and the forms to add candles."""
    page = client.get("/app/candles").text
    assert 'href="/app/candles/AAA_KRW/1d"' in page
    assert "2023-01-01 &ndash; 2024-12-31" in page
    assert '<form id="fetch"' in page
    assert '<form id="upload"' in page


def test_a_series_has_a_calendar_of_whole_years(client: TestClient) -> None:
    """Each month is an item, styled by its coverage."""
    items = _Items()
    items.feed(client.get("/app/candles/AAA_KRW/1d").text)
    assert items.states == ["complete"] * 24


def test_gaps_are_listed_in_the_language_of_the_page(client: TestClient, data_root: Path) -> None:
    """The first missing candle is named in Seoul, where daily candles open at 9:00."""
    candles = synthetic_candles(3, DAILY, date(2024, 1, 1), 60)
    catalog = CandleCatalog(data_root)
    catalog.merge("GAP_KRW", DAILY, candles.rows(np.r_[0:10, 20:60]))
    page = client.get("/app/candles/GAP_KRW/1d?lang=ko").text
    assert "<td>2024-01-11 09:00</td><td>2024-01-21 09:00</td>" in page
    assert "<td>미수집</td>" in page


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/app/candles/ZZZ_KRW/1d", 404, "fetch them on the page of candles"),
        ("/app/candles/AAA_KRW/7d", 422, "7d"),
        ("/app/candles/%3Cb%3E/1d", 422, "&lt;b&gt;"),
    ],
)
def test_what_is_not_stored_has_a_page(client: TestClient, path: str, status: int, message: str) -> None:
    """It names the remedy."""
    response = client.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert message in response.text


def test_an_unreadable_file_is_named(client: TestClient, data_root: Path) -> None:
    """The inventory lists it with the error, next to the others."""
    folder = data_root / "BAD_KRW/1D"
    folder.mkdir(parents=True)
    (folder / "2024.parquet").write_bytes(b"no Parquet")
    try:
        page = client.get("/app/candles").text
    finally:
        (folder / "2024.parquet").unlink()
    assert "BAD_KRW/1D/2024.parquet" in page
    assert 'href="/app/candles/AAA_KRW/1d"' in page


def test_the_inventory_needs_no_database(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """Candles are files."""
    orchestrator.down = True
    assert client.get("/app/candles").status_code == 200


def test_every_suffix_of_the_form_is_accepted_by_the_api() -> None:
    """The form sends the media type that belongs to the suffix of a file."""
    assert {suffix: UPLOAD_SUFFIXES[media_type] for suffix, media_type in MEDIA_TYPES.items()} == {
        suffix: suffix for suffix in UPLOAD_SUFFIXES.values()
    }


@pytest.fixture
def url(candles: CandleCatalog) -> Iterator[str]:
    """URL of the application."""
    assert candles
    with served(create_app(load_settings(), lambda _: FakeOrchestrator(), find_database=lambda _: NO_DATABASE)) as url:
        yield url


@requires_chromium
def test_both_forms_are_kept_in_another_language(url: str, tmp_path: Path) -> None:
    """Except the file, which only the user can choose."""
    file = tmp_path / "candles.csv"
    file.write_text("time,open,high,low,close,volume\n")
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles")
        page.locator("#field-symbols").fill("BTC_KRW, ETH_KRW")
        page.locator('[name="timeframes"][value="1h"]').check()
        page.locator("#field-file").set_input_files(file)
        page.locator("#field-symbol").fill("BTC_KRW")
        page.locator("#field-tz").select_option("UTC")
        page.locator("summary").click()
        page.get_by_role("link", name="한국어").click()
        expect(page.locator("html")).to_have_attribute("lang", "ko")
        expect(page.locator("#field-symbols")).to_have_value("BTC_KRW, ETH_KRW")
        expect(page.locator('[name="timeframes"][value="1h"]')).to_be_checked()
        expect(page.locator("#field-file")).to_have_value("")
        expect(page.locator("#field-symbol")).to_have_value("BTC_KRW")
        expect(page.locator("#field-tz")).to_have_value("UTC")
        expect(page.locator("#field-columns")).to_be_visible()
        assert watched.errors == []


@requires_chromium
def test_a_file_is_uploaded_in_the_browser(url: str, data_root: Path, tmp_path: Path) -> None:
    """Problems are next to their fields; then the form reports what was stored."""
    file = tmp_path / "candles.csv"
    file.write_text("time,open,high,low,close,volume\n2024-01-01 00:00,1,2,1,2,5\n2024-01-02 00:00,2,3,2,3,5\n")
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles")
        assert axe_findings(page) == []
        form = page.locator("#upload")
        form.locator('[name="file"]').set_input_files(file)
        form.get_by_role("button", name="Upload").click()
        expect(page.locator("#field-symbol-error")).to_be_visible()
        form.locator('[name="symbol"]').fill("FILE_KRW")
        form.get_by_role("button", name="Upload").click()
        expect(page.locator("#field-tz-error")).to_contain_text("choose UTC, Asia/Seoul or another")
        form.locator('[name="tz"]').select_option("UTC")
        form.get_by_role("button", name="Upload").click()
        expect(form.get_by_role("status")).to_have_text("2 candles added, 0 replaced, 0 unchanged.")
        expect(page.locator("#inventory")).to_contain_text("FILE_KRW")
        assert watched.hosts == {urlsplit(url).netloc}
    assert CandleCatalog(data_root).stored("FILE_KRW")[0].rows == 2


@requires_chromium
def test_columns_are_chosen_in_the_browser(url: str, data_root: Path, tmp_path: Path) -> None:
    """From those of the file; a check stores nothing and shows what an upload would."""
    file = tmp_path / "candles.csv"
    rows = ("2024-01-01,00:00,10,20,5,15,7", "2024-01-02,00:00,15,25,10,20,8")
    file.write_text("\n".join(("Day,At,First,Top,Bottom,Last,Amount", *rows)))
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles")
        form = page.locator("#upload")
        check = form.get_by_role("button", name="Check")
        check.click()
        expect(page.locator("#field-file-error")).to_have_text("Choose a file.")
        form.locator('[name="file"]').set_input_files(file)
        form.locator('[name="symbol"]').fill("COLUMNS_KRW")
        form.locator('[name="tz"]').select_option("UTC")
        check.click()
        expect(page.locator("#field-columns-error")).to_contain_text("has no column for time, open")
        assert axe_findings(page) == []
        chosen = {"time": "Day", "clock": "At", "open": "First", "high": "Top", "low": "Bottom", "close": "Last"}
        for name, column in {**chosen, "volume": "Amount"}.items():
            form.locator(f'[name="columns.{name}"]').select_option(column)
        check.click()
        expect(form.get_by_role("status")).to_contain_text("An upload adds 2 candles")
        columns = "time = Day, time = At, open = First, high = Top, low = Bottom, close = Last, volume = Amount"
        expect(page.locator('[data-slot="columns"]')).to_have_text(columns)
        assert "COLUMNS_KRW" not in CandleCatalog(data_root).symbols()
        form.get_by_role("button", name="Upload").click()
        expect(page.locator("#inventory")).to_contain_text("COLUMNS_KRW")


@requires_chromium
def test_a_market_with_a_slash_is_corrected_at_its_field(url: str, tmp_path: Path) -> None:
    """In the form to upload a file."""
    file = tmp_path / "candles.csv"
    file.write_text("time,open,high,low,close,volume\n2024-01-01T00:00:00Z,1,2,1,2,5\n")
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles")
        page.locator('#upload [name="file"]').set_input_files(file)
        page.locator('#upload [name="symbol"]').fill("BTC/KRW")
        page.get_by_role("button", name="Upload").click()
        expect(page.locator("#field-symbol-error")).to_contain_text("did you mean 'BTC_KRW'?")


def test_exchanges_and_time_zones_are_those_of_the_code(client: TestClient) -> None:
    """A choice, whose values the API accepts."""
    page = client.get("/app/candles").text
    for name in (*exchange_names(), *timezone_names()):
        assert f"<option>{name}</option>" in page


@requires_chromium
def test_the_list_is_updated_when_the_page_is_seen_again(url: str, data_root: Path) -> None:
    """Meanwhile a task has fetched candles."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles")
        CandleCatalog(data_root).merge("SEEN_KRW", DAILY, synthetic_candles(3, DAILY, date(2024, 1, 1), 5))
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator("#inventory")).to_contain_text("SEEN_KRW")


@requires_chromium
def test_candles_are_fetched_from_the_browser(url: str) -> None:
    """A market that is not one is reported at its field; a valid request leads to the page of its task."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles")
        form = page.locator("#fetch")
        form.locator('[name="symbols"]').fill("BTC_KRW, <b>")
        form.get_by_role("button").click()
        expect(page.locator("#field-symbols-error")).to_contain_text("<b>")
        form.locator('[name="symbols"]').fill("BTC_KRW, ETH_KRW")
        form.get_by_role("button").click()
        page.wait_for_url("**/app/tasks/*")
