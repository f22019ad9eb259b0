"""What becomes of a filled form in a browser: reload, back, another language, another tab."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import requires_chromium
from tests.fakes import FakeOrchestrator
from tests.pages.served import watched_page

pytestmark = requires_chromium


def fill(page: Page, window: str = "44") -> None:
    """Change a field of each kind: a choice, a number, a box, a day, and a field of a closed section."""
    page.get_by_label("Strategy").select_option("volume_long_candle")
    page.get_by_label("vol_ma_window").fill(window)
    page.get_by_label("AAA_KRW").check()
    page.locator('[name="start_date"]').fill("2024-02-03")
    page.get_by_text("Fills, costs, stops and account").click()
    page.get_by_label("Stop-loss").fill("0.05")
    page.get_by_label("Stop-loss").blur()


def expect_filled(page: Page, window: str = "44") -> None:
    """Expect what `fill` has filled in, in any language."""
    expect(page.locator('[name="params.vol_ma_window"]:enabled')).to_have_value(window)
    expect(page.locator('[value="AAA_KRW"]')).to_be_checked()
    expect(page.locator('[name="start_date"]')).to_have_value("2024-02-03")
    expect(page.locator('[name="stop_loss"]')).to_be_visible()
    expect(page.locator('[name="stop_loss"]')).to_have_value("0.05")


def run(page: Page) -> None:
    """Submit the form, and wait for the page of the task."""
    page.locator('#submit [type="submit"]').click()
    page.wait_for_url("**/app/tasks/*")


@pytest.mark.parametrize("form", ["submit", "sweeps/new", "forward-tests/new"])
def test_reload_and_language_keep_the_form(url: str, form: str) -> None:
    """Its values and its open sections; the change of language adds no step to the history."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/history")
        page.goto(f"{url}/app/{form}?lang=en")
        if form == "sweeps/new":
            page.get_by_label("Sweep vol_ma_window").uncheck()
        page.get_by_label("Strategy").select_option("volume_long_candle")
        page.locator('[name="params.vol_ma_window"]:enabled').fill("44")
        page.locator("summary").first.click()
        page.locator('[name="fee_rate"]').fill("0.003")
        page.locator('[name="fee_rate"]').blur()
        page.reload()
        expect(page.locator('[name="params.vol_ma_window"]:enabled')).to_have_value("44")
        page.get_by_role("link", name="한국어").click()
        expect(page.locator("html")).to_have_attribute("lang", "ko")
        assert page.url == f"{url}/app/{form}?lang=ko"
        expect(page.locator('[name="params.vol_ma_window"]:enabled')).to_have_value("44")
        expect(page.locator('[name="fee_rate"]')).to_be_visible()
        expect(page.locator('[name="fee_rate"]')).to_have_value("0.003")
        page.go_back()
        page.wait_for_url("**/app/history")
        assert watched.errors == []


def test_swept_values_are_kept(url: str) -> None:
    """Also which fields are swept."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/sweeps/new")
        page.get_by_label("Sweep vol_multiplier").uncheck()
        page.get_by_label("Values of vol_ma_window").fill("10,20,30")
        page.get_by_label("Values of vol_ma_window").blur()
        page.reload()
        expect(page.get_by_label("Values of vol_ma_window")).to_have_value("10,20,30")
        expect(page.get_by_label("Values of vol_multiplier")).to_be_hidden()


def test_back_after_a_submission_keeps_the_form_and_submits_nothing(url: str, orchestrator: FakeOrchestrator) -> None:
    """Nor does reloading the page of the task, or the form."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        fill(page)
        run(page)
        page.reload()
        page.go_back()
        page.wait_for_url("**/app/submit")
        expect_filled(page)
        page.reload()
        expect_filled(page)
        assert len(orchestrator.submitted) == 1
        run(page)
        assert watched.errors == []
    first, second = (identity for _, identity in orchestrator.submitted)
    assert first.idempotency_key != second.idempotency_key


def test_reload_during_a_submission_repeats_it(url: str, orchestrator: FakeOrchestrator) -> None:
    """The API has received it, but its response was lost: to submit again leads to the same task."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        fill(page)
        page.route("**/run-async", lambda route: (route.fetch(), route.abort()))
        page.locator('#submit [type="submit"]').click()
        expect(page.locator("#problem")).to_contain_text("The server did not respond")
        page.unroute("**/run-async")
        page.reload()
        expect_filled(page)
        run(page)
    assert len(orchestrator.submitted) == 1


def test_two_tabs_have_a_form_each(url: str, orchestrator: FakeOrchestrator) -> None:
    """Both are submitted, each with its own values."""
    with watched_page() as watched:
        watched.page.goto(f"{url}/app/submit")
        with watched.page.expect_popup() as opened:
            watched.page.evaluate("open(location.href)")
        pages = [watched.page, opened.value]
        for page, window in zip(pages, ("31", "32"), strict=True):
            fill(page, window)
        for page, window in zip(pages, ("31", "32"), strict=True):
            page.reload()
            expect_filled(page, window)
            run(page)
    windows = [
        task.config["ops"]["load_candles"]["config"]["params"]["vol_ma_window"] for task, _ in orchestrator.submitted
    ]
    assert windows == [31, 32]


def test_link_to_an_empty_form_leads_to_an_empty_form(url: str) -> None:
    """What was typed before belongs to the earlier visit."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        fill(page)
        page.get_by_role("link", name="New backtest").click()
        expect(page.get_by_label("vol_ma_window")).to_have_value("20")


def test_every_invalid_field_is_reported_at_once(url: str, orchestrator: FakeOrchestrator) -> None:
    """Numbers that cannot be read, parameters out of range, costs out of range, and what is missing."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        page.get_by_label("vol_ma_window").press_sequentially("1e999")
        page.locator('[name="params.hold_period_bars"]:enabled').fill("99999999999999999999999")
        page.get_by_label("body_pct").fill("7")
        page.locator('[name="end_date"]').fill("")
        page.get_by_text("Fills, costs, stops and account").click()
        page.get_by_label("Fee rate").fill("0.5")
        page.locator('#submit [type="submit"]').click()
        for name in ("params.vol_ma_window", "params.hold_period_bars", "params.body_pct", "end_date", "fee_rate"):
            field = page.locator(f'[name="{name}"]:enabled')
            expect(field).to_have_attribute("aria-invalid", "true")
            expect(page.locator(f"#{field.get_attribute('id')}-error")).to_be_visible()
        expect(page.locator("#field-symbols-error")).to_be_visible()
        expect(page.locator("#problem")).to_have_text(re.compile("^The request was not accepted[^:]*$"))
    assert orchestrator.submitted == []
