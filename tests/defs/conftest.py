"""A real Dagster instance on a real PostgreSQL, for the session."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.defs.instance import open_instance
from coin_pipeline.settings import load_settings


@pytest.fixture(scope="session")
def instance(data_root: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of the session's DATA_ROOT, on the embedded server."""
    assert data_root.is_dir()
    with open_instance(load_settings()) as instance:
        yield instance
