"""Progress of a sweep: reported by its steps as run events, and aggregated from those events."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import dagster as dg
from dagster import MetadataValue

from coin_pipeline.orchestration._dagster_internals import EngineEventData, StepOutputData
from coin_pipeline.orchestration.progress import ProgressReporter

POINTS_EVALUATED, POINTS_PLANNED, BEST_OBJECTIVE = "points_evaluated", "points_planned", "best_objective"
"""Metadata keys of step events: evaluated points of a chunk, planned points of the sweep, best objective so far."""
EVENT_TYPES = {dg.DagsterEventType.STEP_OUTPUT, dg.DagsterEventType.ENGINE_EVENT}
"""Event types that carry progress."""
WINDOW_S = 30.0
"""Period over which the rate is measured, seconds."""


class PointsReporter:
    """Reports the number of evaluated points of a chunk as run events, at most once a second."""

    def __init__(self, context: dg.OpExecutionContext, symbols: int) -> None:
        self._reporter = ProgressReporter(context)
        self._symbols = symbols
        self._rows = 0

    def add_rows(self, rows: int) -> None:
        """Count new rows, one per point and symbol, and report the points."""
        self._rows += rows
        points = self._rows // self._symbols
        self._reporter.report_if_due(f"{points:,} points evaluated", {POINTS_EVALUATED: MetadataValue.int(points)})


@dataclass(slots=True)
class SweepProgress:
    """Progress of a sweep, aggregated from the events of its run in order.

    Attributes:
        planned: Points to evaluate, or None until they are counted.
        best: Highest objective so far, or None.
    """

    planned: int | None = None
    best: float | None = None
    _of_step: dict[str, int] = field(default_factory=dict)
    _recent: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def done(self) -> int:
        """Number of evaluated points; it never decreases."""
        return sum(self._of_step.values())

    def observe(self, entry: dg.EventLogEntry) -> None:
        """Include an event; repeated events have no effect."""
        event = entry.dagster_event
        if event is None or event.step_key is None or event.event_type not in EVENT_TYPES:
            return
        values, before = _numbers(event), (self.planned, self.done)
        if POINTS_PLANNED in values:
            self.planned = int(values[POINTS_PLANNED])
        if BEST_OBJECTIVE in values:
            self.best = max(values[BEST_OBJECTIVE], self.best if self.best is not None else values[BEST_OBJECTIVE])
        if POINTS_EVALUATED in values:
            self._of_step[event.step_key] = max(int(values[POINTS_EVALUATED]), self._of_step.get(event.step_key, 0))
        if (self.planned, self.done) != before:
            self._record(entry.timestamp)

    @property
    def points_per_second(self) -> float | None:
        """Points per second over the last 30 seconds, or None before the first evaluated points."""
        if not self.done or len(self._recent) < 2:  # noqa: PLR2004 - a rate needs two events
            return None
        (started, first), (ended, last) = self._recent[0], self._recent[-1]
        return (last - first) / (ended - started) if ended > started else None

    def eta_s(self, now: float) -> float | None:
        """Return the remaining time in seconds at the current rate, or None if the rate is unknown."""
        rate = self.points_per_second
        if not rate or self.planned is None:
            return None
        return max(0.0, (self.planned - self.done) / rate - (now - self._recent[-1][0]))

    def _record(self, time: float) -> None:
        """Record the current count; keep the window and the last event before it, as chunks may take longer."""
        self._recent.append((time, self.done))
        while time - self._recent[min(1, len(self._recent) - 1)][0] > WINDOW_S:
            self._recent.popleft()


def _numbers(event: dg.DagsterEvent) -> Mapping[str, float]:
    data = event.event_specific_data
    metadata = data.metadata if isinstance(data, StepOutputData | EngineEventData) else {}
    return {name: value.value for name, value in metadata.items() if isinstance(value.value, int | float)}
