"""A shared cash account that trades the samples of several symbols, with a limit on open positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from coin_pipeline.engine.account import Sizing, drawdown
from coin_pipeline.engine.bars import Bars, Bools, Closes, Floats, Ints, read_only
from coin_pipeline.engine.decimals import TOLERANCE
from coin_pipeline.engine.execution import Costs
from coin_pipeline.engine.kernel import array_at_address, borrowed_slice, kernel, prefetch
from coin_pipeline.engine.outcomes import Samples, growth_factors

_PRICES = ("entry_price", "exit_price")
_NO_BARS = np.empty(0, np.int64)
_NO_MORE = np.iinfo(np.int64).max
_PREFETCH_TIMES = 4  # times to look ahead, enough for the closes to reach the cache
_PREFETCH_BARS = 64  # first bars of a position; beyond these the hardware prefetcher takes over
_CACHE_LINE = 8  # floats per cache line
_COMPARED_BARS = 4096  # bars of two symbols compared at a time
_ITEM_BYTES = np.dtype(np.float64).itemsize
_IGNORED, _NO_SLOT, _TOO_SMALL = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class SymbolSamples:
    """Bars and samples of one symbol, as the shared account reads them: n bars and m samples.

    Attributes:
        name: Name of the symbol; it determines the order of buys at the same open.
        time: Open times of the bars, int64 ns UTC, strictly increasing, shape (n,).
        close: Close prices, float64, shape (n,).
        samples: Outcomes under ``NEXT_OPEN``, in signal order.

    Raises:
        ValueError: The columns differ in length.
    """

    name: str
    time: Ints
    close: Floats
    samples: Samples

    def __post_init__(self) -> None:
        if len(self.close) != len(self.time):
            raise ValueError(f"{self.name}: {len(self.close)} closes for {len(self.time)} bars")

    @classmethod
    def from_bars(cls, name: str, bars: Bars | Closes, samples: Samples) -> "SymbolSamples":
        """Combine samples with the bars they were computed on."""
        return cls(name, bars.time, bars.close, samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRules(Sizing):
    """Position sizing and position limit of a shared account.

    Attributes:
        max_positions: Maximum number of open positions over all symbols, at least 1.

    Raises:
        ValueError: A value is out of range.
    """

    max_positions: int

    def __post_init__(self) -> None:
        Sizing.__post_init__(self)  # not super(): slots=True recreates the class, and super() refers to the first one
        if self.max_positions < 1:
            raise ValueError(f"max_positions must be at least 1, not {self.max_positions}")


@dataclass(frozen=True, slots=True, eq=False)
class SharedAccount:
    """Result of one account that traded several symbols, at the t distinct times of their bars.

    Attributes:
        time: Open times of the bars of all symbols, int64 ns UTC, strictly increasing, shape (t,).
        equity: Account value at the close of each bar, in multiples of the initial cash, float64, shape (t,).
        drawdown: How far the equity is below its running maximum, the initial 1.0 included, float64, shape (t,).
        taken: Per symbol, in input order: True for the samples that were traded, bool, shape (m,).
        spent: Per symbol: cash spent on each trade, costs included, in multiples of the initial cash, float64,
            shape (m,); 0 for samples not traded.
        ignored: Signals per symbol not traded because the account already held it, int64, shape (symbols,).
        no_slot: Signals per symbol not traded because all position slots were in use, int64, shape (symbols,).
        too_small: Signals per symbol not traded because no cash was left, or less than the minimum order, int64,
            shape (symbols,).
        exposure: Share of the times with at least one open position; None without bars.
    """

    time: Ints
    equity: Floats
    drawdown: Floats
    taken: tuple[Bools, ...]
    spent: tuple[Floats, ...]
    ignored: Ints
    no_slot: Ints
    too_small: Ints
    exposure: float | None


def simulate_shared_account(
    books: Sequence[SymbolSamples], rules: SharedRules, costs: Sequence[Costs]
) -> SharedAccount:
    """Trade the samples of all symbols from one cash account.

    Every fill follows ``NEXT_OPEN``. Each symbol has at most one open position, as in an account of its own: a sample
    decided before the symbol's last exit bar is ignored. At each time, in this order:

    1. Planned exits are filled at the open. Each frees its slot and its cash.
    2. Entries are filled at the open, in order of symbol name. Each spends the same amount: ``fraction`` of the equity,
       or the remaining cash if that is less. The equity here is the cash after the exits plus the positions at their
       last closes. An entry is skipped if all slots are in use, no cash is left, or the order would be below the
       minimum. Less cash than ``decimals.TOLERANCE`` of the equity is a rounding error: it is neither cash nor missing.
    3. Stops within the bar, and positions still open at the last close of their symbol, free their slot and cash for
       later times only.
    4. The equity is the cash plus the positions at their closes. A symbol without a bar at that time keeps its last
       close.

    An exit returns the cash spent times the growth at the given costs; the ``growth`` of the samples is not read.

    Args:
        books: One per symbol, at least one; their order does not affect the result.
        rules: Position sizing and position limit.
        costs: Charged on both legs, one per book.

    Returns:
        The account, with per-symbol values in the order of ``books``.

    Raises:
        ValueError: There are no symbols, two have the same name, or samples exit after the last bar of their symbol.
    """
    names = [book.name for book in books]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"a shared account needs at least one symbol and distinct names, not {names}")
    order = sorted(range(len(books)), key=names.__getitem__)
    by_name = [books[b] for b in order]
    samples = [book.samples for book in by_name]
    time, rows, row_at = _align([read_only(np.ascontiguousarray(book.time, np.int64)) for book in by_name])
    exit_bar = np.concatenate([s.exit_bar for s in samples])
    ends, bars = _offsets(samples), np.array([len(book.time) for book in by_name])
    symbol, invalid = _symbol_of_samples(ends, exit_bar, bars)
    if invalid >= 0:
        raise ValueError(f"{by_name[symbol[invalid]].name}: exit at bar {exit_bar[invalid]}, after its last bar")
    closes = [read_only(np.ascontiguousarray(book.close, np.float64)) for book in by_name]
    paid, received = _cash_per_unit(by_name, [costs[b] for b in order])
    spent, equity, counts, busy = _trade(
        np.array([_address(close) for close in closes]),
        rows,
        row_at,
        symbol,
        np.concatenate([s.entry_bar for s in samples]),
        exit_bar,
        np.concatenate([s.bars_held for s in samples]),
        paid,
        growth_factors(received, paid),
        rules.max_positions,
        rules.fraction,
        rules.min_equity,
        TOLERANCE,
        len(time),
    )
    taken = spent > 0
    rank = np.argsort(order)
    slices = [slice(*pair) for pair in pairwise(ends.tolist())]
    slices, skipped = [slices[i] for i in rank], counts[rank]
    return SharedAccount(
        time=time,
        equity=equity,
        drawdown=drawdown(equity),
        taken=tuple(taken[own] for own in slices),
        spent=tuple(spent[own] for own in slices),
        ignored=skipped[:, _IGNORED],
        no_slot=skipped[:, _NO_SLOT],
        too_small=skipped[:, _TOO_SMALL],
        exposure=busy / len(time) if len(time) else None,
    )


def compile_kernels() -> None:
    """Compile the kernels of this module: two symbols with the same times and one with others exercise all of them."""
    ints, floats = np.empty(0, np.int64), np.empty(0)
    samples = Samples(ints, ints, ints, floats, floats, floats, ints, np.empty(0, np.int8))
    books = [SymbolSamples(name, np.arange(n), np.ones(n), samples) for name, n in (("A", 1), ("B", 1), ("C", 0))]
    simulate_shared_account(books, SharedRules(max_positions=1), [Costs(0.0, 0.0)] * len(books))


def _cash_per_unit(books: Sequence[SymbolSamples], costs: Sequence[Costs]) -> tuple[Floats, Floats]:
    """Return the cash paid and received for one unit of each sample of all books."""
    samples = [book.samples for book in books]
    if costs[0].ticks is None and all(own == costs[0] for own in costs):  # one calculation for all symbols
        entry_price, exit_price = (np.concatenate([getattr(s, name) for s in samples]) for name in _PRICES)
        return costs[0].paid(entry_price, _NO_BARS, _NO_BARS), costs[0].received(exit_price, _NO_BARS, _NO_BARS)
    legs = list(zip(books, samples, costs, strict=True))
    paid = [own.paid(s.entry_price, book.time, s.entry_bar) for book, s, own in legs]
    received = [own.received(s.exit_price, book.time, s.exit_bar) for book, s, own in legs]
    return np.concatenate(paid), np.concatenate(received)


def _offsets(columns: Sequence[Ints | Samples]) -> Ints:
    """Return the start of each column after concatenation, followed by the total length."""
    return np.cumsum([0, *(len(column) for column in columns)])


def _align(times: Sequence[Ints]) -> tuple[Ints, Ints, Ints]:
    """Return the distinct times, ascending, the row of each bar in them, and where the rows of each symbol start."""
    first = times[0]
    if all(_equal(first, time) for time in times[1:]):
        return first, np.arange(len(first)), np.zeros(len(times), np.int64)
    ends = _offsets(times)
    time, rows = _merge(np.concatenate(times), ends)
    return time, rows, ends


@kernel
def _address(column: Floats) -> int:
    """Return the memory address of a column."""
    address: int = column.ctypes.data
    return address


@kernel
def _equal(a: Ints, b: Ints) -> bool:
    """Return whether two columns are equal; columns that share their memory are not read."""
    if len(a) != len(b):
        return False
    if a.ctypes.data == b.ctypes.data:
        return True
    for start in range(0, len(a), _COMPARED_BARS):  # a loop without an exit is compiled to vector instructions
        differing = 0
        for i in range(start, min(start + _COMPARED_BARS, len(a))):
            differing |= a[i] ^ b[i]
        if differing:
            return False
    return True


@kernel
def _symbol_of_samples(ends: Ints, exit_bar: Ints, bars: Ints) -> tuple[Ints, int]:
    """Return the symbol of each sample, and the first sample that exits after the last bar of its symbol, or -1."""
    symbol, invalid = np.empty(len(exit_bar), np.int64), -1
    for b in range(len(bars)):
        for s in range(ends[b], ends[b + 1]):
            symbol[s] = b
            if exit_bar[s] >= bars[b] and invalid < 0:
                invalid = s
    return symbol, invalid


@kernel
def _merge(times: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Merge ascending runs; return the distinct times and the row of each bar in them.

    Comparing the next time of every symbol is cheaper than sorting, because symbols share most of their times.
    """
    at, end = ends[:-1].copy(), ends[1:]
    upcoming = np.empty(len(at), np.int64)
    for b in range(len(at)):
        upcoming[b] = times[at[b]] if at[b] < end[b] else _NO_MORE
    union, rows = np.empty(len(times), np.int64), np.empty(len(times), np.int64)
    row, now = 0, _earliest(upcoming)
    while now < _NO_MORE:
        for b in range(len(at)):
            if upcoming[b] == now:
                rows[at[b]] = row
                at[b] += 1
                upcoming[b] = times[at[b]] if at[b] < end[b] else _NO_MORE
        union[row] = now
        row, now = row + 1, _earliest(upcoming)
    return union[:row].copy(), rows


@kernel
def _earliest(times: Ints) -> int:
    earliest = times[0]
    for time in times:
        earliest = min(earliest, time)
    return int(earliest)


@kernel
def _trade(
    closes: Ints,
    rows: Ints,
    row_at: Ints,
    symbol: Ints,
    entry_bar: Ints,
    exit_bar: Ints,
    bars_held: Ints,
    paid: Floats,
    growth: Floats,
    slots: int,
    fraction: float,
    min_equity: float,
    tolerance: float,
    times: int,
) -> tuple[Floats, Floats, Ints, int]:
    """Implement ``simulate_shared_account``: symbols are numbered in name order, ``closes`` holds column addresses.

    The exit of a sample is known in advance, so an entry books all its consequences at once and no bar is visited
    without need. Each time has two steps: the open of row r is step 2 * r, its close is step 2 * r + 1.

    Returns:
        Cash spent, equity, skipped signals by symbol and reason, and the number of times with an open position.
    """
    first, after = _chain_entries(rows, row_at, symbol, entry_bar, times)
    received, freed = np.zeros(2 * times), np.zeros(2 * times, np.int64)
    positions = np.zeros(2 * times)
    spent, last_exit = np.zeros(len(entry_bar)), np.full(len(closes), -1)
    equity, counts = np.empty(times), np.zeros((len(closes), 3), np.int64)
    cash, free, busy = 1.0, slots, 0
    for now in range(times):
        s = first[now + _PREFETCH_TIMES] if now + _PREFETCH_TIMES < times else -1
        while s >= 0:
            upcoming = array_at_address(equity, closes[symbol[s]], exit_bar[s])
            for i in range(entry_bar[s], min(exit_bar[s], entry_bar[s] + _PREFETCH_BARS), _CACHE_LINE):
                prefetch(upcoming, i)
            s = after[s]
        cash += received[2 * now]
        free += freed[2 * now]
        worth = cash + positions[2 * now]
        slack = tolerance * worth
        s = first[now]
        while s >= 0:
            b = symbol[s]
            if entry_bar[s] <= last_exit[b]:
                counts[b, _IGNORED] += 1
            elif free == 0:
                counts[b, _NO_SLOT] += 1
            elif cash <= slack or worth < min_equity or cash + slack < fraction * min_equity:
                counts[b, _TOO_SMALL] += 1
            else:
                spent[s] = min(fraction * worth, cash)
                cash -= spent[s]
                free -= 1
                last_exit[b] = exit_bar[s]
                held = array_at_address(equity, closes[b] + _ITEM_BYTES * entry_bar[s], exit_bar[s] - entry_bar[s])
                held_rows = borrowed_slice(rows, row_at[b] + entry_bar[s], row_at[b] + exit_bar[s] + 1)
                # A position closed at the open is not held during the bar of its exit.
                exit_step = 2 * held_rows[-1] + (bars_held[s] > exit_bar[s] - entry_bar[s])
                received[exit_step] += spent[s] * growth[s]
                freed[exit_step] += 1
                _add_position(held, held_rows, spent[s], 1.0 / paid[s], borrowed_slice(positions, 0, exit_step))
            s = after[s]
        busy += free < slots
        cash += received[2 * now + 1]
        free += freed[2 * now + 1]
        equity[now] = cash + positions[2 * now + 1]
    return spent, equity, counts, busy


@kernel
def _chain_entries(rows: Ints, row_at: Ints, symbol: Ints, entry_bar: Ints, times: int) -> tuple[Ints, Ints]:
    """Return linked lists of the entries at each time, in symbol order: the first of each time, and the next of each.

    Both are -1 where there is no such entry.
    """
    first, after = np.full(times, -1), np.full(len(entry_bar), -1)
    for s in range(len(entry_bar) - 1, -1, -1):
        if entry_bar[s] >= 0:
            row = rows[row_at[symbol[s]] + entry_bar[s]]
            after[s] = first[row]
            first[row] = s
    return first, after


@kernel
def _add_position(close: Floats, rows: Ints, spent: float, units: float, positions: Floats) -> None:
    """Add the value of a position at each step up to its exit; at an open it is valued at the previous close."""
    first, count = rows[0], len(close)
    if rows[count] - first == count:  # no gaps: a simple loop
        own = borrowed_slice(positions, 2 * first + 1, len(positions))
        for i in range(len(own) >> 1):
            value = spent * (units * close[i])
            own[2 * i] += value
            own[2 * i + 1] += value
        if len(own) & 1:
            own[len(own) - 1] += spent * (units * close[count - 1])
        return
    for i in range(count):
        value = spent * (units * close[i])
        for step in range(2 * rows[i] + 1, min(2 * rows[i + 1] + 1, len(positions))):
            positions[step] += value
