"""Entry signals of many parameter points at once, as bit-packed rows."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from coin_pipeline.engine.bars import Bools, Ints, read_only
from coin_pipeline.engine.execution import ExitRule
from coin_pipeline.engine.signals import Signals

Words: TypeAlias = npt.NDArray[np.uint64]
DecideBlock: TypeAlias = Callable[[int, Bools], None]

WORD = 64
"""Bits per word."""
BLOCK_SIZE = 1 << 22
"""Approximate number of decisions that a thread holds as booleans before packing them."""
MIN_BLOCK_BARS = 2048
"""Minimum number of bars per block, regardless of the number of rows; a multiple of ``WORD``."""


@dataclass(frozen=True, slots=True, eq=False)
class SignalRows:
    """Decisions of many parameter points of one strategy on the same n bars.

    Entries are stored as factors. The points of a grid share most of their conditions, so each condition is stored once
    as a row. The entries of point k are the bars on which row ``index[k, j]`` of every factor j is set; its exits are
    ``rules[rule[k]]``.

    Attributes:
        n: Number of bars.
        factors: Bit rows, each uint64, shape (rows, ceil(n / 64)), read-only; bit i of word w is bar 64 * w + i, and
            bits after the last bar are 0.
        index: Row of each point in each factor, int64, shape (points, factors).
        rules: Holds and exit signals, without stops.
        rule: Index of each point's rule, int64, shape (points,).

    Raises:
        ValueError: A shape, dtype or index is inconsistent.

    Example:
        >>> import numpy as np
        >>> rows = SignalRows.of([Signals(np.array([True, False]), hold=h) for h in (1, 2)])
        >>> rows.points, rows.signals(1).hold
        (2, 2)
    """

    n: int
    factors: tuple[Words, ...]
    index: Ints
    rules: tuple[ExitRule, ...]
    rule: Ints

    def __post_init__(self) -> None:
        for factor in self.factors:
            _check_factor(factor, self.n)
        object.__setattr__(self, "factors", tuple(read_only(factor) for factor in self.factors))
        if self.index.shape != (self.points, len(self.factors)):
            raise ValueError(f"index must have shape {(self.points, len(self.factors))}, not {self.index.shape}")
        for j, factor in enumerate(self.factors):
            _check_indices(f"index[:, {j}]", self.index[:, j], len(factor))
        _check_indices("rule", self.rule, len(self.rules))
        for rule in self.rules:
            if rule.signals is not None and rule.signals.shape != (self.n,):
                raise ValueError(f"exit signals must have shape ({self.n},), not {rule.signals.shape}")

    @property
    def points(self) -> int:
        """Number of parameter points."""
        return len(self.rule)

    @property
    def nbytes(self) -> int:
        """Memory of the factors, bytes."""
        return sum(factor.nbytes for factor in self.factors)

    def signals(self, k: int) -> Signals:
        """Return the signals of point ``k``."""
        rows = (factor[row] for factor, row in zip(self.factors, self.index[k], strict=True))
        rule = self.rules[self.rule[k]]
        return Signals(unpack(reduce(np.bitwise_and, rows), self.n), rule.signals, rule.hold)

    def starting_at(self, bar: int) -> "SignalRows":
        """Return these rows without the entries before a bar, such as those of a warm-up."""
        if bar == 0:
            return self
        kept = pack(np.arange(self.n) >= bar)
        smallest = min(range(len(self.factors)), key=lambda j: len(self.factors[j]))  # one of them is enough
        factors = (factor & kept if j == smallest else factor for j, factor in enumerate(self.factors))
        return replace(self, factors=tuple(factors))

    @classmethod
    def of(cls, signals: Iterable[Signals]) -> "SignalRows":
        """Pack the signals of one or more points into one factor with one row per point.

        Raises:
            ValueError: There are no signals, or they differ in length.
        """
        rows, keys, lengths = [], [], set()
        rules: dict[tuple[int, bytes | None], ExitRule] = {}
        for point in signals:
            rows.append(pack(point.entries))
            lengths.add(len(point))
            keys.append((point.hold or 0, None if point.exits is None else pack(point.exits).tobytes()))
            rules.setdefault(keys[-1], ExitRule(point.hold, point.exits))
        if len(lengths) != 1:
            raise ValueError(f"signals must all have the same number of bars, got {sorted(lengths) or 'no signals'}")
        positions = {key: position for position, key in enumerate(rules)}
        rule = np.array([positions[key] for key in keys])
        return cls(lengths.pop(), (np.stack(rows),), np.arange(len(rows))[:, None], tuple(rules.values()), rule)


def pack(bools: Bools) -> Words:
    """Pack booleans of shape (n,) or (rows, n) into uint64 words of shape (..., ceil(n / 64))."""
    octets = np.packbits(bools, axis=-1, bitorder="little")
    words = np.zeros((*bools.shape[:-1], _word_count(bools.shape[-1])), "<u8")
    words.view(np.uint8)[..., : octets.shape[-1]] = octets
    return words


def unpack(words: Words, n: int) -> Bools:
    """Unpack the first ``n`` bits of words of shape (ceil(n / 64),) or (rows, ceil(n / 64)) into booleans."""
    return np.unpackbits(words.view(np.uint8), axis=-1, count=n, bitorder="little").view(np.bool_)


def distinct_rows(columns: Sequence[npt.NDArray[Any]]) -> tuple[list[list[Any]], Ints]:
    """Return the distinct rows of columns, in ascending order, and the index of each given row among them.

    Args:
        columns: One or more columns of k values each; fewer than 2**63 combinations of their distinct values.

    Returns:
        The columns of the distinct rows as Python values, and the indices, int64, shape (k,).
    """
    distinct, codes = zip(*(np.unique(column, return_inverse=True) for column in columns), strict=True)
    shape = [len(values) for values in distinct]
    rows, index = np.unique(np.ravel_multi_index(codes, shape), return_inverse=True)
    picked = np.unravel_index(rows, shape)
    return [values[pick].tolist() for values, pick in zip(distinct, picked, strict=True)], index


def evaluate_rows(n: int, deciders: Sequence[tuple[int, DecideBlock]], workers: int = 1) -> Words:
    """Decide and pack many rows block by block, so that their booleans are never all in memory at once.

    Args:
        n: Number of bars.
        deciders: Number of rows and the function that decides them. The function receives the index of the first bar
            and an array of False, shape (rows, bars), in which it sets the decisions of these bars.
        workers: Number of threads; a function may be called from several at once.

    Returns:
        The rows of all functions, stacked, uint64, shape (rows, ceil(n / 64)).
    """
    offsets = np.cumsum([0, *(count for count, _ in deciders)])
    words = np.zeros((offsets[-1], _word_count(n)), np.uint64)

    def evaluate_block(i: int, start: int, bars: int) -> None:
        count, decide = deciders[i]
        block = np.zeros((count, min(bars, n - start)), np.bool_)
        decide(start, block)
        packed = pack(block)
        words[offsets[i] : offsets[i + 1], start // WORD : start // WORD + packed.shape[1]] = packed

    jobs = []
    for i, (count, _) in enumerate(deciders):
        bars = max(BLOCK_SIZE // count // WORD * WORD, MIN_BLOCK_BARS)
        jobs += [(i, start, bars) for start in range(0, n, bars)]
    run_jobs(evaluate_block, jobs, workers)
    return words


def run_jobs(work: Callable[..., None], jobs: Sequence[tuple[int, ...]], workers: int) -> None:
    """Call ``work`` with the arguments of each job, in threads if there are several jobs and workers."""
    if min(len(jobs), workers) <= 1:
        for job in jobs:
            work(*job)
        return
    with ThreadPoolExecutor(min(len(jobs), workers)) as pool:
        list(pool.map(lambda job: work(*job), jobs))


def _word_count(n: int) -> int:
    return -(-n // WORD)


def _check_factor(factor: Words, n: int) -> None:
    if factor.dtype != np.uint64 or not factor.flags.c_contiguous:
        raise ValueError(f"a factor must be a C-contiguous array of uint64, not {factor.dtype}")
    if factor.ndim != 2 or factor.shape[1] != _word_count(n):  # noqa: PLR2004 - rows and words
        raise ValueError(f"a factor on {n} bars must have shape (rows, {_word_count(n)}), not {factor.shape}")
    if n % WORD and np.any(factor[:, -1] >> np.uint64(n % WORD)):
        raise ValueError(f"a factor on {n} bars has bits set after the last bar")


def _check_indices(name: str, indices: Ints, count: int) -> None:
    if indices.dtype != np.int64:
        raise ValueError(f"{name} must be an array of int64, not {indices.dtype}")
    invalid = indices[(indices < 0) | (indices >= count)]
    if len(invalid):
        raise ValueError(f"{name} must be in 0..{count - 1}, not {invalid[0]}")
