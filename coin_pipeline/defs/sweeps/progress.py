"""How far a sweep is: what its steps say of themselves in the run's events, and what these add up to."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import dagster as dg
from dagster import MetadataValue

from coin_pipeline.orchestration._dagster_internals import EngineEventData, StepOutputData
from coin_pipeline.orchestration.progress import ProgressReporter

POINTS_EVALUATED, POINTS_PLANNED, BEST_OBJECTIVE = "points_evaluated", "points_planned", "best_objective"
"""Metadata that steps tell: points of a chunk that are evaluated, of all chunks together, the best objective."""
EVENT_TYPES = {dg.DagsterEventType.STEP_OUTPUT, dg.DagsterEventType.ENGINE_EVENT}
"""Events that a tally wants to hear."""
WINDOW_S = 30.0


class PointsReporter:
    """Tells in the run's events how many points of a chunk are evaluated, at most once a second."""

    def __init__(self, context: dg.OpExecutionContext, symbols: int) -> None:
        self._reporter = ProgressReporter(context)
        self._symbols = symbols
        self._rows = 0

    def more_rows(self, rows: int) -> None:
        """Hear that more rows, one for each point and symbol, are there."""
        self._rows += rows
        points = self._rows // self._symbols
        self._reporter.report_if_due(f"{points:,} points evaluated", {POINTS_EVALUATED: MetadataValue.int(points)})


@dataclass(slots=True)
class SweepProgress:
    """What the events of a run, heard in their order, say of its progress.

    Attributes:
        planned: Points to evaluate; None until they are counted.
        best: Highest objective so far.
    """

    planned: int | None = None
    best: float | None = None
    _of_step: dict[str, int] = field(default_factory=dict)
    _recent: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def done(self) -> int:
        """Points that are evaluated; never goes down."""
        return sum(self._of_step.values())

    def observe(self, entry: dg.EventLogEntry) -> None:
        """Take an event into account; one that was heard before changes nothing."""
        event = entry.dagster_event
        if event is None or event.step_key is None or event.event_type not in EVENT_TYPES:
            return
        said, before = _numbers(event), (self.planned, self.done)
        if POINTS_PLANNED in said:
            self.planned = int(said[POINTS_PLANNED])
        if BEST_OBJECTIVE in said:
            self.best = max(said[BEST_OBJECTIVE], self.best if self.best is not None else said[BEST_OBJECTIVE])
        if POINTS_EVALUATED in said:
            self._of_step[event.step_key] = max(int(said[POINTS_EVALUATED]), self._of_step.get(event.step_key, 0))
        if (self.planned, self.done) != before:
            self._remember(entry.timestamp)

    @property
    def points_per_second(self) -> float | None:
        """Return the rate over the last half minute that was heard of; None before anything was evaluated."""
        if not self.done or len(self._recent) < 2:  # noqa: PLR2004 - a rate lies between two events
            return None
        (began, at_first), (ended, at_last) = self._recent[0], self._recent[-1]
        return (at_last - at_first) / (ended - began) if ended > began else None

    def eta_s(self, now: float) -> float | None:
        """Return in how many seconds all points will be evaluated at this rate; None if there is none."""
        rate = self.points_per_second
        if not rate or self.planned is None:
            return None
        return max(0.0, (self.planned - self.done) / rate - (now - self._recent[-1][0]))

    def _remember(self, when: float) -> None:
        """Keep what was heard within the window, and the last event before it: chunks may take longer."""
        self._recent.append((when, self.done))
        while when - self._recent[min(1, len(self._recent) - 1)][0] > WINDOW_S:
            self._recent.popleft()


def _numbers(event: dg.DagsterEvent) -> Mapping[str, float]:
    data = event.event_specific_data
    said = data.metadata if isinstance(data, StepOutputData | EngineEventData) else {}
    return {name: value.value for name, value in said.items() if isinstance(value.value, int | float)}
