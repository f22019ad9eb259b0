"""The supervisor under faults: each process killed in turn, files deleted, broken or in the way."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from coin_pipeline.database.embedded import files
from coin_pipeline.database.embedded.programs import server_programs
from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.database.embedded.supervisor import MAX_FAILURES
from coin_pipeline.database.embedded.user import cluster_account
from coin_pipeline.errors import DatabaseUnavailable
from tests.database.programs import (
    Program,
    is_alive,
    is_stopped,
    kill,
    query,
    responds,
    server_pid,
    supervisor_pid,
    wait_until,
)

Start = Callable[..., Program]


def test_killed_server_is_restarted_with_its_rows(home: Path) -> None:
    """After kill -9 of the server, a lease holder finds every committed row under the same URL."""
    with EmbeddedPostgres(home).lease() as lease:
        query(lease.url, "create table rows as select generate_series(1, 1000) as row")
        killed = server_pid(home)
        kill(killed)
        wait_until(lambda: not is_alive(killed))
        wait_until(lambda: responds(lease.url))
        assert query(lease.url, "select count(*) from rows") == [(1000,)]
        query(lease.url, "drop table rows")
        assert server_pid(home) != killed


def test_killed_supervisor_is_replaced_by_the_next_lease(home: Path) -> None:
    """The server runs on without its supervisor; the next one adopts it and finally stops it."""
    with EmbeddedPostgres(home).lease() as first:
        server, killed = server_pid(home), supervisor_pid(home)
        kill(killed)
        wait_until(lambda: not is_alive(killed))
        with EmbeddedPostgres(home).lease() as second:
            assert second.url == first.url
            assert server_pid(home) == server
            assert supervisor_pid(home) != killed
            adopter = supervisor_pid(home)
    wait_until(lambda: not is_alive(server) and not is_alive(adopter))


def test_adopted_server_is_restarted(home: Path) -> None:
    """A supervisor notices the death of a server that it did not start."""
    with EmbeddedPostgres(home).lease() as lease:
        supervisor = supervisor_pid(home)
        kill(supervisor)
        wait_until(lambda: not is_alive(supervisor))
        with EmbeddedPostgres(home).lease():
            server = server_pid(home)
            kill(server)
            wait_until(lambda: not is_alive(server))
            wait_until(lambda: responds(lease.url))


def test_server_and_supervisor_killed_together(home: Path) -> None:
    """The next lease starts both again, with all rows."""
    with EmbeddedPostgres(home).lease() as lease:
        query(lease.url, "create table survivors as select 1 as number")
        killed = supervisor_pid(home), server_pid(home)
        for pid in killed:
            kill(pid)
        with EmbeddedPostgres(home).lease() as again:
            assert query(again.url, "select number from survivors") == [(1,)]
            query(again.url, "drop table survivors")
            assert {supervisor_pid(home), server_pid(home)}.isdisjoint(killed)


def test_terminated_supervisor_stops_the_server(home: Path) -> None:
    """SIGTERM, as sent at shutdown, ends both in order although there are leases."""
    with EmbeddedPostgres(home).lease():
        pids = supervisor_pid(home), server_pid(home)
        os.kill(pids[0], signal.SIGTERM)
        wait_until(lambda: not any(map(is_alive, pids)))
        assert (home / "server.log").read_text().rstrip().endswith("database system is shut down")


def test_deleted_home_ends_its_processes(spare_home: Path) -> None:
    """Deleting the files of a running server ends it and its supervisor, although there is a lease."""
    with EmbeddedPostgres(spare_home).lease():
        pids = supervisor_pid(spare_home), server_pid(spare_home)
        shutil.rmtree(spare_home, ignore_errors=True)
        wait_until(lambda: not any(map(is_alive, pids)))
    shutil.rmtree(spare_home, ignore_errors=True)


def test_incomplete_cluster_is_created_again(empty_home: Path, start_program: Start) -> None:
    """The remains of a killed attempt are removed; kill -9 during initdb only delays the waiting program."""
    rubbish = empty_home / "data.new" / "base"
    rubbish.mkdir(parents=True)
    (rubbish / "half").write_text("written")
    waiting = start_program(empty_home)
    wait_until((empty_home / "data.new" / "pg_wal").exists)
    killed = supervisor_pid(empty_home)
    kill(killed)
    assert query(waiting.url(), "select 1") == [(1,)]
    assert supervisor_pid(empty_home) != killed
    assert not (empty_home / "data.new").exists()
    waiting.stop()


def test_failing_initdb_is_reported(empty_home: Path, start_program: Start) -> None:
    """If the files cannot be written, the error contains initdb's reason, and the incomplete cluster is not used."""
    message = start_program(empty_home, switch_user=["/bin/sh", "-c", 'ulimit -f 1000; exec "$@"', "sh"]).refusal()
    assert message.startswith(f"refused: PostgreSQL at {empty_home} is not available: initdb exited with ")
    assert not (empty_home / "data").exists()


@pytest.mark.parametrize(
    ("victim", "text", "reason"),
    [
        (
            "data/PG_VERSION",
            "12\n",
            "it was created by PostgreSQL 12, .*; found 18 in .*postgresql-12.*coin backup run",
        ),
        ("data/PG_VERSION", None, "PG_VERSION is missing"),
        ("password", None, "password is missing"),
        ("data/global/pg_control", None, "could not open file .*pg_control"),
    ],
)
def test_broken_cluster_is_rejected(home: Path, tmp_path: Path, victim: str, text: str | None, reason: str) -> None:
    """The defect is reported within seconds, and the files are left unchanged."""
    broken, sound = home / victim, tmp_path / "sound"
    broken.rename(sound)
    try:
        if text:
            broken.write_text(text)
        with pytest.raises(DatabaseUnavailable, match=reason):
            EmbeddedPostgres(home).lease()
        assert broken.exists() == bool(text)
    finally:
        sound.replace(broken)


def test_stale_pid_file_does_not_block_the_start(home: Path) -> None:
    """The pid file of a killed server is ignored when its pid belongs to another program."""
    account = cluster_account(home, server_programs(home))
    with subprocess.Popen([*account.prefix, "sleep", "60"]) as stranger:
        stale = home / "data" / "postmaster.pid"
        stale.write_text(f"{stranger.pid}\n{home / 'data'}\n1700000000\n29999\n\n127.0.0.1\n\nready\n")
        os.chown(stale, account.uid, account.gid)
        stale.chmod(0o600)
        with EmbeddedPostgres(home).lease() as lease:
            assert responds(lease.url)
            assert server_pid(home) != stranger.pid
        wait_until(lambda: is_stopped(home))
        assert stranger.poll() is None
        stranger.kill()


def test_server_returns_after_a_long_failure(home: Path, tmp_path: Path) -> None:
    """Lease holders get their server back once the cause is removed."""
    control, away = home / "data" / "global" / "pg_control", tmp_path / "away"
    with EmbeddedPostgres(home).lease() as lease:
        control.rename(away)
        kill(server_pid(home))
        log = home / "server.log"
        start = files.log_size(log)
        wait_until(lambda: log.read_bytes()[start:].count(b"could not open file") > MAX_FAILURES)
        away.rename(control)
        wait_until(lambda: responds(lease.url))
