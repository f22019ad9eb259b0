"""Evaluation of parts of a sweep in a Ray worker."""

import os
import socket
import stat
import tempfile
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pyarrow as pa
import ray

from coin_pipeline.backtest.earlier_candles import WarmBars
from coin_pipeline.backtest.fingerprint import digest_of
from coin_pipeline.backtest.memory_candles import MemoryCandles
from coin_pipeline.backtest.tables import to_parquet
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import ChunkStalled, ClusterMismatch, InvalidStrategyFile, UnknownStrategy
from coin_pipeline.liveness import idle_s, report_progress
from coin_pipeline.storage.atomic import atomic_write
from coin_pipeline.storage.base import sha256_hex
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from coin_pipeline.sweeps.cluster.messages import Part, SweepJob
from coin_pipeline.sweeps.evaluate import compute_trials
from coin_pipeline.sweeps.plan import SweepChunk, evaluation_fingerprint, sweep_fingerprint
from coin_pipeline.sweeps.processes.protocol import describe_error, unpack_bars


@dataclass(frozen=True, slots=True)
class _LoadedJob:
    """A sweep in this process.

    Attributes:
        chunk: The chunk of all points.
        registry: Has its strategy.
        candles: Source of its candles.
        stall_s: Time that a part may take without progress, seconds.
        bars: Candles that were read, by symbol.
    """

    chunk: SweepChunk
    registry: StrategyRegistry
    candles: MemoryCandles
    stall_s: int
    bars: dict[str, WarmBars] = field(default_factory=dict)


class Installed(NamedTuple):
    """What evaluates sweeps on a node.

    Attributes:
        versions: Versions of packages by name.
        modules: Digests of modules by name.
    """

    versions: Mapping[str, str]
    modules: Mapping[str, str]


class _FetchedCandles(Mapping[str, Bars]):
    """Candles by symbol, fetched from Ray's object store when they are read, without a copy in this process."""

    def __init__(self, references: Mapping[str, Any]) -> None:
        self._references = references

    def __getitem__(self, symbol: str) -> Bars:
        return unpack_bars(ray.get(self._references[symbol]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._references)

    def __len__(self) -> int:
        return len(self._references)


_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_loaded: dict[str, _LoadedJob] = {}
"""The sweep that this process evaluates, by the id of its job object."""


def run(reference: Any, part: Part) -> tuple[bytes | None, tuple[str, str] | None]:  # noqa: ANN401 -- of a Ray object
    """Evaluate a part.

    Args:
        reference: Reference to the job and the references to its candles.
        part: The part.

    Returns:
        The trials as a Parquet file, or the name of an error's class and its message.
    """
    try:
        job = _loaded.get(reference.hex())
        if job is None:
            _loaded.clear()
            job = _loaded[reference.hex()] = _load(*ray.get(reference))
        chunk = job.chunk.part(part.first, part.stop)
        compute = partial(compute_trials, job.candles, job.registry, chunk, job.bars)
        return bytes(to_parquet(call_while_progressing(compute, part, job.stall_s))), None
    except Exception as error:  # noqa: BLE001 -- the run raises it
        return None, describe_error(error)


def call_while_progressing(compute: Callable[[], pa.Table], part: Part, stall_s: float) -> pa.Table:
    """Return what a function returns, unless it makes no progress, as the monitor of runs decides it for its process.

    The function is then abandoned: its thread ends with this process, which Ray ends with the sweep.

    Args:
        compute: Evaluates the part.
        part: The part.
        stall_s: Time that it may take without progress, seconds.

    Raises:
        ChunkStalled: It made no progress for that time.
    """
    done = Future[pa.Table]()

    def execute() -> None:
        try:
            done.set_result(compute())
        except BaseException as error:  # noqa: BLE001 -- raised where the result is used
            done.set_exception(error)

    report_progress()
    Thread(target=execute, daemon=True).start()
    while not wait([done], stall_s - idle_s()).done:
        if idle_s() >= stall_s:
            raise ChunkStalled(part.first, part.stop, socket.gethostname(), int(stall_s))
    return done.result()


def _load(job: SweepJob, references: Mapping[str, Any]) -> _LoadedJob:
    """Load the strategy and check that the code and the packages are those of the run.

    Raises:
        ClusterMismatch: The strategy cannot be loaded here, or something differs.
    """
    chunk, host = SweepChunk.model_validate_json(job.chunk), socket.gethostname()
    try:
        registry = load_registry(write_strategy(job.files))
        fingerprint = sweep_fingerprint(chunk.spec, {}, registry.get(chunk.spec.strategy))
    except (InvalidStrategyFile, UnknownStrategy) as error:
        raise ClusterMismatch(f"the worker on {host} cannot load strategy {chunk.spec.strategy!r}: {error}") from error
    own = Installed(fingerprint["versions"], fingerprint["modules"])
    if difference := find_difference(Installed(chunk.versions, job.modules), own):
        raise ClusterMismatch(f"the worker on {host} has another {difference} than the machine of the run")
    return _LoadedJob(chunk, registry, MemoryCandles(_FetchedCandles(references)), job.stall_s)


def describe_installed() -> Installed:
    """Return what any sweep of a strategy of an installed package needs to be the same on every node."""
    registry = load_registry()
    found = [evaluation_fingerprint(registry.get(name)) for name in registry.names()]
    return Installed(*(dict(ChainMap(*(item[key] for item in found))) for key in ("versions", "modules")))


def find_difference(expected: Installed, own: Installed) -> str | None:
    """Return the first thing that differs, such as `version of numpy`; None if nothing does."""
    for kind, theirs, ours in (
        ("version of", expected.versions, own.versions),
        ("code in", expected.modules, own.modules),
    ):
        for name in sorted({*theirs, *ours}):
            if theirs.get(name) != ours.get(name):
                return f"{kind} {name}"
    return None


def write_strategy(files: Mapping[str, bytes]) -> list[Path]:
    """Write the files of a strategy into a folder of this machine and return the one that defines it.

    The folder is named by its content and stays, because workers are killed and could not remove it.

    Raises:
        ClusterMismatch: Another user could change the code in the folder.
    """
    if not files:
        return []
    content = digest_of({name: sha256_hex(data) for name, data in files.items()})
    root = Path(tempfile.gettempdir()) / f"coin-strategies-{os.getuid()}"
    with suppress(FileExistsError):
        root.mkdir(mode=0o700)
    status = root.lstat()  # a link may lead to where another user can write
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & _OTHERS_WRITE:
        reason = f"{root} on {socket.gethostname()} is not a folder that only this user can write to; remove it"
        raise ClusterMismatch(reason)
    paths = [root / content / name for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != data:
            atomic_write(path, data, path.with_name(f"{path.name}.{os.getpid()}"), replace=True)
    return paths[:1]
