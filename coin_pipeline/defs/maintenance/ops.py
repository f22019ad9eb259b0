"""The op of the `retention` job: config, progress and the metadata of its report."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import MetadataValue
from pydantic import Field

from coin_pipeline.alerts.outbox import remove_alerts
from coin_pipeline.auth.audit import remove_entries
from coin_pipeline.database.compaction import database_bytes, reclaim_space
from coin_pipeline.database.session import Session, database_time
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.excerpts import first_lines
from coin_pipeline.defs.maintenance.removal import RemovedKind, RetentionJob, RetentionReport
from coin_pipeline.defs.maintenance.run_records import unfinished_ids
from coin_pipeline.orchestration.failures import translate_errors
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.orchestration.progress import ProgressReporter
from coin_pipeline.results.retention import RetentionLimits
from coin_pipeline.settings import Settings, load_settings
from coin_pipeline.storage.base import ObjectStore

REMOVED, WOULD_BE_REMOVED, STORED = "removed", "would_be_removed", "stored"
"""Metadata keys: table of removed items, or of those a dry run found, and table of bytes stored."""
PINNED, NOTICES = "kept_by_pins", "noticed"
"""Metadata keys: number of expired tasks that a pin keeps, and notices about unreadable or skipped items."""
DONE, PLANNED = "done", "planned"
"""Metadata keys of progress events."""


class RetentionConfig(dg.Config):
    """Config of the op; the retention periods are settings."""

    dry_run: bool = Field(default=False, description="Report what would be removed without removing it.")


@dg.op(description="Remove expired tasks, leftovers of broken runs, old run records, alerts and audit entries.")
def remove_expired(
    context: dg.OpExecutionContext,
    config: RetentionConfig,
    store: dg.ResourceParam[ObjectStore],
    alive: dg.ResourceParam[RunHeartbeat],
) -> None:
    """Remove everything past its retention period."""
    settings, reporter = load_settings(), ProgressReporter(context)

    def report(done: int, planned: int) -> None:
        metadata = {DONE: MetadataValue.int(done), PLANNED: MetadataValue.int(planned)}
        reporter.report_if_due(f"{done:,} of {planned:,} done", metadata)

    url = database_url(settings)
    with translate_errors():
        database_before = database_bytes(url)
        removal = RetentionJob(
            context.instance, store, dry_run=config.dry_run, on_removed=alive.remove_from_index, on_progress=report
        )
        now, limits = conservative_now(settings), retention_limits(settings)
        outcome = removal.run(now, limits)
        entries_before = now - timedelta(days=settings.coin_audit_days)
        removed = remove_old_records(url, now - limits.runs, entries_before, config)
        outcome = replace(outcome, removed=(*outcome.removed, *removed))
        if not config.dry_run:
            busy = reclaim_space(url, lambda: unfinished_ids(context.instance) <= {context.run_id})
            outcome = replace(outcome, notices=(*outcome.notices, *busy))
        database = (database_before, database_bytes(url))
        alive.step_done(1)
    context.add_output_metadata(report_metadata(outcome, database, dry_run=config.dry_run))


def remove_old_records(
    url: str, alerts_before: datetime, entries_before: datetime, config: RetentionConfig
) -> Sequence[RemovedKind]:
    """Remove alerts, whose runs are removed too, and entries of the audit log; return what was removed."""
    with closing(Session(url)) as session:
        removed = {
            "alerts": remove_alerts(session, alerts_before, dry_run=config.dry_run),
            "audit entries": remove_entries(session, entries_before, dry_run=config.dry_run),
        }
    return [RemovedKind(what, number, 0, 0, oldest) for what, (number, oldest) in removed.items() if oldest]


def retention_limits(settings: Settings) -> RetentionLimits:
    """Return the retention periods of the settings."""
    return RetentionLimits(
        timedelta(days=settings.task_result_ttl_days), timedelta(days=settings.coin_run_history_days)
    )


def conservative_now(settings: Settings) -> datetime:
    """Return the earlier of this machine's and the database's time: a clock ahead would remove everything."""
    with closing(Session(database_url(settings))) as session:
        return min(datetime.now(UTC), database_time(session))


def report_metadata(
    outcome: RetentionReport, database: tuple[int, int], *, dry_run: bool
) -> Mapping[str, MetadataValue]:
    """Return a report as output metadata.

    Args:
        outcome: The report.
        database: Size of the database before and after, bytes.
        dry_run: Whether nothing was removed.
    """
    removed = [
        dg.TableRecord({"what": r.what, "count": r.count, "bytes": r.size, "oldest": f"{r.oldest:%Y-%m-%d %H:%M}"})
        for r in outcome.removed
    ]
    stored = [
        dg.TableRecord({"where": where, "before": before, "after": after, "freed": freed})
        for where, before, after, freed in (*_changes(outcome), ("the database", *database, database[0] - database[1]))
    ]
    return {
        WOULD_BE_REMOVED if dry_run else REMOVED: _table(removed, ("what", "count", "bytes", "oldest")),
        STORED: _table(stored, ("where", "before", "after", "freed")),
        PINNED: MetadataValue.int(outcome.pinned),
        NOTICES: MetadataValue.json(first_lines(outcome.notices)),
    }


def _changes(outcome: RetentionReport) -> list[tuple[str, int, int, int]]:
    """Return area, bytes before, bytes after and bytes freed; for the disk, free bytes instead of used ones."""
    before, after = outcome.before, outcome.after
    changes = [
        ("tasks/", before.tasks, after.tasks, before.tasks - after.tasks),
        ("runs/", before.runs, after.runs, before.runs - after.runs),
        ("sweeps/", before.sweeps, after.sweeps, before.sweeps - after.sweeps),
    ]
    if before.bucket is not None and after.bucket is not None:
        changes.append(("the bucket", before.bucket, after.bucket, before.bucket - after.bucket))
    if before.free is not None and after.free is not None:
        changes.append(("free on the disk", before.free, after.free, after.free - before.free))
    return changes


def _table(records: list[dg.TableRecord], columns: tuple[str, ...]) -> MetadataValue:
    return MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in columns]))
