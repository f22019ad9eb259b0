"""Health checks over probes that hang, fail and recover."""

import asyncio
import logging
import threading
import time

import pytest
from fastapi.testclient import TestClient

from coin_api.health import LIMIT_S, MAX_AGE_S, NO_RESPONSE, HealthChecks
from coin_pipeline.errors import DatabaseUnavailable
from tests.api.conftest import client_of
from tests.fakes import FakeOrchestrator

PRIVATE = 'connection to server at "10.0.0.7", port 5432 failed'

BUCKET = {
    "AWS_BUCKET_NAME": "bucket",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "COIN_S3_PATH_STYLE": "true",
}
"""Settings of a bucket on a server that is down."""
READY = {"status": "ready", "unhealthy": []}
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Run coroutines on asyncio, as the server does."""
    return "asyncio"


async def test_a_probe_that_hangs_is_reported_and_not_started_again() -> None:
    """However often a load balancer asks, one thread waits; the component is healthy once the probe returns."""
    release, started = threading.Event(), []

    def hang() -> None:
        started.append(time.monotonic())
        release.wait()

    checks = HealthChecks({"database": hang, "disk": lambda: None})
    for _ in range(2):
        began = time.monotonic()
        answers = await asyncio.gather(*(checks.problems() for _ in range(50)))
        assert time.monotonic() - began < LIMIT_S + 0.5
        assert answers == [{"database": NO_RESPONSE, "disk": None}] * 50
        await asyncio.sleep(MAX_AGE_S)
    assert len(started) == 1
    release.set()
    assert await checks.problems() == {"database": None, "disk": None}
    checks.close()


async def test_a_check_is_used_again_for_a_second() -> None:
    """Polling costs next to nothing."""
    started: list[None] = []
    checks = HealthChecks({"disk": lambda: started.append(None)})
    for _ in range(20):
        await checks.problems()
    assert len(started) == 1
    await asyncio.sleep(MAX_AGE_S + 0.1)
    await checks.problems()
    assert len(started) == 2
    checks.close()


async def test_the_log_has_the_error_and_the_response_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    """Addresses stay on the machine; a problem that lasts is logged once."""

    def fail() -> None:
        raise DatabaseUnavailable("DATABASE_URL", PRIVATE)

    checks = HealthChecks({"database": fail})
    with caplog.at_level(logging.WARNING, "coin.api"):
        for _ in range(2):
            assert await checks.problems() == {"database": DatabaseUnavailable.client_message}
            await asyncio.sleep(MAX_AGE_S + 0.1)
    assert caplog.text.count(PRIVATE) == 1
    checks.close()


def test_liveness_asks_no_component(orchestrator: FakeOrchestrator) -> None:
    """It is 200 while everything else is down."""
    orchestrator.daemon_problem = "no recent heartbeat"
    with client_of(orchestrator) as client:
        assert client.get("/health").status_code == 503
        assert (client.get("/health/live").status_code, client.head("/health/live").status_code) == (200, 200)


def test_readiness_names_what_is_unhealthy(orchestrator: FakeOrchestrator) -> None:
    """A load balancer gets 503 while no backtest could run, and 200 otherwise; HEAD gets the same."""
    with client_of(orchestrator) as client:
        assert (client.get("/health/ready").json(), client.head("/health/ready").status_code) == (READY, 200)
    orchestrator.daemon_problem = "no recent heartbeat"
    with client_of(orchestrator) as client:
        refused = client.get("/health/ready")
        assert (refused.status_code, refused.json()) == (503, {"status": "not ready", "unhealthy": ["daemon"]})


def test_errors_keep_private_text_in_the_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """The body names the entry of the log; the lists of this client have no database."""
    response = client.get("/api/backtests/history")
    problem = response.json()
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert "refused" not in response.text
    assert problem["error_id"] in problem["detail"]
    (entry,) = [record.getMessage() for record in caplog.records if problem["error_id"] in record.getMessage()]
    assert "refused" in entry


def test_a_store_that_is_down_is_described_without_its_address(
    orchestrator: FakeOrchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the server of the bucket nor boto3's text reaches a client."""
    for name, value in BUCKET.items():
        monkeypatch.setenv(name, value)
    with client_of(orchestrator) as client:
        result, health = client.get("/api/backtests/none"), client.get("/health")
    assert (result.status_code, result.headers["Retry-After"]) == (503, "5")
    assert result.json()["detail"].startswith("the object store does not respond; try again later (error ")
    assert health.json()["components"]["object_store"]["detail"] == "the object store does not respond; try again later"
    assert not [text for text in ("127.0.0.1", "http", "Connect") if text in result.text + health.text]
