"""What the evaluating process and the strategy processes exchange over private descriptors."""

import os
import pickle
import struct
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from coin_pipeline.engine.bars import Bars, Ints
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.errors import CoinError, error_class

MAX_PROCESSES = 200
"""Processes for one request; Linux passes at most 253 descriptors at a time."""
TOKEN = struct.Struct("<II")
"""The index of the first point of a batch, and of the point after its last; the process that reads it decides them."""
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class StrategySource:
    """Where the strategy processes get a strategy from.

    Attributes:
        files: Strategy files.
        name: Name of the strategy.
        pickled: The pickled strategy; None if it is loaded from the files, or is one of an installed package.
    """

    files: tuple[Path, ...]
    name: str
    pickled: bytes | None


@dataclass(frozen=True, slots=True)
class Request:
    """Points to decide on the candles of one symbol.

    Attributes:
        symbol: Named in errors.
        params: Parameters of each point, to be validated.
        locations: How an error names the symbol and each point.
    """

    symbol: str
    params: Sequence[dict[str, Any]]
    locations: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The signals of a batch, or why they are missing.

    Attributes:
        first: Index of its first point; -1 if the error concerns all points.
        rows: The signals.
        error: Name of the class of the error, and its message.
    """

    first: int
    rows: SignalRows | None = None
    error: tuple[str, str] | None = None


def send(descriptor: int, message: object) -> None:
    """Write one message."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    write(descriptor, _LENGTH.pack(len(data)) + data)


def receive(descriptor: int) -> Any:  # noqa: ANN401 -- whatever was sent
    """Read one message.

    Raises:
        EOFError: The other side ended before the end of the message.
    """
    (length,) = _LENGTH.unpack(_read(descriptor, _LENGTH.size))
    return pickle.loads(_read(descriptor, length))  # noqa: S301 -- from a program of this project


def write(descriptor: int, data: bytes) -> None:
    """Write all bytes."""
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def describe_error(error: BaseException) -> tuple[str, str]:
    """Return the name of an error's class and its message, from which `rebuild_error` makes it again elsewhere."""
    known = isinstance(error, CoinError | MemoryError)
    return type(error).__name__, str(error) if known else "".join(traceback.format_exception(error))


def rebuild_error(name: str, message: str) -> BaseException:
    """Return the error that `describe_error` described; one outside the family becomes a RuntimeError."""
    if name == "MemoryError":
        return MemoryError(message)
    kind = error_class(name)
    if kind is CoinError:
        return RuntimeError(message)
    error = kind.__new__(kind)
    Exception.__init__(error, message)  # the arguments of its own constructor are not known here
    return error


def write_bars(descriptor: int, bars: Bars) -> None:
    """Write candles into a file."""
    for field in fields(Bars):
        write(descriptor, getattr(bars, field.name).tobytes())


def map_bars(descriptor: int) -> Bars:
    """Return the candles of a file. Processes share its memory; one that changes a candle gets a copy of the page."""
    with os.fdopen(descriptor, "rb") as file:
        return unpack_bars(np.asarray(np.memmap(file, np.int64, mode="c")))


def pack_bars(bars: Bars) -> Ints:
    """Return the bits of candles, column by column, as one array that `unpack_bars` reads without copying."""
    return np.concatenate([getattr(bars, field.name).view(np.int64) for field in fields(Bars)])


def unpack_bars(words: Ints) -> Bars:
    """Return candles as views of their bits."""
    columns = words.reshape(len(fields(Bars)), -1)
    return Bars(columns[0], *(column.view(np.float64) for column in columns[1:]))


def _read(descriptor: int, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = os.read(descriptor, min(length - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)
