"""Moving here from the older platform, and back."""

import click

from coin_pipeline.cli.options import as_json


@click.group()
def migrate() -> None:
    """Move from the older platform: check, run, and roll back if need be (docs/migration.md)."""


@migrate.command()
@click.option("--api", "api_url", default="http://127.0.0.1:8000", show_default=True, help="Where 'coin up' serves.")
@as_json
def check(api_url: str, *, as_json: bool) -> None:
    """Go through the checklist of the move: pass, fail with what to do, missing in this version, or n/a with why.

    Runs one synchronous backtest and eleven tasks on stored candles over the API. Exits with 1 if an item fails.
    """
    from coin_pipeline.cli.views.checklist import print_checklist, print_json
    from coin_pipeline.cli.views.progress import busy
    from coin_pipeline.migration.checklist.sections import run_checklist
    from coin_pipeline.migration.inspector import Inspector
    from coin_pipeline.settings import load_settings

    evidence = Inspector(load_settings(), api_url)
    with busy("going through the checklist"):
        looked = list(run_checklist(evidence))
    (print_json if as_json else print_checklist)(looked)
    if any(outcome.status == "fail" for _, _, outcome in looked):
        raise click.exceptions.Exit(1)


@migrate.command()
def run() -> None:
    """Take the steps of the move: make folders, back up results, set up database and bucket; repeat it after any break.

    Every step looks at what is there and does what is missing. No file of the older platform is changed or removed.
    Exits with 1 if a step is incomplete, that is to say, if a person has to decide something first.
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
        click.secho(f"Incomplete: {', '.join(incomplete)}; what to do is said above", fg="red", err=True)
        raise click.exceptions.Exit(1)
    click.echo("Next: 'coin up', and 'coin migrate check' beside it")


@migrate.command()
@click.option("--undo", is_flag=True, help="Take asynchronous submissions again.")
def rollback(*, undo: bool) -> None:
    """Switch asynchronous runs off, at once and without a restart, on every API on this database.

    POST /api/backtests/run, tasks that were accepted, and all results keep working. --undo is the way back.
    """
    from contextlib import closing

    from coin_pipeline.database.feature_flags import set_async_enabled
    from coin_pipeline.database.session import Session
    from coin_pipeline.database.url import database_url
    from coin_pipeline.errors import InvalidInput, Problem
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    if not (settings.database_url or (settings.data_root / "postgres").is_dir()):  # else nobody would notice the switch
        reason = f"no platform has run over {settings.data_root}; call this with the settings of 'coin up'"
        raise InvalidInput([Problem("DATA_ROOT", reason)])
    with closing(Session(database_url(settings))) as session:
        changed = set_async_enabled(session, on=undo)
    click.echo(f"asynchronous runs are {'' if changed else 'already '}switched {'on' if undo else 'off'}")
    if not undo:
        click.echo("'coin migrate rollback --undo' switches them on; POST /api/backtests/run and results keep working")
    elif settings.coin_async == "off":
        click.secho("COIN_ASYNC=off is set here too; remove it and start 'coin up' again", fg="yellow", err=True)
