"""Routes of pages, whose errors are pages too."""

import json
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from coin_api.errors import problem_of
from coin_api.page_messages import ask_for_page
from coin_api.pages import texts
from coin_api.pages.language import language_of
from coin_api.pages.rendering import render_page


class PageRoute(APIRoute):
    """Route whose errors are shown as a page, with the status and message of the API's problem details."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        handle = super().get_route_handler()

        async def handle_for_people(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # noqa: BLE001 -- logged by `problem_of`, as for every other route
                return await error_page(request, error)

        return handle_for_people


def page_router() -> APIRouter:
    """Return a router of pages, which the API's documentation does not list."""
    return APIRouter(prefix="/app", tags=["app"], include_in_schema=False, route_class=PageRoute)


async def error_page(request: Request, error: Exception) -> Response:
    """Return the page of an error."""
    ask_for_page(request, language_of(request))
    response = await problem_of(request, error)
    problem = {"errors": (), **json.loads(bytes(response.body))}
    status = HTTPStatus(response.status_code)
    headers = {name: value for name, value in response.headers.items() if name in {"retry-after", "allow"}}
    title = texts.ERROR_TITLES.get(status, texts.ERROR_TITLE)
    return render_page(request, "error.html.j2", status=status, headers=headers, title=title, problem=problem)
