"""Every route of the API with every scope, as the OpenAPI document lists them, so that none can be forgotten."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from coin_api.app import create_app
from coin_pipeline.auth.scopes import API, API_FREE, API_SCOPES, SCOPES, permits
from coin_pipeline.auth.tokens import create_token, read_usable
from coin_pipeline.database.session import Session
from coin_pipeline.settings import Settings, load_settings
from tests.fakes import FakeOrchestrator


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return create_app(Settings(_env_file=None)).openapi()


OPERATIONS = [(method.upper(), path) for path, methods in document()["paths"].items() for method in methods]
REFUSED = {401, 403}


@pytest.fixture(scope="module")
def client(database: str, data_root: Path) -> Iterator[TestClient]:
    """A client of the application, which requires tokens."""
    assert data_root.is_dir()
    settings = load_settings().model_copy(update={"coin_auth": "on", "coin_rate_limit": 0})
    app = create_app(settings, lambda _: FakeOrchestrator(), find_database=lambda _: database)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def tokens(database: str) -> Iterator[dict[str, str]]:
    """A token of each scope."""
    session = Session(database)
    yield {scope: create_token(session, scope, [scope]) for scope in SCOPES}
    assert len(read_usable(session)) == len(SCOPES)
    session.close()


def status_of(client: TestClient, method: str, path: str, token: str | None) -> int:
    """Send a request that is invalid beyond its token, and changes nothing."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with client.stream(method, path.format_map(Ids()), headers=headers) as response:
        return response.status_code


class Ids(dict[str, str]):
    """A value for every path parameter."""

    def __missing__(self, _name: str) -> str:
        return "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_route_requires_its_scope(client: TestClient, tokens: dict[str, str], method: str, path: str) -> None:
    """Without a token it responds with 401, with a token of another scope with 403, else as the application does."""
    required = API.required(method, path)
    assert (status_of(client, method, path, None) == 401) is (required is not None)
    for scope in SCOPES:
        allowed = required is None or permits([scope], required)
        assert (status_of(client, method, path, tokens[scope]) not in REFUSED) is allowed, scope


def test_every_change_has_a_scope_of_its_own() -> None:
    """One that is missing in the table requires admin, which is safe, but hardly what was meant."""
    assert set(API_SCOPES) == {(method, path) for method, path in OPERATIONS if method != "GET"}


def test_paths_without_token_are_probes() -> None:
    """They exist, and reveal nothing."""
    assert {path for _, path in OPERATIONS if path.startswith("/health/")} <= API_FREE


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/", "/unknown", "/api/positions/enter/"])
def test_what_is_not_documented_requires_a_token(client: TestClient, path: str) -> None:
    """Swagger UI asks for it in a browser."""
    assert [status_of(client, method, path, None) for method in ("GET", "POST")] == [401, 401]


def test_scopes_include_each_other() -> None:
    """Read is part of each, and admin includes all; run and trade are independent."""
    granted = {scope: {required for required in SCOPES if permits([scope], required)} for scope in SCOPES}
    assert granted == {
        "read": {"read"},
        "run": {"read", "run"},
        "trade": {"read", "trade"},
        "admin": {"read", "run", "trade", "admin"},
    }


def test_document_states_the_scope_of_each_operation() -> None:
    """Generated clients send the token as the document states; probes need none."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            required = API.required(method.upper(), path)
            expected = [{}, {"token": [required]}, {"password": [required]}] if required else []
            assert operation["security"] == expected
            assert {"401", "403", "429"} <= set(operation["responses"])
