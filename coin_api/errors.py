"""Every error as RFC 9457 problem details: which status code, and what the body says."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from coin_api.schemas import HistoryQuery, ProblemDetails
from coin_api.tasks import Task
from coin_pipeline import errors

RETRY_AFTER_S = 5
MEDIA_TYPE = "application/problem+json"
_COME_BACK = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_STATUS: Mapping[type[errors.CoinError], HTTPStatus] = {
    errors.InvalidRunId: HTTPStatus.NOT_FOUND,  # no run has such an id
    errors.EmptyRange: HTTPStatus.BAD_REQUEST,  # what the older platform answered
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.LookAhead: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.StrategyFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.OutOfMemory: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.UploadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    errors.StorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.StorageUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageRefused: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.CandlesChanged: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.CodeChanged: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ExchangeAnswer: HTTPStatus.BAD_GATEWAY,
    errors.ServiceUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


# For the OpenAPI document: every route answers these in the same shape.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}},
    }
    for status in (400, 404, 409, 413, 422, 429, 503, 507)
}


class StillRunning(errors.ServiceUnavailable):
    """A run that was waited for has not begun, or not ended, in the time that a request may take; it goes on."""

    def __init__(self, task: Task) -> None:
        self.task_id = task.task_id
        super().__init__(
            f"the backtest is still {task.status}; poll /api/backtests/status/{task.task_id} for its result"
        )


def status_code_of(error: type[Exception]) -> HTTPStatus:
    """Return the status code of an error class: its own, or that of its nearest ancestor that has one."""
    for ancestor in error.__mro__:
        if ancestor in _STATUS:
            return _STATUS[ancestor]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem_response(
    status: HTTPStatus, detail: str, found: Sequence[errors.Problem] = (), **members: object
) -> JSONResponse:
    """Return one problem-details response; `found` becomes the `errors` list that names each field."""
    body: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    if found:
        body["errors"] = [{"field": p.field, "message": p.message} for p in found]
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status in _COME_BACK else None
    return JSONResponse(body | members, status, headers, media_type=MEDIA_TYPE)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of the family, of validation and of routing a problem-details response."""
    app.add_exception_handler(errors.CoinError, _coin_error)
    app.add_exception_handler(RequestValidationError, _invalid_body)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _coin_error(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, errors.RunFailed):
        invalid = issubclass(error.kind, errors.InvalidInput)
        found = [errors.Problem("", str(error))] if invalid else []
        return problem_response(status_code_of(error.kind), str(error), found, task_id=error.run_id)
    if isinstance(error, StillRunning):
        return problem_response(status_code_of(StillRunning), str(error), task_id=error.task_id)
    problems = error.problems if isinstance(error, errors.InvalidInput) else ()
    return problem_response(status_code_of(type(error)), str(error), problems)


async def _invalid_body(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise TypeError from error
    found = [errors.Problem(_field(p["loc"]), _explained(p)) for p in error.errors()]
    return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, str(errors.InvalidInput(found)), found)


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise TypeError from error
    answer = problem_response(HTTPStatus(error.status_code), str(error.detail))
    answer.headers.update(error.headers or {})  # 405 says which methods are allowed
    return answer


async def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
    # The trace goes to the server's log; a body never carries one.
    return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "an unexpected error; the server's log has the details")


def _explained(told: Mapping[str, Any]) -> str:
    """Return what is wrong with a field, and what to do where the words of pydantic do not say it."""
    if told["type"] == "json_invalid":
        return f"is no JSON: {told['ctx']['error']} at character {told['loc'][-1]}"
    if told["type"] == "model_attributes_type":
        return "is not read as a JSON object; send one, with the header Content-Type: application/json"
    if told["type"] == "extra_forbidden" and told["loc"][0] == "query" and told["msg"].startswith("Extra"):
        known = HistoryQuery.model_fields
        return f"is not a filter{errors.did_you_mean(str(told['loc'][-1]), known)}; there are {', '.join(known)}"
    return errors.format_validation_message(told["msg"], told.get("input"))


def _field(location: Sequence[str | int]) -> str:
    """Return the path of a field; what is wrong with the body as a whole, broken JSON say, is of the body."""
    inside = [str(part) for part in location[1:]]
    return ".".join(inside) if inside and not inside[0].isdigit() else str(location[0])
