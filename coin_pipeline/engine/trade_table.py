"""Many accounts that choose from the same trades, since what becomes of an entry does not depend on who makes it."""

from typing import NamedTuple

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints
from coin_pipeline.engine.execution import Costs, ExitRule, Fill
from coin_pipeline.engine.kernel import kernel
from coin_pipeline.engine.outcomes import compute_outcomes
from coin_pipeline.engine.signal_rows import Words

_BLOCK = 16
_WORD = 64  # bits of a row's word, written here too: kernels take no constants from other files
_ALL_SET = np.uint64(2**64 - 1)
_LOWEST, _HIGHEST, _DEEPEST, _GROWTH = range(4)
_TRADES, _WINS, _BARS_HELD = range(3)
_RETURN, _DRAWDOWN, _GAINS, _LOSSES = range(4)


class Closes(NamedTuple):
    """Closes of n bars, and the highest and the lowest of each block of bars."""

    close: Floats
    block_high: Floats
    block_low: Floats

    @classmethod
    def of(cls, close: Floats) -> "Closes":
        """Find the extremes."""
        starts = np.arange(0, len(close), _BLOCK)
        return cls(close, np.maximum.reduceat(close, starts), np.minimum.reduceat(close, starts))


class TradeTable:
    """What becomes of m candidates, bars on which an account may enter, under one exit rule.

    An account that trades some of them has the figures of ``walk``, to the last bit, without walking its bars: in a
    position the equity is a rounded product of the value before and the position's path, so it is lowest where the path
    is, and the fall from the peak since the entry is the same in every account.

    Args:
        bars: n candles.
        closes: Their closes.
        candidates: Bars at whose close an entry may be decided, ascending, shape (m,).
        rule: When to leave.
        costs: Charged on both legs; decisions are filled at the next open.
        sizing: How much of the account a position takes.
        accounts: How many are going to trade.
    """

    def __init__(
        self,
        bars: Bars,
        closes: Closes,
        candidates: Ints,
        rule: ExitRule,
        costs: Costs,
        sizing: Sizing,
        accounts: int,
    ) -> None:
        samples = compute_outcomes(bars, candidates, rule, costs, Fill.NEXT_OPEN)
        following = np.searchsorted(candidates, samples.exit_bar)
        # It is 0 where nothing can be traded: for an entry past the last bar, and for bits past the last candidate, to
        # the end of a word more.
        self._following = np.append(following, np.zeros(2 * _WORD, np.int64))
        self._bars_held, self._sizing = samples.bars_held, sizing
        self._paths = np.empty((len(candidates), 4))
        self._paths[:, _GROWTH] = samples.growth
        units = sizing.fraction / costs.paid(samples.entry_price)
        self._positions = (*closes, samples.entry_bar, samples.exit_bar, units, 1.0 - sizing.fraction)
        self._followed = np.zeros(len(candidates), np.bool_)
        # One after another is quicker, as long as that walks no more bars than the accounts hold at most.
        if samples.bars_held.sum() <= accounts * len(bars):
            _follow(np.arange(len(candidates)), self._followed, self._paths, *self._positions)

    def trade(self, entries: Words) -> tuple[Ints, Ints, Ints, Floats, Floats, Floats, Floats]:
        """Give each row of entries an account of its own, which holds one position at a time.

        Args:
            entries: Bits of candidates, shape (accounts, ceil(m / 64) + 1); all are set in the last word.

        Returns:
            Trades, wins, bars held; total return, max drawdown, gains and losses, each of shape (accounts,).
        """
        counts, figures = np.empty((3, len(entries)), np.int64), np.empty((4, len(entries)))
        _accounts(
            entries,
            self._following,
            self._followed,
            self._paths,
            *self._positions,
            self._bars_held,
            self._sizing.fraction,
            self._sizing.min_equity,
            counts,
            figures,
        )
        return *counts, *figures


@kernel
def _accounts(
    entries: Words,
    following: Ints,
    followed: Bools,
    paths: Floats,
    close: Floats,
    block_high: Floats,
    block_low: Floats,
    entered: Ints,
    left: Ints,
    units: Floats,
    cash: float,
    bars_held: Ints,
    fraction: float,
    min_equity: float,
    counts: Ints,
    figures: Floats,
) -> None:
    """Let each account choose its trades, follow those that nobody has made before, and make them."""
    chosen = np.empty(len(units), np.int64)
    for k in range(len(entries)):
        traded = chosen[: _choose(entries[k], following, chosen)]
        _follow(traded, followed, paths, close, block_high, block_low, entered, left, units, cash)
        _trade(traded, paths, bars_held, fraction, min_equity, counts[:, k], figures[:, k])


@kernel
def _choose(words: Words, following: Ints, chosen: Ints) -> int:
    """Write down the first entry, and from each exit on the next one; return how many there are."""
    count = place = 0
    while True:
        w = place // _WORD
        word = words[w] & (_ALL_SET << np.uint64(place % _WORD))
        while word == 0:
            w += 1
            word = words[w]
        entry = w * _WORD + np.int64(trailing_zeros(word))  # type: ignore[call-arg]
        place = following[entry]
        if place == 0:
            return count
        chosen[count] = entry
        count += 1


@kernel
def _follow(
    places: Ints,
    followed: Bools,
    paths: Floats,
    close: Floats,
    block_high: Floats,
    block_low: Floats,
    entered: Ints,
    left: Ints,
    units: Floats,
    cash: float,
) -> None:
    """Find lowest, highest and deepest fall of each new path; blocks that hold no deeper fall are not walked."""
    for place in places:
        if followed[place]:
            continue
        followed[place] = True
        # The value before the entry is a part of the path; a fall from it is one from the peak before.
        lowest, highest, deepest = 1.0, 0.0, 0.0
        i, end, unit = entered[place], left[place], units[place]
        while i < end:
            b = i // _BLOCK
            if i == b * _BLOCK and i + _BLOCK <= end:
                # Rounding keeps the order of numbers, so that these bound every value and every fall of the block.
                top, bottom = max(highest, cash + unit * block_high[b]), cash + unit * block_low[b]
                if 1.0 - bottom / top <= deepest:
                    lowest, highest = min(lowest, bottom), top
                    i += _BLOCK
                    continue
            value = cash + unit * close[i]
            lowest, highest = min(lowest, value), max(highest, value)
            deepest = max(deepest, 1.0 - value / highest)
            i += 1
        paths[place, _LOWEST], paths[place, _HIGHEST], paths[place, _DEEPEST] = lowest, highest, deepest


@kernel
def _trade(
    traded: Ints,
    paths: Floats,
    bars_held: Ints,
    fraction: float,
    min_equity: float,
    counts: Ints,
    figures: Floats,
) -> None:
    """Move one account from trade to trade."""
    cash = 1.0 - fraction
    value = peak = 1.0
    drawdown = gains = losses = 0.0
    trades = wins = held = 0
    for place in traded:
        # An order that is too small once is too small for good, since only trades change the value.
        if value < min_equity:
            break
        growth = paths[place, _GROWTH]
        net_return = growth - 1.0
        trades += 1
        wins += net_return > 0.0
        held += bars_held[place]
        gains += max(net_return, 0.0)
        losses += max(-net_return, 0.0)
        drawdown = max(drawdown, paths[place, _DEEPEST], 1.0 - value * paths[place, _LOWEST] / peak)
        peak = max(peak, value * paths[place, _HIGHEST])
        value *= cash + fraction * growth
        peak = max(peak, value)
        drawdown = max(drawdown, 1.0 - value / peak)
    counts[_TRADES], counts[_WINS], counts[_BARS_HELD] = trades, wins, held
    figures[_RETURN], figures[_DRAWDOWN], figures[_GAINS], figures[_LOSSES] = value - 1.0, drawdown, gains, losses
