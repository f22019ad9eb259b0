"""Evaluation of parts of a sweep in a Ray worker."""

import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray

from coin_pipeline.backtest.earlier_candles import WarmBars
from coin_pipeline.backtest.fingerprint import digest_of
from coin_pipeline.backtest.memory_candles import MemoryCandles
from coin_pipeline.backtest.tables import to_parquet
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import ClusterMismatch, InvalidStrategyFile, UnknownStrategy
from coin_pipeline.storage.atomic import atomic_write
from coin_pipeline.storage.base import sha256_hex
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from coin_pipeline.sweeps.cluster.messages import Part, SweepJob
from coin_pipeline.sweeps.evaluate import compute_trials
from coin_pipeline.sweeps.plan import SweepChunk, sweep_fingerprint
from coin_pipeline.sweeps.processes.protocol import describe_error, unpack_bars


@dataclass(frozen=True, slots=True)
class _LoadedJob:
    """A sweep in this process.

    Attributes:
        chunk: The chunk of all points.
        registry: Has its strategy.
        candles: Source of its candles.
        bars: Candles that were read, by symbol.
    """

    chunk: SweepChunk
    registry: StrategyRegistry
    candles: MemoryCandles
    bars: dict[str, WarmBars] = field(default_factory=dict)


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
        table = compute_trials(job.candles, job.registry, job.chunk.part(part.first, part.stop), job.bars)
        return bytes(to_parquet(table)), None
    except Exception as error:  # noqa: BLE001 -- the run raises it
        return None, describe_error(error)


def _load(job: SweepJob, references: Mapping[str, Any]) -> _LoadedJob:
    """Load the strategy and check that the code and the packages are those of the run.

    Raises:
        ClusterMismatch: The strategy cannot be loaded here, or something differs.
    """
    chunk, host = SweepChunk.model_validate_json(job.chunk), socket.gethostname()
    try:
        registry = load_registry(_write(job.files))
        fingerprint = sweep_fingerprint(chunk.spec, {}, registry.get(chunk.spec.strategy))
    except (InvalidStrategyFile, UnknownStrategy) as error:
        raise ClusterMismatch(f"the worker on {host} cannot load strategy {chunk.spec.strategy!r}: {error}") from error
    for kind, expected, own in (
        ("version of", chunk.versions, fingerprint["versions"]),
        ("code in", job.modules, fingerprint["modules"]),
    ):
        for name in sorted({*expected, *own}):
            if expected.get(name) != own.get(name):
                raise ClusterMismatch(f"the worker on {host} has another {kind} {name} than the machine of the run")
    return _LoadedJob(chunk, registry, MemoryCandles(_FetchedCandles(references)))


def _write(files: Mapping[str, bytes]) -> list[Path]:
    """Write the files of a strategy into a folder of this machine and return the one that defines it.

    The folder is named by its content and stays, because workers are killed and could not remove it.

    Raises:
        ClusterMismatch: The folder belongs to another user, who could change the code.
    """
    if not files:
        return []
    content = digest_of({name: sha256_hex(data) for name, data in files.items()})
    root = Path(tempfile.gettempdir()) / f"coin-strategies-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    if root.stat().st_uid != os.getuid():
        raise ClusterMismatch(f"{root} on {socket.gethostname()} belongs to another user; remove it")
    paths = [root / content / name for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            atomic_write(path, data, path.with_name(f"{path.name}.{os.getpid()}"), replace=True)
    return paths[:1]
