"""ASGI middleware that checks the mutations of a GraphQL request: they all arrive at one path."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    parse,
)
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coin_pipeline.auth.audit import Action
from coin_pipeline.auth.guard import describe_route, forbidden, identity_of
from coin_pipeline.auth.scopes import MUTATIONS, SCOPES
from coin_pipeline.auth.scopes import Scope as TokenScope
from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.web.graphql import PATH
from coin_pipeline.web.problems import problem_response

_CACHED_CHARS = 20_000
"""Longest query whose mutations are remembered: those of the UI's own pages."""
_THREAD_BYTES = 20_000
"""Body from which reading it takes milliseconds, up to seconds for a long query: other requests must not wait."""
_UNREADABLE = "?"
"""Stands for mutations that could not be determined."""


class GraphQLRequest(NamedTuple):
    """What a request changes.

    Attributes:
        mutations: Names of the mutations of all operations.
        target: The runs that the variables of a request with mutations name, separated by spaces.
    """

    mutations: tuple[str, ...]
    target: str | None


class MutationScopes:
    """ASGI middleware that responds with 403 to a mutation that the token does not permit.

    It expects the body in one message, as `BodyLimit` passes it on, and reads it as Dagster does. It responds with 400
    to a body that is not a GraphQL request, to some of which Dagster would respond with 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed; the names of the mutations are left in `scope["state"]["mutations"]`."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        first: Message | None = await receive()
        body = first.get("body", b"") if first else b""
        try:
            request = read_request(body) if len(body) < _THREAD_BYTES else await run_in_threadpool(read_request, body)
        except InvalidInput as error:
            await problem_response(HTTPStatus.BAD_REQUEST, str(error), error.problems)(scope, receive, send)
            return
        scope["state"] |= request._asdict()
        identity, required = identity_of(scope), required_scope(request.mutations)
        if identity is not None and not identity.may(required):
            await forbidden(identity, required)(scope, receive, send)
            return

        async def replay() -> Message:
            nonlocal first
            message, first = first, None
            return message or await receive()

        await self._app(scope, replay, send)


def read_request(body: bytes) -> GraphQLRequest:
    """Return what the body of a GraphQL request changes.

    Raises:
        InvalidInput: The body is not a GraphQL request.

    >>> read_request(b'{"query": "mutation { terminateRun(runId: $id) }", "variables": {"runId": "4f1d"}}')
    GraphQLRequest(mutations=('terminateRun',), target='4f1d')
    >>> read_request(b'{"query": "{ version }"}')
    GraphQLRequest(mutations=(), target=None)
    """
    document = _object("body", body)
    query, variables = document.get("query"), document.get("variables")
    if not isinstance(query, str):
        raise InvalidInput([Problem("query", "is not a string; send the text of a GraphQL document")])
    if variables is not None:  # clients may send them as a text of their own
        variables = _object("variables", variables)
    names = mutations_of(query)
    return GraphQLRequest(names, _runs_of(variables) if names and variables else None)


def mutations_of(query: str) -> tuple[str, ...]:
    """Return the mutations of all operations of a GraphQL document.

    >>> mutations_of("mutation Stop { terminateRun(runId: 1) { __typename } }"), mutations_of("{ version }")
    (('terminateRun',), ())
    """
    if "mutation" not in query:  # the keyword has no other spelling
        return ()
    return _mutations(query) if len(query) <= _CACHED_CHARS else _mutations.__wrapped__(query)


def _object(field: str, value: object) -> Mapping[str, Any]:
    """Return a JSON object, which may be given as JSON text; raises InvalidInput for anything else."""
    try:
        document = json.loads(value) if isinstance(value, str | bytes) else value
    except ValueError:
        raise InvalidInput([Problem(field, "is not JSON")]) from None
    except RecursionError:
        raise InvalidInput([Problem(field, "is JSON that is nested too deeply")]) from None
    if not isinstance(document, dict):
        raise InvalidInput([Problem(field, "is not a JSON object")])
    return document


def required_scope(names: tuple[str, ...]) -> TokenScope:
    """Return the scope that mutations require together: that of the one that requires most.

    >>> required_scope(()), required_scope(("terminateRun",)), required_scope(("terminateRun", "deleteRun"))
    ('read', 'run', 'admin')
    """
    return max((MUTATIONS.get(name, "admin") for name in names), key=SCOPES.index, default="read")


def describe_request(scope: Scope) -> Action | None:
    """Describe a request to the Dagster UI by its mutations; None if it has none but those of the page itself."""
    if scope["path"] != PATH:
        return describe_route(scope)
    names = [name for name in scope["state"].get("mutations", ()) if MUTATIONS.get(name) != "read"]
    return Action(f"{PATH} {' '.join(names)}", scope["state"].get("target")) if names else None


@lru_cache(64)
def _mutations(query: str) -> tuple[str, ...]:
    try:
        document = parse(query)
    except (GraphQLError, RecursionError):  # how deep is too deep depends on the stack, and Dagster has another
        return (_UNREADABLE,)
    operations = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    changing = [node for node in operations if node.operation is OperationType.MUTATION]
    return tuple(dict.fromkeys(name for node in changing for name in _fields(node.selection_set)))


def _runs_of(variables: Mapping[str, Any]) -> str | None:
    """Return the runs that the variables of a request name, as the pages of the UI send them."""
    ids = variables.get("runId") or variables.get("runIds")
    return " ".join(map(str, ids)) if isinstance(ids, list) else ids if isinstance(ids, str) else None


def _fields(selections: SelectionSetNode) -> Iterator[str]:
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield node.name.value
        elif isinstance(node, InlineFragmentNode):
            yield from _fields(node.selection_set)
        else:  # no client of Dagster spreads a fragment there
            yield _UNREADABLE
