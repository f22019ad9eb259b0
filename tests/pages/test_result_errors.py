"""Pages in place of a result: which one an error leads to."""

from dataclasses import replace

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from coin_api.errors import TaskWithoutResult
from coin_api.pages import texts_result_errors as texts
from coin_api.pages.result_errors import explain_result_error, result_error_page
from coin_api.schemas import Status
from coin_api.tasks import Job
from coin_pipeline import errors
from coin_pipeline.languages import Text
from coin_pipeline.settings import load_settings
from tests.fakes import NOW, QUEUED

RUN_ID = "aaaaaaaa-1111-4111-8111-111111111111"
BACKTEST = texts.WITHOUT_RESULT["backtest"]
HOSTILE = "<script>alert(1)</script>"


def without_result(status: Status, error: str | None = None, job: Job = "backtest") -> TaskWithoutResult:
    """Return the error of a task without a result."""
    task = replace(QUEUED, task_id=RUN_ID, status=status, progress=0.25, error=error, finished_at=None, job=job)
    return TaskWithoutResult(task, f"/api/backtests/status/{RUN_ID}")


@pytest.mark.parametrize(
    ("error", "heading", "status", "passes"),
    [
        (errors.InvalidRunId("a b"), texts.INVALID_ID, 404, False),
        (errors.ResultNotFound(RUN_ID), texts.MISSING, 404, False),
        (errors.ResultNotFound("latest-btc"), texts.UNKNOWN_ID, 404, False),
        (without_result("queued"), BACKTEST["queued"], 404, True),
        (without_result("running"), BACKTEST["running"], 404, True),
        (without_result("failed", "no candles"), BACKTEST["failed"], 404, False),
        (without_result("cancelled"), BACKTEST["cancelled"], 404, False),
        (without_result("running", job="sweep"), texts.WITHOUT_RESULT["sweep"]["running"], 404, True),
        (errors.ObjectCorrupt("results/x.json", "too short"), texts.CORRUPT, 502, False),
        (errors.DatabaseUnavailable("here", "refused"), texts.UNAVAILABLE, 503, True),
        (errors.StorageFailed("broken"), texts.UNAVAILABLE, 503, True),
    ],
)
def test_each_error_has_its_own_page(error: errors.CoinError, heading: Text, status: int, *, passes: bool) -> None:
    """With the status of the API; only what passes offers to try again."""
    problem = explain_result_error(error)
    assert (problem.heading, problem.status, problem.passes) == (heading, status, passes)


@pytest.fixture
def pages() -> dict[str, errors.CoinError]:
    """The error of each run id."""
    return {}


@pytest.fixture
def client(pages: dict[str, errors.CoinError]) -> TestClient:
    """A client of an application that shows the page of an error."""
    app = FastAPI()
    app.state.settings = load_settings()

    @app.get("/reports/{run_id}")
    def report(request: Request, run_id: str) -> Response:
        return result_error_page(request, run_id, pages[run_id])

    return TestClient(app)


def test_a_failure_quotes_its_message_as_text(client: TestClient, pages: dict[str, errors.CoinError]) -> None:
    """Whatever a strategy raised."""
    pages[RUN_ID] = without_result("failed", HOSTILE)
    response = client.get(f"/reports/{RUN_ID}")
    assert response.status_code == 404
    assert "&lt;script&gt;alert(1)" in response.text
    assert HOSTILE not in response.text


def test_a_running_backtest_shows_its_progress_and_follows_it(
    client: TestClient, pages: dict[str, errors.CoinError]
) -> None:
    """The script gets the URL of the events from the page."""
    pages[RUN_ID] = without_result("running")
    page = client.get(f"/reports/{RUN_ID}?lang=ko").text
    assert "백테스트가 아직 실행 중입니다" in page
    assert "25% 진행" in page
    assert f'data-status="/api/backtests/status/{RUN_ID}"' in page
    assert '<script src="/app/static/waiting.js" type="module">' in page


def test_a_running_sweep_follows_the_events_of_sweeps(client: TestClient, pages: dict[str, errors.CoinError]) -> None:
    """Those of backtests know nothing about it."""
    pages[RUN_ID] = without_result("running", job="sweep")
    assert f'data-status="/api/sweeps/{RUN_ID}"' in client.get(f"/reports/{RUN_ID}").text


def test_only_a_running_backtest_is_followed(client: TestClient, pages: dict[str, errors.CoinError]) -> None:
    """A failed one does not change any more."""
    pages[RUN_ID] = replace_finished(without_result("failed", "no candles"))
    assert "waiting.js" not in client.get(f"/reports/{RUN_ID}").text


def replace_finished(error: TaskWithoutResult) -> TaskWithoutResult:
    """Return the error of the same task after its end."""
    return TaskWithoutResult(replace(error.task, finished_at=NOW), "")


def test_an_outage_states_when_to_try_again(client: TestClient, pages: dict[str, errors.CoinError]) -> None:
    """In the header, as the API does, and as a link."""
    pages[RUN_ID] = errors.DatabaseUnavailable("here", "refused")
    response = client.get(f"/reports/{RUN_ID}")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert f'href="/reports/{RUN_ID}">Try again' in response.text
