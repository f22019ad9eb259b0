"""The first page of the app."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from coin_pipeline.results.index import ResultIndex
from tests.api.conftest import client_of
from tests.api.test_history import entry
from tests.conftest import store_candles
from tests.fakes import QUEUED, FakeOrchestrator


@pytest.fixture
def app(own_root: Path, index: ResultIndex, index_url: str, orchestrator: FakeOrchestrator) -> Iterator[TestClient]:
    """A client of the application over an empty index, without candles."""
    assert own_root
    assert index
    with client_of(orchestrator, database=index_url) as client:
        yield client


def test_a_new_platform_leads_to_candles(app: TestClient) -> None:
    """Without them there is nothing to run a backtest on."""
    text = app.get("/app").text
    assert '<a class="button primary" href="/app/candles">' in text
    assert "There are no results yet." in text
    assert "/app/submit" not in text.partition("<main")[2]


def test_the_newest_results_and_the_active_tasks(
    app: TestClient, own_root: Path, index: ResultIndex, orchestrator: FakeOrchestrator
) -> None:
    """With links to their pages, and what is stored."""
    store_candles(own_root)
    index.add([entry(f"r{number}", number, total_return=0.125) for number in range(7)])
    for name, status in (("active", "running"), ("ended", "completed")):
        orchestrator.tasks_by_id[name] = replace(QUEUED, task_id=name, status=status, progress=0.4)
    text = app.get("/app/").text
    assert [f"/app/results/r{number}" in text for number in range(7)] == [False] * 2 + [True] * 5
    assert "+12.50%" in text
    assert ("/app/tasks/active" in text, "/app/tasks/ended" in text, "40%" in text) == (True, False, True)
    assert "All services respond." in text
    assert 'href="/app/submit"' in text


def test_what_does_not_work_is_named(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """The page is shown without what a service has that is down."""
    orchestrator.daemon_problem = "no recent heartbeat"
    response = client.get("/app?lang=ko")
    assert (response.status_code, response.headers["Content-Language"]) == (200, "ko")
    assert "<b>daemon</b>: no recent heartbeat" in response.text
    assert "알 수 없습니다" in response.text
