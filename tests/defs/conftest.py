"""A real Dagster instance on a real PostgreSQL, for the session."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.maintenance.sensors import unanswered_tasks
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore


@pytest.fixture(scope="session")
def instance(data_root: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of the session's DATA_ROOT, on the embedded server."""
    assert data_root.is_dir()
    with open_instance(load_settings()) as instance:
        yield instance


@pytest.fixture
def own_index(instance: dg.DagsterInstance) -> Iterator[ResultIndex]:
    """The index of results beside the instance's tables."""
    assert instance
    with closing(Session(database_url(load_settings()))) as session:
        yield ResultIndex(session)


def answer(instance: dg.DagsterInstance, cursor: str | None = None) -> str | None:
    """Let the sensor that answers for ended tasks look once; return its cursor."""
    resources = {"store": LocalStore(load_settings().data_root)}
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
        unanswered_tasks(context)
        return context.cursor
