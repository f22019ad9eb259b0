"""Rendering of pages: the Jinja environment, and the response with its content security policy."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader

import coin_pipeline
from coin_api.pages import texts
from coin_api.pages.formats import FORMATS
from coin_api.pages.language import COOKIE, QUERY, chosen_language, language_of
from coin_api.pages.navigation import NAVIGATION, ways_on
from coin_pipeline.errors import page_sentence
from coin_pipeline.languages import LANGUAGES, Language, Sentence, Text
from coin_pipeline.report.page import template_environment
from coin_pipeline.results.legacy import SEOUL

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'self'"
)
"""Content security policy of the pages: scripts and styles are our own files, no other origin is used."""
_COOKIE_AGE_S = 365 * 24 * 3600


@cache
def environment(language: Language) -> Environment:
    """Return the environment of a language: that of the reports, with their filters, and the templates of pages."""
    pages = template_environment(language).overlay(loader=PackageLoader("coin_api.pages"))
    pages.globals = {
        **pages.globals,
        "frame": texts,
        "navigation": NAVIGATION,
        "ways_on": ways_on,
        "languages": LANGUAGES,
        "version": coin_pipeline.__version__,
    }
    pages.filters = {**pages.filters, **FORMATS, "seoul_minute": _seoul_minute}
    return pages


def render_page(
    request: Request,
    template: str,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> HTMLResponse:
    """Return a page in the language of its request.

    Templates extend `base.html.j2`. They write a text with `t(TEXT, **values)` and a message of an error with
    `error(MESSAGE)`, and know `request`, `language` and
    `dagster_ui_url`.

    Args:
        request: The request.
        template: Name of the template.
        status: Status code.
        headers: Further headers.
        values: What the template shows.
    """
    language = language_of(request)
    frame = {
        "request": request,
        "language": language,
        "t": partial(_write, language),
        "error": partial(_error, language),
        "address_in": partial(_address_in, request),
        "dagster_ui_url": request.app.state.settings.dagster_ui_url,
    }
    response = HTMLResponse(environment(language).get_template(template).render(frame | values), status, headers)
    return as_page(request, response, language, POLICY)


def as_page(request: Request, response: HTMLResponse, language: Language, policy: str) -> HTMLResponse:
    """Return a response with the headers of a page, and the cookie of the language that its address chooses.

    Args:
        request: The request.
        response: The page.
        language: Language of the page.
        policy: Its content security policy.
    """
    response.headers["Content-Security-Policy"] = policy
    response.headers["Content-Language"] = language
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept, Accept-Language, Cookie"
    if chosen := chosen_language(request):
        response.set_cookie(COOKIE, chosen, _COOKIE_AGE_S, httponly=True, samesite="lax")
    return response


def _write(language: Language, text: Text, /, **values: object) -> str:
    return text.write(language, **values)


def _error(language: Language, message: str) -> Sentence:
    return page_sentence(message, language)


def _address_in(request: Request, language: Language) -> str:
    """Return the address of a request with a language, without its host."""
    url = request.url.include_query_params(**{QUERY: language})
    return f"{url.path}?{url.query}"


def _seoul_minute(time: datetime) -> str:
    """Write a time in Asia/Seoul to the minute; the label next to it names the zone."""
    return time.astimezone(SEOUL).strftime("%Y-%m-%d %H:%M")
