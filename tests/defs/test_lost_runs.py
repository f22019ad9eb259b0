"""Runs whose process is gone."""

import json
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
from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.maintenance.sensors import SILENCE_S, lost_runs
from coin_pipeline.errors import StorageUnavailable
from coin_pipeline.orchestration.retries import default_max_retries, finalize_orphan, will_retry
from coin_pipeline.orchestration.run_tags import LOCAL_TAG, WILL_RETRY_TAG
from coin_pipeline.orchestration.worker_pool.__main__ import finalize_orphans
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.publish import publish_document
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from tests.builders import SLOW_STRATEGY

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


class Away(LocalStore):
    """A store that cannot be reached."""

    def get(self, key: str) -> bytes:
        """Time out."""
        raise StorageUnavailable(self.uri(key), "timed out")


def look(instance: dg.DagsterInstance, cursor: str | None = None, store: LocalStore | None = None) -> str | None:
    """Let the sensor look once; return its cursor."""
    resources = {"store": store or LocalStore(load_settings().data_root)}
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
        lost_runs(context)
        return context.cursor


def under_way(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the runs that are recorded as under way."""
    return list(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))


def run_in(instance: dg.DagsterInstance, status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED) -> dg.DagsterRun:
    """Return a new run that is recorded in this status."""
    return instance.create_run_for_job(build_defs().resolve_job_def("backtest"), status=status)


def expire(run: dg.DagsterRun) -> None:
    """Let the lease of a run be over, and held by a process that has ended."""
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        cursor.execute(
            "update coin.lease set until = clock_timestamp() - interval '1 s', started = 0 where run_id = %s",
            (run.run_id,),
        )


@contextmanager
def held_by_another(leases: Leases, run: dg.DagsterRun) -> Iterator[subprocess.Popen[bytes]]:
    """Let another process hold the lease of a run."""
    leases.renew(run.run_id)
    with subprocess.Popen(["sleep", "60"]) as process:  # noqa: S607 -- found on any PATH
        with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
            held = (process.pid, start_ticks(process.pid), run.run_id)
            cursor.execute("update coin.lease set pid = %s, started = %s where run_id = %s", held)
        yield process
        process.kill()


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    """Return what is recorded now."""
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status


def test_a_killed_run_ends_and_a_living_one_is_left_alone(
    instance: dg.DagsterInstance, candles: CandleCatalog, tmp_path: Path
) -> None:
    """While its process lives a run goes on, however long; once that is killed, it ends when its lease does."""
    assert candles
    strategy = tmp_path / "slow.py"
    strategy.write_text(SLOW_STRATEGY)
    days = ("--start", "2024-01-01", "--end", "2024-12-31")
    process = subprocess.Popen([COIN, "backtest", "slow", "AAA_KRW", *days, "--strategy-file", str(strategy)])
    try:
        deadline = time.monotonic() + 30
        while not under_way(instance):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (run,) = under_way(instance)
        look(instance)
        assert [r.run_id for r in under_way(instance)] == [run.run_id]
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 40
    while status_of(instance, run) != dg.DagsterRunStatus.FAILURE:
        assert time.monotonic() < deadline
        time.sleep(1)
        look(instance)


def test_a_lease_that_is_renewed_in_time_is_left_alone(instance: dg.DagsterInstance, leases: Leases) -> None:
    """After an outage of the database all leases are over; who lives renews, and is given the time to."""
    dead, living = run_in(instance), run_in(instance)
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
    look(instance)
    assert renewing.wait() == 0
    assert status_of(instance, dead) == dg.DagsterRunStatus.FAILURE
    assert status_of(instance, living) == dg.DagsterRunStatus.STARTED
    instance.report_run_failed(living)


def test_a_run_without_a_lease_is_given_a_while(instance: dg.DagsterInstance) -> None:
    """Killed before its first op, it is ended once it has been silent for long enough, not before."""
    run = run_in(instance)
    cursor = look(instance)
    assert run.run_id in json.loads(cursor or "")
    assert [r.run_id for r in under_way(instance)] == [run.run_id]
    look(instance, json.dumps({run.run_id: time.monotonic() - SILENCE_S - 1}))
    assert under_way(instance) == []


def test_a_run_that_takes_too_long_is_ended_with_a_sentence(
    instance: dg.DagsterInstance, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit and the setting are named, its process is killed, and nothing is attempted again."""
    run = run_in(instance)
    with held_by_another(leases, run) as process:
        time.sleep(1.1)
        monkeypatch.setenv("COIN_MAX_RUN_SECONDS", "1")
        look(instance)
        assert process.wait(10) == -signal.SIGKILL
    assert status_of(instance, run) == dg.DagsterRunStatus.FAILURE
    told = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    assert "COIN_MAX_RUN_SECONDS=1" in told[0].event_log_entry.message
    found = instance.get_run_by_id(run.run_id)
    assert found
    assert not will_retry(found.tags, default_max_retries(instance))  # another attempt would take as long
    assert found.tags[WILL_RETRY_TAG] == "false"


@pytest.mark.parametrize("stored", [True, False])
def test_a_run_that_died_behind_the_gate_is_what_its_result_says(
    instance: dg.DagsterInstance,
    leases: Leases,
    own_index: ResultIndex,
    stored: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    """With its result complete, which then is in the index as well, it has succeeded; without, it has failed."""
    store, run = LocalStore(load_settings().data_root), run_in(instance)
    leases.renew(run.run_id)
    leases.begin_publishing(run.run_id)
    if stored:
        publish_document(store, {"run_id": run.run_id}, b"page")
    finalize_orphan(instance, store, own_index, run.run_id, leases.fetch([run.run_id])[run.run_id])
    assert status_of(instance, run).value == ("SUCCESS" if stored else "FAILURE")
    assert (run.run_id in own_index.versions()) == stored


def test_a_store_that_is_away_holds_up_only_who_needs_it(
    instance: dg.DagsterInstance, leases: Leases, own_index: ResultIndex
) -> None:
    """Whether a run that died behind the gate has a result nobody can say; all others are settled, and it is later."""
    store = LocalStore(load_settings().data_root)
    behind, other, told = run_in(instance), run_in(instance), run_in(instance)
    for run in (behind, other):
        leases.renew(run.run_id)
    leases.begin_publishing(behind.run_id)
    publish_document(store, {"run_id": behind.run_id}, b"page")
    instance.report_run_canceling(told)
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        over = "update coin.lease set until = until - interval '1 minute', started = 0 where run_id = any(%s)"
        cursor.execute(over, ([behind.run_id, other.run_id],))
    look(instance, json.dumps({told.run_id: time.monotonic() - SILENCE_S - 1}), Away(store.root))
    assert [status_of(instance, run).value for run in (behind, other, told)] == ["STARTED", "FAILURE", "CANCELED"]
    look(instance)
    assert status_of(instance, behind) == dg.DagsterRunStatus.SUCCESS
    assert behind.run_id in own_index.versions()


def test_a_run_that_was_told_to_end_is_cancelled(instance: dg.DagsterInstance, own_index: ResultIndex) -> None:
    """Killed because it did not end by itself."""
    store, run = LocalStore(load_settings().data_root), run_in(instance)
    instance.report_run_canceling(run)
    finalize_orphan(instance, store, own_index, run.run_id, None)
    assert status_of(instance, run) == dg.DagsterRunStatus.CANCELED


def test_a_run_that_hears_no_interrupt_is_killed(instance: dg.DagsterInstance, leases: Leases) -> None:
    """After a while, if who told it to end could not do so."""
    run = run_in(instance)
    with held_by_another(leases, run) as process:
        instance.report_run_canceling(run)
        assert run.run_id in str(look(instance))
        assert process.poll() is None
        look(instance, json.dumps({run.run_id: time.monotonic() - SILENCE_S - 1}))
        assert process.wait(10) == -signal.SIGKILL
    assert status_of(instance, run) == dg.DagsterRunStatus.CANCELED


def test_a_new_pool_tells_how_the_runs_of_the_one_before_ended(instance: dg.DagsterInstance, leases: Leases) -> None:
    """Those whose process is gone at once, while their leases still hold; those of commands are none of its runs."""
    dead, alive, elsewhere, local = (run_in(instance) for _ in range(4))
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
