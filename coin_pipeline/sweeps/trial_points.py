"""The trials of a sweep grouped by point."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.sweeps.search_space import Point
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trials import COUNTS, FIGURES, column_of, floats_of, objectives_of


@dataclass(frozen=True, slots=True)
class TrialPoints:
    """The trials of a sweep by point; each point has one row per symbol.

    Attributes:
        spec: The sweep.
        table: All rows.
        numbers: Numbers of the points, ascending, shape (k,), int64.
        objectives: Objectives of the points, NaN where undefined, shape (k,), float64.
        ranking: Indices of the points with an objective, highest first, int64; ties are ordered by number.
    """

    spec: SweepSpec
    table: pa.Table
    numbers: Ints
    objectives: Floats
    ranking: Ints

    @classmethod
    def of(cls, spec: SweepSpec, table: pa.Table) -> "TrialPoints":
        """Group the rows of a sweep by point."""
        objectives = objectives_of(table, len(spec.symbols))
        order = np.argsort(-objectives, kind="stable")
        ranking = order[: len(order) - np.count_nonzero(np.isnan(objectives))]  # NaN sorts last
        return cls(spec, table, table["point"].to_numpy()[:: len(spec.symbols)], objectives, ranking)

    def rows(self, index: int) -> pa.Table:
        """Return the rows of a point."""
        return self.table.slice(index * len(self.spec.symbols), len(self.spec.symbols))

    def point(self, index: int) -> Point:
        """Return the values of a point."""
        row = self.table.slice(index * len(self.spec.symbols), 1)
        return {dim.name: row[column_of(dim.name)][0].as_py() for dim in self.spec.space}

    def column(self, name: str) -> Floats:
        """Return the values of a numeric dimension, infinite for None, shape (k,)."""
        return floats_of(self.table[column_of(name)], np.inf)[:: len(self.spec.symbols)]

    def summary(self, index: int) -> Json:
        """Return a point with its figures over all symbols: sums of counts, the deepest drawdown, otherwise means."""
        columns = {name: self.rows(index)[name].to_pylist() for name in FIGURES}
        figures = {name: _aggregate(name, column) for name, column in columns.items()}
        return {"point": int(self.numbers[index]), "values": self.point(index), "figures": figures}


def _aggregate(name: str, column: Sequence[float | None]) -> float | None:
    defined = [value for value in column if value is not None]
    if len(defined) < len(column):
        return None
    if name in COUNTS:
        return sum(defined)
    return max(defined) if name == "max_drawdown" else sum(defined) / len(defined)
