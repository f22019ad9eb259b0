"""Reports over HTTP: built on demand, and a page or a problem of their own where there is none."""

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from coin_api.accept import prefers_json
from coin_api.pages import texts_result_errors as texts
from coin_api.tasks import Task
from coin_pipeline.backtest.fingerprint import result_digest
from coin_pipeline.languages import Text
from coin_pipeline.report.backtest_page import content_security_policy
from coin_pipeline.results.publish import publish_document, publish_result
from coin_pipeline.results.store import load_result
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from tests.conftest import store_candles
from tests.fakes import NOW, QUEUED, FakeOrchestrator
from tests.fuzz.results import files_of

RUN_ID, SWEEP_ID = "cccccccc-1111-4111-8111-111111111111", "dddddddd-1111-4111-8111-111111111111"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
JSON = {"Accept": "application/json"}


@pytest.fixture
def store(own_root: Path) -> LocalStore:
    """A store with candles, a backtest and a sweep."""
    store_candles(own_root)
    store = LocalStore(own_root)
    for job, task_id in (("backtest", RUN_ID), ("sweep", SWEEP_ID)):
        publish_result(store, files_of(job, task_id))  # type: ignore[arg-type]
    return store


def test_a_report_is_a_page_with_the_policy_of_its_scripts(store: LocalStore, client: TestClient) -> None:
    """The same policy as in the page itself, in the language that the browser prefers."""
    assert store
    response = client.get(f"/reports/{RUN_ID}", headers={**BROWSER, "Accept-Language": "ko-KR"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == content_security_policy()
    assert (response.headers["content-language"], response.headers["vary"]) == ("ko", "Accept, Accept-Language, Cookie")
    assert RUN_ID in response.text
    assert "총수익률" in response.text


def test_a_report_draws_the_levels_of_the_strategy(store: LocalStore, client: TestClient) -> None:
    """Those that the registered strategy plots now."""
    assert store
    (packed,) = re.findall(r'{"gzip": "([^"]+)"}', client.get(f"/reports/{RUN_ID}").text)
    data = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert [line["label"] for symbol in data["symbols"] for line in symbol["lines"]] == ["volume zone"]


def test_the_language_of_the_address_counts(store: LocalStore, client: TestClient) -> None:
    """It is remembered, as in the app."""
    assert store
    response = client.get(f"/reports/{RUN_ID}?lang=en", headers={"Accept-Language": "ko"})
    assert response.headers["content-language"] == "en"
    assert response.cookies["coin_lang"] == "en"


@pytest.mark.parametrize("lang", ["", "fr"])
def test_an_unknown_language_is_refused(store: LocalStore, client: TestClient, lang: str) -> None:
    """The error names the parameter and the languages."""
    assert store
    response = client.get(f"/reports/{RUN_ID}", params={"lang": lang})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "lang"
    assert "'en' or 'ko'" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("query", "headers", "heading"),
    [("", {}, "Best point"), ("", {"Accept-Language": "ko"}, "최적 포인트"), ("?lang=ko", {}, "최적 포인트")],
    ids=["default", "browser", "address"],
)
def test_the_report_of_a_sweep(
    store: LocalStore, client: TestClient, query: str, headers: dict[str, str], heading: str
) -> None:
    """In the language of its reader; it has no script, and may have none."""
    assert store
    response = client.get(f"/reports/{SWEEP_ID}{query}", headers=headers)
    assert f"<h2>{heading}</h2>" in response.text
    assert "script" not in response.headers["content-security-policy"]


def test_the_report_of_a_sweep_is_in_the_language_of_the_app(store: LocalStore, client: TestClient) -> None:
    """The one that was chosen there, and not that of the browser."""
    assert store
    client.get("/app/sweeps?lang=ko")
    response = client.get(f"/reports/{SWEEP_ID}", headers={"Accept-Language": "en"})
    assert response.headers["content-language"] == "ko"
    assert "<h2>최적 포인트</h2>" in response.text


def test_the_report_of_a_symbol(store: LocalStore, client: TestClient) -> None:
    """The address chooses it."""
    assert store
    text = client.get(f"/reports/{RUN_ID}?symbol=KRW-AAA").text
    assert "Price chart and table of trades: AAA_KRW only." in text


@pytest.mark.parametrize("run_id", [RUN_ID, SWEEP_ID], ids=["unknown", "sweep"])
def test_a_symbol_without_a_report(store: LocalStore, client: TestClient, run_id: str) -> None:
    """The page names what to change, the problem details the field."""
    assert store
    page, problem = (client.get(f"/reports/{run_id}?symbol=NO_KRW", headers=headers) for headers in (BROWSER, JSON))
    assert (page.status_code, problem.status_code) == (422, 422)
    assert texts.NO_SYMBOL_REPORT.en in page.text
    assert problem.json()["errors"][0]["field"] == "symbol"


FAILED = replace(QUEUED, task_id=RUN_ID, status="failed", error="<b>no candles</b>", finished_at=NOW)
RUNNING = replace(QUEUED, task_id=RUN_ID, status="running", started_at=NOW)


@pytest.mark.parametrize(
    ("run_id", "task", "status", "heading"),
    [
        ("a%20b", None, 404, texts.INVALID_ID),
        (RUN_ID, None, 404, texts.MISSING),
        (RUN_ID, RUNNING, 404, texts.WITHOUT_RESULT["backtest"]["running"]),
        (RUN_ID, replace(RUNNING, job="sweep"), 404, texts.WITHOUT_RESULT["sweep"]["running"]),
        (RUN_ID, FAILED, 404, texts.WITHOUT_RESULT["backtest"]["failed"]),
    ],
    ids=["no id", "missing", "running", "running sweep", "failed"],
)
def test_a_run_without_a_result_has_a_page_of_its_own(
    client: TestClient,
    orchestrator: FakeOrchestrator,
    run_id: str,
    task: Task | None,
    status: int,
    heading: Text,
) -> None:
    """And the problem details of the API for programs."""
    if task:
        orchestrator.tasks_by_id[RUN_ID] = task
    page, problem = (client.get(f"/reports/{run_id}", headers=headers) for headers in (BROWSER, JSON))
    assert (page.status_code, problem.status_code) == (status, status)
    assert heading.en in page.text
    assert "<b>no candles</b>" not in page.text
    assert problem.headers["content-type"] == "application/problem+json"


def test_a_damaged_result_has_a_page_of_its_own(store: LocalStore, own_root: Path, client: TestClient) -> None:
    """A table, without the path on this machine."""
    assert store
    (own_root / f"tasks/{RUN_ID}/equity.parquet").write_bytes(b"damaged")
    response = client.get(f"/reports/{RUN_ID}", headers=BROWSER)
    assert response.status_code == 502
    assert texts.CORRUPT.en in response.text
    assert str(load_settings().data_root) not in response.text


@pytest.mark.parametrize(("page", "key"), [("reports", "costs"), ("reports", "strategy"), ("app/results", "warnings")])
def test_an_incomplete_document_has_the_page_of_damaged_results(
    store: LocalStore, client: TestClient, page: str, key: str
) -> None:
    """Although its digests are right."""
    document = load_result(store, RUN_ID)
    lacking = {name: value for name, value in document.items() if name != key} | {"run_id": "lacking"}
    tables = {f"{name}.parquet": store.get(f"tasks/{RUN_ID}/{name}.parquet") for name in ("trades", "equity")}
    publish_document(store, lacking | {"result_sha256": result_digest(lacking)}, tables)
    response = client.get(f"/{page}/lacking", headers=BROWSER)
    assert response.status_code == 502
    assert texts.CORRUPT.en in response.text


def test_an_early_result_without_a_report_has_a_page_of_its_own(store: LocalStore, client: TestClient) -> None:
    """Its figures are elsewhere."""
    publish_document(store, {"run_id": "early", "version": "1.0"}, {})
    response = client.get("/reports/early", headers=BROWSER)
    assert response.status_code == 404
    assert texts.NO_REPORT.en in response.text


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        (BROWSER["Accept"], False),
        ("application/json", True),
        ("application/problem+json, */*;q=0.1", True),
        ("text/html;q=0.5, application/json", True),
    ],
)
def test_clients_that_prefer_json(accept: str, *, expected: bool) -> None:
    """A browser and curl get pages."""
    assert prefers_json(accept) is expected
