"""Progress of a step, reported as engine events of its run."""

import time
from collections.abc import Mapping

import dagster as dg
from dagster import MetadataValue

from coin_pipeline.liveness import report_progress
from coin_pipeline.orchestration._dagster_internals import EngineEventData

INTERVAL_S = 1.0


class ProgressReporter:
    """Reports the progress of a step, once a second at most by `report_if_due`."""

    def __init__(self, context: dg.OpExecutionContext | dg.AssetExecutionContext) -> None:
        self._context = context
        self._reported_at = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last report is old enough for another one."""
        return time.monotonic() - self._reported_at >= INTERVAL_S

    def report_if_due(self, message: str, metadata: Mapping[str, MetadataValue]) -> None:
        """Report unless the last report is too recent."""
        report_progress()
        if self.due:
            self.report(message, metadata)

    def report(self, message: str, metadata: Mapping[str, MetadataValue]) -> None:
        """Report now."""
        self._reported_at = time.monotonic()
        step = self._context.get_step_execution_context()
        data = EngineEventData(metadata)
        self._context.instance.report_engine_event(message, step.dagster_run, data, step_key=step.step.key)
