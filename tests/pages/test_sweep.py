"""The page of a sweep."""

import json
import re
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from coin_api.tasks import SubmissionId
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.defs.run_requests import RunSubmission
from coin_pipeline.results.publish import publish_task
from coin_pipeline.storage.local import LocalStore
from tests.browser import axe_findings, requires_chromium
from tests.fakes import QUEUED, FakeOrchestrator
from tests.fuzz.results import files_of
from tests.pages.served import watched_page

PICTURES = {
    name: f'<svg xmlns="http://www.w3.org/2000/svg"><title>{title}</title></svg>'.encode()
    for name, title in (("equity.svg", "Equity"), ("equity.ko.svg", "자산"))
}
"""Pictures of the equity of the best point in English and in Korean."""


@pytest.fixture
def task_id(candles: CandleCatalog, data_root: Path) -> str:
    """Id of a stored sweep, with the pictures of the best point's equity."""
    assert candles
    task_id = str(uuid.uuid4())
    result = files_of("sweep", task_id)
    publish_task(LocalStore(data_root), result.manifest, {**result.files, **PICTURES})
    return task_id


def document_of(data_root: Path, task_id: str) -> dict[str, Any]:
    """Return the document of a stored sweep."""
    document: dict[str, Any] = json.loads((data_root / "tasks" / task_id / "result.json").read_text())
    return document


def test_result_is_shown(client: TestClient, task_id: str) -> None:
    """Heat map, equity, plateau and best points, in both languages."""
    text = client.get(f"/app/sweeps/{task_id}?lang=ko").text
    assert "히트맵" in text
    assert "셀별 최고 총수익률" in text
    assert "그리드 탐색" in text
    assert "Highest" not in text
    assert text.count("<svg") >= 2
    assert "<title>자산</title>" in text
    assert "<title>Equity</title>" not in text
    assert "안정 구간" in text
    english = client.get(f"/app/sweeps/{task_id}?lang=en").text
    assert "Best point" in english
    assert "<title>Equity</title>" in english


def test_settings_that_are_not_swept(client: TestClient, task_id: str, data_root: Path) -> None:
    """Parameters and options; those of the space are in the table of points."""
    text = client.get(f"/app/sweeps/{task_id}?lang=en").text
    settings = dict(
        re.findall("<dt>([^<]*)</dt><dd>([^<]*)</dd>", text.partition("<details>")[2].partition("</details>")[0])
    )
    document = document_of(data_root, task_id)
    assert settings.keys() >= {*document["params"], "Fee rate", "Fill"}
    assert settings["Position size"] == "100%"
    assert not settings.keys() & {dimension["name"] for dimension in document["spec"]["space"]}


def test_sweep_of_an_earlier_version(client: TestClient, candles: CandleCatalog, data_root: Path) -> None:
    """It has no picture of the equity; the rest of the page is the same."""
    assert candles
    result = files_of("sweep", task_id := str(uuid.uuid4()))
    publish_task(LocalStore(data_root), result.manifest, result.files)
    assert "earlier version" in client.get(f"/app/sweeps/{task_id}").text


def test_picture_that_an_earlier_version_stored(client: TestClient, candles: CandleCatalog, data_root: Path) -> None:
    """It is in English only, and shown in both languages."""
    assert candles
    result = files_of("sweep", task_id := str(uuid.uuid4()))
    files = {**result.files, "equity.svg": PICTURES["equity.svg"]}
    publish_task(LocalStore(data_root), result.manifest, files)
    assert "<title>Equity</title>" in client.get(f"/app/sweeps/{task_id}?lang=ko").text


def test_running_sweep_shows_its_progress(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """Until it has a result."""
    task = replace(QUEUED, task_id=str(uuid.uuid4()), job="sweep", status="running", progress=0.4)
    orchestrator.tasks_by_id[task.task_id] = task
    text = client.get(f"/app/sweeps/{task.task_id}").text
    assert "40%" in text
    assert f'data-status-url="/api/sweeps/{task.task_id}"' in text


@pytest.mark.parametrize("task_id", ["nothing", "7e6cae53-1ebe-4884-b330-1f74e1ea64e3", "a%00b"])
def test_unknown_sweep(client: TestClient, task_id: str) -> None:
    """A page states that there is none."""
    response = client.get(f"/app/sweeps/{task_id}")
    assert response.status_code == 404
    assert "<h1>" in response.text


def test_backtest_is_shown_as_such(client: TestClient, candles: CandleCatalog, data_root: Path) -> None:
    """Its own page is another one."""
    assert candles
    result = files_of("backtest", run_id := str(uuid.uuid4()))
    publish_task(LocalStore(data_root), result.manifest, result.files)
    response = client.get(f"/app/sweeps/{run_id}", follow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (307, f"/app/results/{run_id}")


@requires_chromium
def test_one_click_runs_a_point(url: str, task_id: str, data_root: Path, orchestrator: FakeOrchestrator) -> None:
    """The second best one: its parameters over the days on which the sweep evaluated it."""
    document = document_of(data_root, task_id)
    row = document["top"][1]
    with watched_page() as watched:
        watched.page.goto(f"{url}/app/sweeps/{task_id}")
        assert axe_findings(watched.page) == []
        watched.page.get_by_role("button", name=f"Run as a backtest: point {row['point']}").last.click()
        watched.page.wait_for_url("**/app/tasks/*")
        expect(watched.page.get_by_role("status")).to_contain_text("queued")
        assert watched.errors == []
    ((submission, _),) = orchestrator.submitted
    fields = submission.config["ops"]["load_candles"]["config"]
    assert fields["params"].items() >= row["values"].items()
    assert fields["start_date"] == document["evaluated_from"]


@requires_chromium
def test_cell_of_the_heat_map_opens_the_form(url: str, task_id: str, data_root: Path) -> None:
    """Arrow keys move between the cells, of which the tab key reaches one; Enter fills the form in with the point."""
    document = document_of(data_root, task_id)
    (points,) = document["heat_map"]["best_point"]
    other = next(column for column, number in enumerate(points) if number != document["best"]["point"])
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/sweeps/{task_id}")
        page.locator('a[data-row][tabindex="0"]').focus()
        page.keyboard.press("ArrowRight" if other else "ArrowLeft")
        cell = page.locator(f'a[data-column="{other}"]')
        expect(cell).to_be_focused()
        expect(cell).to_have_attribute("tabindex", "0")
        expect(page.locator('a[data-row][tabindex="0"]')).to_have_count(1)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/app/submit?from={task_id}&point={points[other]}")
        window = page.locator('[name="params.volume_window"]:enabled')
        expect(window).to_have_value(document["heat_map"]["x"]["labels"][other])


@requires_chromium
def test_best_points_are_compared(url: str, task_id: str, data_root: Path, orchestrator: FakeOrchestrator) -> None:
    """They are run as backtests, whose results the page of the comparison names."""

    def finish(run_id: str) -> None:
        result = files_of("backtest", run_id)
        publish_task(LocalStore(data_root), result.manifest, result.files)
        orchestrator.move(run_id, "completed", 1.0)

    orchestrator.then = finish
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/sweeps/{task_id}")
        page.get_by_role("checkbox", name="Compare point").first.check()
        page.get_by_role("button", name="Run and compare").click()
        expect(page.get_by_role("alert")).to_contain_text("Choose 2 to 5 points")
        page.get_by_role("checkbox", name="Compare point").last.check()
        page.get_by_role("button", name="Run and compare").click()
        page.wait_for_url("**/app/compare?*")
        assert watched.errors == []
    submitted = {point["params"]["volume_window"] for point in map(request_fields, orchestrator.submitted)}
    assert submitted == {5, 10}


def request_fields(submitted: tuple[RunSubmission, SubmissionId]) -> dict[str, Any]:
    """Return the fields of a backtest that was submitted."""
    fields: dict[str, Any] = submitted[0].config["ops"]["load_candles"]["config"]
    return fields
