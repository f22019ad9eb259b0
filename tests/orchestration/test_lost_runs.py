"""The monitor's check for lost runs."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.database.runs.leases import Leases
from coin_pipeline.database.runs.processes import start_ticks
from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import StorageUnavailable
from coin_pipeline.orchestration.failures import read_failure
from coin_pipeline.orchestration.monitoring.lost_runs import SILENCE_S
from coin_pipeline.orchestration.retries import default_max_retries, finalize_orphan, will_retry
from coin_pipeline.orchestration.run_tags import LOCAL_TAG, WILL_RETRY_TAG
from coin_pipeline.orchestration.worker_pool.__main__ import finalize_orphans
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.publish import publish_document
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from tests.builders import ENDLESS_STRATEGIES, SLOW_STRATEGY
from tests.dagster_instance import end_lost_runs, job_definition

RENEW = """
import sys, time
from coin_pipeline.database.runs.leases import Leases
from coin_pipeline.database.session import Session
time.sleep(0.5)
Leases(Session(sys.argv[1])).renew(sys.argv[2])
"""
COIN = Path(sys.executable).with_name("coin")


@pytest.fixture
def leases(instance: dg.DagsterInstance) -> Leases:
    """The table of leases."""
    assert instance
    return Leases(Session(database_url(load_settings())))


class UnavailableStore(LocalStore):
    """An object store that times out."""

    def get(self, key: str) -> bytes:
        """Time out."""
        raise StorageUnavailable(self.uri(key), "timed out")


def started_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the runs that are recorded as started."""
    return list(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))


def create_run(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED
) -> dg.DagsterRun:
    """Create a run with the given status."""
    return instance.create_run_for_job(job_definition("backtest"), status=status)


def expire(run: dg.DagsterRun) -> None:
    """Expire the lease of a run and attribute it to a process that has ended."""
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        cursor.execute(
            "update coin.lease set until = clock_timestamp() - interval '1 s', started = 0 where run_id = %s",
            (run.run_id,),
        )


def is_leased(run: dg.DagsterRun) -> bool:
    """Return whether a run has a lease, which it takes after it is recorded as started."""
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        cursor.execute("select from coin.lease where run_id = %s", (run.run_id,))
        return cursor.rowcount == 1


@contextmanager
def leased_to_subprocess(leases: Leases, run: dg.DagsterRun) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a subprocess that holds the lease of a run."""
    leases.renew(run.run_id)
    with subprocess.Popen(["sleep", "60"]) as process:  # noqa: S607 -- found on any PATH
        with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
            held = (process.pid, start_ticks(process.pid), run.run_id)
            cursor.execute("update coin.lease set pid = %s, started = %s where run_id = %s", held)
        yield process
        process.kill()


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    """Return the recorded status."""
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status


def test_only_runs_without_a_process_are_ended(
    instance: dg.DagsterInstance, candles: CandleCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live run keeps running; once its process is killed, it ends when its lease expires."""
    assert candles
    monkeypatch.setenv("COIN_LEASE_SECONDS", "1")
    strategy = tmp_path / "slow.py"
    strategy.write_text(SLOW_STRATEGY)
    days = ("--start", "2024-01-01", "--end", "2024-12-31")
    process = subprocess.Popen([COIN, "backtest", "slow", "AAA_KRW", *days, "--strategy-file", str(strategy)])
    try:
        deadline = time.monotonic() + 60
        while not [run for run in started_runs(instance) if is_leased(run)]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (run,) = started_runs(instance)
        end_lost_runs(instance)
        assert [r.run_id for r in started_runs(instance)] == [run.run_id]
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 40
    while status_of(instance, run) != dg.DagsterRunStatus.FAILURE:
        assert time.monotonic() < deadline
        time.sleep(0.2)
        end_lost_runs(instance)


def test_a_lease_renewed_in_time_keeps_its_run(instance: dg.DagsterInstance, leases: Leases) -> None:
    """All leases have expired after a database outage; live processes get time to renew theirs."""
    dead, living = create_run(instance), create_run(instance)
    for run in (dead, living):
        leases.renew(run.run_id)
        expire(run)
    renewing = subprocess.Popen(  # in half a second, from a process of its own
        [
            sys.executable,
            "-c",
            RENEW,
            database_url(load_settings()),
            living.run_id,
        ]
    )
    end_lost_runs(instance)
    assert renewing.wait() == 0
    assert status_of(instance, dead) == dg.DagsterRunStatus.FAILURE
    assert status_of(instance, living) == dg.DagsterRunStatus.STARTED
    instance.report_run_failed(living)


def test_a_run_without_a_lease_ends_after_a_grace_period(instance: dg.DagsterInstance) -> None:
    """A run killed before its first op ends after SILENCE_S, not before."""
    run = create_run(instance)
    assert run.run_id in end_lost_runs(instance)
    assert [r.run_id for r in started_runs(instance)] == [run.run_id]
    end_lost_runs(instance, {run.run_id: time.monotonic() - SILENCE_S - 1})
    assert started_runs(instance) == []


def test_an_overdue_run_fails_and_names_the_setting(
    instance: dg.DagsterInstance, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message contains limit and setting, the process is killed, and the run is not retried."""
    run = create_run(instance)
    with leased_to_subprocess(leases, run) as process:
        time.sleep(1.1)
        monkeypatch.setenv("COIN_MAX_RUN_SECONDS", "1")
        end_lost_runs(instance)
        assert process.wait(10) == -signal.SIGKILL
    assert status_of(instance, run) == dg.DagsterRunStatus.FAILURE
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    assert "COIN_MAX_RUN_SECONDS=1" in records[0].event_log_entry.message
    found = instance.get_run_by_id(run.run_id)
    assert found
    assert not will_retry(found.tags, default_max_retries(instance))  # a retry would take as long
    assert found.tags[WILL_RETRY_TAG] == "false"


@pytest.mark.long
def test_a_run_without_progress_fails_and_names_the_setting(
    instance: dg.DagsterInstance, candles: CandleCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the strategy hangs, its process is killed, and the run is not retried."""
    assert candles
    monkeypatch.setenv("COIN_STALL_SECONDS", "3")
    monkeypatch.setenv("COIN_LEASE_SECONDS", "1")
    path = tmp_path / "endless.py"
    path.write_text(ENDLESS_STRATEGIES)
    days = ("--start", "2024-01-01", "--end", "2024-12-31", "--strategy-file", str(path))
    started_before = {run.run_id for run in instance.get_runs()}
    processes = [
        subprocess.Popen([COIN, "backtest", name, "AAA_KRW", *days]) for name in ("sleeps", "loops", "compiled")
    ]
    try:
        deadline = time.monotonic() + 90
        while any(process.poll() is None for process in processes):
            assert time.monotonic() < deadline
            end_lost_runs(instance)
            time.sleep(0.2)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    runs = [run for run in instance.get_runs() if run.run_id not in started_before]
    assert len(runs) == len(processes)
    for run in runs:
        assert "no progress for COIN_STALL_SECONDS=3" in read_failure(instance, run.run_id)[0]
        assert not will_retry(run.tags, default_max_retries(instance))


def test_a_run_that_makes_progress_goes_on(
    instance: dg.DagsterInstance, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress during a database outage is recorded with the next renewal, which may be late."""
    monkeypatch.setenv("COIN_STALL_SECONDS", "60")
    run = create_run(instance)
    leases.renew(run.run_id)
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        hour_ago = "update coin.lease set idle_since = idle_since - interval '1 hour' where run_id = %s"
        cursor.execute(hour_ago, (run.run_id,))
    renewing = subprocess.Popen(  # in half a second, from a process of its own
        [sys.executable, "-c", RENEW, database_url(load_settings()), run.run_id]
    )
    end_lost_runs(instance)
    assert renewing.wait() == 0
    assert status_of(instance, run) == dg.DagsterRunStatus.STARTED
    instance.report_run_canceled(run)


@pytest.mark.parametrize("stored", [True, False])
def test_a_run_that_died_while_publishing_ends_by_its_result(
    instance: dg.DagsterInstance,
    leases: Leases,
    own_index: ResultIndex,
    stored: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    """It succeeded if its result is complete, which is then indexed; otherwise it failed."""
    store, run = LocalStore(load_settings().data_root), create_run(instance)
    leases.renew(run.run_id)
    leases.begin_publishing(run.run_id)
    if stored:
        publish_document(store, {"run_id": run.run_id}, {"report.html": b"page"})
    finalize_orphan(instance, store, own_index, run.run_id, leases.fetch([run.run_id])[run.run_id])
    assert status_of(instance, run).value == ("SUCCESS" if stored else "FAILURE")
    assert (run.run_id in own_index.versions()) == stored


def test_an_unavailable_store_delays_only_runs_that_were_publishing(
    instance: dg.DagsterInstance, leases: Leases, own_index: ResultIndex
) -> None:
    """Only the store knows whether such a run has a result; all other runs are ended at once."""
    store = LocalStore(load_settings().data_root)
    publishing, other, canceling = create_run(instance), create_run(instance), create_run(instance)
    for run in (publishing, other):
        leases.renew(run.run_id)
    leases.begin_publishing(publishing.run_id)
    publish_document(store, {"run_id": publishing.run_id}, {"report.html": b"page"})
    instance.report_run_canceling(canceling)
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        expire_all = "update coin.lease set until = until - interval '1 minute', started = 0 where run_id = any(%s)"
        cursor.execute(expire_all, ([publishing.run_id, other.run_id],))
    end_lost_runs(instance, {canceling.run_id: time.monotonic() - SILENCE_S - 1}, UnavailableStore(store.root))
    assert [status_of(instance, run).value for run in (publishing, other, canceling)] == [
        "STARTED",
        "FAILURE",
        "CANCELED",
    ]
    end_lost_runs(instance)
    assert status_of(instance, publishing) == dg.DagsterRunStatus.SUCCESS
    assert publishing.run_id in own_index.versions()


def test_a_canceling_run_ends_as_canceled(instance: dg.DagsterInstance, own_index: ResultIndex) -> None:
    """It was killed because it did not end by itself."""
    store, run = LocalStore(load_settings().data_root), create_run(instance)
    instance.report_run_canceling(run)
    finalize_orphan(instance, store, own_index, run.run_id, None)
    assert status_of(instance, run) == dg.DagsterRunStatus.CANCELED


def test_a_run_that_ignores_interrupts_is_killed(instance: dg.DagsterInstance, leases: Leases) -> None:
    """The monitor kills it after SILENCE_S if the cancelling program could not."""
    run = create_run(instance)
    with leased_to_subprocess(leases, run) as process:
        instance.report_run_canceling(run)
        assert run.run_id in end_lost_runs(instance)
        assert process.poll() is None
        end_lost_runs(instance, {run.run_id: time.monotonic() - SILENCE_S - 1})
        assert process.wait(10) == -signal.SIGKILL
    assert status_of(instance, run) == dg.DagsterRunStatus.CANCELED


def test_a_new_pool_ends_the_runs_of_its_predecessor(instance: dg.DagsterInstance, leases: Leases) -> None:
    """Runs without a process end at once, even with valid leases; runs of commands are left alone."""
    dead, alive, elsewhere, local = (create_run(instance) for _ in range(4))
    for run in (dead, alive, elsewhere, local):
        leases.renew(run.run_id)
    instance.add_run_tags(local.run_id, {LOCAL_TAG: "command"})
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        cursor.execute("update coin.lease set started = 0 where run_id = any(%s)", ([dead.run_id, local.run_id],))
        cursor.execute("update coin.lease set host = 'another', started = 0 where run_id = %s", (elsewhere.run_id,))
    finalize_orphans(instance, load_settings())
    assert status_of(instance, dead) == dg.DagsterRunStatus.FAILURE
    assert {status_of(instance, run) for run in (alive, elsewhere, local)} == {dg.DagsterRunStatus.STARTED}
    for run in (alive, elsewhere, local):
        instance.report_run_canceled(run)
