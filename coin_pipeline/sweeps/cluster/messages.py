"""What the run, the process that uses Ray, and the workers exchange."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SweepJob:
    """A sweep as workers receive it, apart from its candles.

    Attributes:
        chunk: The chunk of all points, JSON.
        modules: Digest of each module that its code digest consists of.
        files: Content of the files of its strategy by path relative to the first one, which defines the strategy; empty
            for a strategy of a package.
    """

    chunk: str
    modules: Mapping[str, str]
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Part:
    """Points `first` to `stop - 1` of a sweep, which one Ray task evaluates."""

    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a part.

    Attributes:
        part: The part.
        trials: Its trials as `evaluate` stores them, Parquet; None if there was an error.
        error: Name of the error's class, and its message.
        capacity: Parts that the cluster should have at a time.
    """

    part: Part
    trials: bytes | None
    error: tuple[str, str] | None
    capacity: int
