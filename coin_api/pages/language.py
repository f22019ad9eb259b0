"""The language of a page: the one in its address, else the one chosen before, else the one the browser prefers."""

from operator import itemgetter
from typing import Annotated

from fastapi import Query, Request

from coin_pipeline.languages import LANGUAGES, Language

COOKIE = "coin_lang"
"""Cookie with the language that was chosen last."""
QUERY = "lang"
LanguageQuery = Annotated[
    Language | None, Query(description="Language. Default: the one chosen in the app, or that of Accept-Language.")
]


def language_of(request: Request) -> Language:
    """Return the language of the response to a request."""
    return (
        chosen_language(request)
        or _known(request.cookies.get(COOKIE))
        or preferred_language(request.headers.get("Accept-Language", ""))
    )


def chosen_language(request: Request) -> Language | None:
    """Return the language in the address of a request; None if it names neither English nor Korean."""
    return _known(request.query_params.get(QUERY))


def preferred_language(accepted: str) -> Language:
    """Return the language that an Accept-Language header prefers among ours, else English.

    >>> preferred_language("ko-KR,ko;q=0.9,en;q=0.8"), preferred_language("fr, en;q=0.5, ko;q=0.4")
    ('ko', 'en')
    """
    weights: dict[Language, float] = {}
    for part in accepted.split(","):
        tag, _, parameter = part.partition(";")
        if language := _known(tag.strip().partition("-")[0].lower()):
            weights.setdefault(language, _weight(parameter))
    best = max(weights.items(), key=itemgetter(1), default=None)
    return best[0] if best and best[1] else "en"


def _known(name: str | None) -> Language | None:
    return next((language for language in LANGUAGES if language == name), None)


def _weight(parameter: str) -> float:
    """Return the weight of a language: 1 without a parameter, 0 if it is not a weight."""
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else float(not name)
    except ValueError:
        return 0.0
