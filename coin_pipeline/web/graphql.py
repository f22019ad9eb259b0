"""How Dagster's GraphQL endpoint may be used over HTTP.

Dagster executes whatever arrives, mutations included: from the query string of a GET or of a POST of any content type.
Browsers send such requests for any page without asking the server first. They do ask before they send JSON.
"""

from http import HTTPStatus

from starlette.types import Scope

from coin_pipeline.web.gate import Headers
from coin_pipeline.web.problems import Refusal

PATH = "/graphql"


def graphql_rule(scope: Scope, headers: Headers) -> Refusal | None:
    """Allow queries and mutations as JSON POSTs only; a GET returns only the page with the GraphQL console."""
    if scope["type"] != "http" or not scope["path"].startswith(PATH) or scope["method"] == "OPTIONS":
        return None
    if scope["method"] == "POST":
        media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media_type == b"application/json":
            return None
        return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send GraphQL as JSON, with Content-Type: application/json")
    is_console = scope["method"] == "GET" and b"text/html" in headers.get(b"accept", b"")
    if is_console and headers.get(b"sec-fetch-site") not in {b"cross-site", b"same-site"}:
        return None
    return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "send GraphQL as a POST, with Content-Type: application/json")
