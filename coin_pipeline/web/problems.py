"""Responses to refused requests, as RFC 9457 problem details."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from coin_pipeline import logs
from coin_pipeline.errors import Problem

RETRY_AFTER_S = 5
MEDIA_TYPE = "application/problem+json"
REFUSALS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.NOT_IMPLEMENTED,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""Status codes of requests that the application never sees."""
RETRY_AFTER_STATUSES = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not passed on to the application.

    Attributes:
        status: Status code of the response.
        detail: One sentence with the remedy.
        problems: Invalid headers, sent as `errors`.
    """

    status: HTTPStatus
    detail: str
    problems: tuple[Problem, ...] = ()

    def response(self) -> JSONResponse:
        """Return the response as an ASGI application."""
        return problem_response(self.status, self.detail, self.problems)

    def raw_response(self) -> bytes:
        """Return the response as the bytes of an HTTP/1.1 message that ends the connection."""
        body = self.response().body
        retry = f"retry-after: {RETRY_AFTER_S}\r\n" if self.status in RETRY_AFTER_STATUSES else ""
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nx-content-type-options: nosniff\r\n{retry}connection: close\r\n\r\n"
        )
        return head.encode() + bytes(body)


def problem_response(
    status: HTTPStatus, detail: str, problems: Sequence[Problem] = (), **members: object
) -> JSONResponse:
    """Return a problem-details response.

    Args:
        status: Status code.
        detail: One sentence.
        problems: Invalid fields, sent as `errors`.
        members: Further members of the body.
    """
    body: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    if request_id := logs.request_id.get():
        body["request_id"] = request_id
    if problems:
        body["errors"] = [{"field": p.field, "message": p.message} for p in problems]
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status in RETRY_AFTER_STATUSES else None
    return JSONResponse(body | members, status, headers, media_type=MEDIA_TYPE)
