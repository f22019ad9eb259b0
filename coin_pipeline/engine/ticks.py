"""Tick sizes: the prices that an exchange quotes."""

from enum import StrEnum

import numpy as np

from coin_pipeline.engine.bars import Floats

# Upbit, "KRW market order price unit", effective 2025-07-31: lower price bound of each band and its tick size, KRW.
_UPBIT_FROM = np.array([0, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 5e3, 1e4, 5e4, 1e5, 5e5, 1e6])
# Ticks are stored as fractions because 0.1 has no exact binary representation.
_UPBIT_NUMERATOR = np.array([1.0, 1, 1, 1, 1, 1, 1, 1, 1, 5, 10, 50, 100, 500, 1000])
_UPBIT_DENOMINATOR = np.array([1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1, 1, 1, 1, 1, 1, 1])
# A price within this relative distance of a tick is on the tick; the difference is binary rounding.
_ROUNDING = 1e-12


class Ticks(StrEnum):
    """Exchanges whose tick sizes are known."""

    UPBIT = "upbit"

    def round_up(self, price: Floats) -> Floats:
        """Return the lowest quoted price at or above each price, KRW, any shape; NaN stays NaN."""
        return self._on_tick(price, np.ceil, 1 - _ROUNDING)

    def round_down(self, price: Floats) -> Floats:
        """Return the highest quoted price at or below each price, KRW, any shape; NaN stays NaN."""
        return self._on_tick(price, np.floor, 1 + _ROUNDING)

    def _on_tick(self, price: Floats, rounding: np.ufunc, tolerance: float) -> Floats:
        band = np.searchsorted(_UPBIT_FROM, price, side="right") - 1
        numerator, denominator = _UPBIT_NUMERATOR[band], _UPBIT_DENOMINATOR[band]
        on_tick: Floats = rounding(price * denominator / numerator * tolerance) * numerator / denominator
        return on_tick
