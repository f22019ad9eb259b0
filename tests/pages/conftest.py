"""The app with a fake orchestrator."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from fastapi.testclient import TestClient

from coin_api.app import create_app
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.database.session import Session
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import load_settings
from tests.api.conftest import client, client_of, orchestrator
from tests.fakes import FakeOrchestrator
from tests.pages.served import served

__all__ = ["client", "orchestrator"]


@pytest.fixture
def database(index: ResultIndex, index_url: str, candles: CandleCatalog) -> str:
    """URL of a database with the built-in presets only."""
    assert index
    assert candles
    with closing(Session(index_url)) as session:
        session.run(lambda cursor: cursor.execute("truncate coin.preset"))
    return index_url


@pytest.fixture
def app(database: str, orchestrator: FakeOrchestrator) -> Iterator[TestClient]:
    """A client of the application."""
    with client_of(orchestrator, database=database) as client:
        yield client


@pytest.fixture
def url(database: str, orchestrator: FakeOrchestrator) -> Iterator[str]:
    """URL of the application."""
    app = create_app(load_settings(), lambda _: orchestrator, find_database=lambda _: database)
    with served(app) as url:
        yield url
