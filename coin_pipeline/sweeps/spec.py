"""The frozen spec that a sweep request resolves to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.engine.execution import Stops
from coin_pipeline.strategies.base import StrategyParams
from coin_pipeline.strategies.param_columns import ParamColumns, has_independent_fields, valid_values
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.request import Objective, Search
from coin_pipeline.sweeps.search_space import Dimension, GridPoints, Point, PointColumns, RandomPoints, SearchPoints


class SweepSpec(BacktestSpec):
    """A validated sweep; its digest identifies it.

    Attributes:
        params: The parameters that are not swept.
        space: The swept dimensions, in the order of the strategy's parameters.
        search: How points are chosen.
        trials: Number of points of a random or optuna search; None for a grid.
        seed: Seed of a random or optuna search.
        objective: The figure to maximize.
    """

    space: tuple[Dimension, ...]
    search: Search
    trials: int | None
    seed: int
    objective: Objective

    def points(self) -> SearchPoints:
        """Return the points by number; optuna proposes its own points in batches instead."""
        if self.trials is None:
            return GridPoints(self.space)
        return _draw_points(self.model_dump_json(include=set(_RandomSearch.model_fields)))

    def params_at(self, point: Point) -> dict[str, Any]:
        """Return the strategy's parameters at a point, not yet validated."""
        return {**self.params, **{dim.name: point[dim.name] for dim in self.space if dim.param}}

    def valid_points(self, registry: StrategyRegistry, points: PointColumns) -> "ValidPoints":
        """Return the points whose parameters violate no constraint, with these parameters.

        Fields that are validated independently are validated once per distinct value; otherwise, each point is.
        """
        model = registry.get(self.strategy).Params
        swept = [j for j, dim in enumerate(self.space) if dim.param]
        if not has_independent_fields(model):
            params = [_validated(model, self.params_at(points.point(k))) for k in range(len(points))]
            valid = np.array([item is not None for item in params], np.bool_)
            return ValidPoints(points.select(valid), [item for item in params if item is not None])
        valid = np.ones(len(points), np.bool_)
        for j in swept:
            distinct, index = np.unique(points.columns[j], return_inverse=True)
            values = PointColumns(self.space[j : j + 1], distinct, (distinct,)).values(0)
            valid &= valid_values(model, self.space[j].name, values.tolist())[index]
        points = points if valid.all() else points.select(valid)
        columns = {self.space[j].name: points.values(j) for j in swept}
        return ValidPoints(points, ParamColumns(model, self.params, columns, len(points)))

    def backtest_at(self, point: Point) -> BacktestSpec:
        """Return the spec of a normal backtest of a valid point."""
        fields = self.model_dump(include=set(BacktestSpec.model_fields))
        return BacktestSpec(**{**fields, "params": self.params_at(point), **self._swept_stops(point)})

    def stops_at(self, point: Point) -> Stops:
        """Return the stops at a point."""
        return replace(self.stops, **self._swept_stops(point))

    def stops_of(self, points: PointColumns) -> Sequence[Stops] | None:
        """Return the stops at each point; None if no point has any."""
        swept = [j for j, dim in enumerate(self.space) if not dim.param]
        if not swept:
            return [self.stops] * len(points) if self.stops.any else None
        distinct, index = np.unique(np.column_stack([points.columns[j] for j in swept]), axis=0, return_inverse=True)
        first = np.zeros(len(distinct), np.int64)
        first[index] = np.arange(len(points))
        stops = [self.stops_at(points.point(k)) for k in first.tolist()]
        return [stops[i] for i in index.tolist()] if any(item.any for item in stops) else None

    def _swept_stops(self, point: Point) -> dict[str, Any]:
        return {dim.name: point[dim.name] for dim in self.space if not dim.param}


@dataclass(frozen=True, slots=True)
class ValidPoints:
    """Points with valid parameters.

    Attributes:
        points: The points.
        params: Parameters of each point.
    """

    points: PointColumns
    params: Sequence[StrategyParams]

    def __len__(self) -> int:
        return len(self.params)

    def __getitem__(self, rows: slice) -> "ValidPoints":
        return ValidPoints(self.points.select(rows), self.params[rows])


class _RandomSearch(BaseModel):
    space: tuple[Dimension, ...]
    trials: int
    seed: int


def _validated(model: type[StrategyParams], values: Mapping[str, Any]) -> StrategyParams | None:
    try:
        return model.model_validate(values)
    except ValidationError:
        return None


@lru_cache(maxsize=1)
def _draw_points(search: str) -> RandomPoints:
    """Draw the points of a random search, given as JSON, once per process.

    The cache key is JSON because equal values of different types, such as 1 and 1.0, must stay distinct.
    """
    fields = _RandomSearch.model_validate_json(search)
    return RandomPoints(fields.space, fields.trials, fields.seed)
