"""Whether the prices of a file are of another order of magnitude than the stored ones, as in another quote currency."""

from decimal import Decimal

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.errors import Coded, coded

FACTOR = 10
"""Prices of the same market do not differ by it at about the same time."""


def price_level_note(stored: OHLCV, new: OHLCV, limit: int) -> Coded | None:
    """Return a note if typical prices of a file differ from stored ones of about the same time by a factor of 10.

    Each stored candle is compared with the nearest of the file: a market may well rise by that factor over years.

    Args:
        stored: Stored candles; possibly none.
        new: Candles of the file; at least one.
        limit: How far apart in time two candles may be to be compared, ns.
    """
    after = np.searchsorted(new.time, stored.time)
    before, after = np.maximum(after - 1, 0), np.minimum(after, len(new.time) - 1)
    is_before = np.abs(stored.time - new.time[before]) < np.abs(new.time[after] - stored.time)
    nearest = np.where(is_before, before, after)
    near = np.abs(new.time[nearest] - stored.time) <= limit
    if not near.any():
        return None
    stored_price, new_price = _median(stored.close[near]), _median(new.close[np.unique(nearest[near])])
    if max(stored_price, new_price) < FACTOR * min(stored_price, new_price):
        return None
    return coded("prices_of_other_level", new=_typical(new_price), stored=_typical(stored_price))


def _median(prices: npt.NDArray[np.float64]) -> float:
    return float(np.median(prices))


def _typical(price: float) -> str:
    """Return a price with four digits.

    >>> _typical(93_123_456.5), _typical(0.00012345)
    ('93,120,000', '0.0001234')
    """
    return f"{Decimal(f'{price:.4g}'):,f}"
