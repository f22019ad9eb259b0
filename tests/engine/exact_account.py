"""An account in exact fractions that trades on price ticks, written independently of the engine and its references."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from coin_pipeline.engine.bars import Bars
from tests.engine.candles import bars_of

BANDS = [(100, 1, 0), (450, 1, 0), (2_000, 5, 0), (9_000, 10, 0), (950, 1, 1), (8_000, 1, 4), (90_000_000, 1_000, 0)]
"""First price and tick of some series, both in units of the last decimal place, and the number of decimal places."""


class Trade(NamedTuple):
    """A round trip: bars, price and reason of the exit."""

    entry_bar: int
    exit_bar: int
    price: Fraction
    reason: str


class Levels(NamedTuple):
    """Exits and sizing, in decimal notation; None disables an exit."""

    stop_loss: str | None
    take_profit: str | None
    trailing_stop: str | None
    size: str
    initial_cash: str
    min_order: str


@dataclass
class Ticks:
    """A series of candles as whole numbers of the smallest price unit."""

    rows: list[tuple[int, int, int, int]]
    places: int

    def bars(self) -> Bars:
        """Return the candles as floats, each nearest to its decimal."""
        return bars_of([[price / 10**self.places for price in row] for row in self.rows])


@dataclass
class Account:
    """The cash, as an exact multiple of the initial cash, and what was done."""

    cash: Fraction = Fraction(1)
    trades: list[Trade] = field(default_factory=list)
    too_small: int = 0


def walk(random: np.random.Generator, n: int) -> Ticks:
    """Draw a random walk on a tick grid that gaps at opens and often stands still."""
    start, tick, places = BANDS[random.integers(len(BANDS))]
    step = max(1, int(start / tick * random.choice([0.002, 0.01, 0.03])))
    last, rows = start // tick, []
    for moves in random.integers(-step, step + 1, (n, 4)).tolist():
        opened = max(last + (moves[0] if random.random() < 0.3 else 0), 2)
        close = max(opened + moves[1], 2)
        high, low = max(opened, close) + abs(moves[2]) // 2, max(min(opened, close) - abs(moves[3]) // 2, 1)
        rows.append((opened * tick, high * tick, low * tick, close * tick))
        last = close
    return Ticks(rows, places)


def trade(ticks: Ticks, entries: list[bool], hold: int | None, levels: Levels) -> Account:
    """Trade the decisions at the next open, without costs and without any tolerance."""
    account, bar = Account(), 0
    unit = Fraction(1, 10**ticks.places)
    prices = [tuple(price * unit for price in row) for row in ticks.rows]
    size, least = Fraction(levels.size), Fraction(levels.min_order) / Fraction(levels.initial_cash)
    while bar < len(prices) - 1:
        if not entries[bar]:
            bar += 1
        elif account.cash * size < least:
            account.too_small += 1
            bar += 1
        else:
            done = _round_trip(prices, bar + 1, hold, levels)
            account.trades.append(done)
            account.cash *= 1 - size + size * done.price / prices[bar + 1][0]
            bar = done.exit_bar
    return account


def _round_trip(prices: list[tuple[Fraction, ...]], entry: int, hold: int | None, levels: Levels) -> Trade:
    paid = highest = prices[entry][0]
    for bar in range(entry, len(prices)):
        opened, high, low, close = prices[bar]
        if hold is not None and bar == entry + hold:
            return Trade(entry, bar, opened, "HOLD")
        for known, reached in ((opened, opened), (low, high)):
            if found := _level_at(known, reached, opened, paid, highest, levels):
                return Trade(entry, bar, *found)
            highest = max(highest, opened)
        highest = max(highest, high)
    return Trade(entry, len(prices) - 1, close, "END")


def _level_at(
    low: Fraction, high: Fraction, opened: Fraction, paid: Fraction, highest: Fraction, levels: Levels
) -> tuple[Fraction, str] | None:
    """Return price and reason if a level is reached; the stop comes first, and is never better than the open."""
    stops = []
    if levels.stop_loss:
        stops.append((paid * (1 - Fraction(levels.stop_loss)), "STOP_LOSS"))
    if levels.trailing_stop:
        stops.append((highest * (1 - Fraction(levels.trailing_stop)), "TRAILING_STOP"))
    if stops:
        level, reason = max(stops, key=lambda stop: stop[0])
        if low <= level:
            return min(opened, level), reason
    if levels.take_profit and high >= (target := paid * (1 + Fraction(levels.take_profit))):
        return target, "TAKE_PROFIT"
    return None
