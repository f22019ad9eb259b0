"""ASGI middleware that checks the mutations of a GraphQL request: they all arrive at one path."""

import json
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus

from graphql import (
    FieldNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    parse,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coin_pipeline.auth.audit import Action
from coin_pipeline.auth.guard import describe_route, forbidden, identity_of
from coin_pipeline.auth.scopes import MUTATIONS, SCOPES
from coin_pipeline.auth.scopes import Scope as TokenScope
from coin_pipeline.web.graphql import PATH
from coin_pipeline.web.problems import problem_response

_CACHED_CHARS = 20_000
"""Longest query whose mutations are remembered: those of the UI's own pages."""
_UNREADABLE = "?"
"""Stands for mutations that could not be determined."""


class MutationScopes:
    """ASGI middleware that responds with 403 to a mutation that the token does not permit.

    It expects the body in one message, as `BodyLimit` passes it on, and reads it as Dagster does.
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
            names = mutations_of(body)
            target = _runs_of(body) if names else None
        except RecursionError:
            response = problem_response(HTTPStatus.BAD_REQUEST, "the JSON of the request is nested too deeply")
            await response(scope, receive, send)
            return
        scope["state"] |= {"mutations": names, "target": target}
        identity, required = identity_of(scope), required_scope(names)
        if identity is not None and not identity.may(required):
            await forbidden(identity, required)(scope, receive, send)
            return

        async def replay() -> Message:
            nonlocal first
            message, first = first, None
            return message or await receive()

        await self._app(scope, replay, send)


def mutations_of(body: bytes) -> tuple[str, ...]:
    """Return the mutations in the body of a GraphQL request, of all its operations.

    Raises:
        RecursionError: The JSON is nested too deeply to be read.

    >>> mutations_of(b'{"query": "mutation Stop { terminateRun(runId: 1) { __typename } }"}')
    ('terminateRun',)
    >>> mutations_of(b'{"query": "{ version }"}')
    ()
    """
    try:
        query = json.loads(body)["query"]
    except (ValueError, KeyError, TypeError):
        return ()  # Dagster rejects it
    if not isinstance(query, str) or "mutation" not in query:  # the keyword has no other spelling
        return ()
    return _mutations(query) if len(query) <= _CACHED_CHARS else _mutations.__wrapped__(query)


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


def _runs_of(body: bytes) -> str | None:
    """Return the runs that the variables of a request name, as the pages of the UI send them."""
    variables = json.loads(body).get("variables")
    if not isinstance(variables, dict):
        return None
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
