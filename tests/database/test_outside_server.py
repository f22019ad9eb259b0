"""A server elsewhere, reached with TLS: every kind of connection verifies its certificate."""

import io
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from coin_pipeline.backup.postgres import count_rows, dump_database, restore_database
from coin_pipeline.database.engine import create_engine
from coin_pipeline.database.programs import ServerInfo, find_program, program_login, server_info
from coin_pipeline.database.session import Session, connect, sqlalchemy_url
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.orchestration.storage import PooledPostgresStorage, set_up
from tests.postgres_server import PASSWORD, Certificate, outside_postgres, system_programs

ENCRYPTED = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def tls_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server with a certificate, with the platform's tables; the packaged server is built without TLS."""
    if system_programs() is None:
        pytest.skip("this system has no PostgreSQL server of its own, and the packaged one has no TLS")
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    own = authority.issue_cert("127.0.0.1")
    chain = b"".join(part.bytes() for part in own.cert_chain_pems)
    certificate = Certificate(own.private_key_pem.bytes(), chain, path)
    with outside_postgres(system_programs(), certificate) as url:
        set_up(url)
        yield url


def test_a_session_is_encrypted(tls_url: str) -> None:
    """Leases, the index of results, statuses and the daemon's lock use one."""

    def read(cursor: object) -> tuple[bool]:
        cursor.execute(ENCRYPTED)  # type: ignore[attr-defined]
        return cursor.fetchone()  # type: ignore[attr-defined, no-any-return]

    with closing(Session(tls_url)) as session:
        assert session.run(read) == (True,)


def test_a_pool_is_encrypted(tls_url: str) -> None:
    """The ledger and Dagster's storage use one."""
    pools = [create_engine(tls_url), PooledPostgresStorage(tls_url).run_storage._engine]  # type: ignore[attr-defined]
    for pool in pools:
        with pool.connect() as connection:
            assert connection.exec_driver_sql(ENCRYPTED).scalar_one() is True
        pool.dispose()


def test_a_backup_is_encrypted(tls_url: str) -> None:
    """pg_dump and psql are those of the system: the packaged ones, which are newer, have no TLS."""
    with closing(connect(tls_url)) as connection:
        server = server_info(connection)
    login = program_login(tls_url)
    command = [find_program("psql", server), "-At", *login.arguments, "-c", ENCRYPTED]
    assert subprocess.run(command, env=login.environment, check=True, capture_output=True).stdout == b"t\n"
    rows = dump_database(tls_url, dump := io.BytesIO())
    restore_database(io.BytesIO(dump.getvalue()), tls_url, rows, overwrite=True)
    assert count_rows(tls_url).keys() == rows.keys()


def test_without_a_program_that_has_tls_the_error_has_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unencrypted dump in its place would reveal the password's hash and all data."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DatabaseUnavailable, match=r"18 with an encrypted connection.*install postgresql-client-18"):
        find_program("pg_dump", ServerInfo(180_000, tls=True))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("sslrootcert=", "sslrootcert=/wrong"), "root certificate file .* does not exist"),
        (("sslmode=verify-full", "sslmode=disable"), "no encryption"),
        (("127.0.0.1", "localhost"), "does not match host name"),
    ],
)
def test_an_unverified_connection_is_refused(tls_url: str, change: tuple[str, str], reason: str) -> None:
    """The message has the server's or the library's reason, and no password."""
    with pytest.raises(DatabaseUnavailable, match=reason) as caught:
        connect(tls_url.replace(*change))
    assert PASSWORD not in str(caught.value)


def test_a_certificate_of_another_authority_is_refused(tls_url: str, tmp_path: Path) -> None:
    """It may belong to a server that redirects connections."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    other = re.sub(r"sslrootcert=[^&]*", f"sslrootcert={tmp_path}/other.pem", tls_url)
    with pytest.raises(DatabaseUnavailable, match="certificate verify failed"):
        connect(other)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg2"])
def test_every_pool_names_its_driver(index_url: str, scheme: str) -> None:
    """SQLAlchemy 2.1 takes psycopg 3 for a URL without a driver, which refuses the NOTIFY of dagster-postgres."""
    url = index_url.replace("postgresql", scheme, 1)
    storage = PooledPostgresStorage(url)
    parts = (storage, storage.run_storage, storage.event_log_storage, storage.schedule_storage)
    urls = [str(create_engine(url).url.drivername), *(urlsplit(part.postgres_url).scheme for part in parts)]
    assert urls == ["postgresql+psycopg2"] * 5
    assert sqlalchemy_url(url) == sqlalchemy_url(sqlalchemy_url(url))
