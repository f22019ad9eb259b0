"""Names of the jobs that the platform launches; test_dagster_contract.py compares them with the definitions."""

from coin_pipeline.orchestration._dagster_internals import IMPLICIT_ASSET_JOB_NAME

BACKTEST, SWEEP, RETENTION, REFRESH_CANDLES = "backtest", "sweep", "retention", "refresh_candles"
FORWARD_TEST, FORWARD_DRIFT = "forward_test", "forward_drift"
BACKUP, RESTORE_DRILL, BACKUP_CLEANUP = "backup", "restore_drill", "backup_cleanup"
TASK_JOBS = frozenset({BACKTEST, SWEEP})
"""Jobs whose runs have a result or, failing that, a manifest."""
MONITORED_JOBS = TASK_JOBS | {
    *(RETENTION, REFRESH_CANDLES, FORWARD_TEST, FORWARD_DRIFT),
    *(BACKUP, RESTORE_DRILL, BACKUP_CLEANUP),
    IMPLICIT_ASSET_JOB_NAME,
}
"""Jobs whose runs renew a lease."""
