"""Backups as tables, or as JSON."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click
from rich.filesize import decimal
from rich.table import Table

from coin_pipeline.backtest.formatting import Json, pluralize
from coin_pipeline.backup.model import BackupSet, DrillReport, TargetBackup
from coin_pipeline.cli.views.console import print_table

if TYPE_CHECKING:
    from coin_pipeline.backup.restore import RestoredTarget
    from coin_pipeline.backup.retention import RetentionPlan
    from coin_pipeline.backup.stats import BackupStats
    from coin_pipeline.backup.status import BackupStatus
    from coin_pipeline.backup.verify import VerifiedTarget


def print_backup(backup: BackupSet, location: str) -> None:
    """Print what a backup contains and how long it took; a failed target with its reason."""
    table = _table("target", "objects", "size", "new", "stored", "seconds")
    for target in backup.targets:
        if target.error is None:
            table.add_row(target.target, *_figures(target), f"{target.seconds:,.1f}")
    seconds = (backup.finished_at - backup.started_at).total_seconds()
    encrypted = ", encrypted" if backup.recipient else ""
    click.echo(f"backup {backup.set_id} in {location}, {seconds:,.1f} s{encrypted}\n")
    print_table(table, "no target is complete")
    print_failed_targets(backup)
    for target in backup.targets:
        for message in target.damaged:
            click.secho(f"{target.target}: {message}", fg="yellow", err=True)


def print_failed_targets(backup: BackupSet) -> None:
    """Print the targets that failed, each with its reason."""
    for target in backup.targets:
        if target.error is not None:
            click.secho(f"{target.target} failed: {target.error}", fg="red", err=True)


def print_sets(sets: Sequence[BackupSet], location: str) -> None:
    """Print a line for each set, newest first, and why targets of the newest one failed."""
    table = _table("set (UTC)", "objects", "size", "added", "state")
    for backup in sets:
        complete = [target for target in backup.targets if target.error is None]
        table.add_row(
            backup.set_id,
            f"{sum(target.objects for target in complete):,}",
            decimal(sum(target.size for target in complete)),
            decimal(sum(target.new_size for target in complete)),
            describe_set(backup),
        )
    print_table(table, f"there is no backup in {location}; create one: coin backup run")
    if sets:
        print_failed_targets(sets[0])


def describe_set(backup: BackupSet) -> str:
    """Return the state of a set in a few words."""
    failed = [target.target for target in backup.targets if target.error is not None]
    if failed:
        return f"failed: {', '.join(failed)}"
    kind = "complete" if backup.is_good else f"only {', '.join(target.target for target in backup.targets)}"
    return f"{kind}, encrypted" if backup.recipient else kind


def _figures(target: TargetBackup) -> tuple[str, ...]:
    return f"{target.objects:,}", decimal(target.size), f"{target.new_objects:,}", decimal(target.new_size)


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="left" if name == "state" else "right", no_wrap=name != "state")
    return table


def print_verified(backup: BackupSet, verified: "Sequence[VerifiedTarget]") -> bool:
    """Print what was verified; return whether everything is intact.

    Args:
        backup: The set.
        verified: Its targets.
    """
    table = _table("target", "files", "size", "objects", "state")
    for target in verified:
        state = "damaged" if target.error else "intact"
        objects = f"{target.objects:,}" if target.objects else ""
        table.add_row(target.target, f"{target.files:,}", decimal(target.size), objects, state)
    click.echo(f"backup {backup.set_id}\n")
    print_table(table, "it contains no target")
    damaged = [target for target in verified if target.error]
    for target in damaged:
        click.secho(f"{target.target}: {target.error}", fg="red", err=True)
    return not damaged


def print_restored(backup: BackupSet, restored: "Sequence[RestoredTarget]", into: str) -> None:
    """Print what was restored and compared, and what to do next."""
    table = _table("target", "objects", "rows", "size", "seconds")
    for target in restored:
        rows = f"{target.rows:,}" if target.rows else ""
        table.add_row(target.target, f"{target.objects:,}", rows, decimal(target.size), f"{target.seconds:,.1f}")
    place = "the database of --into" if "://" in into else into  # a URL may contain a password
    click.echo(f"backup {backup.set_id} restored into {place}\n")
    print_table(table, "nothing was restored")
    if any(target.target == "postgresql" for target in restored):
        click.echo("\nschedules, sensors and alerts are stopped; start them with: coin database resume")


def print_drill(report: DrillReport) -> None:
    """Print what a drill that succeeded has proven."""
    seconds = (report.finished_at - report.started_at).total_seconds()
    click.echo(f"backup {report.set_id} is proven, {seconds:,.1f} s")
    click.echo(f"{pluralize(report.objects, 'object')}, {decimal(report.size)}: SHA-256 of each compared")
    click.echo(f"{pluralize(report.rows, 'row')}: number in each table compared")
    click.echo(f"result {report.served} was read" if report.served else "the backup contains no result to read")


def print_removed(plan: "RetentionPlan", days: int, *, dry_run: bool) -> None:
    """Print which sets were removed, or would be, and how much space that frees."""
    verb = "would be removed" if dry_run else "removed"
    if not plan.expired:
        past = "would be" if dry_run else "was"
        click.echo(f"nothing {past} removed: no backup has expired; they are kept for {pluralize(days, 'day')}")
    for backup in plan.expired:
        click.echo(f"{backup.set_id} {verb}")
    if plan.expired:
        click.echo(
            f"{pluralize(len(plan.files), 'file')}, {decimal(plan.size)}; {pluralize(len(plan.kept), 'backup')} kept"
        )


def print_stats(stats: "BackupStats", status: "BackupStatus", now: datetime) -> None:
    """Print how much each target takes, and the ages of the last good backup and the last proven restore."""
    table = _table("target", "backups", "files", "size")
    for target in stats.targets:
        table.add_row(target.target, f"{target.sets:,}", f"{target.files:,}", decimal(target.size))
    table.add_row("all", f"{stats.sets:,}", f"{sum(target.files for target in stats.targets):,}", decimal(stats.size))
    print_table(table, "")
    free = "" if stats.free is None else f", {decimal(stats.free)} free"
    click.echo(f"\n{stats.location}{free}")
    click.echo(f"last good backup: {_age(status.last_good_at, now)}")
    click.echo(f"last proven restore: {_age(status.last_proven_at, now)}")
    failures = {
        "the newest backup is not good": status.last_failure,
        "the last drill failed": status.last_drill_failure,
    }
    problems = [f"{what}: {reason}" for what, reason in failures.items() if reason]
    for problem in (*problems, *stats.damaged):
        click.secho(problem, fg="yellow", err=True)


def stats_json(stats: "BackupStats", status: "BackupStatus") -> Json:
    """Return the same as JSON."""
    return {
        **stats._asdict(),
        "targets": [target._asdict() for target in stats.targets],
        "last_good_at": status.last_good_at and status.last_good_at.isoformat(),
        "last_proven_at": status.last_proven_at and status.last_proven_at.isoformat(),
        "last_proven_set": status.last_proven_set,
        "last_failure": status.last_failure,
        "last_drill_failure": status.last_drill_failure,
    }


def _age(at: datetime | None, now: datetime) -> str:
    return "none yet" if at is None else f"{at:%Y-%m-%d %H:%M} UTC, {(now - at) / timedelta(hours=1):,.1f} hours ago"
