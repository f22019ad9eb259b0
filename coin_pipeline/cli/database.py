"""Commands on the tables of the platform, and the database with current tables that other commands read."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coin_pipeline.presets import PresetStore
    from coin_pipeline.settings import Settings


def ready_database(settings: "Settings") -> str:
    """Return the URL of the database after creating or upgrading its tables if necessary."""
    from coin_pipeline.database.schema import is_current
    from coin_pipeline.database.url import database_url

    url = database_url(settings)
    if not is_current(url):
        from coin_pipeline.orchestration.storage import set_up  # imports Dagster, which takes seconds

        set_up(url)
    return url


@contextmanager
def open_presets(settings: "Settings") -> "Iterator[PresetStore]":
    """Open the presets in the database of the settings."""
    from contextlib import closing

    from coin_pipeline.database.session import Session
    from coin_pipeline.presets import PresetStore

    with closing(Session(ready_database(settings))) as session:
        yield PresetStore(session)


@click.group()
def database() -> None:
    """Show, upgrade and downgrade the tables of the platform (schema 'coin').

    'coin up' upgrades them by itself. Before it a backup is advisable, as before every upgrade.
    """


@database.command()
def current() -> None:
    """Print the revision of the tables, and the newest one of this version."""
    from contextlib import closing

    from coin_pipeline.database.schema import current as current_revision
    from coin_pipeline.database.schema import head
    from coin_pipeline.database.session import Session
    from coin_pipeline.database.url import database_url
    from coin_pipeline.settings import load_settings

    with closing(Session(database_url(load_settings()))) as session:
        click.echo(f"revision {current_revision(session) or 'none'}; this version's newest is {head()}")


@database.command()
def upgrade() -> None:
    """Create the tables, or upgrade them to the newest revision of this version."""
    from coin_pipeline.database.schema import head
    from coin_pipeline.settings import load_settings

    ready_database(load_settings())
    click.echo(f"revision {head()}")


@database.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(revision: str, *, yes: bool) -> None:
    """Return to an earlier REVISION, or to 'base'; tables that later ones added are removed with their data.

    Stop the platform first and make a backup. This version upgrades again when it starts next, so install the earlier
    version before that.
    """
    from coin_pipeline.database import schema
    from coin_pipeline.database.url import database_url
    from coin_pipeline.settings import load_settings

    if not yes:
        click.confirm(f"remove what was added after revision {revision}, with all data in it?", abort=True)
    schema.downgrade(database_url(load_settings()), revision)
    click.echo(f"revision {revision}")


@database.command()
def resume() -> None:
    """Start the schedules, sensors and alerts that a restore has stopped.

    A restored copy must not act while the original does: it would collect candles and send alerts twice.
    """
    from contextlib import closing

    from coin_pipeline.alerts.outbox import unmute
    from coin_pipeline.database import feature_flags
    from coin_pipeline.database.session import Session
    from coin_pipeline.settings import load_settings

    with closing(Session(ready_database(load_settings()))) as session:
        unmuted, started = unmute(session), feature_flags.resume(session)  # no sensor reports what is then discarded
    click.echo(f"schedules, sensors and alerts are {'started' if started or unmuted else 'already on'}")
