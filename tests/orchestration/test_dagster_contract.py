"""What this project relies on in Dagster beyond its documented API.

A Dagster upgrade that changes one of these fails here first, with a name. `make test-dagster-next` runs this file and
the tests of the running platform against the newest release.
"""

import inspect
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.job import asset_job
from dagster._core.events import RunFailureReason
from dagster._core.execution.execute_in_process import core_execute_in_process
from dagster._core.execution.plan.resume_retry import ReexecutionStrategy
from dagster._core.instance import DagsterInstance
from dagster._core.storage import dagster_run, tags
from dagster._daemon import QueuedRunCoordinatorDaemon
from dagster._daemon.daemon import SchedulerDaemon, SensorDaemon
from dagster_webserver.app import create_app_from_workspace_process_context

from coin_pipeline.defs.build import build_defs
from coin_pipeline.orchestration import _dagster_internals as internals
from coin_pipeline.orchestration import run_tags
from coin_pipeline.orchestration.code_server import LOCATION
from coin_pipeline.orchestration.executors import in_process_or_multiprocess
from coin_pipeline.orchestration.failures import GENERIC_FAILURE_PREFIX
from coin_pipeline.orchestration.job_names import MONITORED_JOBS
from coin_pipeline.orchestration.storage import EventStorage, RunStorage, ScheduleStorage
from coin_pipeline.orchestration.worker_pool.warm_up import DEFINITIONS

STORAGES = (
    internals.PostgresRunStorage,
    internals.PostgresEventLogStorage,
    internals.PostgresScheduleStorage,
)
OVERRIDES = {
    RunStorage: {
        "connect": "self",
        "has_run_stats_index_cols": "self",
        "has_backfill_id_column": "self",
        "fetchall": "self query",
        "fetchone": "self query",
        "add_run": "self dagster_run",
        "add_run_tags": "self run_id new_tags",
        "handle_run_event": "self run_id event update_timestamp",
        "has_job_snapshot": "self job_snapshot_id",
        "has_execution_plan_snapshot": "self execution_plan_snapshot_id",
        "optimize_for_webserver": "self statement_timeout pool_recycle max_overflow",
    },
    EventStorage: {
        "store_event": "self event",
        "delete_events_for_run": "self conn run_id",
        "optimize_for_webserver": "self statement_timeout pool_recycle max_overflow",
    },
    ScheduleStorage: {"optimize_for_webserver": "self statement_timeout pool_recycle max_overflow"},
}
CALLS: dict[Callable[..., object], str] = {
    internals.PostgresEventLogStorage._connect: "self",
    internals.PostgresEventLogStorage.prepare_insert_event: "self event",
    internals.PostgresEventLogStorage.delete_events: "self run_id",
    internals.PostgresEventLogStorage.reindex_events: "self print_fn force",
    internals.PostgresEventLogStorage.reindex_assets: "self print_fn force",
    internals.PostgresRunStorage.add_run: "self dagster_run",
    internals.PostgresRunStorage.migrate: "self print_fn force_rebuild_all",
    internals.PostgresRunStorage.optimize: "self print_fn force_rebuild_all",
    internals.PostgresScheduleStorage.migrate: "self print_fn force_rebuild_all",
    internals.PostgresScheduleStorage.optimize: "self print_fn force_rebuild_all",
    internals.create_pg_engine: "postgres_url token_provider engine_kwargs",
    internals.pg_alembic_config: "dunder_file script_location",
    internals.stamp_alembic_rev: "alembic_config conn rev",
    core_execute_in_process: "run_config job instance output_capturing_enabled raise_on_error run_tags run_id"
    " asset_selection",
    dg.JobDefinition.as_ephemeral_job: "self resource_defs input_values op_selection asset_selection",
    internals.execute_run_function(): "run_id instance write_stream_fn set_exit_code_on_failure",
    internals.capture_interrupts: "",
    internals.setup_interrupt_handlers: "",
    internals.reconstruct_repository_def_from_pointer: "pointer repository_load_data",
    internals.get_daemon_statuses: "instance daemon_types curr_time_seconds ignore_errors heartbeat_interval_seconds"
    " heartbeat_tolerance_seconds",
    SchedulerDaemon.core_loop: "self workspace_process_context shutdown_event",
    SensorDaemon.core_loop: "self workspace_process_context shutdown_event",
    QueuedRunCoordinatorDaemon._get_runs_to_dequeue: "self instance concurrency_config fixed_iteration_time",
    internals.EventLogCursor.from_storage_id: "storage_id",
    internals.EventLogCursor.to_string: "self",
    internals.CodeLocation.get_execution_plan: "self remote_job run_config step_keys_to_execute known_state instance",
    internals.CodeLocation.get_repository: "self name",
    internals.RemoteJob.get_remote_origin: "self",
    internals.RemoteJob.get_python_origin: "self",
    internals.WorkspaceProcessContext.create_request_context: "self source",
    internals.WorkspaceProcessContext.refresh_code_location: "self name",
    create_app_from_workspace_process_context: "workspace_process_context path_prefix live_data_poll_rate kwargs",
    DagsterInstance.optimize_for_webserver: "self statement_timeout pool_recycle max_overflow",
    dg.DefaultRunLauncher.__init__: "self inst_data",
    dg.DefaultRunLauncher.launch_run: "self context",
    dg.DefaultRunLauncher.terminate: "self run_id",
    dg.DefaultRunLauncher.from_config_value: "inst_data config_value",
    dg.QueuedRunCoordinator.submit_run: "self context",
    dg.QueuedRunCoordinator.cancel_run: "self run_id",
    DagsterInstance.submit_run: "self run_id workspace",
    DagsterInstance.launch_run: "self run_id workspace",
    DagsterInstance.report_engine_event: "self message dagster_run engine_event_data cls step_key job_name run_id",
    DagsterInstance.report_run_canceling: "self run message",
    DagsterInstance.report_run_canceled: "self dagster_run message",
    DagsterInstance.report_run_failed: "self dagster_run message job_failure_data",
    DagsterInstance.all_instigator_state: "self repository_origin_id repository_selector_id instigator_type"
    " instigator_statuses",
    DagsterInstance.delete_instigator_state: "self origin_id selector_id",
    DagsterInstance.update_instigator_state: "self state",
    DagsterInstance.add_event_listener: "self run_id cb",
    DagsterInstance.create_run: "self job_name run_id run_config status tags root_run_id parent_run_id"
    " step_keys_to_execute execution_plan_snapshot job_snapshot parent_job_snapshot asset_selection"
    " asset_check_selection resolved_op_selection op_selection remote_job_origin job_code_origin asset_graph",
}
FIELDS = {
    internals.EngineEventData: "metadata error marker_start marker_end",
    internals.StepFailureData: "error user_failure_data error_source",
    internals.StepOutputData: "step_output_handle type_check_data version metadata intermediate_materialization",
    internals.InstigatorState: "origin instigator_type status instigator_data",
    internals.ScheduleInstigatorData: "cron_schedule start_timestamp last_iteration_timestamp",
    internals.SensorInstigatorData: "last_tick_timestamp last_run_key min_interval cursor last_tick_start_timestamp"
    " last_sensor_start_timestamp sensor_type last_tick_success_timestamp",
    internals.LaunchRunContext: "dagster_run workspace",
    dg.SubmitRunContext: "dagster_run workspace",
}
COLUMNS = {
    "runs": "id run_id snapshot_id pipeline_name mode status run_body partition partition_set create_timestamp"
    " update_timestamp start_time end_time backfill_id",
    "run_tags": "id run_id key value",
    "event_logs": "id run_id event dagster_event_type timestamp step_key asset_key partition",
    "asset_keys": "id asset_key last_materialization last_run_id asset_details wipe_timestamp"
    " last_materialization_timestamp tags create_timestamp cached_status_data",
    "daemon_heartbeats": "id daemon_type daemon_id timestamp body",
    "secondary_indexes": "id name create_timestamp migration_completed",
}
"""Tables of Dagster that statements or the trigger of this project name."""
TABLES = (
    "asset_check_executions asset_daemon_asset_evaluations asset_event_tags asset_keys backfill_tags bulk_actions"
    " concurrency_limits concurrency_slots daemon_heartbeats dynamic_partitions event_logs instance_info instigators"
    " job_ticks jobs kvs pending_steps run_tags runs secondary_indexes snapshots"
)


def parameters(function: Callable[..., object]) -> str:
    """Return the names of a function's parameters."""
    return " ".join(inspect.signature(function).parameters)


@pytest.mark.parametrize("ours", OVERRIDES, ids=lambda cls: cls.__name__)
def test_overridden_methods_have_the_signatures_of_dagster(ours: type) -> None:
    """A method that Dagster renames or extends would silently not be overridden any more."""
    (theirs,) = [base for base in ours.__mro__ if base in STORAGES]
    expected = OVERRIDES[ours]
    assert {name: parameters(getattr(theirs, name)) for name in expected} == expected
    assert {name: parameters(getattr(ours, name)) for name in expected} == expected


def test_every_override_is_listed_above() -> None:
    """An override that is added without an entry would not be checked."""
    for ours, expected in OVERRIDES.items():
        (theirs,) = [base for base in ours.__mro__ if base in STORAGES]
        own = {name for cls in ours.__mro__[: ours.__mro__.index(theirs)] for name in vars(cls)}
        assert {name for name in own if hasattr(theirs, name) and not name.startswith("_")} == {*expected}


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__qualname__)
def test_called_functions_have_the_expected_parameters(function: Callable[..., object]) -> None:
    """Submission, cancellation, storage set-up and the worker pool call these."""
    assert parameters(function) == CALLS[function]


@pytest.mark.parametrize("record", FIELDS, ids=lambda record: record.__name__)
def test_records_have_the_expected_fields(record: type) -> None:
    """Progress, failures and sensor state are written to them and read from them."""
    assert parameters(record) == FIELDS[record]


def test_tables_and_columns_are_those_that_statements_name() -> None:
    """Statements and the trigger of this project read Dagster's tables directly."""
    all_metadata = (
        internals.RunStorageSqlMetadata,
        internals.SqlEventLogStorageMetadata,
        internals.ScheduleStorageSqlMetadata,
    )
    tables = {name: table for metadata in all_metadata for name, table in metadata.tables.items()}
    assert " ".join(sorted(tables)) == TABLES
    assert {name: " ".join(tables[name].columns.keys()) for name in COLUMNS} == COLUMNS
    assert internals.SqlEventLogStorageTable is tables["event_logs"]


def test_the_storages_have_the_attributes_that_are_replaced(instance: dg.DagsterInstance) -> None:
    """PooledPostgresStorage gives its three storages one engine."""
    for name in ("_run_storage", "_event_log_storage", "_schedule_storage"):
        assert f"self.{name} = " in inspect.getsource(internals.DagsterPostgresStorage.__init__)
    for theirs in STORAGES:
        assert "self._engine = create_pg_engine(" in inspect.getsource(theirs.__init__)
        assert "self._engine" in inspect.getsource(theirs)
    storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
    assert [type(storage) for storage in storages] == [RunStorage, EventStorage, ScheduleStorage]
    assert len({id(storage._engine) for storage in storages}) == 1


def test_event_types_are_those_that_are_stored_or_dropped() -> None:
    """EventStorage drops some types and gives those of assets to Dagster; a new type needs a decision."""
    assert {kind.value for kind in internals.ASSET_EVENTS} == {
        "ASSET_FAILED_TO_MATERIALIZE",
        "ASSET_MATERIALIZATION",
        "ASSET_MATERIALIZATION_PLANNED",
        "ASSET_OBSERVATION",
        "FRESHNESS_STATE_CHANGE",
    }
    assert {kind.value for kind in internals.ASSET_CHECK_EVENTS} == {
        "ASSET_CHECK_EVALUATION",
        "ASSET_CHECK_EVALUATION_PLANNED",
    }
    assert {kind.name for kind in dg.DagsterEventType} >= {
        "ENGINE_EVENT",
        "RUN_FAILURE",
        "STEP_FAILURE",
        "STEP_OUTPUT",
    }


@pytest.mark.parametrize(
    "name",
    [
        "AUTO_RETRY_RUN_ID_TAG",
        "MAX_RETRIES_TAG",
        "PARENT_RUN_ID_TAG",
        "RETRY_NUMBER_TAG",
        "RETRY_STRATEGY_TAG",
        "ROOT_RUN_ID_TAG",
        "RUN_FAILURE_REASON_TAG",
        "SCHEDULE_NAME_TAG",
        "SENSOR_NAME_TAG",
        "WILL_RETRY_TAG",
    ],
)
def test_tags_have_dagsters_names(name: str) -> None:
    """They are stored with each run."""
    assert getattr(run_tags, name) == getattr(tags, name)


def test_tag_values_are_dagsters() -> None:
    """The backfill tag, the reason of a failed step, the strategy of retries, and what a retry leaves out."""
    assert run_tags.BACKFILL_TAG == tags.BACKFILL_ID_TAG
    assert RunFailureReason.STEP_FAILURE.value == run_tags.STEP_FAILURE
    assert ReexecutionStrategy.ALL_STEPS.value == run_tags.ALL_STEPS
    omitted = {tags.AUTO_RETRY_RUN_ID_TAG, tags.RETRY_NUMBER_TAG, tags.RUN_FAILURE_REASON_TAG, tags.WILL_RETRY_TAG}
    assert omitted <= internals.TAGS_TO_MAYBE_OMIT_ON_RETRY


def test_statuses_are_those_that_code_and_trigger_name() -> None:
    """The trigger on `runs` compares them as text."""
    assert {status.value for status in dg.DagsterRunStatus} == {
        "CANCELED",
        "CANCELING",
        "FAILURE",
        "MANAGED",
        "NOT_STARTED",
        "QUEUED",
        "STARTED",
        "STARTING",
        "SUCCESS",
        "SUSPENDED",
    }
    assert set(dagster_run.FINISHED_STATUSES) == {
        dg.DagsterRunStatus.CANCELED,
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.SUCCESS,
    }


def test_the_implicit_asset_job_has_the_expected_name() -> None:
    """The coordinator queues its runs as bulk, and the monitor checks them."""
    assert asset_job.IMPLICIT_ASSET_JOB_NAME == internals.IMPLICIT_ASSET_JOB_NAME
    assert (
        build_defs().get_repository_def().get_implicit_global_asset_job_def().name == internals.IMPLICIT_ASSET_JOB_NAME
    )


def test_a_failure_without_a_message_reads_as_expected(instance: dg.DagsterInstance) -> None:
    """Its text is not shown as the reason of a failure."""
    run = instance.create_run_for_job(build_defs().resolve_job_def("backtest"), status=dg.DagsterRunStatus.STARTED)
    event = instance.report_run_failed(run)
    assert (event.message or "").startswith(GENERIC_FAILURE_PREFIX)


def test_loaded_definitions_are_those_that_a_run_uses() -> None:
    """The pool loads jobs before it forks; if a run had another cache, it would load everything again."""
    pointer = internals.ModuleCodePointer(DEFINITIONS, "defs")
    repository = internals.reconstruct_repository_def_from_pointer(pointer)
    assert internals.reconstruct_repository_def_from_pointer(pointer).get_job("backtest") is repository.get_job(
        "backtest"
    )


def test_the_daemon_command_takes_a_workspace() -> None:
    """`coin up` runs it with -w."""
    assert "-w" in {option for parameter in internals.daemon_command().params for option in parameter.opts}


def test_the_executor_wraps_dagsters() -> None:
    """The default is one process; the rest is Dagster's own executor."""
    theirs = dg.multi_or_in_process_executor
    assert in_process_or_multiprocess.executor_creation_fn is theirs.executor_creation_fn
    assert {*inspect.signature(dg.ExecutorDefinition).parameters} >= {"requirements", "executor_creation_fn"}


def test_workspace_and_settings_name_the_same_location() -> None:
    """The API looks the code location up by name; `dagster dev` takes the name from pyproject.toml."""
    root = Path(__file__).parents[2]
    assert f"location_name: {LOCATION}\n" in (root / "workspace.yaml").read_text()
    assert f'code_location_name = "{LOCATION}"\n' in (root / "pyproject.toml").read_text()


def test_job_names_are_those_of_the_definitions() -> None:
    """The monitor checks runs by the names of their jobs."""
    names = {job.name for job in build_defs().resolve_all_job_defs()}
    assert names == MONITORED_JOBS
