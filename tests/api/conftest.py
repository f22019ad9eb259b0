"""The API with a fake orchestrator."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from coin_api.app import create_app
from coin_api.deps import Timeouts
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.settings import load_settings
from tests.dagster_instance import instance
from tests.fakes import FakeOrchestrator

__all__ = ["instance"]

NO_DATABASE = "postgresql://127.0.0.1:1/none"
"""A URL without a server, for tests that need no lists of results."""


@pytest.fixture
def orchestrator() -> FakeOrchestrator:
    """An orchestrator without runs."""
    return FakeOrchestrator()


@pytest.fixture
def client(orchestrator: FakeOrchestrator, candles: CandleCatalog, data_root: Path) -> Iterator[TestClient]:
    """A client of the application over the session's candles, without results of other tests to reuse."""
    assert candles
    shutil.rmtree(data_root / "fingerprints", ignore_errors=True)
    with client_of(orchestrator) as client:
        yield client


def client_of(
    orchestrator: FakeOrchestrator, timeouts: Timeouts | None = None, database: str = NO_DATABASE
) -> TestClient:
    """Return a client of the application, which starts and stops with the client's `with`."""
    app = create_app(load_settings(), lambda _: orchestrator, timeouts, lambda _: database)
    return TestClient(app, raise_server_exceptions=False)
