"""Probes of the components behind the orchestrator: the database, Dagster's code server and daemon, the worker pool."""

from collections.abc import Callable

import dagster as dg

from coin_api.dagster_errors import translate_database_errors
from coin_api.health import Probe, low_space
from coin_pipeline.database.session import Session
from coin_pipeline.database.write_probe import write_row
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.orchestration.daemon_health import silent_daemons
from coin_pipeline.orchestration.worker_pool.lock import pool_home
from coin_pipeline.orchestration.worker_pool.protocol import send_request
from coin_pipeline.settings import Settings


def dagster_probes(
    settings: Settings, instance: dg.DagsterInstance, session: Session, ping_code_server: Callable[[], None]
) -> dict[str, Probe]:
    """Return the probes by component."""

    def database() -> str | None:
        write_row(session)
        return None if settings.database_url else low_space(settings.data_root / "postgres")

    def ledger() -> None:
        session.run(lambda cursor: cursor.execute("select from coin.journal limit 1"))

    def dagster_storage() -> None:
        with translate_database_errors():
            instance.get_daemon_heartbeats()

    def code_location() -> None:
        ping_code_server()

    probes: dict[str, Probe] = {
        "database": database,
        "ledger": ledger,
        "dagster_storage": dagster_storage,
        "code_location": code_location,
        "daemon": lambda: _daemon_problem(instance),
    }
    return probes | ({"worker_pool": _worker_pool_problem} if settings.coin_launcher == "warm" else {})


def daemon_heartbeats(instance: dg.DagsterInstance) -> dict[str, float | None]:
    """Return the time of the latest heartbeat of each daemon that is needed, None if it has never had one.

    Raises:
        DatabaseUnavailable: They cannot be read.
    """
    with translate_database_errors():
        beats = instance.get_daemon_heartbeats()
    return {
        name: beats[name].timestamp if name in beats else None for name in sorted(instance.get_required_daemon_types())
    }


def _daemon_problem(instance: dg.DagsterInstance) -> str | None:
    """Return which daemons have no recent heartbeat."""
    try:
        with translate_database_errors():
            silent = silent_daemons(instance, instance.get_required_daemon_types())
    except DatabaseUnavailable:
        return "its heartbeat cannot be read"
    return f"no recent heartbeat of {', '.join(silent)}; is 'dagster-daemon run' running?" if silent else None


def _worker_pool_problem() -> str | None:
    try:
        send_request(pool_home(), runs=True)
    except OSError:
        return "the worker pool does not respond; new runs wait until it does"
    return None
