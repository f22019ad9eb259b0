"""Dagster's daemon, held to one at a time: `python -m coin_pipeline.defs.daemon -w WORKSPACE`.

Two daemons on one database run queued runs twice, and neither notices. So each takes an advisory lock of the
database before it works; one that does not get it stands by, and takes over when the other is gone.
"""

import os
import socket
import sys
import threading
import time
from typing import Any, NoReturn

import click
import psycopg2
from dagster._daemon.cli import run_command  # imported before the wait: who takes over is ready
from psycopg2.extensions import connection as Connection  # noqa: N812 -- a class

from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.settings import Settings, load_settings

LOOK_S = 1.0
"""Between two looks at the lock: of who waits, whether it is free; of who holds it, whether it still does."""
LOST = 75
"""Exit code of a daemon whose lock is lost; whoever started it starts it again."""
_KEY = (0x636F696E, 1)  # any numbers that only this project uses
# We give a silent network up after 5 s; the server gives us up after 10 s, so nobody else works before we have stopped.
_OURS: dict[str, Any] = {
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
_SERVERS = ("tcp_keepalives_idle=10", "tcp_keepalives_interval=2", "tcp_keepalives_count=3")
# A daemon that hangs or was stopped looks no more: the server ends its session, which frees the lock.
_HUNG = "idle_session_timeout=15s"
_HOLDER = """
select application_name from pg_stat_activity join pg_locks using (pid)
where locktype = 'advisory' and granted and classid = %s and objid = %s and objsubid = 2
and database = (select oid from pg_database where datname = current_database())"""


def main() -> None:
    """Wait for the lock, then run Dagster's daemon until it is told to stop or the lock is lost."""
    connection = _take_lock(load_settings())
    threading.Thread(target=_stop_when_lost, args=(connection,), daemon=True).start()
    run_command()


def _take_lock(settings: Settings) -> Connection:
    """Return a connection that holds the lock, however long it takes to get it."""
    said = ""
    while True:
        try:
            connection = _connect(settings)
            with connection.cursor() as cursor:
                cursor.execute("select pg_try_advisory_lock(%s, %s)", _KEY)
                if cursor.fetchone() == (True,):
                    _say("this is the one daemon")
                    return connection
                cursor.execute(_HOLDER, _KEY)
                reason = f"{(cursor.fetchone() or ['another daemon'])[0]} works"
            connection.close()
        except (psycopg2.Error, DatabaseUnavailable) as error:
            reason = f"the database is away: {str(error).strip().splitlines()[0]}"
        if reason != said:
            _say(f"standing by: {reason}")
        said = reason
        time.sleep(LOOK_S)


def _connect(settings: Settings) -> Connection:
    url = database_url(settings).replace("postgresql+psycopg2://", "postgresql://", 1)
    options = " ".join(f"-c {setting}" for setting in (*_SERVERS, _HUNG))
    name = f"the daemon on {socket.gethostname()}, process {os.getpid()}"
    connection: Connection = psycopg2.connect(
        url, connect_timeout=10, application_name=name[:63], options=options, **_OURS
    )
    connection.autocommit = True
    return connection


def _stop_when_lost(connection: Connection) -> NoReturn:
    """Look after the lock's session; the process ends at once, without a last word to the database, when it is gone."""
    while True:
        time.sleep(LOOK_S)
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1")
        except psycopg2.Error as error:
            _say(f"the lock is lost, another daemon may work: {str(error).strip().splitlines()[0]}")
            sys.stderr.flush()
            os._exit(LOST)


def _say(what: str) -> None:
    click.echo(f"{time.strftime('%F %T')} {what}", err=True)


if __name__ == "__main__":
    main()
