"""Running the job inside the calling process, recorded like any other run."""

import uuid
from collections.abc import Callable

import dagster as dg

from coin_pipeline.backtest.results import Shelf
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.config import run_config, tags_of
from coin_pipeline.defs.failures import failure_of
from coin_pipeline.defs.instance import open_instance
from coin_pipeline.errors import RunFailed, class_named
from coin_pipeline.settings import Settings


def run_here(settings: Settings, spec: BacktestSpec, shelf: Shelf, on_step: Callable[[str], None]) -> str:
    """Run a backtest now and return its run id; `on_step` hears the key of each step that ends well.

    Raises:
        RunFailed: with the sentence of the error that ended the run.
        DatabaseUnavailable: Dagster's storage cannot be opened.
    """
    run_id = str(uuid.uuid4())
    # What Dagster would print about each event is in the run's log; the caller prints what a person wants to know.
    config = {**run_config(spec, shelf), "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with open_instance(settings) as instance:

        def listen(entry: dg.EventLogEntry) -> None:
            event = entry.dagster_event
            if event and event.event_type == dg.DagsterEventType.STEP_SUCCESS and event.step_key:
                on_step(event.step_key)

        instance.add_event_listener(run_id, listen)
        outcome = (
            build_defs()
            .resolve_job_def("backtest")
            .execute_in_process(
                run_config=config, tags=tags_of(spec), instance=instance, run_id=run_id, raise_on_error=False
            )
        )
    if not outcome.success:
        message, kind = failure_of(outcome.all_events)
        raise RunFailed(run_id, class_named(kind), message)
    return run_id
