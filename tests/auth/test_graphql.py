"""The mutations of a GraphQL request and the scopes that they require."""

import asyncio
import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from dagster_graphql.schema import create_schema
from graphql import ExecutionResult
from starlette.types import Message, Receive, Scope, Send

from coin_pipeline.auth.graphql import MutationScopes, describe_request, mutations_of, read_request
from coin_pipeline.auth.scopes import MUTATIONS, UI
from coin_pipeline.auth.scopes import Scope as TokenScope
from coin_pipeline.auth.tokens import Identity

STOP = "mutation { terminateRun(runId: 1) { __typename } }"


def body_of(query: str, **more: object) -> bytes:
    """Return a request body."""
    return json.dumps({"query": query, **more}).encode()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("{ version }", ()),
        ("query mutation { version }", ()),
        ("subscription { pipelineRunLogs { __typename } }", ()),
        (STOP, ("terminateRun",)),
        (
            "mutation A { a: deleteRun(runId: 1) { __typename } b: launchRun { __typename } }",
            ("deleteRun", "launchRun"),
        ),
        ("query Q { version } mutation M { wipeAssets { __typename } }", ("wipeAssets",)),
        ("mutation { ... on Mutation { deleteRun(runId: 1) { __typename } } }", ("deleteRun",)),
        ("mutation { ...f } fragment f on Mutation { deleteRun(runId: 1) { __typename } }", ("?",)),
        ("mutation" + "{ a " * 2000 + "}" * 2000, ("?",)),
        ("mutation {", ("?",)),
    ],
)
def test_every_mutation_is_found(query: str, names: Sequence[str]) -> None:
    """Whatever hides it: an alias, a fragment, a second operation, or depth; what cannot be parsed counts as one."""
    assert mutations_of(query) == tuple(names)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'[{"query": "{ version }"}]',
        b'"x"',
        b"{}",
        b'{"query": 1}',
        b'{"query": ["{ version }"]}',
        b"\xff",
        b'{"query": "{ version }", "variables": []}',
        b'{"query": "{ version }", "variables": "1"}',
        b'{"query": "{ version }", "variables": "{"}',
    ],
)
def test_other_bodies_are_refused(body: bytes) -> None:
    """Dagster would respond to some of them with 500."""
    assert execute_body(body, ("admin",))[0] == 400


@pytest.mark.parametrize("query", ["{ version }", STOP])
def test_a_large_body_does_not_hold_up_others(query: str) -> None:
    """It is read in a thread of its own."""
    body = body_of(query, variables={"config": "x" * 1_000_000})
    readers: list[str] = []

    class Observed(bytes):
        """A body that records the thread that decodes it."""

        def decode(self, *arguments: Any, **options: Any) -> str:  # noqa: ANN401 -- as declared by bytes
            readers.append(threading.current_thread().name)
            return super().decode(*arguments, **options)

    assert execute_body(Observed(body), ("admin",))[0] == 200
    assert readers
    assert "MainThread" not in readers


def test_the_last_of_two_queries_counts() -> None:
    """As for Dagster, which reads the body with the same parser."""
    both = f'{{"query": "{{ version }}", "query": {json.dumps(STOP)}}}'
    assert read_request(both.encode()).mutations == ("terminateRun",)


def test_the_table_names_mutations_of_dagster() -> None:
    """A mutation that a release renames would silently require admin."""
    mutations = create_schema().graphql_schema.mutation_type
    assert mutations
    assert set(MUTATIONS) <= set(mutations.fields)


def test_a_subscription_cannot_contain_a_mutation() -> None:
    """WebSockets pass with the scope read: Dagster rejects other operations on them."""

    async def subscribe() -> object:
        return await create_schema().subscribe(STOP)

    result = asyncio.run(subscribe())
    assert isinstance(result, ExecutionResult)
    assert result.errors


def execute(query: str, scopes: tuple[TokenScope, ...] | None, **more: object) -> tuple[int, Scope]:
    """Send a query with a token of these scopes, or without one; return the status and the scope of the request."""
    return execute_body(body_of(query, **more), scopes)


def execute_body(body: bytes, scopes: tuple[TokenScope, ...] | None) -> tuple[int, Scope]:
    """Send a body likewise."""
    identity = Identity(1, "ci", scopes) if scopes else None
    scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": [], "state": {"identity": identity}}
    sent: list[Message] = []

    async def answer(_scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["body"] == body
        await send({"type": "http.response.start", "status": 200})

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(MutationScopes(answer)(scope, receive, send))
    return sent[0]["status"], scope


@pytest.mark.parametrize(
    ("query", "scopes", "status"),
    [
        ("{ version }", ("read",), 200),
        ("mutation { logTelemetry { __typename } }", ("read",), 200),
        (STOP, ("read",), 403),
        (STOP, ("trade",), 403),
        (STOP, ("run",), 200),
        ("mutation { deleteRun(runId: 1) { __typename } }", ("run",), 403),
        ("mutation { somethingNew }", ("run",), 403),
        ("mutation { deleteRun(runId: 1) { __typename } }", ("admin",), 200),
        ("mutation { deleteRun(runId: 1) { __typename } }", None, 200),
    ],
)
def test_mutation_requires_its_scope(query: str, scopes: tuple[TokenScope, ...] | None, status: int) -> None:
    """Destructive and unknown ones require admin; without required tokens everything is allowed."""
    assert execute(query, scopes)[0] == status


@pytest.mark.parametrize("query", [STOP, "{ version }"])
def test_json_that_is_too_deep_to_read_is_refused(query: str) -> None:
    """Its mutations are unknown, so Dagster does not see it, and the response states the reason."""
    body = f'{{"query": {json.dumps(query)}, "variables": {"[" * 100_000}'
    assert execute_body(body.encode(), ("admin",))[0] == 400


def test_mutations_are_described_for_the_audit_log() -> None:
    """Queries and the page's own mutations are not recorded."""
    action = describe_request(execute(STOP, ("run",))[1])
    assert action
    assert action.route == "/graphql terminateRun"
    assert describe_request(execute("mutation { logTelemetry { __typename } }", ("run",))[1]) is None
    assert describe_request(execute("{ version }", ("run",))[1]) is None


@pytest.mark.parametrize(
    ("variables", "target"),
    [
        ({"runId": "4f1d"}, "4f1d"),
        ({"runIds": ["4f1d", "9c"]}, "4f1d 9c"),
        ({"runId": {}}, None),
        ('{"runId": "4f1d"}', "4f1d"),
        (None, None),
    ],
)
def test_runs_are_targets_in_the_audit_log(variables: object, target: str | None) -> None:
    """The pages of the UI send the ids as variables."""
    action = describe_request(execute(STOP, ("run",), variables=variables)[1])
    assert action
    assert action.target == target


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/server_info", None),
        ("GET", "/runs", "read"),
        ("GET", "/download_debug/4f1d", "read"),
        ("POST", "/graphql", "read"),
        ("POST", "/report_asset_materialization/a/b", "run"),
        ("POST", "/unknown", "admin"),
    ],
)
def test_paths_of_the_ui(method: str, path: str, scope: str | None) -> None:
    """What is not in the table requires admin."""
    assert UI.required(method, path) == scope
