"""Moving here from the older platform, and back."""

import click


@click.group()
def migrate() -> None:
    """Move from the older platform: check, run, and roll back if need be (docs/migration.md)."""


@migrate.command()
@click.option("--undo", is_flag=True, help="Take asynchronous submissions again.")
def rollback(*, undo: bool) -> None:
    """Switch asynchronous runs off, at once and without a restart, on every API on this database.

    POST /api/backtests/run, tasks that were accepted, and all results keep working. --undo is the way back.
    """
    from contextlib import closing

    from coin_pipeline.database.session import Session
    from coin_pipeline.database.switches import switch_async
    from coin_pipeline.database.url import database_url
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    with closing(Session(database_url(settings))) as session:
        changed = switch_async(session, on=undo)
    click.echo(f"asynchronous runs are {'' if changed else 'already '}switched {'on' if undo else 'off'}")
    if not undo:
        click.echo("'coin migrate rollback --undo' switches them on; POST /api/backtests/run and results keep working")
    elif settings.coin_async == "off":
        click.secho("COIN_ASYNC=off is set here too; remove it and start 'coin up' again", fg="yellow", err=True)
