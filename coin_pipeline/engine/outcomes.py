"""What becomes of each entry signal as if it were the only one: the rule behind runs and sweeps alike."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints
from coin_pipeline.engine.exits import ExitReason, ExitRule
from coin_pipeline.engine.fills import UNFILLED, Costs, Fill, execute
from coin_pipeline.engine.kernel import kernel

_BLOCK = 64
_STOP_LOSS, _TAKE_PROFIT, _TRAILING_STOP = ExitReason.STOP_LOSS, ExitReason.TAKE_PROFIT, ExitReason.TRAILING_STOP


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
        return Samples(*(getattr(self, field.name)[mask] for field in fields(self)))


def outcomes(bars: Bars, signal_bar: Ints, rule: ExitRule, costs: Costs, fill: Fill) -> Samples:
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
    last = len(bars) - 1
    entry_bar, entry_price = execute(bars, signal_bar, fill)
    decided, reason = _planned_exits(len(bars), signal_bar, rule)
    exit_bar, exit_price = execute(bars, decided, fill)
    entered = entry_bar != UNFILLED
    ends = exit_bar == UNFILLED
    exit_bar[ends & entered] = last
    exit_price[ends & entered] = bars.close[-1:]
    reason[ends] = ExitReason.END
    if rule.stops.any:
        # An exit at an open leaves nothing open within its bar.
        watched_to = exit_bar if fill is Fill.SIGNAL_CLOSE else np.where(ends, exit_bar, exit_bar - 1)
        watched_from = entry_bar if fill is Fill.NEXT_OPEN else entry_bar + 1
        _stop_out(bars, rule, watched_from, watched_to, entry_price, exit_bar, exit_price, reason)
    growth = costs.received(exit_price) / costs.paid(entry_price)
    # An exit within a bar or at its close holds that bar as well; one at an open does not.
    at_open = (reason == ExitReason.SIGNAL) | (reason == ExitReason.HOLD) if fill is Fill.NEXT_OPEN else False
    bars_held = np.where(entered, exit_bar + ~np.bool_(at_open) - (signal_bar + 1), 0)
    return Samples(signal_bar, entry_bar, exit_bar, entry_price, exit_price, growth, bars_held, reason)


def _planned_exits(n: int, signal_bar: Ints, rule: ExitRule) -> tuple[Ints, npt.NDArray[np.int8]]:
    """Return the bar at whose close each exit is decided, n where never, and the reason; a hold wins a tie."""
    decided = np.full(len(signal_bar), n)
    reason = np.full(len(signal_bar), ExitReason.HOLD, np.int8)
    if rule.hold is not None:
        decided = np.minimum(signal_bar + min(rule.hold, n), n)
    if rule.signals is not None:
        exit_signals = np.append(np.flatnonzero(rule.signals), n)
        signalled = exit_signals[np.searchsorted(exit_signals, signal_bar, side="right")]
        reason[signalled < decided] = ExitReason.SIGNAL
        decided = np.minimum(decided, signalled)
    return decided, reason


def _stop_out(
    bars: Bars,
    rule: ExitRule,
    first: Ints,
    last: Ints,
    entry_price: Floats,
    exit_bar: Ints,
    exit_price: Floats,
    reason: npt.NDArray[np.int8],
) -> None:
    """Overwrite the exits that a stop comes before."""
    stops = rule.stops
    starts = np.arange(0, len(bars), _BLOCK)
    _find_stops(
        bars.open,
        bars.high,
        bars.low,
        np.maximum.reduceat(bars.high, starts),
        np.minimum.reduceat(bars.low, starts),
        first,
        last,
        entry_price,
        # Without a stop its level is 0, below every price; without a target it is infinite.
        1.0 - stops.stop_loss if stops.stop_loss else 0.0,
        1.0 + stops.take_profit if stops.take_profit else np.inf,
        1.0 - stops.trailing_stop if stops.trailing_stop else 0.0,
        exit_bar,
        exit_price,
        reason,
    )


@kernel
def _find_stops(
    opens: Floats,
    highs: Floats,
    lows: Floats,
    block_high: Floats,
    block_low: Floats,
    first: Ints,
    last: Ints,
    entry_price: Floats,
    loss_factor: float,
    profit_factor: float,
    trail_factor: float,
    exit_bar: Ints,
    exit_price: Floats,
    reason: npt.NDArray[np.int8],
) -> None:
    """Walk each position's bars until a level is reached; blocks whose range reaches none are skipped whole."""
    for s in range(len(first)):
        if first[s] < 0:
            continue
        fixed, target = entry_price[s] * loss_factor, entry_price[s] * profit_factor
        highest = entry_price[s]
        i, end = first[s], last[s]
        while i <= end:
            b = i // _BLOCK
            if i == b * _BLOCK and i + _BLOCK - 1 <= end:
                # The highest level that the trailing stop can have within the block.
                level = max(fixed, max(highest, block_high[b]) * trail_factor)
                if block_low[b] > level and block_high[b] < target:
                    highest = max(highest, block_high[b])
                    i += _BLOCK
                    continue
            level = max(fixed, highest * trail_factor)
            if lows[i] <= level:
                exit_bar[s], exit_price[s] = i, min(opens[i], level)
                reason[s] = _STOP_LOSS if fixed >= level else _TRAILING_STOP
                break
            if highs[i] >= target:
                exit_bar[s], exit_price[s], reason[s] = i, target, _TAKE_PROFIT
                break
            highest = max(highest, highs[i])
            i += 1
