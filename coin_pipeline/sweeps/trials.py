"""The table of trials: one row per point and symbol, with its schema, digest and storage."""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_pipeline.engine.account import MAX_EQUITY
from coin_pipeline.engine.bars import Floats
from coin_pipeline.engine.execution import Fill
from coin_pipeline.engine.sweep import Trials
from coin_pipeline.errors import ObjectCorrupt, ObjectNotFound
from coin_pipeline.results.store import Json
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.mapped import release_pages
from coin_pipeline.sweeps.search_space import Column, Dimension, PointColumns, Range, is_number
from coin_pipeline.sweeps.spec import SweepSpec

FIGURES = (
    "trades",
    "wins",
    "win_rate",
    "total_return",
    "max_drawdown",
    "avg_return",
    "profit_factor",
    "exposure",
    "objective",
)
COUNTS = frozenset({"trades", "wins"})
_METADATA_KEY = b"coin.sweep"
_LOGGER = logging.getLogger(__name__)


def column_of(name: str) -> str:
    """Return the column of a swept name, prefixed if it equals the name of a fixed column."""
    return f"params.{name}" if name in {"point", "symbol", *FIGURES} else name


def trials_table(spec: SweepSpec, points: PointColumns, bars: Sequence[int], trials: Sequence[Trials]) -> pa.Table:
    """Return one row per point and symbol, in the order of the points and of the spec's symbols.

    Undefined figures are null: rates without trades, a profit factor without losses, a return over a drawdown of 0, the
    exposure of overlapping samples, and return, drawdown and objective of an account that grows beyond `MAX_EQUITY`.

    Args:
        spec: The sweep.
        points: The points.
        bars: Number of bars of each symbol.
        trials: Trials of each symbol, one per point.
    """
    symbols = len(spec.symbols)
    figures = [_figures(spec, count, symbol_trials) for count, symbol_trials in zip(bars, trials, strict=True)]
    interleaved = {name: np.stack([columns[name] for columns in figures], axis=1).ravel() for name in FIGURES}
    swept = zip(spec.space, points.columns, strict=True)
    columns = [
        np.repeat(points.numbers, symbols),
        pa.array(spec.symbols, pa.string()).take(pa.array(np.tile(np.arange(symbols), len(points)))),
        *(_swept_values(dim, np.repeat(column, symbols)) for dim, column in swept),
        *(pa.array(column, mask=~np.isfinite(column)) for column in interleaved.values()),
    ]
    return pa.table(columns, schema=trials_schema(spec))


def trials_schema(spec: SweepSpec) -> pa.Schema:
    """Return the schema of a sweep's trials, which all its chunks share."""
    swept = [(column_of(dim.name), _arrow_type(dim)) for dim in spec.space]
    figures = [(name, pa.int64() if name in COUNTS else pa.float64()) for name in FIGURES]
    return pa.schema([("point", pa.int64()), ("symbol", pa.string()), *swept, *figures])


def objectives_of(table: pa.Table, symbols: int) -> Floats:
    """Return the objective of each point, the mean over its symbols, shape (k,), float64.

    It is NaN if it is undefined for any symbol: a point that never trades on one symbol would otherwise be compared
    on fewer symbols than the others.
    """
    by_point = floats_of(table["objective"], np.nan).reshape(-1, symbols)
    # Symbol by symbol, because the order in which np.sum adds along a row depends on its length.
    return sum(by_point.T, np.zeros(len(by_point))) / symbols


def floats_of(column: pa.ChunkedArray, null: float) -> Floats:
    """Return a numeric column as floats, with a value for null; the memory of mapped files is given back."""
    values, start = np.empty(len(column)), 0
    for chunk in column.chunks:
        values[start : start + len(chunk)] = chunk.cast(pa.float64()).fill_null(null).to_numpy()
        start += len(chunk)
        release_pages()
    return values


def trials_digest(table: pa.Table) -> str:
    """Return the SHA-256 over names, types and values of the columns, independent of chunks and encoding.

    Each column contributes its name and type, one validity byte per row, and its values with 0 for null: numbers as
    64 bits, little-endian, and text as JSON.
    """
    digest = hashlib.sha256()
    for name in table.column_names:
        column = table[name]
        digest.update(f"{name}\0{column.type}\0{len(column)}\0".encode())
        for chunk in column.chunks:
            digest.update(pc.is_valid(chunk).cast(pa.uint8()).to_numpy())
        for values in _encoded(column):
            digest.update(values)
            release_pages()
    return digest.hexdigest()


def _encoded(column: pa.ChunkedArray) -> Iterator[bytes | memoryview]:
    """Yield the values of a column chunk by chunk: text as `json.dumps` writes a list, numbers as their bytes."""
    if not (pa.types.is_string(column.type) or pa.types.is_null(column.type)):
        kind = pa.float64() if pa.types.is_floating(column.type) else pa.int64()
        for chunk in column.chunks:
            values = chunk.cast(kind).fill_null(0).to_numpy()
            yield values.astype(values.dtype.newbyteorder("<"), copy=False).data
        return
    separator = b"["
    for chunk in column.chunks:
        encoded = chunk.dictionary_encode(null_encoding="encode")
        texts = np.array([json.dumps(text) for text in encoded.dictionary.to_pylist()], object)
        if len(chunk):
            yield separator + ", ".join(texts[encoded.indices.to_numpy()].tolist()).encode()
            separator = b", "
    yield b"[]" if separator == b"[" else b"]"


def with_metadata(table: pa.Table, metadata: Json) -> pa.Table:
    """Return the table with `metadata` in its schema."""
    return table.replace_schema_metadata({_METADATA_KEY: json.dumps(metadata, allow_nan=False)})


def read_metadata(table: pa.Table) -> Json:
    """Return the metadata that `with_metadata` stored."""
    metadata: Json = json.loads(table.schema.metadata[_METADATA_KEY])
    return metadata


def read_trials(store: ObjectStore, key: str) -> pa.Table | None:
    """Return stored trials, or None if they are absent or damaged; damaged ones are deleted, and this is logged."""
    try:
        return decode_trials(store.get(key))
    except ObjectNotFound:
        return None
    except (ObjectCorrupt, pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        reason = str(error)
    _LOGGER.warning("stored chunk %s is damaged and will be computed again: %s", key, reason)
    store.delete(key)
    return None


def decode_trials(data: bytes) -> pa.Table:
    """Return the trials of a Parquet file that `evaluate` stored.

    Raises:
        ValueError, KeyError, TypeError, OSError, pyarrow.ArrowException: They are damaged.
    """
    table = pq.read_table(pa.BufferReader(data))
    if read_metadata(table)["sha256"] != trials_digest(table):
        raise ValueError("its trials differ from those that were stored")
    return table


def _figures(spec: SweepSpec, bars: int, trials: Trials) -> dict[str, Column]:
    overflows = ~(trials.total_return <= MAX_EQUITY)
    total_return, max_drawdown = (
        np.where(overflows, np.nan, figure) for figure in (trials.total_return, trials.max_drawdown)
    )
    exposure = np.full(len(trials.trades), np.nan) if spec.fill is Fill.SIGNAL_CLOSE else trials.bars_held / bars
    figures = {
        "trades": trials.trades,
        "wins": trials.wins,
        "win_rate": _ratio(trials.wins, trials.trades),
        "total_return": total_return,
        "max_drawdown": max_drawdown,
        "avg_return": _ratio(trials.gains - trials.losses, trials.trades),
        "profit_factor": _ratio(trials.gains, trials.losses),
        "exposure": exposure,
    }
    objective = {**figures, "return_over_drawdown": _ratio(total_return, max_drawdown)}[spec.objective]
    return {**figures, "objective": np.where(overflows, np.nan, objective)}  # a backtest of the point would fail


def _ratio(part: Column, total: Column) -> Floats:
    ratio: Floats = np.divide(part, total, out=np.full(len(part), np.nan), where=total > 0)
    return ratio


def _swept_values(dimension: Dimension, column: Column) -> pa.Array:
    if isinstance(dimension.values, Range):
        return pa.array(column)
    return pa.array(dimension.values, _arrow_type(dimension)).take(pa.array(column))


def _arrow_type(dimension: Dimension) -> pa.DataType:
    if isinstance(dimension.values, Range):
        return pa.int64() if dimension.values.is_integer else pa.float64()
    values = [value for value in dimension.values if value is not None]
    if all(map(is_number, values)):
        return pa.int64() if all(isinstance(value, int) for value in values) else pa.float64()
    return pa.bool_() if isinstance(values[0], bool) else pa.string()
