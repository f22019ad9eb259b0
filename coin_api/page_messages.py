"""Messages of errors as the pages of the app show them: in their language, with advice for a browser."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import JSONResponse

from coin_pipeline.errors import Problem, page_sentence
from coin_pipeline.languages import LANGUAGES, Language
from coin_pipeline.web.problems import problem_response

HEADER = "X-Page-Language"
"""Header with which the scripts of a page ask for errors in its language; without it, they are those of the API."""


def ask_for_page(request: Request, language: Language) -> None:
    """Let the problem of a request be written as for a script of a page in a language."""
    request.state.page_language = language


def page_problem(
    request: Request, status: HTTPStatus, detail: str, problems: Sequence[Problem] = (), **members: object
) -> JSONResponse:
    """Return a problem-details response: to a page in its language, to any other client in English.

    A page also receives the language of each message as `lang`, which is English where there is no Korean text.

    Args:
        request: The request.
        status: Status code.
        detail: One sentence.
        problems: Invalid fields, sent as `errors`.
        members: Further members of the body.
    """
    language = page_language(request)
    if language is None:
        return problem_response(status, detail, problems, **members)
    sentences = [(problem.field, page_sentence(problem.message, language)) for problem in problems]
    if sentences:
        members["errors"] = [{"field": field, "message": s.text, "lang": s.language} for field, s in sentences]
    written = page_sentence(detail, language)
    return problem_response(status, written.text, problems, **members, lang=written.language)


def page_language(request: Request) -> Language | None:
    """Return the language of the page that sent a request; None for any other client."""
    stated = getattr(request.state, "page_language", None) or request.headers.get(HEADER)
    return next((language for language in LANGUAGES if language == stated), None)
