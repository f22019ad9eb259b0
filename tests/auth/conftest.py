"""A database with tokens, and an application behind the guard."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.settings import load_settings
from tests.schemas import create_schema


@pytest.fixture(scope="module")
def database(data_root: Path) -> str:
    """URL of a database with the tables of the platform."""
    assert data_root.is_dir()
    url, name = database_url(load_settings()), f"test_{uuid.uuid4().hex}"
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"create database {name}")
    own = urlsplit(url)._replace(path=f"/{name}").geturl()
    create_schema(own)
    return own


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    """A session on the database, without tokens and audit entries."""
    with closing(Session(database)) as session:
        session.run(lambda cursor: cursor.execute("truncate coin.api_token, coin.audit_entry"))
        yield session
