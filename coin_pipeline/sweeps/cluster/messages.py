"""What the run or `coin doctor`, the process that uses Ray, and the workers exchange."""

from collections.abc import Mapping
from dataclasses import dataclass

HEAD_ENDED = "its head, or Ray on this machine, has ended"
"""Why a cluster was lost."""


@dataclass(frozen=True, slots=True)
class SweepJob:
    """A sweep as workers receive it, apart from its candles.

    Attributes:
        chunk: The chunk of all points, JSON.
        modules: Digest of each module that its code digest consists of.
        files: Content of the files of its strategy by path relative to the first one, which defines the strategy; empty
            for a strategy of a package.
        stall_s: Time that a part may take without progress, seconds.
    """

    chunk: str
    modules: Mapping[str, str]
    files: Mapping[str, bytes]
    stall_s: int


@dataclass(frozen=True, slots=True)
class Alive:
    """The process that uses Ray is connected and waits for workers, each of which ends a part without progress."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The process that uses Ray failed.

    Attributes:
        error: Name of the error's class, and its message.
    """

    error: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Inspection:
    """A request to report on the nodes of the cluster instead of evaluating a sweep.

    Attributes:
        limit_s: How long the nodes may take to respond, seconds.
    """

    limit_s: float


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """The nodes of a cluster that have processors.

    Attributes:
        ray: Version of Ray.
        cpus: Their processors together.
        nodes: Number of nodes.
        faults: Host and reason of each node that cannot evaluate sweeps.
        silent: Host of each node that did not respond in time.
    """

    ray: str
    cpus: int
    nodes: int
    faults: tuple[tuple[str, str], ...]
    silent: tuple[str, ...]


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
