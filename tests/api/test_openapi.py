"""The OpenAPI document, and a client generated from it."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from http import HTTPStatus
from inspect import getmembers, isclass
from pathlib import Path
from types import ModuleType
from typing import Any

import openapi_spec_validator
import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel

from coin_api import result_schemas, schemas
from coin_api.app import create_app
from coin_api.errors import PROBLEM_STATUSES, status_code_of
from coin_pipeline import errors
from coin_pipeline.backtest.tables import TABLE_SCHEMAS
from coin_pipeline.engine.metrics import Metrics
from coin_pipeline.results.table_formats import ITEM_CONSTANTS
from coin_pipeline.settings import load_settings
from coin_pipeline.web.problems import MEDIA_TYPE
from tests.conftest import ROOT
from tests.fakes import FakeOrchestrator
from tests.platforms import BACKTEST

Json = dict[str, Any]
GATE = [ROOT / "coin_pipeline/web" / f"{name}.py" for name in ("gate", "protocol", "body_limit")]
PROBLEM = {"$ref": "#/components/schemas/ProblemDetails"}


@pytest.fixture
def document(client: TestClient) -> Json:
    """The document as clients receive it."""
    received: Json = client.get("/openapi.json").json()
    return received


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Yield every operation with its name."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def references(node: object) -> Iterator[str]:
    """Yield every $ref under a node."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def test_the_document_is_valid(document: Json) -> None:
    """It conforms to the specification, and every reference resolves."""
    openapi_spec_validator.validate(document)
    for reference in references(document):
        target = document
        for key in reference.removeprefix("#/").split("/"):
            target = target[key]


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (result_schemas.Figures, [field.name for field in fields(Metrics)]),
        (result_schemas.Signal, [*TABLE_SCHEMAS["signals"].names, *ITEM_CONSTANTS["signals"]]),
        (schemas.SignalRow, [*TABLE_SCHEMAS["signals"].names, *ITEM_CONSTANTS["signals"]]),
        (result_schemas.Trade, TABLE_SCHEMAS["trades"].names),
        (schemas.TradeRow, TABLE_SCHEMAS["trades"].names),
        (schemas.EquityRow, TABLE_SCHEMAS["equity"].names),
    ],
)
def test_a_model_describes_every_stored_field(model: type[BaseModel], names: list[str]) -> None:
    """Stored documents and tables are sent as they are, so nothing else notices a model that lacks a field."""
    assert sorted(model.model_fields) == sorted(names)


def test_every_response_has_a_schema_and_a_description(document: Json) -> None:
    """Of each operation, whatever is sent: JSON, a file or a stream of events."""
    for name, operation in operations(document):
        assert operation["description"], name
        for status, response in operation["responses"].items():
            if "$ref" not in response and status not in {"204", "304"}:  # these have no body
                assert response["description"], (name, status)
                assert response["content"], (name, status)
                assert all(content["schema"] for content in response["content"].values()), (name, status)


def test_every_error_is_described_for_every_operation(document: Json) -> None:
    """Those of every error class, and those with which the server refuses requests: a new one cannot be forgotten."""
    sent = {status_code_of(kind) for _, kind in getmembers(errors, isclass) if issubclass(kind, errors.CoinError)}
    assert sent <= set(PROBLEM_STATUSES)
    refused = {name for file in GATE for name in re.findall(r"HTTPStatus\.([A-Z_]+)", file.read_text())}
    assert {HTTPStatus[name] for name in refused} <= set(PROBLEM_STATUSES)
    for name, operation in operations(document):
        described = {int(status) for status in operation["responses"]}
        assert {403, 404, 422, 429, 500, 502, 503} <= described, name
        assert name.startswith("GET") or {409, 507} <= described, name
    for problem in document["components"]["responses"].values():
        assert problem["content"] == {MEDIA_TYPE: {"schema": PROBLEM}}


def test_a_problem_is_as_described(client: TestClient, document: Json) -> None:
    """Its members are those of the schema."""
    problem = document["components"]["schemas"]["ProblemDetails"]
    sent = client.post("/api/backtests/run-async", json={}).json()
    assert set(problem["required"]) <= set(sent) <= set(problem["properties"])


def test_links_lead_to_operations(document: Json) -> None:
    """From a submission to its status, events, cancellation and result."""
    known = {operation["operationId"] for _, operation in operations(document)}
    accepted = document["paths"]["/api/backtests/run-async"]["post"]["responses"]["202"]
    assert set(accepted["links"]) == {"task_status", "task_events", "cancel", "result"}
    assert set(accepted["headers"]) == {"Location", "Retry-After"}
    for _, operation in operations(document):
        for response in operation["responses"].values():
            assert {link["operationId"] for link in response.get("links", {}).values()} <= known


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """A client library generated from the document."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(create_app(load_settings()).openapi()))
    generator = Path(sys.executable).with_name("openapi-python-client")
    command = [generator, "generate", "--path", "openapi.json", "--meta", "none", "--output-path", "coin_client"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("coin_client")
    sys.path.remove(str(folder))


def test_a_generated_client_works(generated: ModuleType, client: TestClient, orchestrator: FakeOrchestrator) -> None:
    """It submits a backtest, follows it and understands a refusal."""
    api, models = (importlib.import_module(f"coin_client.{name}") for name in ("api.backtests", "models"))
    submit, status = (
        importlib.import_module(f"{api.__name__}.backtests_{name}") for name in ("run_async", "task_status")
    )
    connected = generated.Client(base_url="http://testserver").set_httpx_client(client)
    accepted = submit.sync(client=connected, body=models.BacktestRequest.from_dict(BACKTEST))
    assert isinstance(accepted, models.Accepted)
    assert status.sync(accepted.task_id, client=connected).status == "queued"
    refused = submit.sync(client=connected, body=models.BacktestRequest.from_dict({**BACKTEST, "fee_rate": 9.0}))
    assert isinstance(refused, models.ProblemDetails)
    assert refused.errors[0].field == "fee_rate"
    assert len(orchestrator.submitted) == 1
