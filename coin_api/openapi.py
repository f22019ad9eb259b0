"""The OpenAPI document: what FastAPI derives from the routes, plus problem responses and links for all of them."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from coin_api.errors import PROBLEM_STATUSES
from coin_api.schemas import ProblemDetails
from coin_pipeline.auth.scopes import API, Scope
from coin_pipeline.web.problems import MEDIA_TYPE, RETRY_AFTER_STATUSES

Json = dict[str, Any]
DESCRIPTION = """\
Runs backtests as Dagster runs and reports on them.

A token permits `read`, `run`, `trade` or `admin`: each includes `read`, and `admin` includes all.

Every error is sent as RFC 9457 problem details. HEAD is accepted wherever GET is, and its response has no body.

Every response has the header `X-Request-ID`, under which the server's log has the request: the one that was sent, if it
consists of at most 64 letters, digits and `._:-`, or else a new one.
"""
TAGS = [
    {"name": "service", "description": "The service and its health."},
    {"name": "strategies", "description": "Registered strategies and their parameters."},
    {"name": "candles", "description": "Stored candles: read, upload and refresh them."},
    {"name": "backtests", "description": "Backtests: submit, follow and cancel them, and fetch results."},
    {"name": "reports", "description": "Reports of results, for people."},
    {"name": "tasks", "description": "Backtests, sweeps and refreshes that were submitted."},
    {"name": "positions", "description": "Paper positions: enter, exit, list and value them."},
    {"name": "forward tests", "description": "Strategies that trade on paper as candles close."},
    {"name": "sweeps", "description": "Parameter sweeps: submit, follow and cancel them, and fetch trials."},
]
SECURITY_SCHEMES: Json = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of `coin token create`; required as soon as other machines can reach the server.",
    },
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "For browsers: any user name, and the token as the password.",
    },
}
"""How a token is sent; the requirement of an operation names the scope that it needs."""
BINARY = {"schema": {"type": "string", "format": "binary"}}
"""Content of a file."""
LOCATION = {"description": "Where to poll the task.", "schema": {"type": "string"}, "required": True}
RETRY_AFTER = {"description": "Seconds to wait before the next request.", "schema": {"type": "integer", "minimum": 0}}
_WRITES_ONLY = {HTTPStatus.CONFLICT, HTTPStatus.INSUFFICIENT_STORAGE}
_PAGE = "text/html"
_SCHEMAS = "#/components/schemas/{model}"
VALIDATION_RESPONSE: Mapping[int | str, Json] = {422: {"description": HTTPStatus.UNPROCESSABLE_ENTITY.phrase}}
"""Replaces the description of a 422 that FastAPI would add; the document then gets the problem responses."""


class DocumentedFastAPI(FastAPI):
    """FastAPI application whose document describes every problem that its error handlers can send."""

    def openapi(self) -> Json:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            components = document["components"]
            components["schemas"] |= models_json_schema([(ProblemDetails, "serialization")], ref_template=_SCHEMAS)[1][
                "$defs"
            ]
            components["securitySchemes"] = SECURITY_SCHEMES
            components["responses"] = {_name(status): _problem(status) for status in PROBLEM_STATUSES}
            for path, method, operation in _operations(document):
                operation["responses"] = _with_problems(method, operation["responses"])
                operation["security"] = _security(API.required(method.upper(), path))
        return self.openapi_schema or {}


def operation_id(route: APIRoute) -> str:
    """Return a name for the functions of generated clients, such as `backtests_run`."""
    return f"{route.tags[0]}_{route.name}"


def accepted_response(tag: str, status: str, **results: str) -> dict[int | str, Json]:
    """Describe the headers of a 202, and the operations that take its task.

    Args:
        tag: Tag of the operations.
        status: Name of the route that returns the status.
        results: Parameter that takes the task, by the name of each further route.
    """
    parameters = {status: "task_id", "cancel": "task_id", **results}
    links = {
        name: {"operationId": f"{tag}_{name}", "parameters": {parameter: "$response.body#/task_id"}}
        for name, parameter in parameters.items()
    }
    headers = {"Location": LOCATION, "Retry-After": {**RETRY_AFTER, "required": True}}
    return {202: {"description": "Stored durably; it will run.", "headers": headers, "links": links}}


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _security(scope: Scope | None) -> list[Json]:
    """Return the tokens with which an operation may be used; without one as long as only this machine can reach it."""
    return [{}, *({name: [scope]} for name in SECURITY_SCHEMES)] if scope else []


def _with_problems(method: str, responses: Json) -> Json:
    is_page = _PAGE in responses.get("200", {}).get("content", {})
    problems = {
        str(status.value): _page_or_problem(status) if is_page else {"$ref": f"#/components/responses/{_name(status)}"}
        for status in PROBLEM_STATUSES
        if method != "get" or status not in _WRITES_ONLY
    }
    described = {status: response for status, response in responses.items() if status != "422"}
    return dict(sorted({**problems, **described}.items()))


def _name(status: HTTPStatus) -> str:
    return "".join(word.capitalize() for word in status.name.split("_"))


def _page_or_problem(status: HTTPStatus) -> Json:
    """Describe an error of a page, which is a page too unless the client prefers JSON."""
    problem = _problem(status)
    return {**problem, "content": {**problem["content"], _PAGE: {"schema": {"type": "string"}}}}


def _problem(status: HTTPStatus) -> Json:
    content = {MEDIA_TYPE: {"schema": {"$ref": _SCHEMAS.format(model=ProblemDetails.__name__)}}}
    headers = {"headers": {"Retry-After": {**RETRY_AFTER, "required": True}}} if status in RETRY_AFTER_STATUSES else {}
    return {"description": PROBLEM_STATUSES[status], "content": content, **headers}
