"""Which requests may execute GraphQL, beyond the rules for every request."""

import pytest

from coin_pipeline.web.access import AccessPolicy
from coin_pipeline.web.gate import Gate
from coin_pipeline.web.graphql import graphql_rule
from tests.web.asgi import answer_ok, ask

GATE = Gate(answer_ok, AccessPolicy(), graphql_rule)
MUTATION = "query=mutation{launchRun}"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON"],
)
def test_json_is_executed(content_type: str) -> None:
    """As the Dagster UI and dagster-graphql send it."""
    assert ask(GATE, "POST", "/graphql", [("Content-Type", content_type)]).status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "",
        "text/plain; application/json",
        "application/jsonp",
        "application/json, text/plain",
    ],
)
@pytest.mark.parametrize("query", ["", MUTATION])
def test_other_posts_are_refused(content_type: str, query: str) -> None:
    """Browsers send the first three for any page; Dagster would execute the query string, or what contains the word."""
    answer = ask(GATE, "POST", "/graphql", [("Content-Type", content_type)], query)
    assert (answer.status, "application/json" in answer.detail) == (415, True)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
def test_nothing_is_executed_by_get(method: str, path: str) -> None:
    """Whatever hides a mutation (aliases, fragments, a second operation): no GET reaches the parser."""
    answer = ask(GATE, method, path, [("Accept", "application/json")], MUTATION)
    assert (answer.status, answer.detail) == (405, "send GraphQL as a POST, with Content-Type: application/json")


def test_console_is_a_page() -> None:
    """Dagster returns the page for this header and executes nothing; another site cannot open it with a query."""
    page = [("Accept", "text/html")]
    assert ask(GATE, "GET", "/graphql", page, MUTATION).status == 200
    assert ask(GATE, "HEAD", "/graphql", page, MUTATION).status == 405
    foreign = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
    assert ask(GATE, "GET", "/graphql", [*page, *foreign], MUTATION).status == 405


def test_a_later_accept_header_does_not_count() -> None:
    """Dagster reads the first one."""
    accept = [("Accept", "application/json"), ("Accept", "text/html")]
    assert ask(GATE, "GET", "/graphql", accept, MUTATION).status == 405


def test_other_paths_are_not_concerned() -> None:
    """Pages and files of the UI are served by GET."""
    assert ask(GATE, "GET", "/runs").status == 200
