"""Fixtures for tests on a real Dagster instance, and the monitor's checks on it."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.build import build_defs
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.monitoring.loop import write_manifest
from coin_pipeline.orchestration.monitoring.lost_runs import LostRunsCheck
from coin_pipeline.orchestration.monitoring.unanswered_tasks import UnansweredTasksCheck
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore


@cache
def job_definition(name: str) -> dg.JobDefinition:
    """Return a job of the platform, resolved once: Dagster derives all jobs and assets each time."""
    return build_defs().resolve_job_def(name)


@pytest.fixture(scope="session")
def instance(data_root: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of the session's DATA_ROOT, on the embedded server."""
    assert data_root.is_dir()
    with open_instance(load_settings()) as instance:
        yield instance


@pytest.fixture
def own_index(instance: dg.DagsterInstance) -> Iterator[ResultIndex]:
    """The index of results in the instance's database."""
    assert instance
    with closing(Session(database_url(load_settings()))) as session:
        yield ResultIndex(session)


def answer(
    instance: dg.DagsterInstance, waiting_since: Mapping[str, float] | None = None, store: LocalStore | None = None
) -> dict[str, float]:
    """Check unanswered tasks once; return since when retries are awaited."""
    store = store or LocalStore(load_settings().data_root)
    check = UnansweredTasksCheck(instance, store, write_manifest, waiting_since)
    check.run()
    return check.waiting_since


def end_lost_runs(
    instance: dg.DagsterInstance, silent_since: Mapping[str, float] | None = None, store: LocalStore | None = None
) -> dict[str, float]:
    """Check lost runs once; return since when runs have been silent."""
    check = LostRunsCheck(instance, store or LocalStore(load_settings().data_root), silent_since)
    check.run()
    return check.silent_since
