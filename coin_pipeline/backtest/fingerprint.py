"""What a result was computed from, as digests: the candles it read and the code that read them."""

import hashlib
import inspect
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from coin_pipeline import engine
from coin_pipeline.engine.bars import Bars
from coin_pipeline.strategies.base import Strategy

_PACKAGES = ("coin-pipeline", "numba", "numpy")


def candles_digest(bars: Bars) -> str:
    """Return the SHA-256 of the six columns' bytes, in the order time, open, high, low, close, volume."""
    digest = hashlib.sha256()
    for column in (bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume):
        digest.update(column.data)
    return digest.hexdigest()


def code_digest(strategy: Strategy[Any]) -> str:
    """Return the SHA-256 of the source of the engine's modules and of the strategy's own module."""
    digest = hashlib.sha256()
    for path in (*sorted(Path(engine.__path__[0]).glob("*.py")), Path(inspect.getfile(type(strategy)))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@cache
def versions() -> dict[str, str]:
    """Return the versions of the packages whose arithmetic a result rests on."""
    return {name: metadata.version(name) for name in _PACKAGES}
