"""Commands that migrate from the legacy platform, and roll back."""

import click

from coin_pipeline.cli.options import as_json


@click.group()
def migrate() -> None:
    """Migrate from the legacy platform: check, run, and roll back if necessary (see docs/migration.md)."""


@migrate.command()
@click.option(
    "--api",
    "api_url",
    help="Base URL of the API; defaults to COIN_API_URL.",
)
@as_json
def check(api_url: str | None, *, as_json: bool) -> None:
    """Run the migration checklist.

    Reports each item as pass, fail (with the remedy), replaced (by what), manual (for people) or n/a (why it does
    not apply).
    Runs one synchronous backtest and eleven tasks on stored candles
    through the API, and removes their results afterwards. Exits with 1 if an item fails.
    """
    from contextlib import closing

    from coin_pipeline.cli.views.checklist import print_checklist, print_json
    from coin_pipeline.cli.views.progress import spinner
    from coin_pipeline.migration.checklist.sections import run_checklist
    from coin_pipeline.migration.inspector import Inspector
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    with closing(Inspector(settings, api_url or settings.coin_api_url)) as inspector:
        with spinner("running the checklist"):
            checked = list(run_checklist(inspector))
        (print_json if as_json else print_checklist)(checked)
    if any(outcome.status == "fail" for _, _, outcome in checked):
        raise click.exceptions.Exit(1)


@migrate.command()
def run() -> None:
    """Run the migration steps.

    Creates folders, backs up results, sets up the database and the bucket, and indexes the results. Every step checks
    the current state and does only what is missing, so the command is safe to interrupt and repeat. No file of the
    legacy platform is changed or removed. Exits with 1 if a step is incomplete because it needs a decision from you.
    """
    from coin_pipeline.database.url import release_database
    from coin_pipeline.migration.steps import run_steps
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    incomplete = []
    for name, report in run_steps(settings):
        click.echo(f"{report.state:<15} {name}: {report.detail}")
        incomplete += [name] if report.state == "incomplete" else []
    release_database(settings)
    if incomplete:
        click.secho(f"Incomplete: {', '.join(incomplete)}; see above for what to do", fg="red", err=True)
        raise click.exceptions.Exit(1)
    click.echo("Next: start 'coin up', then run 'coin migrate check' in another terminal")


@migrate.command()
@click.option("--undo", is_flag=True, help="Accept asynchronous submissions again.")
def rollback(*, undo: bool) -> None:
    """Switch asynchronous runs off.

    Takes effect immediately and without a restart on every API that uses this database. POST /api/backtests/run, tasks
    already accepted and all results keep working. --undo switches asynchronous runs on again.
    """
    from contextlib import closing

    from coin_pipeline.cli.database import ready_database
    from coin_pipeline.database.feature_flags import set_async_enabled
    from coin_pipeline.database.session import Session
    from coin_pipeline.errors import InvalidInput, Problem
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    if not (settings.database_url or (settings.data_root / "postgres").is_dir()):  # otherwise no API reads the flag
        reason = f"no platform has run on {settings.data_root}; use the same settings as 'coin up'"
        raise InvalidInput([Problem("DATA_ROOT", reason)])
    with closing(Session(ready_database(settings))) as session:
        changed = set_async_enabled(session, on=undo)
    click.echo(f"asynchronous runs are {'' if changed else 'already '}switched {'on' if undo else 'off'}")
    if not undo:
        click.echo(
            "POST /api/backtests/run and results keep working; 'coin migrate rollback --undo' switches them on again"
        )
    elif settings.coin_async == "off":
        click.secho("COIN_ASYNC=off is also set here; remove it and restart 'coin up'", fg="yellow", err=True)
