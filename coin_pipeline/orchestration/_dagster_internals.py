"""The only importer of Dagster's private modules.

Dagster promises nothing about these names: any release may move or change them. So the versions of Dagster and of its
companion packages are capped in pyproject.toml, ruff rejects imports of private modules everywhere else, and
`tests/orchestration/test_dagster_contract.py` asserts the shape of each name below. Each group is preceded by what
depends on it and which tests notice a change of behaviour. Names that `dagster` exports at its top level are not
listed.
"""

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

# Loading definitions by pointer. The worker pool fills the cache that executing a run reads; if Dagster used another
# cache, each run would load the definitions again (tests/orchestration/test_dagster_contract.py).
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.reconstruct import reconstruct_repository_def_from_pointer

# Errors of the storage and of the gRPC client. The API maps them to its own error classes: an unmapped one becomes a
# 500, and without DagsterRunAlreadyExists a repeated idempotency key no longer finds its run (tests/e2e/test_runs.py).
from dagster._core.errors import DagsterRunAlreadyExists, DagsterUserCodeUnreachableError

# Cursor into a run's events by storage id: progress is read from the last event seen (tests/e2e/test_sweeps.py).
from dagster._core.event_api import EventLogCursor

# Event payloads. Progress is written and read back as engine events and step outputs; RunStorage and EventStorage
# decide by event type which events need Dagster's asset index (tests/orchestration/test_storage.py).
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EngineEventData

# What ops print: Dagster captures it if the settings ask for it (tests/orchestration/test_compute_logs.py).
from dagster._core.execution.compute_logs import redirect_stream
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.execution.plan.outputs import StepOutputData

# Base of all launchers' contexts, named in signatures only.
from dagster._core.launcher.base import LaunchRunContext

# Submission without GraphQL: the API creates runs from a cached plan snapshot (tests/e2e/test_runs.py).
from dagster._core.remote_representation.code_location import CodeLocation, GrpcServerCodeLocation
from dagster._core.remote_representation.external import RemoteJob

# State of sensors, rewritten when the clock was wrong (tests/orchestration/test_daemon.py), and of the schedules of
# backups, read and switched on (tests/defs/test_backup_schedules.py).
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
)
from dagster._core.snap import ExecutionPlanSnapshot
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeLogManager

# Dagster's tables and migrations: created in one transaction, and event rows deleted except those of asset partitions
# (tests/orchestration/test_storage_schema.py, tests/defs/test_retention.py).
from dagster._core.storage.event_log import SqlEventLogStorageMetadata
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.storage.runs import RunStorageSqlMetadata
from dagster._core.storage.schedules import ScheduleStorageSqlMetadata
from dagster._core.storage.sql import stamp_alembic_rev

# Tags that Dagster's retries leave out of the next attempt (tests/orchestration/test_unanswered_tasks.py).
from dagster._core.storage.tags import TAGS_TO_MAYBE_OMIT_ON_RETRY
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget

# Daemon heartbeats, for /health (tests/e2e/test_platform.py).
from dagster._daemon.controller import get_daemon_statuses

# How dagster.yaml configures a class (tests/orchestration/test_instance.py).
from dagster._serdes import ConfigurableClassData

# Interrupt handling of Dagster's own run processes, so that a run in the worker pool is cancelled in the same way
# (tests/e2e/test_runs.py).
from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers

# The PostgreSQL storages. `PooledPostgresStorage` replaces the `_engine` of all three; see storage.py for each method
# that is overridden (tests/orchestration/test_storage.py).
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.run_storage import run_storage as run_storage_module
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import DagsterPostgresException, create_pg_engine, pg_alembic_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from threading import Event

    import click
    from dagster import DagsterInstance, DagsterRun, ExecuteInProcessResult, JobDefinition
    from starlette.applications import Starlette

LIVE_DATA_POLL_MS = 2000
"""How often the Dagster UI refreshes assets; the default of `dagster-webserver`."""
IMPLICIT_ASSET_JOB_NAME = "__ASSET_JOB"
"""Job of runs that the page of an asset starts (tests/defs/test_candle_assets.py)."""


def keep_log_handlers() -> None:
    """Have Dagster's commands and runs log to the handlers that this process has configured.

    Each of its commands would attach handlers of its own to the logger `dagster`, and each run would print its events
    in color (tests/orchestration/test_process_logs.py).
    """
    from dagster import _loggers  # noqa: PLC0415 -- as in daemon_command
    from dagster._cli import api  # noqa: PLC0415
    from dagster._daemon import controller  # noqa: PLC0415
    from dagster._utils import log  # noqa: PLC0415

    for module in (api, controller, log):
        module.configure_loggers = lambda *_, **__: None  # type: ignore[attr-defined]
    events = logging.getLogger("dagster.run")
    events.addFilter(lambda record: record.levelno >= logging.INFO)  # Dagster passes its records by the level
    _loggers.create_console_logger = lambda *_, **__: events  # type: ignore[attr-defined]


def load_command(program: str) -> None:
    """Import what a command of Dagster imports when it starts, for a process that is forked from this one.

    Nothing of it may start a thread or initialize gRPC, neither of which survives a fork (tests/cli/test_programs.py).
    """
    match program:
        case "code-server":
            import dagster._cli.api  # noqa: PLC0415 -- as in daemon_command
            import dagster._grpc.server  # noqa: PLC0415
        case "daemon":
            import dagster._daemon.cli  # noqa: F401, PLC0415
        case "webserver":
            import dagster_webserver.app  # noqa: PLC0415
            import dagster_webserver.cli  # noqa: F401, PLC0415


def code_server_command() -> "click.Command":
    """Return the command `dagster api grpc`, which reads its address and module from the command line."""
    from dagster._cli.api import grpc_command  # noqa: PLC0415 -- as in daemon_command

    return grpc_command


def daemon_command() -> "click.Command":
    """Return the command `dagster-daemon run`; importing it takes tens of milliseconds that only the daemon pays.

    The command reads the workspace from the command line (tests/orchestration/test_daemon.py).
    """
    from dagster._daemon.cli import run_command  # noqa: PLC0415

    return run_command


def hold_schedules(is_held: "Callable[[], bool]") -> None:
    """Have the loops of schedules and sensors of this process wait while a condition is true.

    Their heartbeats continue. The other loops of Dagster's daemon, such as that of the run queue, are not affected
    (tests/orchestration/test_daemon.py).

    Args:
        is_held: Whether to wait; asked before the loops start.
    """
    from dagster._daemon.daemon import SchedulerDaemon, SensorDaemon  # noqa: PLC0415 -- as in daemon_command

    for daemon in (SchedulerDaemon, SensorDaemon):
        daemon.core_loop = _held_loop(daemon.core_loop, is_held)  # type: ignore[assignment, method-assign]


def select_queued_runs(select: "Callable[[DagsterInstance], list[DagsterRun]]") -> None:
    """Have the queue's loop of this process launch the runs that a function returns.

    By itself it reads all queued runs at each poll, and sorts them again for each hundred
    (tests/orchestration/test_queue.py).

    Args:
        select: Returns the runs to launch now, in order; called at each poll.
    """
    from dagster._daemon import QueuedRunCoordinatorDaemon  # noqa: PLC0415 -- as in daemon_command

    def runs_to_dequeue(
        self: object,  # noqa: ARG001 -- Dagster's signature
        instance: "DagsterInstance",
        concurrency_config: object,  # noqa: ARG001
        fixed_iteration_time: float | None,  # noqa: ARG001
    ) -> "list[DagsterRun]":
        return select(instance)

    QueuedRunCoordinatorDaemon._get_runs_to_dequeue = runs_to_dequeue  # type: ignore[method-assign]  # noqa: SLF001


def _held_loop(loop: "Callable[..., Iterator[Any]]", is_held: "Callable[[], bool]") -> "Callable[..., Iterator[Any]]":
    def wait_and_run(self: object, context: object, shutdown_event: "Event") -> "Iterator[Any]":
        while is_held():
            yield None
            shutdown_event.wait(1)
        yield from loop(self, context, shutdown_event)

    return wait_and_run


def order_run_config(first: "Sequence[str]") -> None:
    """Let the webserver of this process show run config with some keys first; Dagster sorts all keys by name.

    Replaces `dump_run_config_yaml` in the module of the GraphQL types that have YAML of run config. If Dagster renames
    it, the Launchpad sorts by name again (tests/orchestration/test_run_config_order.py).

    Args:
        first: Keys of any level in their order; all others follow by name.
    """
    from dagster_graphql.schema.pipelines import pipeline  # noqa: PLC0415 -- of the webserver only
    from dagster_shared.yaml_utils import dump_run_config_yaml  # noqa: PLC0415

    places = {name: place for place, name in enumerate(first)}

    def ordered(value: Any) -> Any:  # noqa: ANN401 -- any JSON value
        if isinstance(value, list):
            return [ordered(item) for item in value]
        if not isinstance(value, dict):
            return value
        names = sorted(value, key=lambda name: (places.get(name, len(places)), name))
        return {name: ordered(value[name]) for name in names}

    def dump(config: "Mapping[str, Any]") -> str:
        return dump_run_config_yaml(ordered(config), sort_keys=False)

    pipeline.dump_run_config_yaml = dump  # type: ignore[assignment,attr-defined]  # imported there from its own module


@contextmanager
def webserver_app(instance: "DagsterInstance", workspace: "Path") -> "Iterator[Starlette]":
    """Yield the ASGI application that the command `dagster-webserver -w workspace` serves.

    As the command does, this lets the storages keep connections, within the same limits (tests/e2e/test_dagster_ui.py).
    Importing it takes tens of milliseconds that only the webserver pays.
    """
    from dagster._core.workspace.load_target import WorkspaceFileTarget  # noqa: PLC0415
    from dagster_webserver import cli  # noqa: PLC0415
    from dagster_webserver.app import create_app_from_workspace_process_context  # noqa: PLC0415
    from dagster_webserver.version import __version__  # noqa: PLC0415

    instance.optimize_for_webserver(
        cli.DEFAULT_DB_STATEMENT_TIMEOUT, cli.DEFAULT_POOL_RECYCLE, cli.DEFAULT_POOL_MAX_OVERFLOW
    )
    target = WorkspaceFileTarget([str(workspace)])
    with WorkspaceProcessContext(instance, version=__version__, workspace_load_target=target) as context:
        yield create_app_from_workspace_process_context(context, live_data_poll_rate=LIVE_DATA_POLL_MS)


def execute_in_process(
    job: "JobDefinition",
    run_config: "Mapping[str, Any]",
    tags: "Mapping[str, str]",
    instance: "DagsterInstance",
    run_id: str,
) -> "ExecuteInProcessResult":
    """Execute a job as its method of this name does, which would keep the outputs of all ops in memory.

    An error in an op is an event of the result (tests/defs/test_in_process.py).
    """
    from dagster._core.definitions.job_base import InMemoryJob  # noqa: PLC0415 -- of commands only
    from dagster._core.execution.execute_in_process import core_execute_in_process  # noqa: PLC0415

    return core_execute_in_process(
        run_config=run_config,
        job=InMemoryJob(job.as_ephemeral_job(resource_defs={}, input_values={})),
        instance=instance,
        output_capturing_enabled=False,
        raise_on_error=False,
        run_tags=tags,
        run_id=run_id,
    )


def execute_run_function() -> "Callable[..., int]":
    """Return the body of `dagster api execute_run`; importing it takes tens of milliseconds that only workers pay.

    A worker calls it after the fork, with the run id, the instance, a callback for events and
    `set_exit_code_on_failure` (tests/e2e/test_runs.py).
    """
    from dagster._cli.api import _execute_run_command_body  # noqa: PLC0415

    return _execute_run_command_body


__all__ = [
    "ASSET_CHECK_EVENTS",
    "ASSET_EVENTS",
    "IMPLICIT_ASSET_JOB_NAME",
    "LIVE_DATA_POLL_MS",
    "TAGS_TO_MAYBE_OMIT_ON_RETRY",
    "CapturedLogContext",
    "CodeLocation",
    "ComputeLogManager",
    "ConfigurableClassData",
    "DagsterPostgresException",
    "DagsterPostgresStorage",
    "DagsterRunAlreadyExists",
    "DagsterUserCodeUnreachableError",
    "EngineEventData",
    "EventLogCursor",
    "ExecutionPlanSnapshot",
    "GrpcServerCodeLocation",
    "GrpcServerTarget",
    "InstigatorState",
    "InstigatorStatus",
    "InstigatorType",
    "LaunchRunContext",
    "LocalComputeLogManager",
    "ModuleCodePointer",
    "NoOpComputeLogManager",
    "PostgresEventLogStorage",
    "PostgresRunStorage",
    "PostgresScheduleStorage",
    "RemoteJob",
    "RunStorageSqlMetadata",
    "ScheduleInstigatorData",
    "ScheduleStorageSqlMetadata",
    "SensorInstigatorData",
    "SqlEventLogStorageMetadata",
    "SqlEventLogStorageTable",
    "StepFailureData",
    "StepOutputData",
    "WorkspaceProcessContext",
    "capture_interrupts",
    "code_server_command",
    "create_pg_engine",
    "daemon_command",
    "execute_in_process",
    "execute_run_function",
    "get_daemon_statuses",
    "hold_schedules",
    "keep_log_handlers",
    "load_command",
    "pg_alembic_config",
    "reconstruct_repository_def_from_pointer",
    "redirect_stream",
    "run_storage_module",
    "select_queued_runs",
    "setup_interrupt_handlers",
    "stamp_alembic_rev",
    "webserver_app",
]
