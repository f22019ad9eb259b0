"""Dagster's daemon, held to one at a time: `python -m coin_pipeline.orchestration.daemon -w WORKSPACE`.

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
import dagster as dg
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 -- a class

from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.orchestration._dagster_internals import InstigatorType, SensorInstigatorData, daemon_command
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.settings import Settings, load_settings

POLL_S = 1.0
"""Between two looks at the lock: of who waits, whether it is free; of who holds it, whether it still does."""
EXIT_RESTART = 75
"""Exit code of a daemon that is to be started again: its lock is lost, or its clock went back."""
MAX_CLOCK_STEP_S = 5.0
"""How far the clock may go back."""
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
    run_dagster_daemon = daemon_command()  # imported before the wait, so that a standby takes over at once
    settings = load_settings()
    connection = _take_lock(settings)
    threading.Thread(target=_watch, args=(connection,), daemon=True).start()
    with open_instance(settings) as instance:
        reset_future_ticks(instance)
    run_dagster_daemon()


def reset_future_ticks(instance: dg.DagsterInstance) -> None:
    """Let sensors look now that looked when the clock was ahead; Dagster would wait until that time comes."""
    now = time.time()
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        data = state.instigator_data
        if isinstance(data, SensorInstigatorData):
            ticks = [min(at, now) if at else at for at in (data.last_tick_timestamp, data.last_tick_start_timestamp)]
            if ticks != [data.last_tick_timestamp, data.last_tick_start_timestamp]:
                past = data._replace(last_tick_timestamp=ticks[0], last_tick_start_timestamp=ticks[1])
                instance.update_instigator_state(state.with_data(past))


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
        time.sleep(POLL_S)


def _connect(settings: Settings) -> Connection:
    url = database_url(settings).replace("postgresql+psycopg2://", "postgresql://", 1)
    options = " ".join(f"-c {setting}" for setting in (*_SERVERS, _HUNG))
    name = f"the daemon on {socket.gethostname()}, process {os.getpid()}"
    connection: Connection = psycopg2.connect(
        url, connect_timeout=10, application_name=name[:63], options=options, **_OURS
    )
    connection.autocommit = True
    return connection


def _watch(connection: Connection) -> NoReturn:
    """See that the lock's session lives and the clock does not go back; else the process ends without a last word.

    Dagster's loops wait until a time by the wall clock: after it went back by an hour they would do so for an hour.
    """
    offset = time.time() - time.monotonic()
    while True:
        time.sleep(POLL_S)
        before, offset = offset, time.time() - time.monotonic()
        if offset < before - MAX_CLOCK_STEP_S:
            _end(f"the clock went back by {before - offset:.0f} s")
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1")
        except psycopg2.Error as error:
            _end(f"the lock is lost, another daemon may work: {str(error).strip().splitlines()[0]}")


def _end(why: str) -> NoReturn:
    _say(why)
    sys.stderr.flush()
    os._exit(EXIT_RESTART)


def _say(what: str) -> None:
    click.echo(f"{time.strftime('%F %T')} {what}", err=True)


if __name__ == "__main__":
    main()
