"""Seeded synthetic candles: fat tails, volatility clusters, volume that rises with volatility, and no-trade bars."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

START_NS = 1_577_836_800 * 10**9
MINUTES_A_YEAR = 365 * 24 * 60
NO_TRADE_SHARE = 0.002
"""Share of bars without a trade."""
QUIET_TAIL = 256
"""Bars without a signal at the end, after a price drop: longer than any hold used here, so that no position is open."""


@dataclass(frozen=True)
class Market:
    """Parameters of the candles.

    Attributes:
        minutes: Length of a bar, minutes.
        price: Initial price.
        tick: Tick size; prices are multiples of it.
        volatility: Annual standard deviation of the log price.
    """

    minutes: int = 1
    price: float = 30_000.0
    tick: float = 0.1
    volatility: float = 0.7


def generate_candles(n: int, seed: int, market: Market) -> Floats:
    """Return open, high, low, close and volume as the rows of an array, float64, shape (5, n).

    Volumes are multiples of 2**-10, so that their sums are exact in any order: engines cannot disagree on a signal
    because one adds from the left and another keeps a running sum. On the last ``QUIET_TAIL`` bars, the price drops
    once and then stays constant, because engines treat positions that are open at the end differently.
    """
    random = np.random.default_rng(seed)
    knots = np.arange(n // 240 + 2) * 240
    regime = np.interp(np.arange(n), knots, 0.4 * random.standard_normal(len(knots)))
    sigma = market.volatility * np.sqrt(market.minutes / MINUTES_A_YEAR) * np.exp(regime)
    shock = random.standard_t(5, n) / np.sqrt(5 / 3)
    moves = sigma * shock
    moves[-QUIET_TAIL:] = 0.0
    moves[-QUIET_TAIL] = -0.05
    close = market.price * np.exp(np.cumsum(moves))
    opens = np.concatenate([[market.price], close[:-1] * np.exp(0.05 * sigma[1:] * random.standard_normal(n - 1))])
    high = np.maximum(opens, close) * np.exp(0.45 * sigma * np.abs(random.standard_normal(n)))
    low = np.minimum(opens, close) * np.exp(-0.45 * sigma * np.abs(random.standard_normal(n)))
    volume = np.exp(2.0 + 0.8 * np.abs(shock) + 0.5 * random.standard_normal(n) + 1.2 * regime)
    no_trade = random.random(n) < NO_TRADE_SHARE
    no_trade[-QUIET_TAIL:] = True
    prices = np.where(no_trade, close, np.stack([opens, high, low, close]))
    prices = np.round(prices / market.tick) * market.tick
    volume = np.where(no_trade, 0.0, np.round(volume * 1024) / 1024)
    return np.vstack([prices, volume])


def open_times(n: int, market: Market) -> npt.NDArray[np.int64]:
    """Return the open times of n bars, int64 ns UTC."""
    return START_NS + np.arange(n) * (market.minutes * 60 * 10**9)
