"""The `coin results archive` command."""

import sys
from datetime import UTC, datetime, timedelta

import click

from coin_pipeline.cli import ids
from coin_pipeline.cli.backtests import read_settings
from coin_pipeline.errors import InvalidSettings, Problem


@click.command()
@ids.run_ids(required=False)
@click.option(
    "--older-than", default=30, show_default=True, type=click.IntRange(0), metavar="DAYS", help="Minimum age."
)
@click.option(
    "--include-legacy", is_flag=True, help="Also move results of the legacy platform, which cannot read them then."
)
@click.option("--restore", is_flag=True, help="Move results back: those given, or all.")
@click.option("--dry-run", is_flag=True, help="Only show what would be moved.")
def archive(run_ids: tuple[str, ...], older_than: int, *, include_legacy: bool, restore: bool, dry_run: bool) -> None:
    """Move old synchronous results from DATA_ROOT to the bucket COIN_ARCHIVE_BUCKET.

    Moves the documents in results/ with their reports and tables, those of RUN_ID or all that are older than that.
    They are not changed, and are listed, read, verified and replayed as before. Each object is read back from
    the bucket and compared before it is removed from the disk. Safe to interrupt and repeat.
    """
    from coin_pipeline.cli.views.archive import print_moved
    from coin_pipeline.cli.views.progress import item_counter
    from coin_pipeline.results.archive import ResultArchive, archive_lock
    from coin_pipeline.storage.archived import ArchivedStore
    from coin_pipeline.storage.open_store import open_archive, open_store

    settings = read_settings()
    if settings.aws_bucket_name:
        reason = (
            f"results are already stored in bucket {settings.aws_bucket_name}; let a lifecycle rule of the bucket move"
            " old ones to a cheaper storage class, or unset it to archive results that are under DATA_ROOT"
        )
        raise InvalidSettings([Problem("AWS_BUCKET_NAME", reason)])
    open_archive(settings)  # reports a missing setting
    store = open_store(settings)
    assert isinstance(store, ArchivedStore)  # noqa: S101 -- for mypy: a bucket for the archive is configured
    moves = ResultArchive(store, dry_run=dry_run)
    before = datetime.now(UTC) - timedelta(days=older_than)
    with archive_lock(settings.data_root), item_counter("moving results") as counted:
        chosen = run_ids or (moves.archived() if restore else moves.written_before(before))
        moved = [
            moves.restore(run_id) if restore else moves.archive(run_id, include_legacy=include_legacy)
            for run_id in counted(chosen)
        ]
    place = str(settings.data_root) if restore else store.archive.uri("results")
    if not print_moved(moved, place, dry_run=dry_run):
        sys.exit(1)
