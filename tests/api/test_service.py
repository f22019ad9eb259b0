"""The root, health and strategies."""

from fastapi.testclient import TestClient

from tests.fakes import FakeOrchestrator


def test_root_lists_every_endpoint(client: TestClient) -> None:
    """What the migration checklist looks for is there, each with a description."""
    body = client.get("/").json()
    assert body["version"]
    for endpoint in ("POST /api/backtests/run-async", "GET /api/backtests/status/{task_id}", "GET /health"):
        assert body["endpoints"][endpoint]


def test_health_names_every_part(client: TestClient, data_root: object) -> None:
    """Healthy: 200 and each part is ok."""
    answer = client.get("/health")
    assert answer.status_code == 200
    body = answer.json()
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
    }


def test_health_is_503_and_names_the_part_that_is_ill(client: TestClient, runs: FakeOrchestrator) -> None:
    """A daemon without heartbeat makes the service unhealthy."""
    runs.ill = "no recent heartbeat"
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unhealthy"
    assert answer.json()["components"]["daemon"] == {"healthy": False, "detail": "no recent heartbeat"}


def test_strategies_come_with_their_schemas(client: TestClient) -> None:
    """Names, count and, for each, the params with defaults and ranges."""
    body = client.get("/api/strategies").json()
    assert body["strategies"] == ["volume_long_candle", "volume_zone_breakout"]
    assert body["count"] == 2
    window = body["details"]["volume_zone_breakout"]["params"]["properties"]["volume_window"]
    assert (window["default"], window["minimum"], window["maximum"]) == (10, 1, 500)


def test_the_schema_describes_errors_as_they_are(client: TestClient) -> None:
    """What /openapi.json says of a 422 is the shape that is sent."""
    schema = client.get("/openapi.json").json()
    described = schema["paths"]["/api/backtests/run-async"]["post"]["responses"]
    problem = described["422"]["content"]["application/problem+json"]["schema"]
    sent = client.post("/api/backtests/run-async", json={}).json()
    assert set(sent) <= set(problem["properties"])
    assert set(problem["required"]) <= set(sent)
    assert {"404", "409", "413", "429", "503"} <= set(described)
    events = schema["paths"]["/api/backtests/status/{task_id}/events"]["get"]["responses"]
    assert "text/event-stream" in events["200"]["content"]
    assert "204" in events


def test_an_unknown_path_is_a_problem_too(client: TestClient) -> None:
    """Errors of routing have the same shape as all others."""
    answer = client.get("/api/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "Not Found"
    refused = client.put("/health")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET")


def test_the_application_lets_go_of_its_orchestrator(client: TestClient, runs: FakeOrchestrator) -> None:
    """Stopping the application closes connections."""
    assert not runs.closed
    client.__exit__(None, None, None)
    assert runs.closed
    client.__enter__()
