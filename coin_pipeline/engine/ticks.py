"""Prices that an exchange quotes."""

from enum import StrEnum

import numpy as np

from coin_pipeline.engine.bars import Floats

# Upbit, "KRW market order price unit", in force since 2025-07-31: a tick of this size from this price on, KRW.
_UPBIT_FROM = np.array([0, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 5e3, 1e4, 5e4, 1e5, 5e5, 1e6])
# The tick as a fraction, since a tenth is no binary number.
_UPBIT_NUMERATOR = np.array([1.0, 1, 1, 1, 1, 1, 1, 1, 1, 5, 10, 50, 100, 500, 1000])
_UPBIT_DENOMINATOR = np.array([1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1, 1, 1, 1, 1, 1, 1])
# A price this close to a tick, relatively, is on it: it has only been rounded in binary.
_ROUNDING = 1e-12


class Ticks(StrEnum):
    """Whose price steps orders keep to."""

    UPBIT = "upbit"

    def up(self, price: Floats) -> Floats:
        """Return the lowest quoted price at or above each price, KRW, any shape; NaN stays NaN."""
        return self._on_tick(price, np.ceil, 1 - _ROUNDING)

    def down(self, price: Floats) -> Floats:
        """Return the highest quoted price at or below each price, KRW, any shape; NaN stays NaN."""
        return self._on_tick(price, np.floor, 1 + _ROUNDING)

    def _on_tick(self, price: Floats, rounded: np.ufunc, towards_tick: float) -> Floats:
        band = np.searchsorted(_UPBIT_FROM, price, side="right") - 1
        numerator, denominator = _UPBIT_NUMERATOR[band], _UPBIT_DENOMINATOR[band]
        on_tick: Floats = rounded(price * denominator / numerator * towards_tick) * numerator / denominator
        return on_tick
