"""The API with an orchestrator of the tests' own: the edge at which a fake stands."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from coin_api.app import create_app
from coin_api.deps import Timeouts
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.database.session import Session
from coin_pipeline.settings import load_settings
from tests.fakes import FakeOrchestrator

NO_DATABASE = "postgresql://127.0.0.1:1/none"
"""For who asks for no lists: nobody listens there."""


@pytest.fixture
def runs() -> FakeOrchestrator:
    """An orchestrator without runs."""
    return FakeOrchestrator()


@pytest.fixture
def client(runs: FakeOrchestrator, candles: CandleCatalog, data_root: Path) -> Iterator[TestClient]:
    """A client of the application over the session's candles, with nothing to be reused from other tests."""
    assert candles
    shutil.rmtree(data_root / "fingerprints", ignore_errors=True)
    with client_of(runs) as client:
        yield client


def client_of(runs: FakeOrchestrator, patience: Timeouts | None = None, database: str = NO_DATABASE) -> TestClient:
    """Return a client of the application, which starts and stops with the client's `with`."""
    app = create_app(load_settings(), lambda _: runs, patience, lambda _: Session(database))
    return TestClient(app, raise_server_exceptions=False)
