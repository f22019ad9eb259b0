"""Pages of the Dagster UI in a real browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import opened_browser, requires_chromium
from tests.platforms import BACKTEST, Platform

pytestmark = requires_chromium


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page in a browser with a new profile."""
    with opened_browser() as browser:
        yield browser.new_page(viewport={"width": 1400, "height": 1000})


def test_run_page_shows_ops_figures_and_the_equity_curve(platform: Platform, page: Page) -> None:
    """The ops are drawn, the figures are listed, and one click shows the equity curve."""
    answer = platform.api.post("/api/backtests/run", json=BACKTEST)
    page.goto(f"{platform.ui_url}/runs/{answer.json()['run_id']}")
    for text in ("Success", "load_candles", "simulate[AAA_KRW]", "persist", "Total return", "Buy and hold"):
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
    config = page.locator(".CodeMirror-code").first.inner_text()
    assert config.index("strategy:") < config.index("symbols:") < config.index("fee_rate:") < config.index("loggers:")


def test_launched_run_is_followed_live(platform: Platform, page: Page) -> None:
    """The run starts from the page, and its events arrive over a WebSocket until it ends."""
    page.goto(f"{platform.ui_url}/locations/coin_pipeline/jobs/backtest/playground")
    with page.expect_websocket() as socket:
        page.get_by_role("button", name="Launch run").click(timeout=20_000)
    socket.value.wait_for_event("framereceived")
    expect(page.get_by_text("RUN_START", exact=True).first).to_be_visible(timeout=20_000)
    expect(page.get_by_text(re.compile("RUN_SUCCESS|RUN_FAILURE")).first).to_be_visible(timeout=30_000)
