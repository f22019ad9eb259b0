"""One cash account that trades the samples of several symbols, with a limit on the positions held at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from coin_pipeline.engine.account import Sizing, drawdown
from coin_pipeline.engine.bars import Bars, Bools, Floats, Ints, read_only
from coin_pipeline.engine.execution import Costs
from coin_pipeline.engine.kernel import array_at_address, borrowed_slice, kernel, prefetch
from coin_pipeline.engine.outcomes import Samples

_EXHAUSTED = 1e-12  # of the equity: so little cash is what rounding has left
_NEVER = np.iinfo(np.int64).max
_SOON = 4  # times ahead: long enough for closes to arrive
_FIRST = 64  # bars of a position; the processor sees by itself that a longer one goes on
_LINE = 8  # floats that arrive together
_BYTES = np.dtype(np.float64).itemsize
_IGNORED, _NO_SLOT, _TOO_SMALL = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class SymbolSamples:
    """What the account needs to know of one symbol with n bars and m samples.

    Attributes:
        name: Name of the symbol; it decides who buys first at one open.
        time: Opens of the bars, int64 ns UTC, strictly increasing, shape (n,).
        close: Last prices, float64, shape (n,).
        samples: Outcomes under ``NEXT_OPEN``, in the order of their signals.

    Raises:
        ValueError: The columns differ in length.
    """

    name: str
    time: Ints
    close: Floats
    samples: Samples

    def __post_init__(self) -> None:
        if len(self.close) != len(self.time):
            raise ValueError(f"{self.name}: {len(self.close)} closes do not fit {len(self.time)} bars")

    @classmethod
    def from_bars(cls, name: str, bars: Bars, samples: Samples) -> "SymbolSamples":
        """Return the book of samples that were found on the bars."""
        return cls(name, bars.time, bars.close, samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRules(Sizing):
    """How much of the one account each entry spends, and how many positions there are at most.

    Attributes:
        max_positions: Positions held at once over all symbols, at least 1.

    Raises:
        ValueError: A figure is out of its range.
    """

    max_positions: int

    def __post_init__(self) -> None:
        Sizing.__post_init__(self)  # not super(): a class with slots is made twice, and super() knows the first one
        if self.max_positions < 1:
            raise ValueError(f"max_positions must be at least 1, not {self.max_positions}")


@dataclass(frozen=True, slots=True, eq=False)
class SharedAccount:
    """What one account made of the samples of several symbols, at the t different times of their bars.

    Attributes:
        time: Opens of the bars of all symbols, int64 ns UTC, strictly increasing, shape (t,).
        equity: Account value at the close of each bar, in multiples of the initial cash, float64, shape (t,).
        drawdown: Fraction that the equity lies below its highest value so far, 1.0 included, float64, shape (t,).
        taken: Per book, in the order given: True for the samples that were traded, bool, shape (m,).
        spent: Per book: money each trade was bought with, costs included, in multiples of the initial cash, float64,
            shape (m,); 0 where a sample was not traded.
        ignored: Per book: number of signals not traded because the account held a position in it, shape (books,).
        no_slot: Per book: number not traded because all positions were in use, shape (books,).
        too_small: Per book: number not traded because no cash was left, or less than the minimum order, shape (books,).
        exposure: Share of the times at which a position was held; undefined without bars.
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


def simulate_shared_account(books: Sequence[SymbolSamples], rules: SharedRules, costs: Costs) -> SharedAccount:
    """Trade the samples of all books from one cash account.

    Every fill is one of ``NEXT_OPEN``. In each symbol one position is held at a time, as in an account of its own: a
    sample decided before the symbol's last exit bar is ignored. At each time, in this order:

    1. Planned exits are filled at the open: each frees its position and its money.
    2. Entries are filled at the open, in the order of the symbols' names. Each spends the same money, ``fraction`` of
       the equity, or the cash that is left if that is less. The equity is the cash after the exits and the positions
       at their last closes. An entry is left out where all positions are in use, where no cash is left, or where the
       order would be below the minimum.
    3. Stops within the bar, and positions still open at the last close of their symbol, free position and money for
       later times only.
    4. The equity is the cash and the positions at their closes. A symbol without a bar at that time keeps its last
       close.

    An exit brings the money spent times what it would bring at these costs; the growth of the samples is not read.

    Args:
        books: One per symbol, at least one; their order changes nothing.
        rules: Limits of the account.
        costs: Charged on both legs.

    Raises:
        ValueError: There are no books, two have the same name, or samples are not of their bars.
    """
    names = [book.name for book in books]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"a shared account needs one book for each of its symbols, not the books {names}")
    order = sorted(range(len(books)), key=names.__getitem__)
    of_name = [books[b] for b in order]
    samples = [book.samples for book in of_name]
    time, rows, row_at = _align([read_only(np.ascontiguousarray(book.time, np.int64)) for book in of_name])
    left = np.concatenate([s.exit_bar for s in samples])
    ends, bars = _ends(samples), np.array([len(book.time) for book in of_name])
    symbol, beyond = _symbols(ends, left, bars)
    if beyond >= 0:
        raise ValueError(f"{of_name[symbol[beyond]].name}: exits at bar {left[beyond]} do not fit its bars")
    closes = [read_only(np.ascontiguousarray(book.close, np.float64)) for book in of_name]
    paid = costs.paid(np.concatenate([s.entry_price for s in samples]))
    spent, equity, counts, busy = _trade(
        np.array([_address(close) for close in closes]),
        rows,
        row_at,
        symbol,
        np.concatenate([s.entry_bar for s in samples]),
        left,
        np.concatenate([s.bars_held for s in samples]),
        paid,
        costs.received(np.concatenate([s.exit_price for s in samples])) / paid,
        rules.max_positions,
        rules.fraction,
        rules.min_equity,
        len(time),
    )
    taken = spent > 0
    rank = np.argsort(order)
    slices = [slice(*pair) for pair in pairwise(ends.tolist())]
    places, left_out = [slices[place] for place in rank], counts[rank]
    return SharedAccount(
        time=time,
        equity=equity,
        drawdown=drawdown(equity),
        taken=tuple(taken[place] for place in places),
        spent=tuple(spent[place] for place in places),
        ignored=left_out[:, _IGNORED],
        no_slot=left_out[:, _NO_SLOT],
        too_small=left_out[:, _TOO_SMALL],
        exposure=busy / len(time) if len(time) else None,
    )


def compile_kernels() -> None:
    """Compile the kernels of this module; two symbols of the same times and one of others need them all."""
    none, nothing = np.empty(0, np.int64), np.empty(0)
    samples = Samples(none, none, none, nothing, nothing, nothing, none, np.empty(0, np.int8))
    books = [SymbolSamples(name, np.arange(n), np.ones(n), samples) for name, n in (("A", 1), ("B", 1), ("C", 0))]
    simulate_shared_account(books, SharedRules(max_positions=1), Costs(0.0, 0.0))


def _ends(columns: Sequence[Ints | Samples]) -> Ints:
    """Return where each column begins when they are put one after the other, and where the last one ends."""
    return np.cumsum([0, *(len(column) for column in columns)])


def _align(times: Sequence[Ints]) -> tuple[Ints, Ints, Ints]:
    """Return all times ascending, the rows of bars in them, and where in these rows each symbol's own begin."""
    first = times[0]
    if all(_same(first, time) for time in times[1:]):
        return first, np.arange(len(first)), np.zeros(len(times), np.int64)
    ends = _ends(times)
    time, rows = _merge(np.concatenate(times), ends)
    return time, rows, ends


@kernel
def _address(column: Floats) -> int:
    """Return where in memory a column begins."""
    address: int = column.ctypes.data
    return address


@kernel
def _same(one: Ints, other: Ints) -> bool:
    """Return whether two columns are equal; where they are the same memory they are not read."""
    return len(one) == len(other) and (one.ctypes.data == other.ctypes.data or np.array_equal(one, other))


@kernel
def _symbols(ends: Ints, left: Ints, bars: Ints) -> tuple[Ints, int]:
    """Return the symbol of each sample, and the first that is left past the bars of its symbol, or -1."""
    symbol, beyond = np.empty(len(left), np.int64), -1
    for b in range(len(bars)):
        for s in range(ends[b], ends[b + 1]):
            symbol[s] = b
            if left[s] >= bars[b] and beyond < 0:
                beyond = s
    return symbol, beyond


@kernel
def _merge(times: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Merge ascending runs; return the different times and the row of each bar in them.

    Looking at the next time of every symbol costs less than a sort, since most symbols have most times in common.
    """
    at, end = ends[:-1].copy(), ends[1:]
    upcoming = np.empty(len(at), np.int64)
    for b in range(len(at)):
        upcoming[b] = times[at[b]] if at[b] < end[b] else _NEVER
    union, rows = np.empty(len(times), np.int64), np.empty(len(times), np.int64)
    row = 0
    while upcoming.min() < _NEVER:
        now = upcoming.min()
        for b in range(len(at)):
            if upcoming[b] == now:
                rows[at[b]] = row
                at[b] += 1
                upcoming[b] = times[at[b]] if at[b] < end[b] else _NEVER
        union[row] = now
        row += 1
    return union[:row].copy(), rows


@kernel
def _trade(
    closes: Ints,
    rows: Ints,
    row_at: Ints,
    symbol: Ints,
    entered: Ints,
    left: Ints,
    bars_held: Ints,
    paid: Floats,
    growth: Floats,
    slots: int,
    fraction: float,
    min_equity: float,
    times: int,
) -> tuple[Floats, Floats, Ints, int]:
    """Implement ``simulate_shared_account``: symbols are numbered in name order, ``closes`` holds column addresses.

    Returned are money spent, equity, signals left out by symbol and reason, and the number of times with a position.

    The exit of a sample is known, so all that an entry leads to is booked ahead, and no bar is walked for nothing. A
    step is half a time: the open of row r is step 2 * r, its close step 2 * r + 1.
    """
    first, after = _chain(rows, row_at, symbol, entered, times)
    received, freed = np.zeros(2 * times), np.zeros(2 * times, np.int64)
    positions = np.zeros(2 * times)
    spent, last_exit = np.zeros(len(entered)), np.full(len(closes), -1)
    equity, counts = np.empty(times), np.zeros((len(closes), 3), np.int64)
    cash, free, busy = 1.0, slots, 0
    for now in range(times):
        s = first[now + _SOON] if now + _SOON < times else -1
        while s >= 0:
            coming = array_at_address(equity, closes[symbol[s]], left[s])
            for i in range(entered[s], min(left[s], entered[s] + _FIRST), _LINE):
                prefetch(coming, i)
            s = after[s]
        cash += received[2 * now]
        free += freed[2 * now]
        worth = cash + positions[2 * now]
        s = first[now]
        while s >= 0:
            b = symbol[s]
            if entered[s] <= last_exit[b]:
                counts[b, _IGNORED] += 1
            elif free == 0:
                counts[b, _NO_SLOT] += 1
            elif cash <= _EXHAUSTED * worth or min(worth, cash / fraction) < min_equity:
                counts[b, _TOO_SMALL] += 1
            else:
                spent[s] = min(fraction * worth, cash)
                cash -= spent[s]
                free -= 1
                last_exit[b] = left[s]
                held = array_at_address(equity, closes[b] + _BYTES * entered[s], left[s] - entered[s])
                held_rows = borrowed_slice(rows, row_at[b] + entered[s], row_at[b] + left[s] + 1)
                # A position left at an open is not held during the bar of its exit.
                exit_step = 2 * held_rows[-1] + (bars_held[s] > left[s] - entered[s])
                received[exit_step] += spent[s] * growth[s]
                freed[exit_step] += 1
                _hold(held, held_rows, spent[s], 1.0 / paid[s], borrowed_slice(positions, 0, exit_step))
            s = after[s]
        busy += free < slots
        cash += received[2 * now + 1]
        free += freed[2 * now + 1]
        equity[now] = cash + positions[2 * now + 1]
    return spent, equity, counts, busy


@kernel
def _chain(rows: Ints, row_at: Ints, symbol: Ints, entered: Ints, times: int) -> tuple[Ints, Ints]:
    """Return the first entry of each time, and of each entry the next one at its time, in the order of the symbols."""
    first, after = np.full(times, -1), np.full(len(entered), -1)
    for s in range(len(entered) - 1, -1, -1):
        if entered[s] >= 0:
            row = rows[row_at[symbol[s]] + entered[s]]
            after[s] = first[row]
            first[row] = s
    return first, after


@kernel
def _hold(close: Floats, rows: Ints, spent: float, units: float, positions: Floats) -> None:
    """Add a position's value at each close and at each open, where it is that of the close before, up to its exit."""
    first, count = rows[0], len(close)
    if rows[count] - first == count:  # a bar at every time: a plain loop
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
