"""The root, health and strategies routes, and the OpenAPI document."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from coin_api.app import from_environment
from tests.fakes import FakeOrchestrator

BODY: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
}


def test_root_lists_every_endpoint(client: TestClient) -> None:
    """The endpoints that the migration checklist looks for are listed with a description."""
    body = client.get("/").json()
    assert body["version"]
    for endpoint in ("POST /api/backtests/run-async", "GET /api/backtests/status/{task_id}", "GET /health"):
        assert body["endpoints"][endpoint]


def test_root_has_the_message_of_the_legacy_platform(client: TestClient) -> None:
    """Its clients compare the text."""
    assert client.get("/").json()["message"] == "Coin Backtesting API"


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/", 200), ("/api/strategies", 200), ("/openapi.json", 200),
                         ("/api/nothing", 404), ("/api/sweeps", 405)],
)  # fmt: skip
def test_head_is_get_without_a_body(client: TestClient, path: str, status: int) -> None:
    """Load balancers and monitors probe with HEAD; status and headers are those of GET."""
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (status, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_head_reports_an_unhealthy_service(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """A probe that reads only the status sees a problem."""
    orchestrator.daemon_problem = "no recent heartbeat"
    assert client.head("/health").status_code == 503


def test_head_of_a_stream_ends_after_its_headers(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """The events of a task that has not ended would never end."""
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    response = client.head(f"/api/backtests/status/{task_id}/events")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert orchestrator.task(task_id).status == "queued"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"strategy": "전략"}'.encode("cp949"),
         "is not UTF-8 (byte 0xc0 at position 14); send JSON as UTF-8, not as cp949"),
        (b'{"strategy": "\xff\xff"}', "is not UTF-8 (byte 0xff at position 14); send JSON as UTF-8"),
        (b'{"params": ' + b"[" * 100_000, "is nested too deeply to be a request"),
        (b'{"fee_rate": ' + b"1" * 5000 + b"}", "is not readable as JSON: Exceeds the limit"),
    ],
    ids=["cp949", "bytes", "nested", "digits"],
)  # fmt: skip
def test_a_body_that_cannot_be_parsed_is_explained(client: TestClient, body: bytes, expected: str) -> None:
    """What is wrong, where, and what to send instead."""
    response = client.post("/api/backtests/run", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    (problem,) = response.json()["errors"]
    assert problem["field"] == "body"
    assert problem["message"].startswith(expected)
    assert response.json()["detail"] == f"body: {problem['message']}"


def test_a_query_in_another_encoding_is_refused(client: TestClient) -> None:
    """Text in cp949 would match no strategy, without a word."""
    encoded = quote("전략", encoding="cp949")
    response = client.get(f"/api/backtests/history?strategy={encoded}")
    assert response.status_code == 422
    assert response.json()["detail"].endswith("has bytes that are not UTF-8; percent-encode the query as UTF-8")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_json_in_other_unicode_encodings_is_read(client: TestClient, encoding: str) -> None:
    """They are recognized by their first bytes."""
    content = json.dumps(BODY).encode(encoding)
    response = client.post("/api/backtests/run-async", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 202


def test_health_lists_every_component(client: TestClient, data_root: object) -> None:
    """A healthy service is 200, and each component is ok."""
    response = client.get("/health")
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "healthy"
    assert body["timestamp"].endswith("Z")
    assert body["data_root"] == str(data_root)
    assert body["results_dir"] == f"{data_root}/results"
    assert set(body["components"]) == {
        "api",
        "dagster_storage",
        "code_location",
        "daemon",
        "object_store",
        "disk",
        "backup",
        "restore_drill",
    }


def test_health_is_503_and_names_the_unhealthy_component(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """A daemon without a heartbeat makes the service unhealthy."""
    orchestrator.daemon_problem = "no recent heartbeat"
    response = client.get("/health")
    assert response.status_code == 503
    assert response.json()["status"] == "unhealthy"
    assert response.json()["components"]["daemon"] == {"healthy": False, "detail": "no recent heartbeat"}


def test_strategies_include_their_schemas(client: TestClient) -> None:
    """Names, count and, for each, the parameters with defaults and ranges."""
    body = client.get("/api/strategies").json()
    assert body["strategies"] == ["volume_long_candle", "volume_zone_breakout"]
    assert body["count"] == 2
    window = body["details"]["volume_zone_breakout"]["params"]["properties"]["volume_window"]
    assert (window["default"], window["minimum"], window["maximum"]) == (10, 1, 500)


def test_openapi_document_describes_results_and_events(client: TestClient) -> None:
    """Responses that are sent as stored bytes have a schema as well."""
    paths = client.get("/openapi.json").json()["paths"]
    for path, method, model in (
        ("/api/backtests/run", "post", "RunResult"),
        ("/api/backtests/latest", "get", "BacktestResult"),
        ("/api/backtests/{run_id}", "get", "BacktestResult"),
        ("/api/backtests/{run_id}/download", "get", "BacktestResult"),
    ):
        content = paths[path][method]["responses"]["200"]["content"]
        assert content["application/json"]["schema"] == {"$ref": f"#/components/schemas/{model}"}
    events = paths["/api/backtests/status/{task_id}/events"]["get"]["responses"]
    assert set(events["200"]["content"]) == {"text/event-stream"}
    assert "204" in events
    trials = paths["/api/sweeps/{task_id}/trials"]["get"]["responses"]
    assert set(trials["200"]["content"]) == {"application/vnd.apache.parquet"}


def test_unknown_path_is_a_problem(client: TestClient) -> None:
    """Routing errors have the same format as all others."""
    response = client.get("/api/nothing")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "Not Found"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/health", "GET, HEAD"),
        ("/api/forward-tests", "GET, HEAD, POST"),
        ("/api/positions/enter", "POST"),  # which GET /api/positions/{position_id} matches as well
        ("/docs", "GET, HEAD"),
    ],
)
def test_a_refused_method_names_all_that_are_allowed(client: TestClient, path: str, allowed: str) -> None:
    """A path may have several routes, one per method, and may match the template of another path."""
    refused = client.put(path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)


def test_shutdown_closes_the_orchestrator(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """Stopping the application closes connections."""
    assert not orchestrator.closed
    client.__exit__(None, None, None)
    assert orchestrator.closed
    client.__enter__()


def test_served_application_is_behind_the_gate(data_root: Path) -> None:
    """What `python -m coin_api` serves refuses other names, pages of other sites and repeated keys."""
    assert data_root
    client = TestClient(from_environment(), base_url="http://127.0.0.1:8000")
    key = ("Idempotency-Key", "a")
    assert client.get("/openapi.json").status_code == 200
    assert client.get("/openapi.json", headers={"Host": "evil.test"}).status_code == 403
    assert client.post("/api/backtests/run-async", headers={"Origin": "http://evil.test"}).status_code == 403
    answer = client.post("/api/backtests/run-async", headers=[key, key])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Idempotency-Key")
