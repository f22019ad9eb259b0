"""What becomes of each entry signal as if it were the only one: the rule behind runs and sweeps alike."""

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints, read_only
from coin_pipeline.engine.execution import Costs, ExitRule, Fill, Stops
from coin_pipeline.engine.kernel import kernel, prefetch


class ExitReason(IntEnum):
    """Why a position was left."""

    SIGNAL = 0
    HOLD = 1
    STOP_LOSS = 2
    TAKE_PROFIT = 3
    TRAILING_STOP = 4
    END = 5


_BLOCK = 64
_AHEAD = 32  # samples
_WORDS = 4096
_SIGNAL, _HOLD, _STOP_LOSS, _TAKE_PROFIT, _TRAILING_STOP, _END = (reason.value for reason in ExitReason)
_NOTHING = np.empty(0)
_NEVER = np.empty(0, np.int64)
UNFILLED = -1
"""Bar of a fill that lies past the last bar."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The outcomes of m entry signals, in their order, as arrays of shape (m,).

    Attributes:
        signal_bar: Bar at whose close the entry was decided, int64.
        entry_bar: Bar of the entry fill, int64; -1 where it lies past the last bar.
        exit_bar: Bar of the exit fill, int64; -1 where there was no entry.
        entry_price: Raw price of the entry, without costs, float64; NaN where there was no entry.
        exit_price: Raw price of the exit, float64; NaN where there was no entry.
        growth: Money received over money paid, float64; NaN where there was no entry.
        bars_held: Bars from entry to exit, int64; 0 where there was no entry.
        exit_reason: Values of ``ExitReason``, int8; ``END`` where there was no entry.
    """

    signal_bar: Ints
    entry_bar: Ints
    exit_bar: Ints
    entry_price: Floats
    exit_price: Floats
    growth: Floats
    bars_held: Ints
    exit_reason: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.signal_bar)

    @property
    def net_return(self) -> Floats:
        """Returns after the costs of both legs, fractions."""
        return self.growth - 1

    @property
    def open_at_end(self) -> Bools:
        """True where the bars ended first, so that the exit is the last close."""
        ended: Bools = (self.exit_reason == ExitReason.END) & (self.entry_bar != UNFILLED)
        return ended

    def where(self, mask: Bools) -> "Samples":
        """Return the samples at which the mask is True."""
        rows = np.flatnonzero(mask)
        return Samples(*(getattr(self, field.name)[rows] for field in fields(self)))


def true_indices(decisions: Bools) -> Ints:
    """Return the bars at which decisions are True, ascending: ``np.flatnonzero``, two or three times as fast."""
    count = int(np.count_nonzero(decisions))
    found = np.empty(count + 1, np.int64)  # what is False is written down too, for the next one to replace
    _find(read_only(decisions), found)
    return found[:count]


def compute_outcomes(bars: Bars, signal_bar: Ints, rule: ExitRule, costs: Costs, fill: Fill) -> Samples:
    """Follow each entry from its fill to its exit.

    A stop is an order that rests at the exchange while the position is open. It is filled at its level; where a bar
    opens beyond a stop-loss or a trailing stop, at that worse open. A target is filled at its level, never better. In a
    bar whose range holds both, the stop counts, since nobody knows which came first. The trailing level rises with the
    highest price of closed bars: within a bar, the high may come after the low.

    Args:
        bars: n candles.
        signal_bar: Bars at whose close an entry is decided, ascending, shape (m,).
        rule: When to leave.
        costs: Charged on both legs.
        fill: Where decisions are executed.
    """
    stops, m = rule.stops, len(signal_bar)
    entry_bar, exit_bar, bars_held = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    entry_price, exit_price, reason = np.empty(m), np.empty(m), np.empty(m, np.int8)
    _follow(
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        *_blocks(bars, stops),
        signal_bar,
        min(rule.hold or len(bars), len(bars)),
        _NEVER if rule.signals is None else true_indices(rule.signals),
        fill is Fill.NEXT_OPEN,
        # Without a stop its level is 0, below every price; without a target it is infinite.
        1.0 - stops.stop_loss if stops.stop_loss else 0.0,
        1.0 + stops.take_profit if stops.take_profit else np.inf,
        1.0 - stops.trailing_stop if stops.trailing_stop else 0.0,
        entry_bar,
        entry_price,
        exit_bar,
        exit_price,
        bars_held,
        reason,
    )
    growth = costs.received(exit_price) / costs.paid(entry_price)
    return Samples(signal_bar, entry_bar, exit_bar, entry_price, exit_price, growth, bars_held, reason)


def _blocks(bars: Bars, stops: Stops) -> tuple[Floats, Floats]:
    """Return the highest and the lowest price of each block of bars; nothing where nothing is watched for."""
    if not stops.any:
        return _NOTHING, _NOTHING
    starts = np.arange(0, len(bars), _BLOCK)
    return np.maximum.reduceat(bars.high, starts), np.minimum.reduceat(bars.low, starts)


@kernel
def _find(decisions: Bools, found: Ints) -> None:
    """Write down the bars of what is True, first the words of eight that hold any.

    No step depends on a guess: where decisions are rare, a processor would guess wrong at each of them.
    """
    ones, filled = decisions.view(np.uint8), np.empty(_WORDS + 1, np.int64)
    words = decisions[: len(decisions) // 8 * 8].view(np.uint64)
    count = 0
    for start in range(0, len(words), _WORDS):
        block, some = words[start : start + _WORDS], 0
        for word in range(len(block)):
            filled[some] = start + word
            some += block[word] != 0
        for word in filled[:some]:
            for bar in range(8 * word, 8 * word + 8):
                found[count] = bar
                count += ones[bar]
    for bar in range(8 * len(words), len(decisions)):
        found[count] = bar
        count += ones[bar]


@kernel
def _follow(
    opens: Floats,
    highs: Floats,
    lows: Floats,
    closes: Floats,
    block_high: Floats,
    block_low: Floats,
    signal_bar: Ints,
    hold: int,
    exit_signals: Ints,
    next_open: bool,  # noqa: FBT001 - kernels take no keywords
    loss_factor: float,
    profit_factor: float,
    trail_factor: float,
    entry_bar: Ints,
    entry_price: Floats,
    exit_bar: Ints,
    exit_price: Floats,
    bars_held: Ints,
    reason: npt.NDArray[np.int8],
) -> None:
    """Fill the last six arrays; a hold wins against an exit signal of the same bar."""
    n = len(closes)
    prices = opens if next_open else closes
    delay = 1 if next_open else 0
    upcoming = 0
    for s in range(len(signal_bar)):
        decided = signal_bar[s]
        if s + _AHEAD < len(signal_bar):
            prefetch(prices, signal_bar[s + _AHEAD] + delay)
            prefetch(prices, signal_bar[s + _AHEAD] + delay + hold)
        entry = decided + delay
        if entry >= n:
            entry_bar[s] = exit_bar[s] = UNFILLED
            entry_price[s] = exit_price[s] = np.nan
            bars_held[s], reason[s] = 0, _END
            continue
        entry_bar[s], entry_price[s] = entry, prices[entry]
        planned, why = decided + hold, _HOLD
        while upcoming < len(exit_signals) and exit_signals[upcoming] <= decided:
            upcoming += 1
        if upcoming < len(exit_signals) and exit_signals[upcoming] < planned:
            planned, why = exit_signals[upcoming], _SIGNAL
        left = planned + delay
        price = prices[left] if left < n else closes[n - 1]
        if left >= n:
            left, why = n - 1, _END
        # An exit at an open leaves nothing open within its bar; any other one holds its bar as well.
        at_open = next_open and why != _END
        if len(block_low) > 0:
            bar, level, cause = _stopped(
                opens,
                highs,
                lows,
                block_high,
                block_low,
                entry if next_open else entry + 1,
                left - 1 if at_open else left,
                entry_price[s],
                loss_factor,
                profit_factor,
                trail_factor,
            )
            if bar >= 0:
                left, price, why, at_open = bar, level, cause, False
        exit_bar[s], exit_price[s], reason[s] = left, price, why
        bars_held[s] = left - decided - (1 if at_open else 0)


@kernel
def _stopped(
    opens: Floats,
    highs: Floats,
    lows: Floats,
    block_high: Floats,
    block_low: Floats,
    first: int,
    last: int,
    entry_price: float,
    loss_factor: float,
    profit_factor: float,
    trail_factor: float,
) -> tuple[int, float, int]:
    """Return bar, price and reason of the first level reached, or -1; blocks that reach none are skipped whole."""
    fixed, target = entry_price * loss_factor, entry_price * profit_factor
    highest = entry_price
    i = first
    while i <= last:
        b = i // _BLOCK
        if i == b * _BLOCK:
            # The highest level that the trailing stop can have within the block.
            level = max(fixed, max(highest, block_high[b]) * trail_factor)
            if block_low[b] > level and block_high[b] < target:
                highest = max(highest, block_high[b])
                i += _BLOCK
                continue
        level = max(fixed, highest * trail_factor)
        if lows[i] <= level:
            return i, min(opens[i], level), _STOP_LOSS if fixed >= level else _TRAILING_STOP
        if highs[i] >= target:
            return i, target, _TAKE_PROFIT
        highest = max(highest, highs[i])
        i += 1
    return UNFILLED, np.nan, _END
