"""Pages of the Dagster UI in a real browser."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.platforms import BACKTEST, Platform

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page in a browser with a new profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


def test_run_page_shows_ops_figures_and_the_equity_curve(platform: Platform, page: Page) -> None:
    """The ops are drawn, the figures are listed, and one click shows the equity curve."""
    answer = platform.api.post("/api/backtests/run", json=BACKTEST)
    page.goto(f"{platform.ui_url}/runs/{answer.json()['run_id']}")
    for text in ("Success", "load_candles", "simulate[AAA_KRW]", "persist", "total_return", "buy_and_hold"):
        expect(page.get_by_text(text).first).to_be_visible(timeout=20_000)
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.get_by_role("img", name="equity")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth") == 900


def test_launchpad_is_filled_with_a_runnable_config(platform: Platform, page: Page) -> None:
    """A complete backtest is filled in and can be launched as it is."""
    page.goto(f"{platform.ui_url}/locations/coin_pipeline/jobs/backtest/playground")
    expect(page.get_by_text("volume_zone_breakout").first).to_be_visible(timeout=20_000)
    expect(page.get_by_text("DEMO_KRW").first).to_be_visible()
    expect(page.get_by_role("button", name="Launch run")).to_be_enabled()
