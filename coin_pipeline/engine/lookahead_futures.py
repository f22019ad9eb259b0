"""Other futures for the look-ahead check: candles appended after a cut, candles replaced, and rounding noise."""

import numpy as np

from coin_pipeline.engine.bars import MAX_PRICE, MAX_VOLUME, MIN_PRICE, Bars, Floats, Ints

CRASH = np.repeat([[0.1, 0.11], [10.0, 11.0]], 16, axis=0).ravel()
SURGE = np.repeat([[10.0, 11.0], [0.1, 0.11]], 16, axis=0).ravel()
"""Closes of synthetic futures, in multiples of the last real close."""
NOISE = 1e-9
"""Relative noise: far above the rounding errors of a double, far below the tick size of any market."""
_LAST_NS = np.iinfo(np.int64).max
_LARGEST_EXPONENT = 700.0
"""Exponent whose power of e is far above any price, but finite."""
_VOLUME_FACTOR = 4.0
"""Factor by which a replaced candle has more or less volume."""


def extend(bars: Bars, closes: Floats) -> Bars:
    """Append synthetic bars; each opens at the previous close, and every other one has a large volume.

    Args:
        bars: n bars, at least one.
        closes: Closes in multiples of the last close, shape (k,).

    Returns:
        n + k bars.
    """
    k = len(closes)
    step = bars.time[-1] - bars.time[-2] if len(bars) > 1 else 1
    step = min(step, (_LAST_NS - bars.time[-1]) // k)  # days near the end of int64 have little room for more
    close = _bounded(bars.close[-1] * closes)
    opening = np.concatenate((bars.close[-1:], close[:-1]))
    large = min(100 * (1 + bars.volume.max()), MAX_VOLUME)
    volume = np.where(np.arange(k) % 2 == (closes[0] < 1), large, 0.0)
    time = bars.time[-1] + step * np.arange(1, k + 1)
    future = (time, opening, np.maximum(opening, close), np.minimum(opening, close), close, volume)
    past = (bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return Bars(*map(np.concatenate, zip(past, future, strict=True)))


class Reflection:
    """Replaces blocks of bars by others that move the other way; what all replacements need is computed once.

    Args:
        bars: n bars.
    """

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._logs = np.log(np.stack([bars.open, bars.high, bars.low, bars.close]))
        moves = np.abs(np.diff(self._logs[3]))  # none, of a single bar
        self._typical = (np.median(moves) if len(moves) else 0.0) or 1e-3

    def replace(self, first: Ints, length: int, strength: float, random: np.random.Generator) -> Bars:
        """Replace blocks of bars by others that move the other way from the close before the block.

        The bars between blocks keep their values, so that a decision with a short memory changes only near a block.

        Args:
            first: Index of the first bar of each block, at least 1, shape (k,); blocks do not overlap.
            length: Bars of a block; a block that exceeds the bars is cut short.
            strength: Size of the moves in multiples of the real ones.
            random: Chooses the direction where the price did not move, and more or less volume.
        """
        bars = self._bars
        index = np.minimum(first[:, None] + np.arange(length), len(bars) - 1)
        before = self._logs[3, first - 1][:, None]
        opening, high, low, close = self._logs[:, index]
        direction = np.sign(close[:, -1:] - before)
        direction = np.where(direction == 0, random.choice([-1.0, 1.0], direction.shape), direction)
        step = direction * self._typical
        closes = before - strength * (close - before) - step * np.arange(1, length + 1)
        opens = before - strength * (opening - before) - step * (np.arange(length) + 0.25)
        upper = np.maximum(np.maximum(opens, closes), closes + (close - low))
        lower = np.minimum(np.minimum(opens, closes), closes - (high - close))
        logs = np.stack([opens, upper, lower, closes])
        prices = _bounded(np.exp(np.minimum(logs, _LARGEST_EXPONENT)))
        factor = random.choice([1 / _VOLUME_FACTOR, _VOLUME_FACTOR], (len(first), 1))
        volume = np.minimum(bars.volume[index] * factor, MAX_VOLUME)
        columns = [bars.open.copy(), bars.high.copy(), bars.low.copy(), bars.close.copy(), bars.volume.copy()]
        for column, values in zip(columns, (*prices, volume), strict=True):
            column[index] = values
        return Bars(bars.time, *columns)


def add_noise(bars: Bars, first: int, end: int, random: np.random.Generator) -> Bars:
    """Multiply prices and volumes of bars ``first`` to ``end - 1`` by factors that differ from 1 by rounding noise.

    All prices of a bar have the same factor, so that its high remains the highest.
    """
    price, volume = np.ones((2, len(bars)))
    price[first:end] += NOISE * random.uniform(-1, 1, end - first)
    volume[first:end] += NOISE * random.uniform(-1, 1, end - first)
    opens, highs, lows, closes = (column * price for column in (bars.open, bars.high, bars.low, bars.close))
    return Bars(bars.time, opens, highs, lows, closes, bars.volume * volume)


def _bounded(values: Floats) -> Floats:
    bounded: Floats = np.minimum(np.maximum(values, MIN_PRICE), MAX_PRICE)
    return bounded
