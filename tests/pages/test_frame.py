"""The frame of the pages: language, policy, static files, and errors as pages."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from coin_api.pages import mount
from coin_api.pages.language import preferred_language
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
