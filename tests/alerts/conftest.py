"""A database with the tables of alerts, on the session's embedded server."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.settings import load_settings
from tests.schemas import create_schema


@pytest.fixture(scope="session")
def alerts_database(data_root: Path) -> str:
    """URL of a database that only the tests of alerts use."""
    assert data_root.is_dir()
    url = database_url(load_settings())
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("create database alerts")
    own = urlsplit(url)._replace(path="/alerts").geturl()
    create_schema(own)
    return own


@pytest.fixture
def alerts_url(alerts_database: str) -> str:
    """URL of a database without alerts."""
    with closing(connect(alerts_database)) as connection, connection.cursor() as cursor:
        cursor.execute("truncate coin.alert_incident, coin.alert, coin.alert_delivery, coin.switch")
    return alerts_database


@pytest.fixture
def session(alerts_url: str) -> Iterator[Session]:
    """A session on a database without alerts."""
    with closing(Session(alerts_url)) as session:
        yield session
