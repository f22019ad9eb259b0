"""The monitors of the API process: what the daemon cannot report, and the sending of alerts while it is away."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from coin_api.daemon_watch import DaemonWatch
from coin_api.database_watch import DatabaseWatch
from coin_api.tasks import Orchestrator
from coin_pipeline.alerts.outbox import record
from coin_pipeline.alerts.threads import alert_monitors, platform_writer, separate_monitors, usable_channels
from coin_pipeline.database.session import Session
from coin_pipeline.database.timeouts import INTERACTIVE
from coin_pipeline.monitor import Check, Monitor
from coin_pipeline.notifications.message import Channel
from coin_pipeline.settings import Settings

OpenWatches = Callable[[Settings, str, Orchestrator], Sequence[Monitor]]
"""Returns the monitors for the settings, the URL of the database and the orchestrator."""


def platform_watches(settings: Settings, url: str, orchestrator: Orchestrator) -> list[Monitor]:
    """Return the monitors of the platform."""
    channels, writer = usable_channels(settings), platform_writer(settings)
    daemon = DaemonWatch(orchestrator.heartbeats, partial(record, Session(url, INTERACTIVE)), writer)
    checks: dict[str, Check] = {
        "watch of the daemon": daemon.run,
        **{
            f"watch of the database for {each.name}": DatabaseWatch(
                partial(_ping, Session(url, INTERACTIVE)), each, _note(settings, each), writer
            ).run
            for each in channels
        },
    }
    return [*separate_monitors(checks, settings), *alert_monitors(settings, channels, url, INTERACTIVE)]


def _ping(session: Session) -> None:
    session.run(lambda cursor: cursor.execute("select 1"))


def _note(settings: Settings, channel: Channel) -> Path:
    return settings.data_root / "alerts" / f"{channel.name}.database-away"
