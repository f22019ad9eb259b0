"""One pass over the points of a sweep: how many are valid, and how many earlier bars they need."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product

from coin_pipeline.strategies.base import StrategyParams
from coin_pipeline.strategies.loader import declared_warm_up
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.search_space import Point, Range
from coin_pipeline.sweeps.spec import SweepSpec


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
    """Count the points of a sweep and find its largest warm-up; points are generated one at a time to save memory.

    The points of an optuna search are known only after it. Its counts are the number of trials, and its warm-up is
    the largest at the ends of its ranges and at random points.

    Raises:
        StrategyFailed: The strategy does not declare a number of bars.
    """
    survey, strategy = PointSurvey(), registry.get(spec.strategy)
    for point in _points(spec):
        params = None if point is None else spec.valid_params(registry, point)
        survey.points += params is not None
        survey.duplicates += point is None
        survey.skipped += point is not None and params is None
        if params is not None and spec.warm_up == "auto":
            declared = declared_warm_up(strategy, params, spec.symbols[0])
            survey.first, survey.last = survey.first or params, params
            if survey.deepest is None or declared > survey.declared:
                survey.declared, survey.deepest = declared, params
    if spec.search == "optuna":
        survey.points, survey.skipped, survey.duplicates = len(spec.points()), 0, 0
    return survey


def _points(spec: SweepSpec) -> Iterator[Point | None]:
    known = spec.points()
    numbered = (known.point_at(number) for number in range(len(known)))
    if spec.search != "optuna":
        return numbered
    return chain(_corners(spec), numbered) if spec.warm_up == "auto" else iter(())


def _corners(spec: SweepSpec) -> Iterator[Point]:
    """Yield the points whose values are all the first or the last of their dimension."""
    ends = [
        (dim.values.low, dim.values.high) if isinstance(dim.values, Range) else (dim.values[0], dim.values[-1])
        for dim in spec.space
    ]
    return (dict(zip((dim.name for dim in spec.space), values, strict=True)) for values in product(*ends))
