"""Errors as RFC 9457 problem details: the status code of each error class, and the response body."""

import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from coin_api.page_messages import page_problem
from coin_api.queries import HistoryQuery
from coin_api.tasks import Task
from coin_pipeline import errors
from coin_pipeline.web.problems import REFUSALS


class NotAcceptable(errors.CoinError):
    """The Accept header excludes every format of the response: HTTP 406."""

    def __init__(self, accept: str, formats: Sequence[str]) -> None:
        super().__init__(f"Accept {accept[:80]!r} matches none of {', '.join(formats)}; send one of them, or ?format=")


_log = logging.getLogger("coin.api")
_STATUS: Mapping[type[errors.CoinError], HTTPStatus] = {
    errors.InvalidRunId: HTTPStatus.NOT_FOUND,  # no run has such an id
    errors.EmptyRange: HTTPStatus.BAD_REQUEST,  # as in the legacy platform
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.LookAhead: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotDeterministic: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.StrategyFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.OutOfMemory: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.UploadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooManyUploads: HTTPStatus.TOO_MANY_REQUESTS,
    errors.StorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
    # The request is right and waiting does not help, but a backup or a new run may: neither 4xx nor 503.
    errors.ObjectCorrupt: HTTPStatus.BAD_GATEWAY,
    errors.DamagedCandleFile: HTTPStatus.BAD_GATEWAY,
    errors.StorageFailed: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.CandlesChanged: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.CodeChanged: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ExchangeAnswer: HTTPStatus.BAD_GATEWAY,
    NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.ServiceUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
_MEANINGS: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "A lower bound exceeds its upper bound, or the request is not valid HTTP.",
    HTTPStatus.UNAUTHORIZED: "A token is required, or the one that was sent is not valid.",
    HTTPStatus.FORBIDDEN: "The token does not permit it, or the Host or the Origin is not allowed.",
    HTTPStatus.NOT_FOUND: "There is no such task, result or candle.",
    HTTPStatus.REQUEST_TIMEOUT: "The request was not received in time.",
    HTTPStatus.CONFLICT: "The id or key belongs to another request, or the task has ended.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body exceeds the limit.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The URL exceeds the limit.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request is invalid, or its strategy fails on these candles.",
    HTTPStatus.TOO_MANY_REQUESTS: "The run queue is full, or too many requests were sent; nothing was stored.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers exceed the limit.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A fault of the server; its log has the details.",
    HTTPStatus.NOT_IMPLEMENTED: "The transfer encoding is not supported.",
    HTTPStatus.BAD_GATEWAY: "A stored object is damaged, or an exchange returned something other than candles.",
    HTTPStatus.SERVICE_UNAVAILABLE: "A required service is not available, or a synchronous run has not ended yet.",
    HTTPStatus.INSUFFICIENT_STORAGE: "There is no space left to write.",
}
PROBLEM_STATUSES: Mapping[HTTPStatus, str] = {
    status: _MEANINGS.get(status, status.phrase) for status in sorted({*_STATUS.values(), *REFUSALS, *_MEANINGS})
}
"""Every status code of a problem, with its meaning: the OpenAPI document describes each for each operation."""


class StillRunning(errors.ServiceUnavailable):
    """A synchronous run did not start or end within the time limit of a request; it continues."""

    def __init__(self, task: Task) -> None:
        self.task_id = task.task_id
        super().__init__(errors.coded("still_running", status=task.status, task_id=task.task_id))


class TaskWithoutResult(errors.NotFound):
    """A known task has no result, or none yet."""

    def __init__(self, task: Task, status_url: str) -> None:
        self.task = task
        reason = errors.coded("because", reason=task.error) if task.error else ""
        values = {"task_id": task.task_id, "status": task.status, "reason": reason, "url": status_url}
        super().__init__(errors.coded("task_without_result", **values))


def status_code_of(error: type[Exception]) -> HTTPStatus:
    """Return the status code of an error class, or that of its nearest ancestor with one."""
    for ancestor in error.__mro__:
        if ancestor in _STATUS:
            return _STATUS[ancestor]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def install_error_handlers(app: FastAPI, answer: Callable[[Request, Exception], Awaitable[Response]]) -> None:
    """Let one function answer every error, including those of validation and routing."""
    for kind in _HANDLERS:
        app.add_exception_handler(kind, answer)


async def problem_of(request: Request, error: Exception) -> JSONResponse:
    """Return the problem details of an error, by the handler of its class or of its nearest ancestor with one."""
    return await next(_HANDLERS[kind] for kind in type(error).__mro__ if kind in _HANDLERS)(request, error)


async def _handle_coin_error(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, errors.RunFailed):
        invalid = issubclass(error.kind, errors.InvalidInput)
        problems = [errors.Problem("", error.message)] if invalid else []
        return page_problem(request, status_code_of(error.kind), error.message, problems, task_id=error.run_id)
    if isinstance(error, errors.UnclearColumns):
        columns = [column._asdict() for column in error.columns]
        return page_problem(request, status_code_of(type(error)), error.message, error.problems, columns=columns)
    if isinstance(error, StillRunning):
        return page_problem(request, status_code_of(StillRunning), error.message, task_id=error.task_id)
    if not isinstance(error, errors.CoinError):
        raise TypeError from error
    if error.client_message:
        return _logged_response(request, status_code_of(type(error)), error.client_message, error)
    invalid_fields = error.problems if isinstance(error, errors.InvalidInput) else ()
    return page_problem(request, status_code_of(type(error)), error.message, invalid_fields)


async def _handle_validation_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise TypeError from error
    problems = [errors.Problem(_field_path(detail["loc"]), _message(detail)) for detail in error.errors()]
    return page_problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, errors.InvalidInput(problems).message, problems)


async def _handle_http_exception(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise TypeError from error
    cause = error.__cause__
    if error.status_code == HTTPStatus.BAD_REQUEST and cause:  # FastAPI's, for a body that it cannot parse
        if isinstance(cause, errors.InvalidInput):
            return await _handle_coin_error(request, cause)
        problems = [errors.Problem("body", _unparsable_body(cause))]
        return page_problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, errors.InvalidInput(problems).message, problems)
    response = page_problem(request, HTTPStatus(error.status_code), error.detail)
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = ", ".join(_documented_methods(request) or [headers["Allow"]])
    response.headers.update(headers)
    return response


def _documented_methods(request: Request) -> list[str]:
    """Return the methods of the first documented path that matches; Starlette names those of its first route only."""
    paths = request.app.openapi()["paths"]
    operations: dict[str, object] = next((paths[p] for p in paths if compile_path(p)[0].match(request.url.path)), {})
    methods = {name.upper() for name in operations}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))  # HeadRequests passes HEAD on as GET


async def _handle_unexpected(request: Request, error: Exception) -> JSONResponse:
    return _logged_response(request, HTTPStatus.INTERNAL_SERVER_ERROR, errors.coded("unexpected_error"), error)


_HANDLERS: Mapping[type, Callable[[Request, Exception], Awaitable[JSONResponse]]] = {
    errors.CoinError: _handle_coin_error,
    RequestValidationError: _handle_validation_error,
    HTTPException: _handle_http_exception,
    Exception: _handle_unexpected,
}


def _logged_response(request: Request, status: HTTPStatus, detail: str, error: Exception) -> JSONResponse:
    """Return a response without what is private to the machine, with the id under which the log has all of it."""
    error_id = uuid.uuid4().hex[:12]
    _log.error("error %s: %s %r: %s: %s", error_id, request.method, request.url.path, type(error).__name__, error)
    message = errors.coded("logged_error", message=detail, error_id=error_id)
    return page_problem(request, status, message, error_id=error_id)


def _unparsable_body(error: BaseException) -> str:
    """Return what is wrong with a body that is not decoded or parsed, and the remedy."""
    if isinstance(error, UnicodeDecodeError):
        byte = f"byte 0x{error.object[error.start]:02x} at position {error.start}"
        return f"is not UTF-8 ({byte}); send JSON as UTF-8{_korean_hint(error.object)}"
    if isinstance(error, RecursionError):
        return "is nested too deeply to be a request; send one JSON object with the documented fields"
    return f"is not readable as JSON: {error}; send one JSON object as UTF-8"


def _korean_hint(body: bytes) -> str:
    try:
        body.decode("cp949")
    except UnicodeDecodeError:
        return ""
    return ", not as cp949, the encoding of Korean Windows"


def _message(detail: Mapping[str, Any]) -> str:
    """Return what is wrong with a field, with the remedy if pydantic's wording lacks it."""
    if detail["type"] == "json_invalid":
        return f"is not valid JSON: {detail['ctx']['error']} at character {detail['loc'][-1]}"
    if detail["type"] == "model_attributes_type" or (detail["type"] == "missing" and tuple(detail["loc"]) == ("body",)):
        return errors.coded("body_not_json")
    if detail["type"] == "extra_forbidden" and detail["loc"][0] == "query" and detail["msg"].startswith("Extra"):
        known = HistoryQuery.model_fields
        hint = errors.did_you_mean(str(detail["loc"][-1]), known)
        return f"is not a filter{hint}; the filters are {', '.join(known)}"
    return errors.validation_message(detail)


def _field_path(location: Sequence[str | int]) -> str:
    """Return the path of a field; an error of the whole body, such as broken JSON, belongs to `body`."""
    path = [str(part) for part in location[1:]]
    return ".".join(path) if path and not path[0].isdigit() else str(location[0])
