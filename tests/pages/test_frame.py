"""The frame of the pages: language, policy, static files, and errors as pages."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from coin_api.pages import mount
from coin_api.pages.language import preferred_language
from coin_api.pages.rendering import environment
from coin_pipeline.languages import Language
from coin_pipeline.results.index import ResultIndex
from tests.api.conftest import client_of
from tests.fakes import FakeOrchestrator

KOREAN = {"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.8"}


@pytest.fixture
def app(index: ResultIndex, index_url: str, orchestrator: FakeOrchestrator) -> Iterator[TestClient]:
    """A client of the application over an empty index."""
    assert index
    with client_of(orchestrator, database=index_url) as client:
        yield client


def test_language_is_that_of_the_address_then_the_cookie_then_the_browser(app: TestClient) -> None:
    """A language that was chosen once is kept for later pages."""

    def language(path: str) -> str:
        return app.get(path, headers=KOREAN).headers["Content-Language"]

    assert [language("/app/history"), language("/app/history?lang=en"), language("/app/history")] == ["ko", "en", "en"]


def test_a_page_in_korean_declares_its_language(app: TestClient) -> None:
    """Screen readers and search engines read it from the root element."""
    text = app.get("/app/history?lang=ko").text
    assert '<html lang="ko">' in text
    assert "아직 결과가 없습니다." in text


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "en"), ("fr", "en"), ("en;q=0.1, ko", "ko"), ("KO-kr", "ko"), ("ko;q=0", "en"), ("ko;q=x,en;q=0.1", "en")],
)
def test_the_header_of_a_browser_chooses_a_language(header: str, language: str) -> None:
    """By weight; an unreadable weight, and a language of weight 0, is not chosen."""
    assert preferred_language(header) == language


def test_pages_forbid_scripts_of_others(app: TestClient) -> None:
    """Neither inline nor from another host."""
    policy = app.get("/app/history").headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("style.css", "text/css"),
        ("app.css", "text/css"),
        ("charts/lightweight-charts.standalone.production.js", "text/javascript"),
    ],
)
def test_static_files_have_their_types(app: TestClient, path: str, kind: str) -> None:
    """Browsers refuse styles and scripts of another type."""
    response = app.get(f"/app/static/{path}")
    assert (response.status_code, response.headers["Content-Type"].partition(";")[0]) == (200, kind)


def test_an_unknown_page_is_a_page(app: TestClient) -> None:
    """What it shows of the address is inert."""
    response = app.get("/app/<script>alert(1)</script>", headers=KOREAN)
    assert (response.status_code, response.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "페이지 또는 결과가 없습니다" in response.text
    assert "<script>alert" not in response.text
    assert "&lt;script&gt;alert(1)" in response.text


BROWSER = {**KOREAN, "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/app/nothing"])
def test_browser_at_an_unknown_address_gets_a_page(app: TestClient, path: str) -> None:
    """It leads to the pages that most users want."""
    response = app.get(path, headers=BROWSER)
    assert (response.status_code, response.headers["Content-Language"]) == (404, "ko")
    offered = response.text.partition("<main")[2].partition("</main>")[0]
    for page in ("history", "submit", "candles", "tasks"):
        assert f'<a class="button" href="/app/{page}">' in offered


UNKNOWN = "dddddddd-1111-4111-8111-111111111111"
JSON = {"Accept": "application/json"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/app/results/{UNKNOWN}", 404),
        (f"/app/sweeps/{UNKNOWN}", 404),
        (f"/app/tasks/{UNKNOWN}", 404),
        (f"/reports/{UNKNOWN}", 404),
        ("/app/history?min_sharpe=high", 422),
        ("/app/compare", 422),
        ("/api/candles/BTC_KRW?timeframe=7d", 422),
        (f"/api/backtests/{UNKNOWN}/trades?limit=many", 422),
        (f"/api/backtests/{UNKNOWN}", 404),
        ("/api/candles/BTC_KRW/upload", 405),
        ("/nothing", 404),
        ("/app/nothing", 404),
    ],
)
def test_errors_are_pages_for_browsers_and_problems_for_programs(app: TestClient, path: str, status: int) -> None:
    """At addresses of the app and of the API alike, with the same status."""
    page, problem = (app.get(path, headers=headers) for headers in (BROWSER, JSON))
    assert (page.status_code, page.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert '<html lang="ko">' in page.text
    assert (problem.status_code, problem.headers["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("accept", ["*/*", "application/json, text/html;q=0.5"])
def test_program_that_accepts_anything_gets_problems_from_the_api(app: TestClient, accept: str) -> None:
    """Such as curl, and the scripts of pages."""
    response = app.get("/api/candles/BTC_KRW?timeframe=7d", headers={"Accept": accept})
    assert response.json()["errors"][0]["field"] == "timeframe"


def test_page_of_an_error_of_the_api_is_in_the_language_of_the_browser(app: TestClient) -> None:
    """With its reason, and a way on."""
    text = app.get("/api/candles/BTC_KRW?timeframe=7d", headers=BROWSER).text
    assert "지원하지 않는 캔들 주기입니다" in text
    assert 'href="/app/candles"' in text


def test_submission_of_a_program_that_accepts_pages_is_answered_with_a_problem(app: TestClient) -> None:
    """Browsers open addresses by GET only; forms are sent by scripts."""
    response = app.post("/api/backtests/run", headers=BROWSER, json={})
    assert (response.status_code, response.headers["Content-Type"]) == (422, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/app/", "/app"),
        ("/app/history/?sort=sharpe", "/app/history?sort=sharpe"),
        (f"/app/results/{UNKNOWN}/", f"/app/results/{UNKNOWN}"),
        (f"/app/results/{UNKNOWN.upper()}?lang=ko", f"/app/results/{UNKNOWN}?lang=ko"),
        (f"/app/sweeps/{UNKNOWN.upper()}/", f"/app/sweeps/{UNKNOWN}"),
        (f"/app/tasks/{UNKNOWN.upper()}", f"/app/tasks/{UNKNOWN}"),
        (f"/app/positions/{UNKNOWN.upper()}", f"/app/positions/{UNKNOWN}"),
        (f"/reports/{UNKNOWN.upper()}", f"/reports/{UNKNOWN}"),
    ],
)
def test_other_spellings_lead_to_the_canonical_address(app: TestClient, path: str, canonical: str) -> None:
    """With their query."""
    response = app.get(path, follow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (307, canonical)


def test_report_with_a_slash_at_the_end_leads_to_the_report(app: TestClient) -> None:
    """As other pages do."""
    response = app.get(f"/reports/{UNKNOWN}/", follow_redirects=False)
    assert response.headers["Location"].endswith(f"/reports/{UNKNOWN}")


def test_ids_of_the_legacy_platform_keep_their_letters(app: TestClient) -> None:
    """Only UUIDs have a canonical form."""
    assert app.get("/app/results/Latest-BTC", follow_redirects=False).status_code == 404


def test_error_page_offers_its_own_section_first(app: TestClient) -> None:
    """Such as the sweeps for an unknown sweep."""
    text = app.get("/app/positions/nothing/there").text
    assert text.partition('<a class="button" href="')[2].partition('"')[0] == "/app/positions"


def test_browser_at_the_root_is_led_to_the_app(app: TestClient) -> None:
    """Programs get the list of endpoints, whatever else they accept."""
    response = app.get("/", headers=BROWSER, follow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (307, "/app")
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5"):
        assert "endpoints" in app.get("/", headers={"Accept": accept}).json()


def test_an_invalid_query_names_its_field(app: TestClient) -> None:
    """With the same message as in the API."""
    response = app.get("/app/history", params={"after": "x", "min_sharpe": ""})
    assert response.status_code == 422
    assert "<code>cursor</code>" in response.text


def test_a_database_that_is_down_has_a_page(client: TestClient) -> None:
    """It states when to try again."""
    response = client.get("/app/history")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert "A required service is not available" in response.text
    assert 'href="/app/history">Try again' in response.text


def test_every_template_and_static_file_is_in_the_wheel(wheel: Path) -> None:
    """An installed package serves the app as well."""
    packed = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    folder = Path(mount.__file__).parent
    files = {path.relative_to(folder.parents[1]) for path in folder.rglob("*") if path.suffix in {".j2", ".css", ".js"}}
    assert files
    assert files <= packed


@pytest.mark.parametrize(("language", "title"), [("en", "undefined"), ("ko", "값 없음")])
def test_a_dash_has_its_title_in_the_language_of_the_page(language: Language, title: str) -> None:
    """A figure without a value is a dash with a title."""
    assert f'title="{title}"' in environment(language).from_string("{{ value|ratio }}").render(value=None)
