"""Commands that make, verify, restore, prove and remove backups."""

import json
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli.options import as_json

if TYPE_CHECKING:
    from coin_pipeline.backup.locations import Location
    from coin_pipeline.backup.model import BackupSet, Target

_TARGETS = ("postgresql", "results", "tasks", "candles")
"""backup.model.TARGETS, written out so that help needs no pydantic."""
only = click.option(
    "--target", "targets", multiple=True, type=click.Choice(_TARGETS), help="Only this target; may be repeated."
)


@click.group()
def backup() -> None:
    """Back up everything, prove backups and restore them (see docs/backups.md).

    Backups are stored in COIN_BACKUP_LOCATION, by default DATA_ROOT/backups. SET is the id of a backup, such as
    20260101_150000, or latest for the newest complete one.
    """


@backup.command()
@only
def run(targets: "tuple[Target, ...]") -> None:
    """Back up the database, results, tasks and candles.

    Every target is tried. Exits with 1 if one of them failed. While 'coin up' is running, a Dagster job does the same
    every night.
    """
    from coin_pipeline.backup.backup import run_backup
    from coin_pipeline.backup.locations import open_location
    from coin_pipeline.backup.model import TARGETS
    from coin_pipeline.cli.views.backup import print_backup
    from coin_pipeline.cli.views.progress import backup_progress
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    with backup_progress("backing up", "objects") as on_progress:
        made = run_backup(settings, targets or TARGETS, on_progress)
    print_backup(made, open_location(settings).uri())
    if any(target.error for target in made.targets):
        raise click.exceptions.Exit(1)


@backup.command("list")
@as_json
def list_(*, as_json: bool) -> None:
    """List the backups, newest first."""
    from coin_pipeline.backup.locations import open_location
    from coin_pipeline.backup.sets import damaged_manifests, list_sets
    from coin_pipeline.cli.views.backup import print_sets
    from coin_pipeline.settings import load_settings

    location = open_location(load_settings())
    sets = list_sets(location)
    if as_json:
        click.echo(json.dumps([backup.model_dump(mode="json") for backup in sets]))
    else:
        print_sets(sets, location.uri())
    for problem in damaged_manifests(location):
        click.secho(problem, fg="yellow", err=True)


@backup.command()
@click.argument("set_id", metavar="[SET]", default="latest")
@click.option("--deep", is_flag=True, help="Also decrypt and unpack every file, and compare each object.")
def verify(set_id: str, *, deep: bool) -> None:
    """Read a backup and compare every file with its checksums.

    Exits with 1 if something is missing or damaged, the manifest of another backup included.
    """
    from coin_pipeline.backup.encryption import Key
    from coin_pipeline.backup.locations import open_location
    from coin_pipeline.backup.sets import damaged_manifests
    from coin_pipeline.backup.verify import verify_set
    from coin_pipeline.cli.views.backup import print_verified
    from coin_pipeline.cli.views.progress import backup_progress
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    location = open_location(settings)
    found = _find(location, set_id)
    with backup_progress("verifying", "files") as on_progress:
        verified = verify_set(location, Key.from_settings(settings), found, deep=deep, progress=on_progress)
    is_intact = print_verified(found, verified)
    damaged = damaged_manifests(location)  # the newest backup may be one of them
    for problem in damaged:
        click.secho(problem, fg="red", err=True)
    if damaged or not is_intact:
        raise click.exceptions.Exit(1)


@backup.command("restore")
@click.argument("set_id", metavar="SET")
@only
@click.option("--into", metavar="DIR|URL", help="Restore files into this folder, or the database into this URL.")
@click.option(
    "--overwrite", is_flag=True, help="Replace what is there; without it, a place that is not empty is refused."
)
def restore_(set_id: str, targets: "tuple[Target, ...]", into: str | None, *, overwrite: bool) -> None:
    """Restore a backup and compare what was restored.

    Stop 'coin up' before. Every file is verified before it counts, and row counts and checksums are compared. If it is
    interrupted, the same command resumes. Schedules, sensors and alerts are stopped until 'coin database resume'.

    \b
    coin backup restore latest
    coin backup restore 20260101_150000 --target results --into /tmp/restored
    """
    from coin_pipeline.backup.locations import open_location
    from coin_pipeline.backup.restore import restore
    from coin_pipeline.cli.views.backup import print_restored
    from coin_pipeline.cli.views.progress import backup_progress
    from coin_pipeline.database.url import release_database
    from coin_pipeline.errors import ObjectCorrupt, ObjectNotFound
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    found = _find(open_location(settings), set_id)
    try:
        with backup_progress("restoring", "objects") as on_progress:
            restored = restore(settings, found, targets or None, into, overwrite=overwrite, progress=on_progress)
    except (ObjectCorrupt, ObjectNotFound):
        click.secho(
            "this backup is damaged; restore another one with --overwrite, which replaces what was restored so far",
            fg="red",
            err=True,
        )
        raise
    release_database(settings)
    print_restored(found, restored, into or str(settings.data_root))


@backup.command()
def drill() -> None:
    """Prove the newest backup: restore it into a scratch place and compare it.

    While 'coin up' is running, a Dagster job does the same every night. Exits with 1 if the backup is not proven.
    """
    from coin_pipeline.backup.drill import run_drill
    from coin_pipeline.cli.views.backup import print_drill
    from coin_pipeline.cli.views.progress import backup_progress
    from coin_pipeline.errors import DrillFailed
    from coin_pipeline.settings import load_settings

    with backup_progress("restoring", "objects") as on_progress:
        report = run_drill(load_settings(), progress=on_progress)
    if report.error:
        raise DrillFailed(report.set_id, report.error)
    print_drill(report)


@backup.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
def cleanup(*, dry_run: bool) -> None:
    """Remove backups older than BACKUP_RETENTION_DAYS.

    Their age is counted from the newest backup, so nothing is removed while none are made. The newest complete one and
    the last proven one are always kept, and so are files of older backups that a kept one needs.
    """
    from datetime import UTC, datetime

    from coin_pipeline.backup.locations import open_location
    from coin_pipeline.backup.retention import remove_expired
    from coin_pipeline.cli.views.backup import print_removed
    from coin_pipeline.cli.views.progress import spinner
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    with spinner("looking for old backups"):
        plan = remove_expired(
            open_location(settings), datetime.now(UTC), settings.backup_retention_days, dry_run=dry_run
        )
    print_removed(plan, settings.backup_retention_days, dry_run=dry_run)


@backup.command()
@as_json
def stats(*, as_json: bool) -> None:
    """Show how much is stored, the last good backup and the last proven restore."""
    from datetime import UTC, datetime

    from coin_pipeline.backup.locations import open_location
    from coin_pipeline.backup.stats import read_stats
    from coin_pipeline.backup.status import read_status
    from coin_pipeline.cli.views.backup import print_stats, stats_json
    from coin_pipeline.settings import load_settings

    location = open_location(load_settings())
    found, status = read_stats(location), read_status(location)
    if as_json:
        click.echo(json.dumps(stats_json(found, status)))
    else:
        print_stats(found, status, datetime.now(UTC))


@backup.command()
def key() -> None:
    """Create a key for COIN_BACKUP_KEY, which encrypts backups from then on.

    Prints a line for .env. Keep a copy of the key outside this machine: without it, encrypted backups are lost.

    \b
    coin backup key >> .env
    """
    from coin_pipeline.backup.encryption import Key

    created = Key.generate()
    click.echo(f"COIN_BACKUP_KEY={created.secret}")
    click.echo(f"recipient {created.recipient}; keep a copy of the key outside this machine", err=True)


def _find(location: "Location", set_id: str) -> "BackupSet":
    """Return a set; the latest is the newest complete one, or without one the newest."""
    from coin_pipeline.backup.sets import LATEST, newest_good, read_set

    return (newest_good(location) if set_id == LATEST else None) or read_set(location, set_id)
