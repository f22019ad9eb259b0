"""Many accounts that share one table of trades, because the outcome of an entry is the same in every account."""

from typing import NamedTuple

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints
from coin_pipeline.engine.execution import Costs, ExitRule, Fill
from coin_pipeline.engine.kernel import kernel
from coin_pipeline.engine.outcomes import compute_outcomes
from coin_pipeline.engine.signal_rows import Words

_BLOCK = 16  # bars
_WORD = 64  # bits per word; repeated here because kernels may not read constants of other modules
_ALL_SET = np.uint64(2**64 - 1)
_LOWEST, _HIGHEST, _DEEPEST, _GROWTH = range(4)
_TRADES, _WINS, _BARS_HELD = range(3)
_RETURN, _DRAWDOWN, _GAINS, _LOSSES = range(4)


class _Account(NamedTuple):
    """State of an account.

    ``start`` is the candidate from which it may enter again, and ``lowest`` its lowest value since it reached ``peak``.
    """

    start: np.uint64
    value: float
    peak: float
    lowest: float
    drawdown: float
    gains: float
    losses: float
    trades: int
    wins: int
    held: int


_NEW = _Account(np.uint64(0), 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0, 0, 0)


class Closes(NamedTuple):
    """Close prices of n bars, and their maximum and minimum per block of bars."""

    close: Floats
    block_high: Floats
    block_low: Floats

    @classmethod
    def from_prices(cls, close: Floats) -> "Closes":
        """Compute the block extremes."""
        starts = np.arange(0, len(close), _BLOCK)
        return cls(close, np.maximum.reduceat(close, starts), np.minimum.reduceat(close, starts))


class TradeTable:
    """Outcomes of m candidates, the bars on which an account may enter, under one exit rule.

    An account that trades a subset of them gets the figures of ``simulate_account``, to the last bit, without iterating
    over its bars. During a position, the equity is the rounded product of the value before the entry and the path of
    the position. It is therefore lowest where the path is, and the drawdown from the peak since the entry is the same
    in every account.

    Args:
        bars: n candles.
        closes: Closes of the same bars.
        candidates: Bars at whose close an entry may be decided, ascending, shape (m,).
        rule: Exit conditions.
        costs: Charged on both legs; decisions are filled at the next open.
        sizing: Position sizing.
        accounts: Number of accounts that will trade.
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
        # 0 marks entries that cannot be traded: those filled after the last bar, and the padding bits after the last
        # candidate, up to one extra word.
        self._following = np.append(following, np.zeros(2 * _WORD, np.int64)).astype(np.uint64)
        self._bars_held, self._sizing = samples.bars_held, sizing
        self._paths = np.empty((len(candidates), 4))
        self._paths[:, _GROWTH] = samples.growth
        units = sizing.fraction / costs.paid(samples.entry_price, bars.time, samples.entry_bar)
        self._positions = (*closes, samples.entry_bar, samples.exit_bar, units, 1.0 - sizing.fraction)
        self._measured = np.zeros(len(candidates), np.bool_)
        # Measuring all paths in order is faster, as long as it visits no more bars than the accounts could hold.
        self._all_measured = bool(samples.bars_held.sum() <= accounts * len(bars))
        if self._all_measured:
            _measure_paths(np.arange(len(candidates)), self._measured, self._paths, *self._positions)

    def trade(self, entries: Words) -> tuple[Ints, Ints, Ints, Floats, Floats, Floats, Floats]:
        """Simulate one account per row of entries; each holds one position at a time.

        Args:
            entries: Bits of candidates, uint64, shape (accounts, ceil(m / 64) + 1); all bits of the last word are set.

        Returns:
            Trades, wins, bars held, total return, max drawdown, gains and losses, each of shape (accounts,).
        """
        if not self._all_measured:
            _measure_selected(entries, self._following, self._measured, self._paths, *self._positions)
        counts, figures = np.empty((3, len(entries)), np.int64), np.empty((4, len(entries)))
        _simulate_accounts(
            entries,
            self._following,
            self._paths,
            self._bars_held,
            self._sizing.fraction,
            self._sizing.min_equity,
            counts,
            figures,
        )
        return *counts, *figures


@kernel
def _measure_selected(
    entries: Words,
    following: Words,
    measured: Bools,
    paths: Floats,
    close: Floats,
    block_high: Floats,
    block_low: Floats,
    entry_bar: Ints,
    exit_bar: Ints,
    units: Floats,
    cash: float,
) -> None:
    """Measure the paths of the trades of each account that no earlier account has used."""
    selected = np.empty(len(units), np.int64)
    for k in range(len(entries)):
        traded = selected[: _select(entries[k], following, selected)]
        _measure_paths(traded, measured, paths, close, block_high, block_low, entry_bar, exit_bar, units, cash)


@kernel
def _select(words: Words, following: Words, selected: Ints) -> int:
    """Write the first entry, then the next one after each exit; return their number."""
    count = start = 0
    while True:
        w = start // _WORD
        word = words[w] & (_ALL_SET << np.uint64(start % _WORD))
        while word == 0:
            w += 1
            word = words[w]
        entry = w * _WORD + np.int64(trailing_zeros(word))  # type: ignore[call-arg]
        start = np.int64(following[entry])
        if start == 0:
            return count
        selected[count] = entry
        count += 1


@kernel
def _measure_paths(
    candidates: Ints,
    measured: Bools,
    paths: Floats,
    close: Floats,
    block_high: Floats,
    block_low: Floats,
    entry_bar: Ints,
    exit_bar: Ints,
    units: Floats,
    cash: float,
) -> None:
    """Compute minimum, maximum and max drawdown of each new path, skipping blocks that cannot deepen the drawdown."""
    for c in candidates:
        if measured[c]:
            continue
        measured[c] = True
        # The value before the entry belongs to the path; a fall from it is a fall from the peak before the entry.
        lowest, highest, deepest = 1.0, 0.0, 0.0
        i, end, unit = entry_bar[c], exit_bar[c], units[c]
        while i < end:
            b = i // _BLOCK
            if i == b * _BLOCK and i + _BLOCK <= end:
                # Rounding is monotonic, so these bound every value and every drawdown within the block.
                top, bottom = max(highest, cash + unit * block_high[b]), cash + unit * block_low[b]
                if 1.0 - bottom / top <= deepest:
                    lowest, highest = min(lowest, bottom), top
                    i += _BLOCK
                    continue
            value = cash + unit * close[i]
            lowest, highest = min(lowest, value), max(highest, value)
            deepest = max(deepest, 1.0 - value / highest)
            i += 1
        paths[c, _LOWEST], paths[c, _HIGHEST], paths[c, _DEEPEST] = lowest, highest, deepest


@kernel
def _simulate_accounts(
    entries: Words,
    following: Words,
    paths: Floats,
    bars_held: Ints,
    fraction: float,
    min_equity: float,
    counts: Ints,
    figures: Floats,
) -> None:
    """Simulate each account from trade to trade, two at a time.

    The search for the next entry starts where the last one led to, so that one account alone waits for its results.
    """
    first_a, first_b = np.empty(entries.shape[1] + 1, np.uint64), np.empty(entries.shape[1] + 1, np.uint64)
    for k in range(0, len(entries), 2):
        words_a, words_b = entries[k], entries[min(k + 1, len(entries) - 1)]
        _find_first_entries(words_a, first_a)
        _find_first_entries(words_b, first_b)
        a = b = _NEW
        # Only trades change an account's value, so once an order is too small, all later ones are.
        while a.value >= min_equity and b.value >= min_equity:
            entry_a, entry_b = _next_entry(words_a, first_a, a.start), _next_entry(words_b, first_b, b.start)
            if following[entry_a] == 0 or following[entry_b] == 0:
                break
            a = _after_trade(a, entry_a, following, paths, bars_held, fraction)
            b = _after_trade(b, entry_b, following, paths, bars_held, fraction)
        while a.value >= min_equity:
            entry_a = _next_entry(words_a, first_a, a.start)
            if following[entry_a] == 0:
                break
            a = _after_trade(a, entry_a, following, paths, bars_held, fraction)
        _write(a, counts[:, k], figures[:, k])
        if k + 1 == len(entries):
            break
        while b.value >= min_equity:
            entry_b = _next_entry(words_b, first_b, b.start)
            if following[entry_b] == 0:
                break
            b = _after_trade(b, entry_b, following, paths, bars_held, fraction)
        _write(b, counts[:, k + 1], figures[:, k + 1])


@kernel
def _find_first_entries(words: Words, first: Words) -> None:
    """Write the first entry in or after each word, as its distance from the first bit of that word."""
    entry = 0
    for w in range(len(words) - 1, -1, -1):
        own = w * _WORD + np.int64(trailing_zeros(words[w]))  # type: ignore[call-arg]
        entry = own if words[w] != 0 else entry
        first[w] = entry - w * _WORD


@kernel
def _next_entry(words: Words, first: Words, start: np.uint64) -> np.uint64:
    """Return the first entry from ``start`` on.

    The processor cannot predict whether it is in the same word. LLVM compiles a choice between two sums, unlike one of
    a value in memory, without a branch. Indices are unsigned because Python's negative ones take several instructions.
    """
    w = start // np.uint64(_WORD)
    word = words[w] & (_ALL_SET << start % np.uint64(_WORD))
    own, later = np.uint64(trailing_zeros(word)), first[w + np.uint64(1)] + np.uint64(_WORD)  # type: ignore[call-arg]
    return w * np.uint64(_WORD) + (own if word != 0 else later)


@kernel
def _after_trade(
    account: _Account, entry: np.uint64, following: Words, paths: Floats, bars_held: Ints, fraction: float
) -> _Account:
    """Make one trade.

    A drawdown is only computed at a new peak: rounding is monotonic, so the lowest value since the last peak gives the
    largest of the drawdowns from it.
    """
    growth = paths[entry, np.uint64(_GROWTH)]
    net_return = growth - 1.0
    lowest = min(account.lowest, account.value * paths[entry, np.uint64(_LOWEST)])
    value = account.value * (1.0 - fraction + fraction * growth)
    peak, drawdown = account.peak, max(account.drawdown, paths[entry, np.uint64(_DEEPEST)])
    highest = max(account.value * paths[entry, np.uint64(_HIGHEST)], value)
    if highest > peak:
        drawdown = max(drawdown, 1.0 - lowest / peak)
        peak, lowest = highest, value
    return _Account(
        following[entry],
        value,
        peak,
        min(lowest, value),
        drawdown,
        account.gains + max(net_return, 0.0),
        account.losses + max(-net_return, 0.0),
        account.trades + 1,
        account.wins + (net_return > 0.0),
        account.held + bars_held[entry],
    )


@kernel
def _write(account: _Account, counts: Ints, figures: Floats) -> None:
    counts[_TRADES], counts[_WINS], counts[_BARS_HELD] = account.trades, account.wins, account.held
    figures[_RETURN], figures[_GAINS], figures[_LOSSES] = account.value - 1.0, account.gains, account.losses
    figures[_DRAWDOWN] = max(account.drawdown, 1.0 - account.lowest / account.peak)
