"""Runs whose processes are on hosts that share the database, but no socket and no signal."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.database.runs.leases import Leases
from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.worker_pool.worker import execute_run
from coin_pipeline.settings import load_settings
from tests.builders import SLOW_STRATEGY
from tests.dagster_instance import job_definition
from tests.dagster_records import ReconstructableRepository
from tests.forking import forking

ANOTHER_HOST = (
    "update coin.lease set host = 'another', until = clock_timestamp() + %s * interval '1 s' where run_id = %s"
)
CONFIG = {"strategy": "slow", "symbols": ["AAA_KRW"], "start_date": "2024-01-01", "end_date": "2024-12-31"}


@pytest.fixture
def leases(instance: dg.DagsterInstance) -> Iterator[Leases]:
    """The table of leases."""
    assert instance
    with closing(Session(database_url(load_settings()))) as session:
        yield Leases(session)


@pytest.fixture
def run(instance: dg.DagsterInstance, candles: CandleCatalog) -> Iterator[dg.DagsterRun]:
    """A backtest that takes a minute, handed to a worker."""
    assert candles
    repository = ReconstructableRepository.for_module("coin_pipeline.definitions", "defs")
    run = instance.create_run_for_job(
        job_definition("backtest"),
        run_config={"ops": {"load_candles": {"config": CONFIG}}},
        status=dg.DagsterRunStatus.STARTING,
        job_code_origin=repository.get_reconstructable_job("backtest").get_python_origin(),
    )
    yield run
    instance.delete_run(run.run_id)


def execute(run_id: str, environment: Mapping[str, str]) -> None:
    """Execute a run as a worker does, and end with its exit code."""
    os.environ.update(environment)
    with open_instance(load_settings()) as instance:
        sys.exit(execute_run(instance, run_id))


@contextmanager
def worker(run: dg.DagsterRun, folder: Path) -> Iterator[ForkServerProcess]:
    """A process that executes a run."""
    strategy = folder / "slow.py"
    strategy.write_text(SLOW_STRATEGY)
    environment = {"COIN_STRATEGY_FILES": str(strategy), "COIN_LEASE_SECONDS": "1"}
    process = forking().Process(target=execute, args=(run.run_id, environment))
    process.start()
    yield process
    process.kill()
    process.join()


def hold_elsewhere(run: dg.DagsterRun, seconds: float) -> None:
    """Attribute the lease of a run to another host, where it is valid for some time."""
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        cursor.execute(ANOTHER_HOST, (seconds, run.run_id))


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return the recorded status."""
    current = instance.get_run_by_id(run.run_id)
    assert current
    return current.status.value


def wait_until(condition: Callable[[], object], timeout_s: float = 60) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("seconds", "holder"), [(60, "another"), (-1, os.uname().nodename)])
def test_a_valid_lease_is_not_taken_from_another_host(
    run: dg.DagsterRun, leases: Leases, seconds: int, holder: str
) -> None:
    """A lease that has expired is."""
    leases.renew(run.run_id)
    hold_elsewhere(run, seconds)
    assert (leases.renew(run.run_id) is None) == (holder == "another")
    assert leases.fetch([run.run_id])[run.run_id].host == holder


@pytest.mark.parametrize(("seconds", "status"), [(60, "CANCELING"), (-1, "CANCELED")])
def test_a_run_is_cancelled_by_its_own_host(
    instance: dg.DagsterInstance, run: dg.DagsterRun, leases: Leases, seconds: int, status: str
) -> None:
    """Before it has ended there it is not reported as cancelled; with an expired lease there is nothing to wait for."""
    leases.renew(run.run_id)
    hold_elsewhere(run, seconds)
    assert instance.run_launcher.terminate(run.run_id)
    assert status_of(instance, run) == status


def test_a_process_ends_with_its_run(
    instance: dg.DagsterInstance, run: dg.DagsterRun, leases: Leases, tmp_path: Path
) -> None:
    """It notices the cancellation when it renews its lease, without a signal from anyone."""
    with worker(run, tmp_path) as process:
        wait_until(lambda: run.run_id in leases.fetch([run.run_id]))
        instance.report_run_canceling(run)
        process.join(30)
        assert process.exitcode == 0
    assert status_of(instance, run) == "CANCELED"


def test_a_run_that_executes_on_another_host_is_left_alone(
    instance: dg.DagsterInstance, run: dg.DagsterRun, leases: Leases, tmp_path: Path
) -> None:
    """Two pools were handed the same run: the second process ends without reporting anything, and the run continues."""
    leases.renew(run.run_id)
    hold_elsewhere(run, 60)
    with worker(run, tmp_path) as process:
        process.join(60)
        assert process.exitcode == 0
    assert status_of(instance, run) == "STARTED"
    assert leases.fetch([run.run_id])[run.run_id].host == "another"
