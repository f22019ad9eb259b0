"""The probe that proves that the database stores data."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.write_probe import write_row
from coin_pipeline.errors import DatabaseUnavailable
from tests.schemas import create_schema
from tests.small_disk import fill, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk that the server's user can reach and write to."""
    parent = Path(tempfile.mkdtemp(prefix="coin-tests-", dir="/tmp"))
    parent.chmod(0o755)
    assert tmp_path.is_dir()
    with small_disk(parent, 32):
        yield parent
    parent.rmdir()


def test_a_full_disk_is_noticed(index_url: str, data_root: Path, disk: Path) -> None:
    """A row that fits into a page that exists could still be written, while Dagster's records could not."""
    owner = (data_root / "postgres/data").stat()
    space = disk / "space"
    space.mkdir()
    os.chown(space, owner.st_uid, owner.st_gid)
    with closing(connect(index_url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"create tablespace small location '{space}'")
        cursor.execute("create database small tablespace small")
    try:
        small = urlsplit(index_url)._replace(path="/small").geturl()
        create_schema(small)
        with closing(Session(small)) as session:
            for _ in range(3):
                write_row(session)
            filler = fill(disk)
            with pytest.raises(DatabaseUnavailable, match="No space left on device"):
                write_row(session)
            filler.unlink()
            write_row(session)
            assert session.run(lambda cursor: cursor.execute("select from coin.health") or cursor.rowcount) == 1
    finally:
        with closing(connect(index_url)) as connection, connection.cursor() as cursor:
            cursor.execute("drop database small with (force)")
            cursor.execute("drop tablespace small")


def test_a_backup_does_not_make_the_database_unhealthy(index_url: str) -> None:
    """pg_dump holds a lock on every table for as long as it takes."""
    with closing(Session(index_url)) as session, closing(connect(index_url)) as backup, backup.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute("lock table coin.health in access share mode")
        write_row(session)
        cursor.execute("rollback")
        write_row(session)
