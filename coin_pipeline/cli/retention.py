"""The `coin retention` command."""

import click


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
def retention(*, dry_run: bool) -> None:
    """Remove expired tasks, the leftovers of failed runs and old run records, as a Dagster job.

    A task expires TASK_RESULT_TTL_DAYS after it ended, unless it is pinned ('coin results pin'). Results in results/
    are never removed. While 'coin up' is running, the same job runs every night.

    \b
    coin retention --dry-run
    coin retention
    """
    from coin_pipeline.cli.views.progress import retention_progress
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    with retention_progress() as bar:
        # Importing Dagster takes one to two seconds: show the bar first.
        from coin_pipeline.cli.views.retention import print_retention
        from coin_pipeline.defs.in_process import run_in_process
        from coin_pipeline.defs.run_requests import retention_submission

        run_in_process(settings, retention_submission(dry_run=dry_run), bar.on_event)
    print_retention(bar.outcome, settings.task_result_ttl_days, dry_run=dry_run)
