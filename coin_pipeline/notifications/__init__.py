"""Notifications: what is sent, and the channels that send it, Slack and mail.

From Python, with the settings of the environment and `.env`:

    from coin_pipeline.notifications import SlackNotifier

    delivery = await SlackNotifier().send(title="Migration", message="A test.", level="INFO")

Names load on first use, since each channel imports its client.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coin_pipeline.notifications.notifier import EmailNotifier, SlackNotifier

__all__ = ["EmailNotifier", "SlackNotifier"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.notifier"), name)
