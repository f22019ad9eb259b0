"""The committed OpenAPI document: it is current, and each kind of change that breaks clients is found."""

import json
import re
from copy import deepcopy
from typing import Any

import pytest

from scripts.openapi import DOCUMENT, INTENDED, RELEASED, current, unintended_changes
from scripts.openapi_changes import breaking_changes

Json = dict[str, Any]
TASK_SCHEMA = {"$ref": "#/components/schemas/Task"}
OLD: Json = {
    "paths": {
        "/tasks/{task_id}": {
            "post": {
                "parameters": [
                    {"in": "path", "name": "task_id", "required": True, "schema": {"type": "string"}},
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}},
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Task"}}}}
                },
            },
        }
    },
    "components": {
        "schemas": {
            "Body": {
                "type": "object",
                "properties": {
                    "symbol": {"type": "string"},
                    "fill": {"enum": ["open", "close"]},
                    "fee": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                    "markets": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["symbol"],
            },
            "Task": {
                "type": "object",
                "properties": {
                    "status": {"type": "string"},
                    "parent": {"anyOf": [TASK_SCHEMA, {"type": "null"}]},
                },
                "required": ["status"],
            },
        }
    },
}
OPERATION = ("paths", "/tasks/{task_id}", "post")
BODY = ("components", "schemas", "Body")
TASK = ("components", "schemas", "Task")
NAME = "POST /tasks/{task_id}: "


def changed(path: tuple[str | int, ...], value: object) -> Json:
    """Return the document with another value at a path; None removes what is there."""
    document = deepcopy(OLD)
    node: Any = document
    for key in path[:-1]:
        node = node[key]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "change"),
    [
        (("paths", "/tasks/{task_id}"), None, "POST /tasks/{task_id} was removed"),
        (OPERATION, None, "POST /tasks/{task_id} was removed"),
        ((*OPERATION, "parameters", 1), None, f"{NAME}the parameter limit was removed"),
        ((*OPERATION, "parameters", 1, "required"), True, f"{NAME}the parameter limit is now required"),
        (
            (*OPERATION, "parameters", 1, "schema", "maximum"),
            10,
            f"{NAME}the parameter limit has the limit maximum 10, instead of 100",
        ),
        (
            (*OPERATION, "parameters", 1, "schema", "minimum"),
            1,
            f"{NAME}the parameter limit has the limit minimum 1, instead of none",
        ),
        ((*OPERATION, "requestBody", "required"), True, f"{NAME}a body is now required"),
        ((*OPERATION, "responses", "200"), None, f"{NAME}the response 200 was removed"),
        (
            (*OPERATION, "responses", "200", "content"),
            {"text/csv": {}},
            f"{NAME}the response 200 has no application/json",
        ),
        ((*BODY, "required"), ["symbol", "fee"], f"{NAME}the body.fee is now required"),
        ((*BODY, "properties", "fee"), None, f"{NAME}the body.fee was removed"),
        ((*BODY, "properties", "fee"), {"type": "number"}, f"{NAME}the body.fee no longer accepts null"),
        (
            (*BODY, "properties", "fee", "anyOf", 0, "type"),
            "integer",
            f"{NAME}the body.fee no longer accepts number",
        ),
        ((*BODY, "properties", "fill", "enum"), ["open"], f"{NAME}the body.fill no longer accepts 'close'"),
        (
            (*BODY, "properties", "markets", "items"),
            {"type": "integer"},
            f"{NAME}the body.markets[] no longer accepts string",
        ),
        (
            (*BODY, "properties", "symbol", "pattern"),
            "A+",
            f"{NAME}the body.symbol has the pattern A+, instead of none",
        ),
        ((*TASK, "properties", "parent"), None, f"{NAME}the response 200.parent was removed"),
        ((*TASK, "properties", "status", "type"), "integer", f"{NAME}the response 200.status may now be integer"),
        ((*TASK, "required"), [], f"{NAME}the response 200.status may now be absent"),
    ],
)
def test_what_breaks_clients_is_found(path: tuple[str | int, ...], value: object, change: str) -> None:
    """Each kind of change is reported once, with the operation and the field."""
    assert breaking_changes(OLD, changed(path, value)) == [change]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("paths", "/new"), {"get": {}}),
        ((*OPERATION, "parameters", 0, "name"), "id"),
        ((*OPERATION, "parameters", 1, "schema", "maximum"), 1000),
        ((*OPERATION, "responses", "404"), {}),
        ((*BODY, "properties", "new"), {"type": "string"}),
        ((*BODY, "properties", "fill", "enum"), ["open", "close", "worst"]),
        ((*BODY, "required"), []),
        ((*TASK, "properties", "new"), {"type": "string"}),
    ],
)
def test_what_breaks_no_client_is_not_reported(path: tuple[str | int, ...], value: object) -> None:
    """Requests may become wider and responses may have more."""
    assert breaking_changes(OLD, changed(path, value)) == []


def test_the_committed_document_is_current() -> None:
    """`make openapi` writes it."""
    assert DOCUMENT.read_text() == current()


def test_no_change_since_the_last_release_breaks_clients() -> None:
    """A change that is meant to is added to INTENDED with its reason."""
    assert unintended_changes(json.loads(DOCUMENT.read_text())) == []


def test_intended_changes_exist() -> None:
    """A pattern that matches nothing would hide a later change."""
    changes = "\n".join(breaking_changes(json.loads(RELEASED.read_text()), json.loads(DOCUMENT.read_text())))

    assert [pattern for pattern in INTENDED if not re.search(pattern, changes)] == []
