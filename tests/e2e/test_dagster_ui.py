"""What a person sees of a run in the Dagster UI, in a real browser."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.conftest import Platform

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
FLAGS += ("--disable-component-update", "--disable-sync", "--disable-quic")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)")


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a fresh browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


def test_the_run_page_shows_ops_figures_and_the_equity_picture(platform: Platform, page: Page) -> None:
    """The ops are drawn, the figures are listed, and one click shows the equity curve."""
    body = {"strategy": "volume_zone_breakout", "symbols": ["AAA_KRW"], "start_date": "2024-01-01"}
    answer = platform.api.post("/api/backtests/run", json={**body, "end_date": "2024-12-31"})
    page.goto(f"{platform.ui_url}/runs/{answer.json()['run_id']}")
    for words in ("Success", "load_candles", "simulate[AAA_KRW]", "persist", "total_return", "buy_and_hold"):
        expect(page.get_by_text(words).first).to_be_visible(timeout=20_000)
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.get_by_role("img", name="equity")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 900


def test_the_launchpad_is_filled_with_a_config_that_runs(platform: Platform, page: Page) -> None:
    """A newcomer finds a whole backtest typed in, ready to be launched."""
    page.goto(f"{platform.ui_url}/locations/coin_pipeline/jobs/backtest/playground")
    expect(page.get_by_text("volume_zone_breakout").first).to_be_visible(timeout=20_000)
    expect(page.get_by_text("DEMO_KRW").first).to_be_visible()
    expect(page.get_by_role("button", name="Launch run")).to_be_enabled()
