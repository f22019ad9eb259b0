"""How a step tells in the run's events how far it is."""

import time
from collections.abc import Mapping

import dagster as dg
from dagster import MetadataValue

from coin_pipeline.orchestration._dagster_internals import EngineEventData

INTERVAL_S = 1.0


class ProgressReporter:
    """Tells how far a step is, at most once a second."""

    def __init__(self, context: dg.OpExecutionContext | dg.AssetExecutionContext) -> None:
        self._context = context
        self._told = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to tell again."""
        return time.monotonic() - self._told >= INTERVAL_S

    def report_if_due(self, message: str, metadata: Mapping[str, MetadataValue]) -> None:
        """Tell, if it is time to."""
        if self.due:
            self.report(message, metadata)

    def report(self, message: str, metadata: Mapping[str, MetadataValue]) -> None:
        """Tell now."""
        self._told = time.monotonic()
        step = self._context.get_step_execution_context()
        data = EngineEventData(metadata)
        self._context.instance.report_engine_event(message, step.dagster_run, data, step_key=step.step.key)
