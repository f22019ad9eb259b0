"""Outcome of each entry signal, simulated as if it were the only one; used by backtests and sweeps alike."""

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints
from coin_pipeline.engine.decimals import AT_LEAST, AT_MOST, TOLERANCE, one_plus
from coin_pipeline.engine.execution import Costs, ExitRule, Fill, Stops
from coin_pipeline.engine.kernel import kernel, prefetch
from coin_pipeline.engine.true_indices import true_indices


class ExitReason(IntEnum):
    """Reason why a position was closed."""

    SIGNAL = 0
    HOLD = 1
    STOP_LOSS = 2
    TAKE_PROFIT = 3
    TRAILING_STOP = 4
    END = 5


_BLOCK = 64  # bars
_PREFETCH_SAMPLES = 32  # samples to look ahead
_SIGNAL, _HOLD, _STOP_LOSS, _TAKE_PROFIT, _TRAILING_STOP, _END = (reason.value for reason in ExitReason)
_POWERS = np.array([float(f"1e{power}") for power in range(23)])  # the powers of ten that are floats
_NO_PRICES, _NO_BARS = np.empty(0), np.empty(0, np.int64)
UNFILLED = -1
"""Bar index of a fill that would come after the last bar."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Outcomes of m entry signals, in signal order, as arrays of shape (m,).

    Attributes:
        signal_bar: Bar at whose close the entry was decided, int64.
        entry_bar: Bar of the entry fill, int64; -1 if it would come after the last bar.
        exit_bar: Bar of the exit fill, int64; -1 if there was no entry.
        entry_price: Raw entry price, before costs, float64; NaN if there was no entry.
        exit_price: Raw exit price, before costs, float64; NaN if there was no entry.
        growth: Cash received over cash paid, float64; exactly 1 if it breaks even, NaN if there was no entry.
        bars_held: Bars from entry to exit, int64; 0 if there was no entry.
        exit_reason: Values of ``ExitReason``, int8; ``END`` if there was no entry.
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
        """Returns after the costs of both legs, fractions, shape (m,)."""
        return self.growth - 1

    @property
    def open_at_end(self) -> Bools:
        """True where the data ended before an exit, so that the exit price is the last close, shape (m,)."""
        still_open: Bools = (self.exit_reason == ExitReason.END) & (self.entry_bar != UNFILLED)
        return still_open

    def where(self, mask: Bools) -> "Samples":
        """Return the samples where the mask, shape (m,), is True."""
        rows = np.flatnonzero(mask)
        return Samples(*(getattr(self, field.name)[rows] for field in fields(self)))


def compute_outcomes(bars: Bars, signal_bar: Ints, rule: ExitRule, costs: Costs, fill: Fill) -> Samples:
    """Simulate each entry from its fill to its exit.

    A stop is an order resting at the exchange while the position is open. The open is the first price of a bar:

    1. An open at or below the stop level is the price of the exit, which is worse than the level.
    2. An open at or above the profit target sells at the target, never better.
    3. The trailing level rises with the open.
    4. If the rest of the bar reaches both a stop level and the target, the stop is assumed to be hit first. The high of
       a bar raises the trailing level of later bars only. The order of high and low is unknown.

    Levels are compared with prices up to ``decimals.TOLERANCE``, and a fill at a level is the decimal that the rule
    means: 110, not 110.00000000000001.

    Args:
        bars: n candles.
        signal_bar: Bars at whose close an entry is decided, ascending, shape (m,).
        rule: Exit conditions.
        costs: Charged on both legs.
        fill: Execution price of decisions.

    Returns:
        One sample per signal, in the same order.
    """
    stops, m = rule.stops, len(signal_bar)
    entry_bar, exit_bar, bars_held = np.empty((3, m), np.int64)  # with few signals, allocating takes most of the time
    (entry_price, exit_price), reason = np.empty((2, m)), np.empty(m, np.int8)
    _simulate_samples(
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        *_blocks(bars, stops),
        signal_bar,
        min(rule.hold or len(bars), len(bars)),
        _NO_BARS if rule.signals is None else true_indices(rule.signals),
        fill is Fill.NEXT_OPEN,
        # A disabled stop has level 0, below every price; a disabled target has an infinite level.
        one_plus(-stops.stop_loss) if stops.stop_loss else 0.0,
        one_plus(stops.take_profit) if stops.take_profit else np.inf,
        one_plus(-stops.trailing_stop) if stops.trailing_stop else 0.0,
        AT_LEAST,
        AT_MOST,
        entry_bar,
        entry_price,
        exit_bar,
        exit_price,
        bars_held,
        reason,
    )
    received, paid = costs.received(exit_price, bars.time, exit_bar), costs.paid(entry_price, bars.time, entry_bar)
    growth = growth_factors(received, paid)
    return Samples(signal_bar, entry_bar, exit_bar, entry_price, exit_price, growth, bars_held, reason)


def growth_factors(received: Floats, paid: Floats) -> Floats:
    """Return cash received over cash paid, shape (m,); 1 if they are equal as decimals, so that it is not a gain."""
    growth = np.empty(len(paid))
    _divide(received, paid, TOLERANCE, growth)
    return growth


def _blocks(bars: Bars, stops: Stops) -> tuple[Floats, Floats]:
    """Return the highest and the lowest price of each block of bars; empty arrays if no stop is set."""
    if not stops.any:
        return _NO_PRICES, _NO_PRICES
    starts = np.arange(0, len(bars), _BLOCK)
    return np.maximum.reduceat(bars.high, starts), np.minimum.reduceat(bars.low, starts)


@kernel
def _divide(received: Floats, paid: Floats, tolerance: float, growth: Floats) -> None:
    for i in range(len(growth)):
        ratio = received[i] / paid[i]
        growth[i] = 1.0 if abs(ratio - 1.0) <= tolerance else ratio


@kernel
def _simulate_samples(
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
    at_least: float,
    at_most: float,
    entry_bar: Ints,
    entry_price: Floats,
    exit_bar: Ints,
    exit_price: Floats,
    bars_held: Ints,
    reason: npt.NDArray[np.int8],
) -> None:
    """Fill the last six arrays; a hold takes precedence over an exit signal on the same bar."""
    n = len(closes)
    prices = opens if next_open else closes
    delay = 1 if next_open else 0
    upcoming = 0
    decade = np.zeros(3)
    for s in range(len(signal_bar)):
        decided = signal_bar[s]
        if s + _PREFETCH_SAMPLES < len(signal_bar):
            prefetch(prices, signal_bar[s + _PREFETCH_SAMPLES] + delay)
            prefetch(prices, signal_bar[s + _PREFETCH_SAMPLES] + delay + hold)
        entry = decided + delay
        if entry >= n:
            entry_bar[s] = exit_bar[s] = UNFILLED
            entry_price[s] = exit_price[s] = np.nan
            bars_held[s], reason[s] = 0, _END
            continue
        entry_bar[s], entry_price[s] = entry, prices[entry]
        planned, cause = decided + hold, _HOLD
        while upcoming < len(exit_signals) and exit_signals[upcoming] <= decided:
            upcoming += 1
        if upcoming < len(exit_signals) and exit_signals[upcoming] < planned:
            planned, cause = exit_signals[upcoming], _SIGNAL
        exited = planned + delay
        price = prices[exited] if exited < n else closes[n - 1]
        if exited >= n:
            exited, cause = n - 1, _END
        # After an exit at the open, no position is held during the bar of the exit; any other exit holds it too.
        at_open = next_open and cause != _END
        if len(block_low) > 0:
            stop_bar, stop_price, stop_reason = _first_stop(
                opens,
                highs,
                lows,
                block_high,
                block_low,
                entry if next_open else entry + 1,
                exited - 1 if at_open else exited,
                entry_price[s],
                loss_factor,
                profit_factor,
                trail_factor,
                at_least,
                at_most,
            )
            if stop_bar >= 0:
                exited, price, cause, at_open = stop_bar, stop_price, stop_reason, False
                if price != opens[exited]:
                    price = _as_decimal(price, decade)
        exit_bar[s], exit_price[s], reason[s] = exited, price, cause
        bars_held[s] = exited - decided - (1 if at_open else 0)


@kernel
def _first_stop(
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
    at_least: float,
    at_most: float,
) -> tuple[int, float, int]:
    """Return bar, price and reason of the first level reached, or -1; blocks that reach no level are skipped."""
    fixed, target = entry_price * loss_factor, entry_price * profit_factor
    # Prices that reach the levels up to the tolerance.
    near_fixed, near_target, near_trail = fixed * at_most, target * at_least, trail_factor * at_most
    highest = entry_price
    i = first
    while i <= last:
        b = i // _BLOCK
        if i == b * _BLOCK:
            # Upper bound of the stop level within the block.
            level = max(near_fixed, max(highest, block_high[b]) * near_trail)
            if block_low[b] > level and block_high[b] < near_target:
                highest = max(highest, block_high[b])
                i += _BLOCK
                continue
        end = min((b + 1) * _BLOCK, last + 1)
        for k in range(i, end):
            before, highest = highest, max(highest, highs[k])
            if lows[k] <= max(near_fixed, highest * near_trail) or highs[k] >= near_target:
                # The stop level is not above its bound: look at the prices of the bar in order.
                if opens[k] <= max(near_fixed, before * near_trail):
                    return k, opens[k], _TRAILING_STOP if before * trail_factor > near_fixed else _STOP_LOSS
                if opens[k] >= near_target:
                    return k, target, _TAKE_PROFIT
                raised = max(before, opens[k])
                if lows[k] <= max(near_fixed, raised * near_trail):
                    trailing = raised * trail_factor
                    above = trailing > near_fixed
                    return k, trailing if above else fixed, _TRAILING_STOP if above else _STOP_LOSS
                if highs[k] >= near_target:
                    return k, target, _TAKE_PROFIT
        i = end
    return UNFILLED, np.nan, _END


@kernel
def _as_decimal(price: float, decade: Floats) -> float:
    """Round a computed price to the decimal that it means, 15 significant digits; below 1e-8 it stays as it is.

    The power of ten that makes the price whole is exact, so their quotient is the float nearest to the decimal.

    Args:
        price: The price.
        decade: The powers of ten around the previous price and its power, shape (3,); kept because logarithms are slow.
    """
    if not decade[0] <= price < decade[1]:
        exponent = int(np.floor(np.log10(price)))
        decade[0], decade[1] = 10.0**exponent, 10.0 ** (exponent + 1)
        decimals = max(14 - exponent, 0)
        decade[2] = _POWERS[decimals] if decimals < len(_POWERS) else 0.0
    return float(np.rint(price * decade[2]) / decade[2]) if decade[2] > 0.0 else price
