"""The supervisor under faults: every process killed in turn, files deleted, broken or in the way."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from coin_pipeline.database.embedded import files
from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.database.embedded.supervisor import ATTEMPTS
from coin_pipeline.database.embedded.user import owner_of
from coin_pipeline.errors import DatabaseUnavailable
from tests.database.programs import Program, alive, answers, kill, query, server_pid, stopped, supervisor_pid, until

Start = Callable[..., Program]


def test_a_killed_server_comes_back_with_its_rows(home: Path) -> None:
    """After kill -9 of the server a holder finds every committed row under the URL it has."""
    with EmbeddedPostgres(home).lease() as lease:
        query(lease.url, "create table rows as select generate_series(1, 1000) as row")
        killed = server_pid(home)
        kill(killed)
        until(lambda: not alive(killed))
        until(lambda: answers(lease.url))
        assert query(lease.url, "select count(*) from rows") == [(1000,)]
        query(lease.url, "drop table rows")
        assert server_pid(home) != killed


def test_a_killed_supervisor_is_replaced_by_the_next_lease(home: Path) -> None:
    """The server goes on without its supervisor; the next lease's takes it over, and stops it in the end."""
    with EmbeddedPostgres(home).lease() as first:
        server, killed = server_pid(home), supervisor_pid(home)
        kill(killed)
        until(lambda: not alive(killed))
        with EmbeddedPostgres(home).lease() as second:
            assert second.url == first.url
            assert server_pid(home) == server
            assert supervisor_pid(home) != killed
            adopter = supervisor_pid(home)
    until(lambda: not alive(server) and not alive(adopter))


def test_a_taken_over_server_is_restarted_too(home: Path) -> None:
    """A supervisor that did not start the server itself still sees it die."""
    with EmbeddedPostgres(home).lease() as lease:
        supervisor = supervisor_pid(home)
        kill(supervisor)
        until(lambda: not alive(supervisor))
        with EmbeddedPostgres(home).lease():
            server = server_pid(home)
            kill(server)
            until(lambda: not alive(server))
            until(lambda: answers(lease.url))


def test_server_and_supervisor_killed_together(home: Path) -> None:
    """With both gone at once the next lease starts over, with the rows."""
    with EmbeddedPostgres(home).lease() as lease:
        query(lease.url, "create table survivors as select 1 as one")
        killed = supervisor_pid(home), server_pid(home)
        for pid in killed:
            kill(pid)
        with EmbeddedPostgres(home).lease() as again:
            assert query(again.url, "select one from survivors") == [(1,)]
            query(again.url, "drop table survivors")
            assert {supervisor_pid(home), server_pid(home)}.isdisjoint(killed)


def test_terminating_the_supervisor_stops_the_server(home: Path) -> None:
    """SIGTERM, as sent when the machine goes down, ends both in an orderly way although leases are held."""
    with EmbeddedPostgres(home).lease():
        pids = supervisor_pid(home), server_pid(home)
        os.kill(pids[0], signal.SIGTERM)
        until(lambda: not any(map(alive, pids)))
        assert (home / "server.log").read_text().rstrip().endswith("database system is shut down")


def test_a_deleted_home_ends_its_processes(spare: Path) -> None:
    """Deleting the files under a running server ends it and its supervisor, although a lease is held."""
    with EmbeddedPostgres(spare).lease():
        pids = supervisor_pid(spare), server_pid(spare)
        shutil.rmtree(spare, ignore_errors=True)
        until(lambda: not any(map(alive, pids)))
    shutil.rmtree(spare, ignore_errors=True)


def test_a_half_made_cluster_is_made_anew(empty: Path, program: Start) -> None:
    """What a killed first try left is removed; a kill -9 in the middle of initdb costs the one who waits only time."""
    rubbish = empty / "data.new" / "base"
    rubbish.mkdir(parents=True)
    (rubbish / "half").write_text("written")
    waiting = program(empty)
    until((empty / "data.new" / "pg_wal").exists)
    killed = supervisor_pid(empty)
    kill(killed)
    assert query(waiting.url(), "select 1") == [(1,)]
    assert supervisor_pid(empty) != killed
    assert not (empty / "data.new").exists()
    waiting.leave()


def test_a_failing_initdb_is_explained(empty: Path, program: Start) -> None:
    """Where the files cannot be written, the reason that initdb gave is in the error, and nothing half-made counts."""
    said = program(empty, step=["/bin/sh", "-c", 'ulimit -f 1000; exec "$@"', "sh"]).refusal()
    assert said.startswith(f"refused: PostgreSQL at {empty} is not available: initdb ended with ")
    assert not (empty / "data").exists()


@pytest.mark.parametrize(
    ("victim", "text", "reason"),
    [
        ("data/PG_VERSION", "12\n", "PostgreSQL 12 made it and the packaged server is 18"),
        ("data/PG_VERSION", None, "PG_VERSION is missing"),
        ("password", None, "password is missing"),
        ("data/global/pg_control", None, "could not open file .*pg_control"),
    ],
)
def test_a_broken_cluster_is_refused(home: Path, tmp_path: Path, victim: str, text: str | None, reason: str) -> None:
    """What is wrong with the files is said within seconds, and they are left as they are."""
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


def test_a_stale_pid_file_does_not_keep_it_from_starting(home: Path) -> None:
    """The pid file of a killed server whose pid is another program's now is seen through."""
    account = owner_of(home, EmbeddedPostgres(home)._binaries())
    with subprocess.Popen([*account.prefix, "sleep", "60"]) as stranger:
        stale = home / "data" / "postmaster.pid"
        stale.write_text(f"{stranger.pid}\n{home / 'data'}\n1700000000\n29999\n\n127.0.0.1\n\nready\n")
        os.chown(stale, account.uid, account.gid)
        stale.chmod(0o600)
        with EmbeddedPostgres(home).lease() as lease:
            assert answers(lease.url)
            assert server_pid(home) != stranger.pid
        until(lambda: stopped(home))
        assert stranger.poll() is None
        stranger.kill()


def test_it_comes_back_however_long_it_could_not_run(home: Path, tmp_path: Path) -> None:
    """Holders of leases get their server back once what kept it from starting is gone."""
    control, away = home / "data" / "global" / "pg_control", tmp_path / "away"
    with EmbeddedPostgres(home).lease() as lease:
        control.rename(away)
        kill(server_pid(home))
        log = home / "server.log"
        mark = files.size(log)
        until(lambda: log.read_bytes()[mark:].count(b"could not open file") > ATTEMPTS)
        away.rename(control)
        until(lambda: answers(lease.url))
