"""Run a job in the calling process, recorded like any other run."""

import uuid
from collections.abc import Callable

import dagster as dg

from coin_pipeline.defs.run_requests import RunSubmission
from coin_pipeline.defs.task_jobs import task_job
from coin_pipeline.errors import RunFailed, error_class
from coin_pipeline.orchestration._dagster_internals import execute_in_process
from coin_pipeline.orchestration.failures import failure_from_events
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.run_tags import CLIENT_TAG, COMMANDS, LOCAL_TAG, MAX_RETRIES_TAG
from coin_pipeline.settings import Settings


def run_in_process(settings: Settings, launch: RunSubmission, on_event: Callable[[dg.EventLogEntry], None]) -> str:
    """Run a job now and return its run id.

    Args:
        settings: The settings of this process.
        launch: Job, run config and tags.
        on_event: Called with each event of the run.

    Raises:
        RunFailed: The run failed; has the message of the error that ended it.
        DatabaseUnavailable: Dagster's storage cannot be opened.
    """
    run_id = str(uuid.uuid4())
    with open_instance(settings) as instance:
        instance.add_event_listener(run_id, on_event)
        tags = {**launch.tags, CLIENT_TAG: COMMANDS, LOCAL_TAG: "command", MAX_RETRIES_TAG: "0"}
        result = execute_in_process(_job(launch.job), launch.config, tags, instance, run_id)
    if not result.success:
        message, kind = failure_from_events(result.all_events)
        raise RunFailed(run_id, error_class(kind), message)
    return run_id


def _job(name: str) -> dg.JobDefinition:
    if job := task_job(name):
        return job
    from coin_pipeline.defs.build import build_defs  # noqa: PLC0415 -- takes half a second

    return build_defs().resolve_job_def(name)
