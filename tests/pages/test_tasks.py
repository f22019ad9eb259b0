"""The list of tasks and the page of one, in a browser."""

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from markupsafe import escape
from playwright.sync_api import expect

from coin_api.app import create_app
from coin_api.tasks import SweepPoints, Task
from coin_pipeline.defs.run_requests import subject_tags
from coin_pipeline.orchestration.run_tags import SYMBOLS_TAG
from coin_pipeline.settings import load_settings
from tests.api.conftest import NO_DATABASE
from tests.browser import HOSTILE_TEXTS, axe_findings, requires_chromium
from tests.fakes import QUEUED, FakeOrchestrator
from tests.pages.served import served, watched_page


@pytest.fixture
def url(orchestrator: FakeOrchestrator) -> Iterator[str]:
    """URL of the application."""
    app = create_app(load_settings(), lambda _: orchestrator, find_database=lambda _: NO_DATABASE)
    with served(app) as url:
        yield url


def submitted(orchestrator: FakeOrchestrator, **changes: object) -> Task:
    """Return a new task."""
    task = replace(QUEUED, task_id=str(uuid.uuid4()), **changes)
    orchestrator.tasks_by_id[task.task_id] = task
    return task


@pytest.mark.parametrize(("language", "others"), [("en", "and 147 more"), ("ko", "외 147개")])
def test_markets_that_are_left_out_are_counted(
    app: TestClient, orchestrator: FakeOrchestrator, language: str, others: str
) -> None:
    """In the language of the list and of the page."""
    tags = subject_tags("volume_long_candle", [f"W{number:03}_KRW" for number in range(150)], "1d")
    task = submitted(orchestrator, symbols=tags[SYMBOLS_TAG])
    for path in ("/app/tasks", f"/app/tasks/{task.task_id}"):
        assert f"W000_KRW, W001_KRW, W002_KRW {others}" in app.get(path, params={"lang": language}).text


@requires_chromium
@pytest.mark.parametrize("events", [True, False])
def test_progress_is_followed_until_the_result(url: str, orchestrator: FakeOrchestrator, *, events: bool) -> None:
    """By events, and by polling where they do not arrive."""
    task = submitted(orchestrator, status="running", progress=0.1, strategy="volume_long_candle")
    with watched_page() as watched:
        page = watched.page
        if not events:
            page.route("**/events", lambda route: route.abort())
        page.goto(f"{url}/app/tasks/{task.task_id}")
        expect(page.get_by_role("status")).to_contain_text("running")
        orchestrator.move(task.task_id, "running", 0.6)
        expect(page.get_by_role("status")).to_contain_text("60%", timeout=10_000)
        orchestrator.move(task.task_id, "completed", 1.0)
        result = page.get_by_role("link", name="Open the result")
        expect(result).to_have_attribute("href", f"/app/results/{task.task_id}", timeout=10_000)
        assert watched.errors == [] or not events  # a refused stream is an error in the console


@requires_chromium
@pytest.mark.parametrize("events", [True, False])
def test_speed_of_a_sweep_is_followed(url: str, orchestrator: FakeOrchestrator, *, events: bool) -> None:
    """With the time that is left; both are unknown at first."""
    task = submitted(orchestrator, job="sweep", status="running", points=SweepPoints(20_000, 0, None, None))
    with watched_page() as watched:
        page = watched.page
        if not events:
            page.route("**/events", lambda route: route.abort())
        page.goto(f"{url}/app/tasks/{task.task_id}")
        speed = page.locator('[data-slot="speed"]')
        expect(speed).to_be_empty()
        points = SweepPoints(20_000, 2_000, 4.5678, 3_940.2)
        orchestrator.tasks_by_id[task.task_id] = replace(task, progress=0.1, points=points)
        expect(page.locator('[data-slot="points"]')).to_have_text("2,000 / 20,000", timeout=10_000)
        expect(speed).to_have_text("· 4.57 per second, 1:05:41 left")


@requires_chromium
def test_task_is_cancelled_from_its_page(url: str, orchestrator: FakeOrchestrator) -> None:
    """The page then shows that it is."""
    task = submitted(orchestrator)
    with watched_page() as watched:
        watched.page.goto(f"{url}/app/tasks/{task.task_id}")
        watched.page.get_by_role("button", name="Cancel").click()
        expect(watched.page.get_by_role("status")).to_contain_text("cancelled")
    assert orchestrator.tasks_by_id[task.task_id].status == "cancelled"


@requires_chromium
@pytest.mark.parametrize("job", ["backtest", "sweep"])
def test_end_of_a_cancelled_task_appears(url: str, orchestrator: FakeOrchestrator, job: str) -> None:
    """Its run stops a little after the cancellation."""
    points = SweepPoints(20, 10, None, None) if job == "sweep" else None
    task = submitted(orchestrator, job=job, status="cancelled", points=points)
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/tasks/{task.task_id}")
        expect(page.get_by_role("status")).to_contain_text("cancelled")
        expect(page.get_by_text("Ended, Seoul")).to_have_count(0)
        orchestrator.move(task.task_id, "cancelled")
        expect(page.get_by_text("Ended, Seoul")).to_be_visible()
        assert watched.errors == []


@requires_chromium
def test_pages_are_accessible(url: str, orchestrator: FakeOrchestrator) -> None:
    """The list and the page of a task, with each status."""
    tasks = [submitted(orchestrator, status=status) for status in ("queued", "running", "completed", "failed")]
    with watched_page() as watched:
        for path in ("", *(f"/{task.task_id}" for task in tasks)):
            watched.page.goto(f"{url}/app/tasks{path}")
            assert axe_findings(watched.page) == []


@requires_chromium
def test_list_follows_tasks(url: str, orchestrator: FakeOrchestrator) -> None:
    """New ones appear, progress is updated, and one is cancelled in the list."""
    first = submitted(orchestrator, status="running", progress=0.25)
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/tasks")
        expect(page.get_by_text("25%")).to_be_visible()
        second = submitted(orchestrator)
        cancel = page.get_by_role("button", name=f"Cancel task {second.task_id[:8]}")
        cancel.click()
        expect(cancel).to_have_count(0)
        orchestrator.move(first.task_id, "completed", 1.0)
        expect(page.get_by_role("link", name="Open the result")).to_be_visible()
        assert watched.errors == []
    assert orchestrator.tasks_by_id[second.task_id].status == "cancelled"


@pytest.mark.parametrize(("status", "bars"), [("queued", 1), ("running", 1), ("failed", 0), ("cancelled", 0)])
def test_progress_of_tasks_that_ended_early_is_not_shown(
    client: TestClient, orchestrator: FakeOrchestrator, status: str, bars: int
) -> None:
    """Their status is enough; a bar at 99 % would look like a task that is about to complete."""
    task = submitted(orchestrator, status=status, progress=0.99)
    for path in ("/app/tasks", f"/app/tasks/{task.task_id}"):
        text = client.get(path).text
        assert text.count("<progress") == bars
        assert ("99%" in text) == bool(bars)


def test_a_fetch_names_its_series_and_leads_to_the_candles(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """It has no strategy."""
    task = submitted(
        orchestrator, job="refresh_candles", status="completed", symbols="BTC_KRW, ETH_KRW", timeframe="1d"
    )
    for path in ("/app/tasks", f"/app/tasks/{task.task_id}"):
        text = client.get(path).text
        assert "BTC_KRW, ETH_KRW · 1d" in text
        assert 'href="/app/candles">Open the candles</a>' in text


def test_points_of_a_sweep_are_shown(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """A sweep leads to its own page."""
    points = SweepPoints(2_000, 1_000, 100.0, 10.0)
    task = submitted(orchestrator, job="sweep", status="completed", points=points)
    text = client.get(f"/app/tasks/{task.task_id}").text
    assert "1,000 / 2,000" in text
    assert f'href="/app/sweeps/{task.task_id}"' in text


@pytest.mark.parametrize("hostile", HOSTILE_TEXTS)
def test_failure_is_explained(client: TestClient, orchestrator: FakeOrchestrator, hostile: str) -> None:
    """The message is text, whatever a strategy raised."""
    task = submitted(orchestrator, status="failed", error=hostile, strategy=hostile)
    for path in (f"/app/tasks/{task.task_id}", "/app/tasks"):
        text = client.get(path).text
        assert str(escape(hostile)) in text
        assert hostile not in text or escape(hostile) == hostile


@pytest.mark.parametrize(
    ("job", "status", "address", "page"),
    [
        ("refresh_candles", "running", "/app/results", "/app/tasks"),
        ("refresh_candles", "completed", "/app/results", "/app/tasks"),
        ("refresh_candles", "completed", "/app/sweeps", "/app/tasks"),
        ("refresh_candles", "completed", "/reports", "/app/tasks"),
        ("sweep", "running", "/app/results", "/app/sweeps"),
        ("backtest", "running", "/app/sweeps", "/app/results"),
    ],
)
def test_task_at_the_address_of_another_kind_leads_to_its_page(
    client: TestClient, orchestrator: FakeOrchestrator, job: str, status: str, address: str, page: str
) -> None:
    """Also one that never has a result."""
    task = submitted(orchestrator, job=job, status=status)
    response = client.get(f"{address}/{task.task_id}", follow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (307, f"{page}/{task.task_id}")


@pytest.mark.parametrize("task_id", ["no-such-task", "7e6cae53-1ebe-4884-b330-1f74e1ea64e3", "%00", "..%2f..%2fx"])
def test_unknown_task(client: TestClient, task_id: str) -> None:
    """The page states that there is none."""
    response = client.get(f"/app/tasks/{task_id}")
    assert response.status_code == 404
    assert "<h1>" in response.text


def test_outage_has_a_page(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """With a link to try again."""
    orchestrator.down = True
    response = client.get("/app/tasks")
    assert response.status_code == 503
    assert 'href="/app/tasks"' in response.text
