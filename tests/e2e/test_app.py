"""The whole way in a browser: submit, watch, read the report, zoom, cancel and compare, without a terminal."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser import axe_findings, requires_chromium
from tests.e2e.test_sweeps import SLOW_SWEEP
from tests.pages.served import Watched, watched_page
from tests.platforms import Platform, follow_backtest, submit_backtest

pytestmark = requires_chromium
TIMEOUT_MS = 60_000
"""A run waits for others on a busy machine."""


@pytest.fixture
def browser(platform: Platform) -> Iterator[Watched]:
    """A page of the app; it requests nothing from other hosts, and its console stays without errors."""
    with watched_page() as watched:
        watched.page.set_default_timeout(TIMEOUT_MS)
        dialogs: list[str] = []

        def refuse(dialog: Dialog) -> None:
            dialogs.append(dialog.message)
            dialog.dismiss()

        watched.page.on("dialog", refuse)
        yield watched
        assert dialogs == []
        assert watched.errors == []
        assert watched.hosts <= {urlsplit(address(platform)).netloc, ""}


def address(platform: Platform) -> str:
    """Return the URL of the API."""
    return str(platform.api.base_url).rstrip("/")


def fill_form(page: Page, platform: Platform, strategy: str, form: str = "submit") -> None:
    """Fill a form in for a year of AAA_KRW."""
    page.goto(f"{address(platform)}/app/{form}")
    page.get_by_label("Strategy").select_option(strategy)
    page.locator('[name="symbols"][value="AAA_KRW"]').check()
    page.locator('[name="start_date"]').fill("2024-01-01")
    page.locator('[name="end_date"]').fill("2024-12-31")


def submit_form(page: Page, platform: Platform, strategy: str) -> str:
    """Submit the form; return the id of the task, whose page the browser shows."""
    fill_form(page, platform, strategy)
    page.locator('#submit [type="submit"]').click()
    page.wait_for_url("**/app/tasks/*")
    return urlsplit(page.url).path.rpartition("/")[2]


def test_from_the_form_to_the_report(platform: Platform, browser: Watched) -> None:
    """The page of the task follows the run until it links to the result; the charts of its report can be zoomed."""
    page = browser.page
    task_id = submit_form(page, platform, "volume_zone_breakout")
    page.locator("#result").click()
    page.wait_for_url(f"**/app/results/{task_id}")
    assert axe_findings(page) == []
    page.locator(f'a[href^="/reports/{task_id}"]').first.click()
    page.wait_for_url(f"**/reports/{task_id}*")
    everything = page.locator("#price-note").text_content() or ""
    page.hover("#account-chart", position={"x": 500, "y": 100})
    for _ in range(4):
        page.mouse.wheel(0, -400)
    expect(page.locator("#price-note")).not_to_have_text(everything)
    assert axe_findings(page) == []


def test_what_the_api_rejects_is_shown_next_to_its_field(platform: Platform, browser: Watched) -> None:
    """The form is still filled in; nothing was submitted."""
    page = browser.page
    fill_form(page, platform, "steady")
    page.locator('[name="params.every"]:enabled').fill("1")
    page.locator('#submit [type="submit"]').click()
    expect(page.locator('[name="params.every"]:enabled')).to_have_attribute("aria-invalid", "true")
    assert urlsplit(page.url).path == "/app/submit"
    browser.errors.clear()  # Chromium reports every response of 422


def test_a_running_backtest_is_cancelled(platform: Platform, browser: Watched) -> None:
    """Its page then states that it was cancelled, and fills the form in; so does the page of its report."""
    page = browser.page
    task_id = submit_form(page, platform, "slow")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#task")).to_have_attribute("data-status", "cancelled", timeout=TIMEOUT_MS)
    page.get_by_role("link", name="Change and run again").click()
    expect(page.get_by_label("Strategy")).to_have_value("slow")
    expect(page.locator('[name="symbols"][value="AAA_KRW"]')).to_be_checked()
    page.goto(f"{address(platform)}/reports/{task_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("The backtest was cancelled")
    browser.errors.clear()  # Chromium reports every response of 404


def test_a_running_sweep_is_cancelled_and_changed(platform: Platform, browser: Watched) -> None:
    """Its page shows the end by itself, and leads to the form of the sweep with its values."""
    page = browser.page
    task_id = platform.api.post("/api/sweeps", json=SLOW_SWEEP).json()["task_id"]
    page.goto(f"{address(platform)}/app/tasks/{task_id}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#task")).to_have_attribute("data-status", "cancelled", timeout=TIMEOUT_MS)
    page.get_by_role("link", name="Change and run again").click()
    expect(page.get_by_label("Strategy")).to_have_value(SLOW_SWEEP["strategy"])
    for name, values in SLOW_SWEEP["space"].items():
        expect(page.locator(f'[name="space.{name}"]:enabled')).to_have_value(values)


def test_two_results_are_compared(platform: Platform, browser: Watched) -> None:
    """They are chosen in the list; the table of differences names the parameter that differs."""
    runs = [submit_backtest(platform, strategy="steady", params={"every": every}) for every in (2, 3)]
    for run_id in runs:
        follow_backtest(platform.api, run_id)
    page = browser.page
    page.goto(f"{address(platform)}/app/history?strategy=steady")
    for run_id in runs:
        page.locator(f'input[type="checkbox"][value="{run_id}"]').check()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/app/compare*")
    expect(page.locator("#comparison canvas").first).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="every").first).to_contain_text("3")
    assert axe_findings(page) == []


def daily_file(path: Path, days: Sequence[int], high: int) -> Path:
    """Write daily candles of January 2024."""
    rows = (f"2024-01-{day:02}T00:00:00Z,1,{high},1,1,1\n" for day in days)
    path.write_text("time,open,high,low,close,volume\n" + "".join(rows))
    return path


def upload_in_tab(page: Page, platform: Platform, file: Path) -> None:
    """Upload daily candles of TABS_KRW."""
    page.goto(f"{address(platform)}/app/candles?lang=en")
    page.locator('#upload [name="file"]').set_input_files(file)
    page.locator('#upload [name="symbol"]').fill("TABS_KRW")
    page.get_by_role("button", name="Upload").click()


def test_a_tab_asks_again_if_another_one_stored_candles(platform: Platform, browser: Watched, tmp_path: Path) -> None:
    """An agreement is about the candles of its question only."""
    first, chromium = browser.page, browser.page.context.browser
    assert chromium
    second = chromium.new_page()
    upload_in_tab(first, platform, daily_file(tmp_path / "stored.csv", [1], 2))
    expect(first.locator("#inventory")).to_contain_text("TABS_KRW")
    upload_in_tab(first, platform, daily_file(tmp_path / "first.csv", [1, 2, 3], 3))
    upload_in_tab(second, platform, daily_file(tmp_path / "second.csv", [1, 2], 4))
    for tab in (first, second):
        expect(tab.locator("#confirm")).to_contain_text("1 would be replaced")
    second.get_by_role("button", name="Replace").click()
    expect(second.locator("main")).to_contain_text("1 candles added, 1 replaced")
    first.get_by_role("button", name="Replace").click()
    expect(first.locator("#confirm")).to_contain_text("2 would be replaced and 0 removed; 1 would be added")
    first.get_by_role("button", name="Replace").click()
    expect(first.locator("main")).to_contain_text("1 candles added, 2 replaced")


def test_from_the_form_of_a_sweep_to_a_point(platform: Platform, browser: Watched) -> None:
    """Its points are counted before and followed while it runs; a cell of its heat map fills in the form of a point."""
    page = browser.page
    fill_form(page, platform, "steady", "sweeps/new")
    page.get_by_role("textbox", name="Values of every").fill("2:6:1")
    expect(page.locator("#points")).to_have_text("5")
    page.get_by_role("button", name="Run sweep").click()
    page.wait_for_url("**/app/tasks/*")
    page.get_by_role("link", name="Open the sweep").click()
    page.wait_for_url("**/app/sweeps/*")
    assert axe_findings(page) == []
    page.locator('a[data-column="4"]').first.click()
    page.wait_for_url("**/app/submit?*")
    expect(page.locator('[name="params.every"]:enabled')).to_have_value("6")
    page.get_by_role("link", name="Sweeps").click()
    expect(page.get_by_role("row").filter(has_text="steady").first).to_be_visible()


def test_texts_of_a_strategy_are_inert(platform: Platform, browser: Watched) -> None:
    """Its description and parameters are markup; every page shows them as text."""
    page = browser.page
    task_id = submit_form(page, platform, "hostile")
    expect(page.locator("#result")).to_be_visible(timeout=TIMEOUT_MS)
    for path in (
        "app/history",
        f"app/tasks/{task_id}",
        f"reports/{task_id}",
        f"app/submit?from={task_id}",
        f"app/sweeps/new?from={task_id}",
    ):
        page.goto(f"{address(platform)}/{path}")
        expect(page.locator("h1")).to_be_visible()
        assert page.locator('img[src="x"], svg[onload]').count() == 0


@pytest.mark.parametrize("path", ["history", "submit", "tasks", "candles", "candles/AAA_KRW/1d", "positions"])
def test_pages_are_accessible(platform: Platform, browser: Watched, path: str) -> None:
    """Nothing serious is found by axe, in Korean and in the dark; nothing is wider than a phone."""
    page = browser.page
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address(platform)}/app/{path}?lang=ko")
    assert axe_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    ("run_id", "heading"),
    [
        ("unknown-run", "This is not the id of a run"),
        ("00000000-0000-4000-8000-000000000000", "There is no result with this id"),
    ],
)
def test_a_result_that_does_not_exist_has_its_page(
    platform: Platform, browser: Watched, run_id: str, heading: str
) -> None:
    """In place of its report."""
    browser.page.goto(f"{address(platform)}/reports/{run_id}")
    expect(browser.page.get_by_role("heading", level=1)).to_have_text(heading)
    browser.errors.clear()
