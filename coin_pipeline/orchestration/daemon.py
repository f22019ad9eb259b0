"""Dagster's daemon, one at a time, with the monitors: `python -m coin_pipeline.orchestration.daemon -w WORKSPACE`.

Two daemons on one database execute queued runs twice, and neither notices. So each takes an advisory lock in the
database before it works. One that does not get the lock stands by and takes over when the other is gone.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

import dagster as dg
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 -- a class

from coin_pipeline import logs
from coin_pipeline.alerts.threads import alert_monitors, usable_channels
from coin_pipeline.database.daemon_lock import active_daemon, try_daemon_lock
from coin_pipeline.database.feature_flags import is_paused
from coin_pipeline.database.session import Session, psycopg2_url
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.monitor import Monitor
from coin_pipeline.orchestration._dagster_internals import (
    InstigatorType,
    SensorInstigatorData,
    daemon_command,
    hold_schedules,
    keep_log_handlers,
    select_queued_runs,
)
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.monitoring.copied_results import index_copied_results
from coin_pipeline.orchestration.monitoring.loop import platform_monitor
from coin_pipeline.orchestration.queue import next_runs
from coin_pipeline.settings import Settings, load_settings

POLL_S = 1.0
"""Interval at which a standby tries the lock, and the holder verifies that it still has it."""
EXIT_RESTART = 75
"""Exit code of a daemon that must be restarted: lock lost, clock set back, or a monitor stuck."""
MAX_CLOCK_STEP_S = 5.0
"""How far the clock may go back."""
REMOVED_SENSORS = frozenset({"lost_runs", "unanswered_tasks"})
"""Sensors of earlier versions, whose work the monitor does."""
# The client drops a silent connection after 5 s, the server after 10 s: this daemon stops before another takes over.
_CLIENT_KEEPALIVES: dict[str, Any] = {
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
_SERVER_KEEPALIVES = ("tcp_keepalives_idle=10", "tcp_keepalives_interval=2", "tcp_keepalives_count=3")
# A daemon that hangs or was stopped sends nothing: the server ends its session, which frees the lock.
_IDLE_TIMEOUT = "idle_session_timeout=15s"
_log = logging.getLogger("coin.daemon")


def main() -> None:
    """Wait for the lock, then run Dagster's daemon and the monitors until SIGTERM or until the lock is lost."""
    settings = load_settings()
    logs.configure(settings, "daemon")
    keep_log_handlers()
    # Without sensor ticks that request no run; a filter, as Dagster's daemon sets the level.
    logging.getLogger("dagster.daemon.SensorDaemon").setLevel(logging.WARNING)
    run_dagster_daemon = daemon_command()  # imported before the wait, so that a standby takes over at once
    connection = _acquire_lock(settings)
    monitors = (
        platform_monitor(settings),
        *alert_monitors(settings, usable_channels(settings), database_url(settings)),
    )
    threading.Thread(target=_watch, args=(connection, monitors), daemon=True).start()
    with open_instance(settings) as instance:
        reset_future_ticks(instance)
        remove_former_sensors(instance)
    session = Session(database_url(settings))
    if is_paused(session):
        _log.warning("schedules, sensors and alerts are stopped since a restore; 'coin database resume' starts them")
    hold_schedules(partial(is_paused, session))
    select_queued_runs(next_runs)
    for monitor in monitors:
        monitor.start()
    threading.Thread(target=index_copied_results, args=(settings,), name="reindex", daemon=True).start()
    run_dagster_daemon()


def reset_future_ticks(instance: dg.DagsterInstance) -> None:
    """Reset sensor ticks stamped in the future; Dagster would otherwise wait until that time."""
    now = time.time()
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        data = state.instigator_data
        if isinstance(data, SensorInstigatorData):
            ticks = [min(at, now) if at else at for at in (data.last_tick_timestamp, data.last_tick_start_timestamp)]
            if ticks != [data.last_tick_timestamp, data.last_tick_start_timestamp]:
                past = data._replace(last_tick_timestamp=ticks[0], last_tick_start_timestamp=ticks[1])
                instance.update_instigator_state(state.with_data(past))


def remove_former_sensors(instance: dg.DagsterInstance) -> None:
    """Delete the stored state of sensors that no longer exist; the UI would list them as failing to load."""
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if state.instigator_name in REMOVED_SENSORS:
            instance.delete_instigator_state(state.instigator_origin_id, state.selector_id)


def _acquire_lock(settings: Settings) -> Connection:
    """Return a connection that holds the lock, however long it takes to get it."""
    last_reason = ""
    while True:
        try:
            connection = _connect(settings)
            with connection.cursor() as cursor:
                if try_daemon_lock(cursor):
                    _log.info("lock acquired; this daemon is active")
                    return connection
                reason = f"{active_daemon(cursor) or 'another daemon'} is active"
            connection.close()
        except (psycopg2.Error, DatabaseUnavailable) as error:
            reason = f"the database is unavailable: {str(error).strip().splitlines()[0]}"
        if reason != last_reason:
            _log.info("standing by: %s", reason)
        last_reason = reason
        time.sleep(POLL_S)


def _connect(settings: Settings) -> Connection:
    url = psycopg2_url(database_url(settings))
    options = " ".join(f"-c {setting}" for setting in (*_SERVER_KEEPALIVES, _IDLE_TIMEOUT))
    name = f"the daemon on {socket.gethostname()}, process {os.getpid()}"
    connection: Connection = psycopg2.connect(
        url, connect_timeout=10, application_name=name[:63], options=options, **_CLIENT_KEEPALIVES
    )
    connection.autocommit = True
    return connection


def _watch(connection: Connection, monitors: Sequence[Monitor]) -> NoReturn:
    """End the process at once if the lock's session dies, the clock goes back or a monitor is stuck.

    Dagster's loops wait for wall-clock times: after the clock went back by an hour they would wait for an hour.
    """
    offset = time.time() - time.monotonic()
    while True:
        time.sleep(POLL_S)
        before, offset = offset, time.time() - time.monotonic()
        if offset < before - MAX_CLOCK_STEP_S:
            _exit(f"the clock went back by {before - offset:.0f} s")
        if stuck := [monitor.name for monitor in monitors if monitor.is_stuck]:
            _exit(f"{stuck[0]} is stuck")
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1")
        except psycopg2.Error as error:
            _exit(f"the lock is lost, another daemon may be active: {str(error).strip().splitlines()[0]}")


def _exit(reason: str) -> NoReturn:
    _log.error("%s", reason)
    os._exit(EXIT_RESTART)


if __name__ == "__main__":
    main()
