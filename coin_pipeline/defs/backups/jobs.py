"""The jobs of backups: make one, prove the newest one, remove old ones."""

import dagster as dg

from coin_pipeline.defs.backups.ops import (
    TARGET_OPS,
    CleanupConfig,
    begin_backup,
    finish_backup,
    prove_newest_backup,
    remove_old_backups,
)
from coin_pipeline.orchestration.executors import QUIET_LOGGERS
from coin_pipeline.orchestration.run_tags import BULK, CLASS_TAG, MAX_RETRIES_TAG

_TAGS = {CLASS_TAG: BULK, MAX_RETRIES_TAG: "0"}  # one bulk run at a time; the next night tries again


@dg.job(
    executor_def=dg.in_process_executor,  # the steps share an open location
    tags=_TAGS,
    config={"loggers": QUIET_LOGGERS},
    description="Back up everything. Each target is a step of its own, and all are tried; the run fails if one did.",
)
def backup() -> None:
    """Write a set of backups."""
    begun = begin_backup()
    finish_backup(begun, [back_up(begun) for back_up in TARGET_OPS])


@dg.job(
    executor_def=dg.in_process_executor,
    tags=_TAGS,
    config={"loggers": QUIET_LOGGERS},
    description="Prove the newest backup: restore it into a scratch place and compare it.",
)
def restore_drill() -> None:
    """Restore the newest set and compare it."""
    prove_newest_backup()


@dg.job(
    executor_def=dg.in_process_executor,
    tags=_TAGS,
    config=dg.RunConfig(ops={"remove_old_backups": CleanupConfig()}, loggers=QUIET_LOGGERS),
    description="Remove backups older than BACKUP_RETENTION_DAYS; the newest complete one is kept.",
)
def backup_cleanup() -> None:
    """Remove old sets and the archives that only they need."""
    remove_old_backups()
