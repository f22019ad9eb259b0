"""The ops of the jobs of backups, and the metadata of their reports."""

from contextlib import ExitStack
from datetime import UTC, datetime

import dagster as dg
from dagster import MetadataValue
from pydantic import Field

from coin_pipeline.backup.backup import BackupContext, back_up_target, begin_set, finish_set
from coin_pipeline.backup.drill import run_drill
from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.model import TARGETS, Progress, Target, TargetBackup
from coin_pipeline.backup.retention import remove_expired
from coin_pipeline.errors import BackupFailed, DrillFailed
from coin_pipeline.orchestration.failures import translate_errors
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.orchestration.progress import ProgressReporter
from coin_pipeline.orchestration.run_tags import PRIORITY_TAG
from coin_pipeline.settings import load_settings

IN_MEMORY = dg.Out(io_manager_key="in_memory_io")
OBJECTS, BYTES = "objects", "bytes"
"""Metadata keys of progress events."""


class CleanupConfig(dg.Config):
    """Config of the removal; the retention period is a setting."""

    dry_run: bool = Field(default=False, description="Report what would be removed without removing it.")


@dg.op(out=IN_MEMORY, description="Lock the location of the backups and remove what killed ones left.")
def begin_backup(run_stack: dg.ResourceParam[ExitStack], alive: dg.ResourceParam[RunHeartbeat]) -> BackupContext:
    """Begin a set, whose location stays locked until the run ends."""
    with translate_errors():
        begun = run_stack.enter_context(begin_set(load_settings(), datetime.now(UTC)))
    alive.step_done(_STEPS)
    return begun


def _target_op(target: Target, priority: int) -> dg.OpDefinition:
    """Return the op that backs up a target; steps of a higher priority run first."""

    @dg.op(
        name=f"back_up_{target}",
        out=IN_MEMORY,
        tags={PRIORITY_TAG: str(priority)},
        description=f"Back up {target}. If that fails, the others are still tried.",
    )
    def back_up(
        context: dg.OpExecutionContext, begun: BackupContext, alive: dg.ResourceParam[RunHeartbeat]
    ) -> TargetBackup:
        begun.progress = _progress_events(context)
        made = back_up_target(target, begun)
        if made.error:
            context.log.error("%s was not backed up: %s", target, made.error)
        for message in made.damaged:
            context.log.warning("%s: %s", target, message)
        context.add_output_metadata(target_metadata(made))
        alive.step_done(_STEPS)
        return made

    return back_up


_STEPS = len(TARGETS) + 2
_PRIORITIES = range(len(TARGETS), 0, -1)  # the database before the files that it refers to
TARGET_OPS = tuple(map(_target_op, TARGETS, _PRIORITIES))
"""One op for each target."""


@dg.op(description="Write the manifest of the backup, which makes it visible.")
def finish_backup(
    context: dg.OpExecutionContext,
    begun: BackupContext,
    backups: list[TargetBackup],
    alive: dg.ResourceParam[RunHeartbeat],
) -> None:
    """Finish the set; it may lack targets that failed, which then fail the run."""
    with translate_errors():
        made = finish_set(begun, backups)
        context.log.info("backup %s is in %s", made.set_id, begun.location.uri())
        alive.step_done(_STEPS)
        failed: dict[str, str] = {backup.target: backup.error for backup in backups if backup.error is not None}
        if failed:
            raise BackupFailed("backup", failed)


def target_metadata(made: TargetBackup) -> dict[str, MetadataValue]:
    """Return a backup of a target as output metadata."""
    files = [dg.TableRecord({"file": file.name, "bytes": file.size, "sha256": file.sha256}) for file in made.files]
    return {
        "objects": MetadataValue.int(made.objects),
        "new objects": MetadataValue.int(made.new_objects),
        "new bytes": MetadataValue.int(made.new_size),
        "seconds": MetadataValue.float(made.seconds),
        "files": MetadataValue.table(
            files,
            dg.TableSchema([dg.TableColumn("file"), dg.TableColumn("bytes", "int"), dg.TableColumn("sha256")]),
        ),
        **({"error": MetadataValue.text(made.error)} if made.error else {}),
    }


def _progress_events(context: dg.OpExecutionContext) -> Progress:
    """Return a callback that reports progress as events of the run, at most one per second."""
    reporter = ProgressReporter(context)

    def report(target: str, objects: int, size: int) -> None:
        metadata = {OBJECTS: MetadataValue.int(objects), BYTES: MetadataValue.int(size)}
        reporter.report_if_due(f"{target}: {objects:,} objects, {size / 1e6:,.0f} MB", metadata)

    return report


@dg.op(description="Restore the newest complete backup into a scratch place, compare it and read a result from it.")
def prove_newest_backup(context: dg.OpExecutionContext, alive: dg.ResourceParam[RunHeartbeat]) -> None:
    """Run a restore drill; its report is stored with the backups, whether it succeeds or not."""
    with translate_errors():
        report = run_drill(load_settings(), progress=_progress_events(context))
        if report.error:
            raise DrillFailed(report.set_id, report.error)
        alive.step_done(1)
    context.add_output_metadata(
        {
            "backup": MetadataValue.text(report.set_id),
            "objects": MetadataValue.int(report.objects),
            "bytes": MetadataValue.int(report.size),
            "rows": MetadataValue.int(report.rows),
            "seconds": MetadataValue.float((report.finished_at - report.started_at).total_seconds()),
            "result served": MetadataValue.text(report.served or "the backup contains none"),
        }
    )


@dg.op(description="Remove backups older than BACKUP_RETENTION_DAYS; the newest complete one is kept.")
def remove_old_backups(
    context: dg.OpExecutionContext, config: CleanupConfig, alive: dg.ResourceParam[RunHeartbeat]
) -> None:
    """Remove old sets and the files that only they need."""
    settings = load_settings()
    with translate_errors():
        location, days = open_location(settings), settings.backup_retention_days
        plan = remove_expired(location, datetime.now(UTC), days, dry_run=config.dry_run)
        alive.step_done(1)
    verb = "would be removed" if config.dry_run else "removed"
    context.add_output_metadata(
        {
            f"backups {verb}": MetadataValue.json([backup.set_id for backup in plan.expired]),
            f"files {verb}": MetadataValue.int(len(plan.files)),
            f"bytes {verb}": MetadataValue.int(plan.size),
            "backups kept": MetadataValue.int(len(plan.kept)),
        }
    )
