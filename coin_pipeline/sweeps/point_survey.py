"""One pass over the points of a sweep: how many are valid, and how many earlier bars they need."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.loader import declared_warm_ups
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.search_space import PointColumns, Range
from coin_pipeline.sweeps.spec import SweepSpec

BLOCK = 10_000
"""Points that are in memory at once."""


@dataclass
class PointSurvey:
    """Counts of a sweep's points, and the largest warm-up among them.

    Attributes:
        points: Number of valid points.
        skipped: Number of points that violate a constraint between parameters.
        duplicates: Number of points that duplicate an earlier one.
        declared: Most bars that a valid point declares as its warm-up; 0 if the spec has no warm-up.
        first: Parameters of the first valid point.
        last: Parameters of the last valid point; it often looks back furthest, also if the strategy declares nothing.
        deepest: Parameters of the first point that declares the most.
    """

    points: int = 0
    skipped: int = 0
    duplicates: int = 0
    declared: int = 0
    first: StrategyParams | None = None
    last: StrategyParams | None = None
    deepest: StrategyParams | None = None

    @property
    def samples(self) -> list[StrategyParams]:
        """The first, the last and the deepest point, each once."""
        return [params for params in dict.fromkeys((self.first, self.last, self.deepest)) if params is not None]


def survey_points(registry: StrategyRegistry, spec: SweepSpec) -> PointSurvey:
    """Count the points of a sweep and find its largest warm-up, block by block to save memory.

    The points of an optuna search are known only after it. Its counts are the number of trials, and its warm-up is
    the largest at the ends of its ranges and at random points.

    Raises:
        StrategyFailed: The strategy does not declare a number of bars.
    """
    survey, strategy, points = PointSurvey(), registry.get(spec.strategy), spec.points()
    if spec.search == "optuna":
        if spec.warm_up == "auto":
            for block in (_corners(spec), points.columns(0, len(points))):
                _look_back(survey, strategy, spec, spec.valid_points(registry, block).params)
        survey.points = len(points)
        return survey
    for first in range(0, len(points), BLOCK):
        stop = min(first + BLOCK, len(points))
        block = points.columns(first, stop)
        valid = spec.valid_points(registry, block)
        survey.points += len(valid)
        survey.skipped += len(block) - len(valid)
        survey.duplicates += stop - first - len(block)
        if spec.warm_up == "auto":
            _look_back(survey, strategy, spec, valid.params)
    return survey


def _look_back(survey: PointSurvey, strategy: Strategy[Any], spec: SweepSpec, points: Sequence[StrategyParams]) -> None:
    """Include the warm-up of further points."""
    if not points:
        return
    declared = declared_warm_ups(strategy, points, spec.symbols[0])
    deepest = int(np.argmax(declared))  # the first of several
    survey.first, survey.last = survey.first or points[0], points[-1]
    if survey.deepest is None or declared[deepest] > survey.declared:
        survey.declared, survey.deepest = int(declared[deepest]), points[deepest]


def _corners(spec: SweepSpec) -> PointColumns:
    """Return the points whose values are all the first or the last of their dimension."""
    ends = [
        (dim.values.low, dim.values.high) if isinstance(dim.values, Range) else (dim.values[0], dim.values[-1])
        for dim in spec.space
    ]
    corners = [dict(zip((dim.name for dim in spec.space), values, strict=True)) for values in product(*ends)]
    return PointColumns.of(spec.space, range(len(corners)), corners)
