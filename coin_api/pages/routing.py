"""Routes of pages, and their errors: a page for a browser, problem details for a client of the API."""

import json
import re
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from coin_api.accept import prefers_json, prefers_page
from coin_api.errors import problem_of
from coin_api.page_messages import ask_for_page
from coin_api.pages import texts
from coin_api.pages.language import language_of
from coin_api.pages.rendering import render_page
from coin_pipeline.errors import CandlesNotFound, coded

_UUID = re.compile(r"(?<=/)[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?=/|$)")


class CanonicalRoute(APIRoute):
    """Route that redirects to the canonical address: UUIDs in lower case, and no slash at the end."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        handle = super().get_route_handler()

        async def handle_canonically(request: Request) -> Response:
            path = canonical_path(request.url.path)
            if path != request.url.path:
                return RedirectResponse(f"{path}?{request.url.query}" if request.url.query else path)
            return await handle(request)

        return handle_canonically


class PageRoute(CanonicalRoute):
    """Route whose errors are shown as a page, with the status and message of the API's problem details."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        handle = super().get_route_handler()

        async def handle_for_people(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # noqa: BLE001 -- logged by `problem_of`, as for every other route
                if wants_problems(request):
                    return await problem_of(request, error)
                return await error_page(request, error)

        return handle_for_people


def page_router() -> APIRouter:
    """Return a router of pages, which the API's documentation does not list."""
    return APIRouter(prefix="/app", tags=["app"], include_in_schema=False, route_class=PageRoute)


def canonical_path(path: str) -> str:
    """Return the path that all spellings of an address lead to.

    >>> canonical_path("/reports/AAAAAAAA-1111-4111-8111-111111111111/")
    '/reports/aaaaaaaa-1111-4111-8111-111111111111'
    """
    return _UUID.sub(lambda uuid: uuid[0].lower(), path.rstrip("/"))


def wants_problems(request: Request) -> bool:
    """Return whether a client prefers problem details to the page of an error."""
    return prefers_json(request.headers.get("Accept", ""))


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer a browser that opens an address of the API with a page, any other client with problem details."""
    if request.method != "GET" or not prefers_page(request.headers.get("Accept", "")):
        return await problem_of(request, error)
    if isinstance(error, HTTPException) and "endpoint" not in request.scope:
        error = HTTPException(HTTPStatus.NOT_FOUND, coded("page_not_found", path=request.url.path[:100]))
    return await error_page(request, error)


async def error_page(request: Request, error: Exception) -> Response:
    """Return the page of an error."""
    ask_for_page(request, language_of(request))
    response = await problem_of(request, error)
    problem = {"errors": (), **json.loads(bytes(response.body))}
    status = HTTPStatus(response.status_code)
    headers = {name: value for name, value in response.headers.items() if name in {"retry-after", "allow"}}
    title = texts.ERROR_TITLES.get(status, texts.ERROR_TITLE)
    if isinstance(error, CandlesNotFound):
        title = texts.NO_CANDLES_TITLE
    return render_page(request, "error.html.j2", status=status, headers=headers, title=title, problem=problem)
