"""The threads that send alerts: one per channel, in the daemon and in the API, so that either may be away."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from coin_pipeline.alerts.sender import ChannelCheck, Sender
from coin_pipeline.alerts.texts import Writer
from coin_pipeline.database.session import Session
from coin_pipeline.database.timeouts import BATCH, ConnectionTimeouts
from coin_pipeline.errors import InvalidSettings
from coin_pipeline.monitor import Check, Monitor
from coin_pipeline.notifications.channels import open_mail, open_slack
from coin_pipeline.notifications.message import Channel
from coin_pipeline.settings import Settings

_log = logging.getLogger("coin.alerts")


def alert_monitors(
    settings: Settings, channels: Sequence[Channel], url: str, timeouts: ConnectionTimeouts = BATCH
) -> list[Monitor]:
    """Return a monitor for each channel, which sends what is due; without channels, one that reports what is stored.

    Args:
        settings: The settings.
        channels: The channels.
        url: URL of the database.
        timeouts: Time limits of its connections; INTERACTIVE in the API.
    """
    names, writer = [channel.name for channel in channels], platform_writer(settings)
    checks: dict[str, Check] = {
        f"alerts through {each.name}": Sender(Session(url, timeouts), each, names, writer).send_due for each in channels
    }
    return separate_monitors(checks or {"alerts": ChannelCheck(Session(url, timeouts)).run}, settings)


def separate_monitors(checks: Mapping[str, Check], settings: Settings) -> list[Monitor]:
    """Return a monitor for each check, so that none waits for another."""
    interval_s = settings.coin_monitor_seconds
    return [Monitor(partial(dict[str, Check], {name: check}), interval_s, name) for name, check in checks.items()]


def platform_writer(settings: Settings) -> Writer:
    """Return the writer of the settings."""
    return Writer(settings.coin_alert_language, settings.dagster_ui_url)


def usable_channels(settings: Settings) -> Sequence[Channel]:
    """Return the channels of the settings, without those that have an invalid setting, which is logged as an error."""
    channels = []
    for open_channel in (open_slack, open_mail):
        try:
            channels.append(open_channel(settings))
        except InvalidSettings as error:
            _log.error("alerts are not sent through one of the channels: %s", error)
    return tuple(channel for channel in channels if channel)
