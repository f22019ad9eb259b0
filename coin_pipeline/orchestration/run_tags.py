"""Tags of Dagster runs: those that this platform adds and those of Dagster that it reads or sets."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

CLASS_TAG, BULK, SYNC = "coin/class", "bulk", "sync"
"""Bulk runs wait in the queue and execute one at a time, alongside interactive runs; for sync runs a client waits."""
CLIENT_TAG = "coin/client"
"""Client that submitted a run: an address, or one of the names below. Clients share the queue and the worker pool."""
UI, SCHEDULES, COMMANDS = "ui", "schedules", "commands"
TURN_TAG = "coin/turn"
"""Turn of the run's client at which the queue starts it."""
EXCHANGE_TAG = "coin/exchange"
"""Exchange that a run fetches candles from; the queue starts one run per exchange at a time."""
SPEC_TAG, POINTS_TAG, SERIES_TAG = "coin/spec", "coin/points", "coin/series"
"""Digest of the submission, number of points of a sweep, number of series of a refresh."""
STRATEGY_TAG, SYMBOLS_TAG, TIMEFRAME_TAG = "coin/strategy", "coin/symbols", "coin/timeframe"
"""What a backtest or a sweep is about, so that the list of runs can be filtered by it."""
RETURN_TAG = "coin/return"
"""Total return of a finished backtest, in whole percent, so that a filter matches more than one run."""
LOCAL_TAG = "coin/local"
"""Marks a run inside a `coin` command, which the API cannot cancel."""
COLD_LAUNCH_TAG = "coin/cold_launch"
"""Run id of a run that started in a process of its own because there was no worker pool."""
CANCELLED_TAG = "coin/cancelled"
"""Marks a failed attempt whose task was cancelled before the next attempt."""

# Dagster's tags. Their names and values are stored with each run, so a rename upstream would need a migration;
# tests/orchestration/test_dagster_contract.py compares them with the installed version.
AUTO_RETRY_RUN_ID_TAG = "dagster/auto_retry_run_id"
MAX_RETRIES_TAG = "dagster/max_retries"
PRIORITY_TAG = "dagster/priority"
PARENT_RUN_ID_TAG = "dagster/parent_run_id"
RETRY_NUMBER_TAG = "dagster/retry_number"
RETRY_STRATEGY_TAG, ALL_STEPS = "dagster/retry_strategy", "ALL_STEPS"
ROOT_RUN_ID_TAG = "dagster/root_run_id"
RUN_FAILURE_REASON_TAG, STEP_FAILURE = "dagster/failure_reason", "STEP_FAILURE"
SCHEDULE_NAME_TAG, SENSOR_NAME_TAG, BACKFILL_TAG = "dagster/schedule_name", "dagster/sensor_name", "dagster/backfill"
WILL_RETRY_TAG = "dagster/will_retry"


def client_of(run: "dg.DagsterRun") -> str:
    """Return the client that submitted a run; without a tag, schedules and sensors did, or a user of the Dagster UI."""
    automated = not {SCHEDULE_NAME_TAG, SENSOR_NAME_TAG, BACKFILL_TAG}.isdisjoint(run.tags)
    return run.tags.get(CLIENT_TAG, SCHEDULES if automated else UI)


def is_scheduled(run: "dg.DagsterRun") -> bool:
    """Return whether a schedule or a sensor started a run, or another run of which it is a repetition."""
    return not {SCHEDULE_NAME_TAG, SENSOR_NAME_TAG}.isdisjoint(run.tags)


def is_bulk(run: "dg.DagsterRun") -> bool:
    """Return whether a run belongs to the class that may take long."""
    return run.tags.get(CLASS_TAG) == BULK


def is_cold_launched(run: "dg.DagsterRun") -> bool:
    """Return whether a run was started in a process of its own, for lack of a pool."""
    return run.tags.get(COLD_LAUNCH_TAG) == run.run_id  # a retry inherits its parent's tags


def owner_of(run: "dg.DagsterRun") -> str:
    """Return who shares the pool with others: a client, and apart from it the client's synchronous runs."""
    return f"{client_of(run)} {SYNC}" if run.tags.get(CLASS_TAG) == SYNC else client_of(run)
