"""Tick sizes: the grid of prices that a market quotes, by price and by day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import numpy as np

from coin_pipeline.engine.bars import Bools, Floats, Ints
from coin_pipeline.engine.decimals import TOLERANCE

Bands = Sequence[tuple[str, str]]
"""Lower price bound of each band and its tick size, as decimal text, ascending, the first bound being 0."""
_FIRST_NS = np.iinfo(np.int64).min
_MAX_TOLERANCE = 1e-3  # ticks; `decimals.TOLERANCE` of a price of a billion ticks


@dataclass(frozen=True, slots=True)
class TickEra:
    """A tick table, and when it took effect.

    Attributes:
        since: First instant at which it is in force, ns UTC; None for the earliest table.
        bands: Its price bands.
    """

    since: int | None
    bands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TickTable:
    """The tick sizes of one market over time. Rounding uses the table in force at the given time.

    Ticks are stored as fractions of integers, because 0.1 has no exact binary representation: a rounded price is the
    double that is nearest to a decimal multiple of the tick.

    Attributes:
        eras: The successive tables, in order of time; only the first has no `since`.

    Raises:
        ValueError: The eras are out of order, or the first one does not cover all of the past.

    Example:
        >>> table = TickTable((TickEra(None, (("0", "1"),)), TickEra(1000, (("0", "0.1"), ("10", "5")))))
        >>> time, price = np.array([999, 1000, 1000]), np.array([7.62, 7.62, 11.0])
        >>> table.round_up(price, time).tolist(), table.round_down(price, time).tolist()
        ([8.0, 7.7, 15.0], [7.0, 7.6, 10.0])
    """

    eras: tuple[TickEra, ...]
    _since: Ints = field(init=False, repr=False, compare=False)
    _bounds: Floats = field(init=False, repr=False, compare=False)
    _numerator: Floats = field(init=False, repr=False, compare=False)
    _denominator: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        since = [_FIRST_NS if era.since is None else era.since for era in self.eras]
        if not since or since[0] != _FIRST_NS or any(a >= b for a, b in pairwise(since)):
            raise ValueError(f"tick tables must start with one without a date and be in order of time, not {since}")
        bounds = sorted({Fraction(bound) for era in self.eras for bound, _ in era.bands})
        ticks = [_ticks_at(bounds, era.bands) for era in self.eras]
        # One row per era and one column per band of any era, flattened so that a lookup is a single index.
        object.__setattr__(self, "_since", np.array(since, np.int64))
        object.__setattr__(self, "_bounds", np.array([float(bound) for bound in bounds]))
        object.__setattr__(self, "_numerator", np.array([float(t.numerator) for row in ticks for t in row]))
        object.__setattr__(self, "_denominator", np.array([float(t.denominator) for row in ticks for t in row]))

    def round_up(self, price: Floats, time: Ints) -> Floats:
        """Return the lowest quoted price at or above each price; NaN stays NaN.

        Args:
            price: Prices in the quote currency, any shape.
            time: When each is quoted, ns UTC, same shape.
        """
        numerator, denominator = self._tick(price, time)
        ticks = price * denominator / numerator
        rounded: Floats = np.ceil(ticks - _tolerance(ticks)) * numerator / denominator
        return rounded

    def round_down(self, price: Floats, time: Ints) -> Floats:
        """Return the highest quoted price at or below each price; arguments as for `round_up`."""
        numerator, denominator = self._tick(price, time)
        ticks = price * denominator / numerator
        rounded: Floats = np.floor(ticks + _tolerance(ticks)) * numerator / denominator
        return rounded

    def on_grid(self, price: Floats, time: Ints) -> Bools:
        """Return whether each price is one that the market quotes; arguments as for `round_up`."""
        numerator, denominator = self._tick(price, time)
        ticks = price * denominator / numerator
        quoted: Bools = np.abs(ticks - np.rint(ticks)) <= _tolerance(ticks)
        return quoted

    def _tick(self, price: Floats, time: Ints) -> tuple[Floats, Floats]:
        """Return numerator and denominator of the tick at each price and time."""
        row = np.searchsorted(self._bounds, price, side="right") - 1
        if len(self._since) > 1:
            row += (np.searchsorted(self._since, time, side="right") - 1) * len(self._bounds)
        return self._numerator[row], self._denominator[row]


def _tolerance(ticks: Floats) -> Floats:
    """Return the distance below which a price is on a tick, in ticks, for prices in ticks."""
    return np.minimum(ticks * TOLERANCE, _MAX_TOLERANCE)


def _ticks_at(bounds: Iterable[Fraction], bands: Bands) -> list[Fraction]:
    """Return the tick of the band that each bound falls in."""
    parsed = [(Fraction(bound), Fraction(tick)) for bound, tick in bands]
    return [max((lower, tick) for lower, tick in parsed if lower <= bound)[1] for bound in bounds]
