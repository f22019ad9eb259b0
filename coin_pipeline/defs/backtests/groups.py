"""Groups of symbols that one step simulates: many steps of few candles would take longer than their simulations."""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.runner import CandleSlice
from coin_pipeline.backtest.spec import BacktestSpec, ResultArea
from coin_pipeline.defs.mapping_keys import to_mapping_key

MAX_STEPS = 32
"""Symbols up to which each has a step of its own; with more, each step has an equal share."""
MAX_CANDLES = 500_000
"""Candles of a group, about a year of minutes, so that its outputs need no more memory than those of one symbol."""


class CandleGroup(BaseModel):
    """The candles of some symbols; the spec, which names all symbols, is stored once.

    Attributes:
        spec: The backtest.
        shelf: Area of its result.
        parts: The other fields of each slice, as JSON.
    """

    model_config = ConfigDict(frozen=True)

    spec: BacktestSpec
    shelf: ResultArea
    parts: tuple[Json, ...]

    @classmethod
    def of(cls, slices: Sequence[CandleSlice]) -> "CandleGroup":
        """Return the group of some slices of one backtest."""
        parts = tuple(piece.model_dump(mode="json", exclude={"spec", "shelf"}) for piece in slices)
        return cls(spec=slices[0].spec, shelf=slices[0].shelf, parts=parts)

    @property
    def slices(self) -> list[CandleSlice]:
        """The slices."""
        return [CandleSlice(spec=self.spec, shelf=self.shelf, **part) for part in self.parts]


def group_slices(slices: Sequence[CandleSlice]) -> Iterator[tuple[str, list[CandleSlice]]]:
    """Yield groups of slices in order, each with the mapping key of its step."""
    size = -(-len(slices) // MAX_STEPS)
    group: list[CandleSlice] = []
    first = 1
    for piece in slices:
        if group and (len(group) == size or sum(own.rows for own in [*group, piece]) > MAX_CANDLES):
            yield _key(first, group), group
            first, group = first + len(group), []
        group.append(piece)
    yield _key(first, group), group


def _key(first: int, group: Sequence[CandleSlice]) -> str:
    """Return the name of the only symbol of a group, or the numbers of its first and its last one."""
    if len(group) == 1:
        return to_mapping_key(group[0].symbol)
    return f"symbols_{first}_to_{first + len(group) - 1}"
