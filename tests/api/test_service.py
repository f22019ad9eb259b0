"""The root, health and strategies routes, and the OpenAPI document."""

from collections.abc import Iterator

import openapi_spec_validator
from fastapi.testclient import TestClient

from tests.fakes import FakeOrchestrator


def test_root_lists_every_endpoint(client: TestClient) -> None:
    """The endpoints that the migration checklist looks for are listed with a description."""
    body = client.get("/").json()
    assert body["version"]
    for endpoint in ("POST /api/backtests/run-async", "GET /api/backtests/status/{task_id}", "GET /health"):
        assert body["endpoints"][endpoint]


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


def test_openapi_document_is_valid(client: TestClient) -> None:
    """It conforms to the specification, and every reference resolves."""
    document = client.get("/openapi.json").json()
    openapi_spec_validator.validate(document)
    for reference in references(document):
        target = document
        for key in reference.removeprefix("#/").split("/"):
            target = target[key]
    assert {"ProblemDetails", "FieldProblem", "BacktestResult", "SymbolResult"} <= set(
        document["components"]["schemas"]
    )


def references(node: object) -> Iterator[str]:
    """Yield every $ref under a node."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def test_openapi_document_describes_errors(client: TestClient) -> None:
    """The schema of a 422 matches the body that is sent."""
    document = client.get("/openapi.json").json()
    documented = document["paths"]["/api/backtests/run-async"]["post"]["responses"]
    schema = documented["422"]["content"]["application/problem+json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/ProblemDetails"}
    problem = document["components"]["schemas"]["ProblemDetails"]
    sent = client.post("/api/backtests/run-async", json={}).json()
    assert set(sent) <= set(problem["properties"])
    assert set(problem["required"]) <= set(sent)
    assert {"404", "409", "413", "429", "502", "503", "507"} <= set(documented)


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
    refused = client.put("/health")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET")


def test_shutdown_closes_the_orchestrator(client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """Stopping the application closes connections."""
    assert not orchestrator.closed
    client.__exit__(None, None, None)
    assert orchestrator.closed
    client.__enter__()
