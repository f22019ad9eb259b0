"""The form of a sweep: what it contains, and how it is used in a browser."""

import re
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Page, expect

from coin_api.pages.texts_sweep_form import CONFIRM_NEEDED
from coin_pipeline.results.publish import publish_task
from coin_pipeline.storage.local import LocalStore
from tests.browser import axe_findings, requires_chromium
from tests.fakes import FakeOrchestrator
from tests.fuzz.results import files_of
from tests.pages.served import watched_page


def tag_of(text: str, name: str) -> str:
    """Return the tag of the first control with a name."""
    found = re.search(f'<(?:input|select)[^>]* name="{re.escape(name)}"[^>]*>', text)
    assert found
    return found.group()


def stored_sweep(data_root: Path) -> str:
    """Store a sweep of `volume_window` over 5 and 10; return its id."""
    result = files_of("sweep", task_id := str(uuid.uuid4()))
    publish_task(LocalStore(data_root), result.manifest, result.files)
    return task_id


def boxes(text: str) -> dict[str, bool]:
    """Return the controls that can be swept, by id, and whether they are."""
    found = re.findall(r'<input type="checkbox" data-fixed="field-([^"]*)"[^>]*?( checked)? aria-label', text)
    return {name: checked != "" for name, checked in found}


def test_two_numeric_parameters_and_no_stop_are_swept(app: TestClient) -> None:
    """A choice is possible for every parameter and stop, and for no other field."""
    chosen = boxes(app.get("/app/sweeps/new").text)
    assert [name for name, swept in chosen.items() if swept and name.startswith("volume_zone_breakout-")] == [
        "volume_zone_breakout-params-volume_window",
        "volume_zone_breakout-params-top_percentile",
    ]
    assert [name for name in chosen if "params" not in name] == ["stop_loss", "take_profit", "trailing_stop"]


def test_shared_account_is_left_out(app: TestClient) -> None:
    """A sweep has none; the form of a backtest has its field."""
    assert 'name="max_positions"' not in app.get("/app/sweeps/new").text
    assert 'name="max_positions"' in app.get("/app/submit").text


def test_stored_sweep_fills_the_form_in(app: TestClient, data_root: Path) -> None:
    """Its space, search and objective, from its own first day."""
    text = app.get(f"/app/sweeps/new?from={stored_sweep(data_root)}").text
    assert 'value="5,10"' in tag_of(text, "space.volume_window")
    swept = [name for name, chosen in boxes(text).items() if chosen and name.startswith("volume_zone_breakout-")]
    assert swept == ["volume_zone_breakout-params-volume_window"]
    assert 'value="2024-01-01"' in tag_of(text, "start_date")
    assert '<option value="total_return" selected>Total return</option>' in text


def test_point_of_a_sweep_fills_the_form_in(app: TestClient, data_root: Path) -> None:
    """Its values are those around which the page proposes others."""
    text = app.get(f"/app/sweeps/new?from={stored_sweep(data_root)}&point=1").text
    assert 'value=""' in tag_of(text, "space.volume_window")
    assert 'value="10"' in tag_of(text, "params.volume_window")


def test_point_that_does_not_exist(app: TestClient, data_root: Path) -> None:
    """The page states it."""
    response = app.get(f"/app/sweeps/new?from={stored_sweep(data_root)}&point=2")
    assert response.status_code == 422
    assert "2 is not a point that this sweep evaluated" in response.text
    assert app.get(f"/app/sweeps/new?from={stored_sweep(data_root)}&point={2**63}").status_code == 422


def open_form(page: Page, url: str, query: str = "") -> None:
    """Open the form and choose a market."""
    page.goto(f"{url}/app/sweeps/new{query}")
    page.get_by_label("AAA_KRW").check()


@requires_chromium
def test_submission_in_a_browser(url: str, orchestrator: FakeOrchestrator) -> None:
    """Values around the defaults are proposed and counted; one is changed, one fixed, a stop added."""
    with watched_page() as watched:
        page = watched.page
        open_form(page, url)
        expect(page.get_by_label("Values of vol_ma_window")).to_have_value("14:26:2")
        expect(page.get_by_label("Values of vol_multiplier")).to_have_value("1.2:1.8:0.1")
        expect(page.locator("#points")).to_have_text("49")
        page.get_by_label("Values of vol_ma_window").fill("10,20,30")
        page.get_by_label("Sweep vol_multiplier").uncheck()
        page.get_by_text("Fills, costs, stops and account").click()
        page.get_by_label("Sweep Stop-loss").check()
        expect(page.get_by_label("Values of Stop-loss")).to_have_value("none,0.02,0.05,0.1")
        expect(page.locator("#points")).to_have_text("12")
        page.get_by_label("Search", exact=True).select_option("random")
        page.get_by_label("Trials").fill("5")
        expect(page.locator("#points")).to_have_text("5")
        page.get_by_role("button", name="Run sweep").click()
        page.wait_for_url("**/app/tasks/*")
        assert watched.errors == []
        assert watched.hosts == {urlsplit(url).netloc}
    ((submission, _),) = orchestrator.submitted
    fields = submission.config["ops"]["plan_sweep"]["config"]
    assert fields["space"] == {"vol_ma_window": "10,20,30", "stop_loss": "none,0.02,0.05,0.1"}
    assert fields["params"]["vol_multiplier"] == 1.5
    assert (fields["search"], fields["trials"], fields["symbols"]) == ("random", 5, ["AAA_KRW"])


@requires_chromium
def test_large_sweep_is_confirmed(url: str, orchestrator: FakeOrchestrator) -> None:
    """The box appears with the number of points; without it, the API refuses the sweep."""
    with watched_page() as watched:
        page = watched.page
        open_form(page, url)
        confirm = page.get_by_label("Run more than 100,000 points")
        expect(page.locator("#points")).to_have_text("49")
        expect(confirm).to_be_hidden()
        page.get_by_label("Values of vol_ma_window").fill("1:500:1")
        page.get_by_label("Values of vol_multiplier").fill("0.01:10:0.01")
        expect(page.locator("#points")).to_have_text("500,000")
        page.get_by_role("button", name="Run sweep").click()
        expect(page.locator("#field-space-error")).to_contain_text("check the box")
        assert orchestrator.submitted == []
        confirm.check()
        page.get_by_role("button", name="Run sweep").click()
        page.wait_for_url("**/app/tasks/*")
    assert len(orchestrator.submitted) == 1


@requires_chromium
def test_large_sweep_that_is_not_counted_yet(url: str, orchestrator: FakeOrchestrator) -> None:
    """The box appears with the refusal, in the words of the page instead of those of the command line."""
    submissions: list[str] = []
    with watched_page() as watched:
        page = watched.page
        page.route("**/api/sweeps/preview", lambda route: route.continue_() if submissions else route.abort())
        page.on("request", lambda request: submissions.append(request.url) if request.url.endswith("/sweeps") else None)
        open_form(page, url, "?lang=ko")
        page.locator('[name="space.vol_ma_window"]:enabled').fill("1:500:1")
        page.locator('[name="space.vol_multiplier"]:enabled').fill("0.01:10:0.01")
        page.locator("#submit [type=submit]").click()
        expect(page.locator("#field-space-error")).to_have_text(CONFIRM_NEEDED.ko)
        expect(page.locator("#points")).to_have_text("500,000")
        page.locator("[name=confirm]").check()
        page.locator("#submit [type=submit]").click()
        page.wait_for_url("**/app/tasks/*")
    assert len(orchestrator.submitted) == 1


@requires_chromium
@pytest.mark.parametrize("between", [["0.01:8:0.01"], ["1,2", "0.01:10:0.01"]], ids=["large", "small and large"])
def test_confirmation_ends_with_its_sweep(url: str, between: list[str]) -> None:
    """Another large sweep, and the same one after a small one, need a confirmation of their own."""
    with watched_page() as watched:
        page = watched.page
        open_form(page, url)
        page.get_by_label("Values of vol_ma_window").fill("1:500:1")
        page.get_by_label("Values of vol_multiplier").fill("0.01:10:0.01")
        confirm = page.locator("[name=confirm]")
        confirm.check()
        counted = page.locator("#points")
        for values in between:
            page.get_by_label("Values of vol_multiplier").fill(values)
            expect(counted).to_have_text({"1,2": "1,000", "0.01:8:0.01": "400,000"}.get(values, "500,000"))
        expect(confirm).to_be_visible()
        expect(confirm).not_to_be_checked()


@requires_chromium
def test_invalid_values_are_shown_at_their_field(url: str, orchestrator: FakeOrchestrator) -> None:
    """Each of them, while they are typed and again when they are submitted."""
    with watched_page() as watched:
        page = watched.page
        open_form(page, url)
        values = page.get_by_label("Values of vol_ma_window")
        values.fill("0,10,900")
        error = page.locator(f"#{values.get_attribute('id')}-error")
        expect(error).to_contain_text("must be >= 1, not 0")
        expect(error).to_contain_text("must be <= 500, not 900")
        page.get_by_role("button", name="Run sweep").click()
        expect(values).to_be_focused()
        expect(error).to_contain_text("not 900")
        values.fill("10,20")
        expect(error).to_be_hidden()
    assert orchestrator.submitted == []


@requires_chromium
def test_nothing_is_swept(url: str, orchestrator: FakeOrchestrator) -> None:
    """The reason is shown at the number of points."""
    with watched_page() as watched:
        page = watched.page
        open_form(page, url)
        page.get_by_label("Sweep vol_ma_window").uncheck()
        page.get_by_label("Sweep vol_multiplier").uncheck()
        page.get_by_role("button", name="Run sweep").click()
        expect(page.locator("#field-space-error")).to_contain_text("choose at least 1 parameter or stop to sweep")
    assert orchestrator.submitted == []


@requires_chromium
def test_values_are_proposed_around_a_preset(url: str) -> None:
    """One that is chosen in the form, and one that the form of a backtest hands over."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        page.get_by_label("Preset").select_option("balanced")
        page.get_by_role("link", name="Sweep parameters instead").click()
        page.wait_for_url("**/app/sweeps/new?preset=balanced")
        window = page.get_by_label("Values of volume_window")
        expect(window).to_have_value("14:26:2")
        page.get_by_label("Preset").select_option("aggressive")
        expect(window).to_have_value("7:13:1")
        assert watched.errors == []


@requires_chromium
def test_proposals_keep_to_the_bounds_of_a_parameter(url: str) -> None:
    """The default of `hold_period_bars` is its smallest value."""
    with watched_page() as watched:
        watched.page.goto(f"{url}/app/sweeps/new")
        watched.page.get_by_role("checkbox", name="Sweep hold_period_bars").check()
        expect(watched.page.get_by_role("textbox", name="Values of hold_period_bars")).to_have_value("1:4:1")


@requires_chromium
@pytest.mark.parametrize("language", ["en", "ko"])
def test_form_is_accessible(url: str, language: str) -> None:
    """Also with a problem that is shown, and with every section open; and on a phone nothing is cut off."""
    with watched_page() as watched:
        page = watched.page
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(f"{url}/app/sweeps/new?lang={language}")
        for summary in page.locator("summary").all():
            summary.click()
        page.locator("[type=submit]").click()
        expect(page.locator("#field-symbols-error")).to_be_visible()
        assert axe_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == 390
