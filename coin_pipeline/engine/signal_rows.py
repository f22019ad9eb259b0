"""Entry signals of many points at once, as rows of bits."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from coin_pipeline.engine.bars import Bools, Ints, read_only
from coin_pipeline.engine.execution import ExitRule
from coin_pipeline.engine.signals import Signals

Words: TypeAlias = npt.NDArray[np.uint64]
DecideBlock: TypeAlias = Callable[[int, Bools], None]
KeyT = TypeVar("KeyT", bound=Hashable)

WORD = 64
BLOCK_SIZE = 1 << 22
"""Decisions that a thread holds as booleans before they are packed, about."""
MIN_BLOCK_BARS = 2048
"""Bars of a block at least, however many rows it has: a multiple of ``WORD``."""


@dataclass(frozen=True, slots=True, eq=False)
class SignalRows:
    """Decisions of many points of one strategy on the same n bars.

    Entries are kept as factors: the points of a grid share most of their conditions, so a condition that many points
    have in common is one row. The entries of point k are the bars on which row ``index[k, j]`` of every factor j is
    set; its exits are ``rules[rule[k]]``.

    Attributes:
        n: Number of bars.
        factors: Rows of bits, each uint64, shape (rows, ceil(n / 64)), read-only; bit i of word w is bar 64 * w + i,
            and bits past the last bar are 0.
        index: Row of each point in each factor, int64, shape (points, factors).
        rules: Holds and exit signals, without stops.
        rule: Number of each point's rule, int64, shape (points,).

    Raises:
        ValueError: A shape, a type or a number does not fit.
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
            raise ValueError(f"index must have the shape {(self.points, len(self.factors))}, not {self.index.shape}")
        for j, factor in enumerate(self.factors):
            _check_numbers(f"index[:, {j}]", self.index[:, j], len(factor))
        _check_numbers("rule", self.rule, len(self.rules))
        for one in self.rules:
            if one.signals is not None and one.signals.shape != (self.n,):
                raise ValueError(f"exit signals must have the shape ({self.n},), not {one.signals.shape}")

    @property
    def points(self) -> int:
        """Number of points."""
        return len(self.rule)

    def signals(self, k: int) -> Signals:
        """Return the signals of point ``k``."""
        rows = (factor[row] for factor, row in zip(self.factors, self.index[k], strict=True))
        rule = self.rules[self.rule[k]]
        return Signals(unpack(reduce(np.bitwise_and, rows), self.n), rule.signals, rule.hold)

    @classmethod
    def of(cls, signals: Iterable[Signals]) -> "SignalRows":
        """Pack the signals of one or more points: one factor, one row a point.

        Raises:
            ValueError: There are no signals, or they are on different numbers of bars.
        """
        rows, keys, lengths = [], [], set()
        rules: dict[tuple[int, bytes | None], ExitRule] = {}
        for one in signals:
            rows.append(pack(one.entries))
            lengths.add(len(one))
            keys.append((one.hold or 0, None if one.exits is None else pack(one.exits).tobytes()))
            rules.setdefault(keys[-1], ExitRule(one.hold, one.exits))
        if len(lengths) != 1:
            raise ValueError(f"rows need signals on one number of bars, not on {sorted(lengths) or 'none'}")
        numbers = {key: number for number, key in enumerate(rules)}
        rule = np.array([numbers[key] for key in keys])
        return cls(lengths.pop(), (np.stack(rows),), np.arange(len(rows))[:, None], tuple(rules.values()), rule)


def pack(bools: Bools) -> Words:
    """Return booleans of shape (n,) or (rows, n) as uint64 words of shape (..., ceil(n / 64))."""
    octets = np.packbits(bools, axis=-1, bitorder="little")
    words = np.zeros((*bools.shape[:-1], _words(bools.shape[-1])), "<u8")
    words.view(np.uint8)[..., : octets.shape[-1]] = octets
    return words


def unpack(words: Words, n: int) -> Bools:
    """Return the first ``n`` bits of words of shape (ceil(n / 64),) or (rows, ceil(n / 64)) as booleans."""
    return np.unpackbits(words.view(np.uint8), axis=-1, count=n, bitorder="little").view(np.bool_)


def sorted_unique(keys: Sequence[KeyT]) -> tuple[list[KeyT], Ints]:
    """Return the different keys in ascending order, and for each given key its place among them."""
    different = sorted(set(keys))  # type: ignore[type-var]
    place = {key: number for number, key in enumerate(different)}
    return different, np.array([place[key] for key in keys], np.int64)


def evaluate_rows(n: int, decides: Sequence[tuple[int, DecideBlock]], workers: int = 1) -> Words:
    """Decide and pack many rows block by block, so that the booleans of all of them never exist at once.

    Args:
        n: Number of bars.
        decides: Number of rows, and the function that decides them: given the first bar and False in an array of
            shape (rows, bars), it sets the decisions of these bars.
        workers: Threads to use; a function is called from several at once.

    Returns:
        The rows of all functions one below the other, shape (rows, ceil(n / 64)).
    """
    ends = np.cumsum([0, *(count for count, _ in decides)])
    words = np.zeros((ends[-1], _words(n)), np.uint64)

    def work(number: int, start: int, bars: int) -> None:
        count, decide = decides[number]
        block = np.zeros((count, min(bars, n - start)), np.bool_)
        decide(start, block)
        packed = pack(block)
        words[ends[number] : ends[number + 1], start // WORD : start // WORD + packed.shape[1]] = packed

    jobs = []
    for number, (count, _) in enumerate(decides):
        bars = max(BLOCK_SIZE // count // WORD * WORD, MIN_BLOCK_BARS)
        jobs += [(number, start, bars) for start in range(0, n, bars)]
    if workers == 1:
        for job in jobs:
            work(*job)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, *zip(*jobs, strict=True)))
    return words


def _words(n: int) -> int:
    return -(-n // WORD)


def _check_factor(factor: Words, n: int) -> None:
    if factor.dtype != np.uint64 or not factor.flags.c_contiguous:
        raise ValueError(f"a factor must be a C-contiguous array of uint64, not of {factor.dtype}")
    if factor.ndim != 2 or factor.shape[1] != _words(n):  # noqa: PLR2004 - rows and words
        raise ValueError(f"a factor on {n} bars must have the shape (rows, {_words(n)}), not {factor.shape}")
    if n % WORD and np.any(factor[:, -1] >> np.uint64(n % WORD)):
        raise ValueError(f"a factor on {n} bars has bits set past the last bar")


def _check_numbers(name: str, numbers: Ints, count: int) -> None:
    if numbers.dtype != np.int64:
        raise ValueError(f"{name} must be an array of int64, not of {numbers.dtype}")
    wrong = numbers[(numbers < 0) | (numbers >= count)]
    if len(wrong):
        raise ValueError(f"{name} must lie in 0..{count - 1}, not be {wrong[0]}")
