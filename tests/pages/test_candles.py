"""The pages of stored candles."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Route, expect

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

DAILY, HOURLY = parse_timeframe("1d"), parse_timeframe("1h")


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
        ("/app/candles/BTC/KRW/1d", 422, "did you mean &#39;BTC_KRW&#39;?"),
        ("/app/candles/BTC/KRW", 422, "did you mean &#39;BTC_KRW&#39;?"),
        ("/app/candles?from=missing", 404, "missing"),
    ],
)
def test_what_is_not_stored_has_a_page(client: TestClient, path: str, status: int, message: str) -> None:
    """It names the remedy."""
    response = client.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert message in response.text


@pytest.mark.parametrize(
    ("language", "heading"),
    [("en", "No candles of this series are stored"), ("ko", "저장된 캔들이 없습니다")],
)
def test_page_of_a_series_without_candles_has_a_heading_of_its_own(
    client: TestClient, language: str, heading: str
) -> None:
    """The address is right, and candles can be fetched."""
    assert f"<h1>{heading}</h1>" in client.get(f"/app/candles/ZZZ_KRW/1d?lang={language}").text


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
        expect(page.locator("#field-symbol-error")).to_have_text("Enter the market, such as BTC_KRW.")
        form.locator('[name="symbol"]').fill("FILE_KRW")
        form.get_by_role("button", name="Upload").click()
        expect(page.locator("#field-tz-error")).to_contain_text("choose UTC, Asia/Seoul or another")
        form.locator('[name="tz"]').select_option("UTC")
        form.get_by_role("button", name="Upload").click()
        expect(form.get_by_role("status")).to_have_text("2 candles added, 0 replaced, 0 removed, 0 unchanged.")
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


def hours() -> str:
    """Return a file with five different hourly candles."""
    rows = (f"2024-01-01 {hour:02}:00,{hour + 1},{hour + 2},{hour + 1},{hour + 2},5\n" for hour in range(5))
    return "time,open,high,low,close,volume\n" + "".join(rows)


@requires_chromium
@pytest.mark.parametrize(
    ("language", "question", "notice", "labels"),
    [
        ("en", "0 would be replaced and 5 removed; 5 would be added", "9 h earlier", ("Upload", "Back", "Replace")),
        ("ko", "0개가 교체되고 5개가 삭제되며, 5개가 추가됩니다", "9 h 이른 시각", ("업로드", "돌아가기", "교체")),
    ],
)
def test_stored_candles_are_replaced_only_on_request(
    url: str, data_root: Path, tmp_path: Path, language: str, question: str, notice: str, labels: tuple[str, ...]
) -> None:
    """The question has what the check noticed: here the same candles at other times, by another time zone."""
    catalog, symbol = CandleCatalog(data_root), f"{language.upper()}ZONE_KRW"
    file = tmp_path / "candles.csv"
    file.write_text(hours())
    upload, back, replace = labels
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles?lang={language}")
        form, panel = page.locator("#upload"), page.locator("#confirm")
        form.locator('[name="file"]').set_input_files(file)
        form.locator('[name="symbol"]').fill(symbol)
        form.locator('[name="timeframe"]').select_option("1h")
        form.locator('[name="tz"]').select_option("UTC")
        form.get_by_role("button", name=upload).click()
        expect(page.locator("#inventory")).to_contain_text(symbol)
        before = catalog.stored(symbol)
        form.locator('[name="tz"]').select_option("Asia/Seoul")
        form.get_by_role("button", name=upload).click()
        expect(panel).to_contain_text(question)
        expect(panel).to_contain_text(notice)
        expect(panel).to_contain_text("2024-01-01 09:00 KST")
        expect(panel).to_contain_text("2024-01-01 09:00")
        expect(panel).to_be_focused()
        assert axe_findings(page) == []
        panel.get_by_role("button", name=back).click()
        expect(panel).to_be_hidden()
        assert catalog.stored(symbol) == before
        form.get_by_role("button", name=upload).click()
        panel.get_by_role("button", name=replace).click()
        expect(form.get_by_role("status")).not_to_be_empty()
        expect(panel).to_be_hidden()
        assert watched.errors == []
    (stored,) = catalog.stored(symbol)
    assert (stored.rows, stored.first) == (5, before[0].first - timedelta(hours=9))


@requires_chromium
@pytest.mark.parametrize(
    ("language", "button", "note"),
    [
        ("en", "Upload", "its prices are about 4, but about 4,000 in the stored candles"),
        ("ko", "업로드", "가격이 약 4인데 같은 시기의 저장된 캔들은 약 4,000입니다."),
    ],
)
def test_the_question_names_prices_of_another_order_of_magnitude(
    url: str, data_root: Path, tmp_path: Path, language: str, button: str, note: str
) -> None:
    """As of a file in another quote currency."""
    file, symbol = tmp_path / "candles.csv", f"{language.upper()}LEVEL_KRW"
    file.write_text(hours())
    stored = synthetic_candles(3, HOURLY, date(2024, 1, 1), 24)
    prices = dict.fromkeys(("open", "high", "low", "close"), np.full(24, 4000.0))
    CandleCatalog(data_root).merge(symbol, HOURLY, stored._replace(**prices))
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles?lang={language}")
        form = page.locator("#upload")
        form.locator('[name="file"]').set_input_files(file)
        form.locator('[name="symbol"]').fill(symbol)
        form.locator('[name="timeframe"]').select_option("1h")
        form.locator('[name="tz"]').select_option("UTC")
        form.get_by_role("button", name=button).click()
        expect(page.locator("#confirm")).to_contain_text(note)


@requires_chromium
def test_a_check_speaks_of_what_would_be_removed(url: str, tmp_path: Path) -> None:
    """Nothing is."""
    file = tmp_path / "candles.csv"
    file.write_text(hours())
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles")
        form = page.locator("#upload")
        form.locator('[name="file"]').set_input_files(file)
        form.locator('[name="symbol"]').fill("CHECKED_KRW")
        form.locator('[name="timeframe"]').select_option("1h")
        form.locator('[name="tz"]').select_option("UTC")
        form.get_by_role("button", name="Upload").click()
        expect(page.locator("#inventory")).to_contain_text("CHECKED_KRW")
        form.locator('[name="tz"]').select_option("Asia/Seoul")
        form.get_by_role("button", name="Check").click()
        expect(page.locator("#report")).to_contain_text("Misplaced candles that would be removed")
        expect(form.get_by_role("status")).to_contain_text("adds 5 candles, replaces 0, removes 5")
        expect(page.locator('[data-slot="removed"]')).to_be_hidden()
        expect(page.locator("#confirm")).to_be_hidden()


@requires_chromium
def test_a_late_question_about_another_file_is_not_asked(url: str, data_root: Path, tmp_path: Path) -> None:
    """Agreeing to it would store the file that was chosen meanwhile."""
    file, other = tmp_path / "candles.csv", tmp_path / "other.csv"
    file.write_text(hours())
    other.write_text(hours().replace(",5\n", ",7\n"))
    CandleCatalog(data_root).merge("LATE_KRW", HOURLY, synthetic_candles(3, HOURLY, date(2024, 1, 1), 24))
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles")
        form = page.locator("#upload")

        def choose_another(route: Route) -> None:
            response = route.fetch()
            form.locator('[name="file"]').set_input_files(other)
            route.fulfill(response=response)

        page.route("**/upload?*", choose_another)
        form.locator('[name="file"]').set_input_files(file)
        form.locator('[name="symbol"]').fill("LATE_KRW")
        form.locator('[name="timeframe"]').select_option("1h")
        form.locator('[name="tz"]').select_option("UTC")
        form.get_by_role("button", name="Upload").click()
        expect(form.get_by_role("status")).to_contain_text("the form was changed")
        expect(page.locator("#confirm")).to_be_hidden()


@requires_chromium
def test_a_file_that_has_changed_since_it_was_chosen_is_named(url: str, tmp_path: Path) -> None:
    """A browser does not send it."""
    file = tmp_path / "candles.csv"
    file.write_text(hours())
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles")
        page.locator('#upload [name="file"]').set_input_files(file)
        page.locator('#upload [name="symbol"]').fill("CHANGED_KRW")
        file.write_text(hours() + "2024-01-02 00:00,1,2,1,2,5\n")
        page.get_by_role("button", name="Upload").click()
        expect(page.locator("#field-file-error")).to_have_text(
            "The file has changed or can no longer be read; choose it again."
        )


@requires_chromium
def test_columns_of_another_header_are_not_kept(url: str, tmp_path: Path) -> None:
    """A file with the same header keeps the choices."""
    files = [tmp_path / name for name in ("first.csv", "same.csv", "other.csv")]
    for file, header in zip(files, ("날짜,At,First", "날짜,At,First", "종가,At,First"), strict=True):
        file.write_bytes((f"{header},Top,Bottom,Last,Amount\n" + file.name).encode("cp949"))
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/candles")
        form = page.locator("#upload")
        form.locator("summary").click()
        form.locator('[name="symbol"]').fill("HEADER_KRW")
        form.locator('[name="file"]').set_input_files(files[0])
        form.get_by_role("button", name="Check").click()
        form.locator('[name="columns.open"]').select_option("First")
        form.locator('[name="columns.dates"]').select_option("dmy")
        form.locator('[name="file"]').set_input_files(files[1])
        with page.expect_response("**/upload?*"):
            form.get_by_role("button", name="Check").click()
        expect(form.locator('[name="columns.open"]')).to_have_value("First")
        form.locator('[name="file"]').set_input_files(files[2])
        expect(form.locator('[name="columns.open"]')).to_have_value("")
        expect(form.locator('[name="columns.open"] option')).to_have_count(1)
        expect(form.locator('[name="columns.dates"]')).to_have_value("")


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
        assert re.search(rf"<option( selected)?>{re.escape(name)}</option>", page)


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
