"""The frozen spec that a sweep request resolves to."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.engine.execution import Stops
from coin_pipeline.strategies.base import StrategyParams
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.request import Objective, Search
from coin_pipeline.sweeps.search_space import Dimension, GridPoints, Point, RandomPoints, SearchPoints


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

    def valid_params(self, registry: StrategyRegistry, point: Point) -> StrategyParams | None:
        """Return the strategy's parameters at a point, or None if they violate a constraint between them."""
        try:
            return registry.get(self.strategy).Params.model_validate(self.params_at(point))
        except ValidationError:
            return None

    def backtest_at(self, point: Point) -> BacktestSpec:
        """Return the spec of a normal backtest of a valid point."""
        fields = self.model_dump(include=set(BacktestSpec.model_fields))
        return BacktestSpec(**{**fields, "params": self.params_at(point), **self._swept_stops(point)})

    def stops_at(self, point: Point) -> Stops:
        """Return the stops at a point."""
        return replace(self.stops, **self._swept_stops(point))

    def _swept_stops(self, point: Point) -> dict[str, Any]:
        return {dim.name: point[dim.name] for dim in self.space if not dim.param}


class _RandomSearch(BaseModel):
    space: tuple[Dimension, ...]
    trials: int
    seed: int


@lru_cache(maxsize=1)
def _draw_points(search: str) -> RandomPoints:
    """Draw the points of a random search, given as JSON, once per process.

    The cache key is JSON because equal values of different types, such as 1 and 1.0, must stay distinct.
    """
    fields = _RandomSearch.model_validate_json(search)
    return RandomPoints(fields.space, fields.trials, fields.seed)
