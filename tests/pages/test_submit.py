"""The form of a backtest: what it contains, and how it is used in a browser."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from markupsafe import escape
from playwright.sync_api import expect

from coin_api.pages.prefill import request_of
from coin_pipeline.storage.local import LocalStore
from tests.browser import HOSTILE_TEXTS, axe_findings, requires_chromium
from tests.fakes import FakeOrchestrator
from tests.pages.served import watched_page

SPEC = {
    "strategy": "volume_long_candle",
    "params": {"vol_ma_window": 33, "body_pct": 0.04},
    "symbols": ["BBB_KRW"],
    "start_date": "2024-02-01",
    "end_date": "2024-03-01",
    "timeframe": "1d",
    "fee_rate": 0.003,
}


def test_form_has_the_parameters_of_every_strategy(app: TestClient) -> None:
    """With their defaults and ranges; those of strategies that are not chosen are disabled."""
    text = app.get("/app/submit").text
    assert 'name="params.vol_ma_window" data-kind="integer" type="number"' in text
    assert 'data-strategy="volume_zone_breakout" hidden disabled' in text
    assert 'value="AAA_KRW"' in text


def test_a_preset_fills_the_form_in(app: TestClient) -> None:
    """Its strategy is chosen, and its parameters replace the defaults."""
    text = app.get("/app/submit?preset=balanced").text
    assert "<option selected>volume_zone_breakout</option>" in text
    control = text[text.index('name="params.volume_window"') :]
    assert 'value="20"' in control[: control.index(">")]


def test_a_stored_result_fills_the_form_in(app: TestClient, data_root: Path) -> None:
    """To run it again with changes; also the costs are those of the result."""
    document = {**SPEC, "run_id": "old", "symbols": [{"symbol": "BBB_KRW"}], "spec": SPEC}
    LocalStore(data_root).put("results/old.json", json.dumps(document).encode())
    text = app.get("/app/submit?from=old").text
    assert 'value="BBB_KRW" checked' in text
    assert 'value="0.003"' in text
    assert 'value="2024-02-01"' in text


@pytest.mark.parametrize("query", ["from=missing", "preset=missing"])
def test_what_should_fill_the_form_in_is_missing(app: TestClient, query: str) -> None:
    """The page states what is missing."""
    response = app.get(f"/app/submit?{query}")
    assert response.status_code == 404
    assert "missing" in response.text


def test_request_of_a_point_of_a_sweep() -> None:
    """Its parameters and stops are those of the point; the best one by default."""
    space = [{"name": "body_pct", "param": True}, {"name": "stop_loss", "param": False}]
    rows = [{"point": n, "values": {"body_pct": n / 10, "stop_loss": n / 20}} for n in (7, 3)]
    document = {**SPEC, "symbols": [{"symbol": "BBB_KRW"}], "spec": {**SPEC, "space": space}, "top": rows}
    assert request_of(document)["params"] == {"vol_ma_window": 33, "body_pct": 0.7}
    chosen = request_of(document, {"body_pct": 0.3, "stop_loss": 0.15})
    assert (chosen["stop_loss"], chosen["params"]["body_pct"]) == (0.15, 0.3)
    assert "space" not in chosen


def test_request_of_a_legacy_result() -> None:
    """It has no spec; what it has is used."""
    document = {"strategy": "volume_long_candle", "params": {}, "symbols": [{"symbol": "BTC_KRW", "signals": 3}]}
    assert request_of(document) == {"strategy": "volume_long_candle", "params": {}, "symbols": ["BTC_KRW"]}


@pytest.mark.parametrize("hostile", HOSTILE_TEXTS)
def test_hostile_text_is_data(app: TestClient, hostile: str) -> None:
    """A description of a preset appears escaped, in the attribute that it ends in."""
    body = {"name": "x", "strategy": "volume_long_candle", "description": hostile}
    assert app.post("/api/strategies/presets", json=body).status_code == 201
    text = app.get("/app/submit").text
    assert f'title="{escape(hostile)}"' in text
    assert hostile not in text or escape(hostile) == hostile


@requires_chromium
def test_submission_in_a_browser(url: str, orchestrator: FakeOrchestrator) -> None:
    """Strategy, preset and symbol are chosen; the request has typed values, and the task's page follows."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        page.get_by_label("Preset").select_option("aggressive")
        expect(page.get_by_label("volume_window")).to_have_value("10")
        page.get_by_label("volume_window").fill("12")
        page.get_by_label("AAA_KRW").check()
        page.get_by_text("Fills, costs, stops and account").click()
        page.get_by_label("Stop-loss").fill("0.05")
        page.get_by_role("button", name="Run backtest").click()
        page.wait_for_url("**/app/tasks/*")
        assert watched.errors == []
        assert watched.hosts == {urlsplit(url).netloc}
    ((submission, _),) = orchestrator.submitted
    fields = submission.config["ops"]["load_candles"]["config"]
    assert fields["params"].items() >= {"volume_window": 12, "top_percentile": 0.3}.items()
    assert (fields["symbols"], fields["stop_loss"]) == (["AAA_KRW"], 0.05)


@requires_chromium
def test_problems_are_shown_at_their_fields(url: str, orchestrator: FakeOrchestrator) -> None:
    """Also one of a closed section, which opens; the first is focused, and nothing is submitted."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        page.get_by_text("Fills, costs, stops and account").click()
        page.get_by_label("Fee rate").fill("0.5")
        page.get_by_text("Fills, costs, stops and account").click()
        page.get_by_label("AAA_KRW").check()
        page.get_by_role("button", name="Run backtest").click()
        expect(page.locator("#field-fee_rate-error")).to_contain_text("must be <= 0.1")
        expect(page.get_by_label("Fee rate")).to_be_focused()
        expect(page.get_by_label("Fee rate")).to_have_attribute("aria-invalid", "true")
    assert orchestrator.submitted == []


@requires_chromium
@pytest.mark.parametrize("language", ["en", "ko"])
def test_form_is_accessible(url: str, language: str) -> None:
    """Also with a problem that is shown, and with every section open; and on a phone nothing is cut off."""
    with watched_page() as watched:
        page = watched.page
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(f"{url}/app/submit?lang={language}")
        for summary in page.locator("summary").all():
            summary.click()
        page.locator("[type=submit]").click()
        expect(page.locator("#field-symbols-error")).to_be_visible()
        assert axe_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == 390


@requires_chromium
def test_parameters_are_saved_as_a_preset(url: str) -> None:
    """It can be chosen at once, and after the page is loaded again."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        page.get_by_label("vol_ma_window").fill("44")
        page.get_by_text("Save parameters as a preset").click()
        page.get_by_label("Name", exact=True).fill("mine")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("The preset is saved.")).to_be_visible()
        page.goto(f"{url}/app/submit?preset=mine")
        expect(page.get_by_label("vol_ma_window")).to_have_value("44")
        assert watched.errors == []


@requires_chromium
def test_days_without_stored_candles_are_warned_of(url: str) -> None:
    """Before the submission, with the stored days of the chosen market and timeframe."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        note = page.locator("#outside-stored")
        page.locator('[name="symbols"][value="AAA_KRW"]').check()
        page.locator('[name="start_date"]').fill("2022-12-31")
        page.locator('[name="end_date"]').fill("2024-12-31")
        expect(note.get_by_role("listitem")).to_have_text("AAA_KRW 1d: stored from 2023-01-01 to 2024-12-31")
        assert axe_findings(page) == []
        page.locator('[name="start_date"]').fill("2023-01-01")
        expect(note).to_be_hidden()
        page.locator('[name="end_date"]').fill("2025-01-01")
        expect(note).to_be_visible()
        page.locator('[name="timeframe"]').select_option("1m")
        expect(note.get_by_role("listitem")).to_have_text("AAA_KRW 1m: nothing is stored")
        assert watched.errors == []
