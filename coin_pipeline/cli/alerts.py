"""Commands on alerts."""

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coin_pipeline.alerts.model import AlertState
    from coin_pipeline.database.session import Session

_STATES = ("pending", "sent", "given up", "no channel", "counted", "merged", "skipped")
"""Values of --state; written out, so that help needs no other module."""
_EVERYTHING = 1_000_000


@click.group()
def alerts() -> None:
    """Show what was reported to operators, test the channels, and send again what was given up.

    Alerts are stored first and sent by 'coin up' to Slack (SLACK_WEBHOOK_URL) and by mail (SMTP_HOST).
    """


@alerts.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Newest alerts to list.")
@click.option("--all", "everything", is_flag=True, help="List all alerts, whatever --limit is.")
@click.option("--state", type=click.Choice(_STATES), help="Only alerts in this state.")
@options.as_json
def list_stored(limit: int, state: "AlertState | None", *, everything: bool, as_json: bool) -> None:
    """List alerts and recoveries, the newest first, and how each channel delivered them."""
    from coin_pipeline.alerts import outbox
    from coin_pipeline.cli.views.alerts import print_alerts, print_json
    from coin_pipeline.database.feature_flags import is_paused

    with _open() as session:
        rows = outbox.list_alerts(session, _EVERYTHING if everything else limit, state)
        if as_json:
            print_json(rows)
        else:
            print_alerts(rows, state, outbox.open_incidents(session), is_paused=is_paused(session))


@alerts.command("test")
def send_test() -> None:
    """Send a test message through each channel now, and show whether it was delivered.

    Exits with 1 unless every channel delivered it.
    """
    from coin_pipeline.alerts.texts import TEST_MESSAGE, TEST_TITLE, Writer
    from coin_pipeline.cli.links import public_urls
    from coin_pipeline.cli.views.alerts import print_delivery
    from coin_pipeline.errors import InvalidSettings, Problem
    from coin_pipeline.notifications.channels import open_channels
    from coin_pipeline.notifications.message import Notification
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    channels = open_channels(settings)
    if not channels:
        reason = "is not set or is disabled, like SMTP_HOST; set up a channel to test it"
        raise InvalidSettings([Problem("SLACK_WEBHOOK_URL", reason)])
    writer = Writer(settings.coin_alert_language, public_urls(settings).ui)
    notification = Notification(writer.write(TEST_TITLE), writer.write(TEST_MESSAGE), link=writer.link(""))
    deliveries = {channel.name: channel.send(notification) for channel in channels}
    for name, delivery in deliveries.items():
        print_delivery(name, delivery)
    if not all(deliveries.values()):
        sys.exit(1)


@alerts.command()
@click.argument("alert_ids", metavar="ID...", nargs=-1, required=True, type=int)
def retry(alert_ids: tuple[int, ...]) -> None:
    """Send alerts again through each channel that has not delivered them."""
    from coin_pipeline.alerts import outbox

    with _open() as session:
        for alert_id in alert_ids:
            is_due = outbox.retry(session, alert_id)
            click.echo(f"alert {alert_id} {'is due again' if is_due else 'was delivered by every channel'}")


@contextmanager
def _open() -> "Iterator[Session]":
    from contextlib import closing

    from coin_pipeline.cli.database import ready_database
    from coin_pipeline.database.session import Session
    from coin_pipeline.settings import load_settings

    with closing(Session(ready_database(load_settings()))) as session:
        yield session
