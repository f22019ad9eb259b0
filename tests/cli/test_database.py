"""The commands on the tables of the platform."""

from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.cli.app import coin
from coin_pipeline.database.feature_flags import PAUSE
from coin_pipeline.database.schema import head
from coin_pipeline.database.session import connect
from coin_pipeline.database.url import database_url
from coin_pipeline.settings import load_settings


@pytest.fixture
def _empty_database(index_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """DATABASE_URL of a database without any table."""
    with closing(connect(index_url)) as connection, connection.cursor() as cursor:
        cursor.execute("create database commands")
    monkeypatch.setenv("DATABASE_URL", urlsplit(index_url)._replace(path="/commands").geturl())


def invoke(*arguments: str, answer: str | None = None) -> Result:
    """Run a command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, ("database", *arguments), input=answer, catch_exceptions=False)


@pytest.mark.usefixtures("_empty_database")
def test_tables_go_up_and_down_by_command() -> None:
    """A downgrade asks first; the revision is reported before and after."""
    assert invoke("current").output == f"revision none; this version's newest is {head()}\n"
    assert invoke("upgrade").output == f"revision {head()}\n"
    assert invoke("downgrade", "0001", answer="n\n").exit_code == 1
    assert invoke("current").output == f"revision {head()}; this version's newest is {head()}\n"
    assert invoke("downgrade", "0001", answer="y\n").output.endswith("revision 0001\n")
    assert invoke("current").output == f"revision 0001; this version's newest is {head()}\n"
    assert invoke("downgrade", "base", "--yes").exit_code == 0
    assert invoke("upgrade").exit_code == 0


def test_a_restored_database_is_resumed_by_command(own_root: Path) -> None:
    """A second time changes nothing."""
    assert own_root.is_dir()
    invoke("upgrade")
    with closing(connect(database_url(load_settings()))) as connection, connection.cursor() as cursor:
        cursor.execute(PAUSE)
    assert invoke("resume").output == "schedules, sensors and alerts are started\n"
    assert invoke("resume").output == "schedules, sensors and alerts are already on\n"
