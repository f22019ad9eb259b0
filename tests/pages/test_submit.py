"""The form of a backtest: what it contains, and how it is used in a browser."""

import json
import re
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from markupsafe import escape
from playwright.sync_api import Locator, Page, expect

from coin_api.pages.prefill import request_of
from coin_api.tasks import SubmissionId
from coin_pipeline.database.session import Session
from coin_pipeline.defs.run_requests import RunSubmission
from coin_pipeline.engine.execution import DEFAULT_FEE_RATE
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


def app_task(orchestrator: FakeOrchestrator, **fields: object) -> str:
    """Return the id of a failed backtest that was submitted with these fields."""
    config = {"ops": {"load_candles": {"config": {**SPEC, **fields}}}}
    task = orchestrator.submit(RunSubmission("backtest", config, {}), SubmissionId())
    orchestrator.move(task.task_id, "failed")
    return task.task_id


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
    document = {**SPEC, "run_id": "to-fill-in", "symbols": [{"symbol": "BBB_KRW"}], "spec": SPEC}
    LocalStore(data_root).put("results/to-fill-in.json", json.dumps(document).encode())
    text = app.get("/app/submit?from=to-fill-in").text
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


@pytest.mark.parametrize(
    ("symbol", "cash", "shown"),
    [
        ("BTC_KRW", 10_000_000.0, None),
        ("BTC_KRW", 2_500_000.0, 2_500_000.0),
        ("BTC_USDT", 10_000.0, None),
        ("BTC_USDT", 10_000_000.0, 10_000_000.0),
    ],
)
def test_default_cash_is_not_an_entered_amount(symbol: str, cash: float, shown: float | None) -> None:
    """A stored spec states it, but with a market of another currency it is another amount."""
    spec = {**SPEC, "symbols": [symbol], "initial_cash": cash}
    assert request_of({**spec, "symbols": [{"symbol": symbol}], "spec": spec}).get("initial_cash") == shown


@pytest.mark.parametrize(
    ("language", "label"),
    [
        ("en", "former (strategy gone_away is not registered)"),
        ("ko", "former (전략 gone_away이(가) 등록되어 있지 않음)"),
    ],
)
@pytest.mark.parametrize("path", ["/app/submit?", "/app/submit?preset=former&", "/app/sweeps/new?preset=former&"])
def test_preset_of_a_strategy_that_is_gone_cannot_be_chosen(
    app: TestClient, database: str, path: str, language: str, label: str
) -> None:
    """Its option states the reason."""
    row = "insert into coin.preset values ('former', 'gone_away', '{}', '', now())"
    with closing(Session(database)) as session:
        session.run(lambda cursor: cursor.execute(row))
    response = app.get(f"{path}lang={language}")
    assert response.status_code == 200
    option = re.search(r'<option value="former"([^>]*)>([^<]*)</option>', response.text)
    assert option
    assert " disabled" in option[1]
    assert " selected" not in option[1]
    assert option[2] == label


def test_request_of_a_legacy_result() -> None:
    """It has no spec; what it has is used."""
    document = {"strategy": "volume_long_candle", "params": {}, "symbols": [{"symbol": "BTC_KRW", "signals": 3}]}
    assert request_of(document) == {"strategy": "volume_long_candle", "params": {}, "symbols": ["BTC_KRW"]}


@pytest.mark.usefixtures("own_root")
def test_form_without_candles_leads_to_the_page_that_fetches_them(app: TestClient) -> None:
    """A user of a browser has no command line."""
    warning = app.get("/app/submit").text.partition("No candles are stored yet.")[2].partition("</p>")[0]
    assert 'href="/app/candles"' in warning


@pytest.mark.parametrize(
    ("language", "description"),
    [("en", "Long candles on high volume: few signals."), ("ko", "거래량이 많은 장대 양봉에 매수합니다.")],
)
def test_presets_are_described_in_the_language_of_the_form(app: TestClient, language: str, description: str) -> None:
    """Where the pointer is over one."""
    assert f'title="{description}' in app.get(f"/app/submit?lang={language}").text


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
@pytest.mark.parametrize(
    ("language", "reason"),
    [("en", "Enter a value; the default is {}."), ("ko", "값을 입력하십시오. 기본값은 {}입니다.")],
)
def test_an_emptied_field_is_not_its_default(
    url: str, orchestrator: FakeOrchestrator, language: str, reason: str
) -> None:
    """Every number that has one is reported; those that may be empty, such as the stops, are not."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit?lang={language}")
        page.locator('[name="symbols"][value="AAA_KRW"]').check()
        page.get_by_label("vol_ma_window").fill("")
        page.locator("summary").first.click()
        page.locator("#field-fee_rate").fill("")
        page.locator('#submit [type="submit"]').click()
        window = page.locator("#field-volume_long_candle-params-vol_ma_window-error")
        expect(window).to_have_text(reason.format(20))
        expect(page.locator("#field-fee_rate-error")).to_have_text(reason.format(DEFAULT_FEE_RATE))
        expect(page.locator("#field-stop_loss-error")).to_be_hidden()
        expect(page.locator("#submit .error:not([hidden]):not(#problem)")).to_have_count(2)
    assert orchestrator.submitted == []


def enter_korean_amounts(page: Page, url: str, orchestrator: FakeOrchestrator) -> tuple[Locator, ...]:
    """Return the boxes of a market in KRW and one in USDT, neither of them chosen, and the amounts entered in KRW."""
    task = app_task(orchestrator, symbols=["AAA_KRW", "GONE_USDT"])
    page.goto(f"{url}/app/submit?from={task}")
    korean, dollars = (page.locator(f'[name="symbols"][value="{name}"]') for name in ("AAA_KRW", "GONE_USDT"))
    cash, least = page.locator("#field-initial_cash"), page.locator("#field-min_order")
    dollars.uncheck()
    cash.fill("2500000")
    least.fill("5000")
    korean.uncheck()
    return korean, dollars, cash, least


@requires_chromium
def test_amounts_belong_to_the_currency_of_the_markets(url: str, orchestrator: FakeOrchestrator) -> None:
    """Another currency has its defaults, and the first one keeps what was entered for it."""
    with watched_page() as watched:
        page = watched.page
        korean, dollars, cash, least = enter_korean_amounts(page, url, orchestrator)
        expect(cash).to_have_value("2500000")
        dollars.check()
        expect(cash).to_have_value("")
        expect(least).to_have_value("0")
        cash.fill("500")
        korean.check()
        expect(cash).to_have_value("")
        dollars.uncheck()
        expect(cash).to_have_value("2500000")
        expect(least).to_have_value("5000")
        assert watched.errors == []


@requires_chromium
@pytest.mark.parametrize("language", [None, "한국어"])
def test_amounts_of_another_currency_survive_a_reload(
    url: str, orchestrator: FakeOrchestrator, language: str | None
) -> None:
    """Or a change of the language: back at the first currency, the form has what was entered for it."""
    with watched_page() as watched:
        page = watched.page
        korean, dollars, cash, least = enter_korean_amounts(page, url, orchestrator)
        dollars.check()
        expect(cash).to_have_value("")
        with page.expect_event("load"):
            page.get_by_role("link", name=language).click() if language else page.reload()
        dollars.uncheck()
        korean.check()
        expect(cash).to_have_value("2500000")
        expect(least).to_have_value("5000")
        assert watched.errors == []


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


@requires_chromium
@pytest.mark.parametrize(
    ("language", "message"), [("en", "The last day is in the future"), ("ko", "종료일이 미래의 날짜입니다")]
)
def test_last_day_in_the_future_is_pointed_out(url: str, language: str, message: str) -> None:
    """Before the submission: there are no candles of it to run on."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit?lang={language}")
        page.locator('[name="end_date"]').fill("2200-01-01")
        expect(page.get_by_text(message)).to_be_visible()
        page.locator('[name="end_date"]').fill("2024-12-31")
        expect(page.get_by_text(message)).to_be_hidden()
        assert watched.errors == []


@requires_chromium
def test_last_day_in_an_unknown_time_zone_is_left_to_the_submission(url: str) -> None:
    """Which reports the time zone."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        page.locator('[name="symbols"]').first.check()
        page.locator('[name="start_date"]').fill("2024-01-01")
        page.locator("summary").first.click()
        page.locator('[name="timezone"]').fill("Asia/Seou")
        page.locator('[name="end_date"]').fill("2200-01-01")
        expect(page.locator("#outside-stored")).to_be_hidden()
        expect(page.locator("#end-in-future")).to_be_hidden()
        assert watched.errors == []
