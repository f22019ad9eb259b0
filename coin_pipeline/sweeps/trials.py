"""The table of trials: one row for each point and symbol, its figures, its digest, and how it is stored."""

import hashlib
import json
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_pipeline.engine.bars import Floats, Ints
from coin_pipeline.engine.execution import Fill
from coin_pipeline.engine.sweep import Trials
from coin_pipeline.errors import ObjectNotFound
from coin_pipeline.results.store import Json
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.base import StrategyParams
from coin_pipeline.sweeps.search_space import Dimension, Point, Range, is_number
from coin_pipeline.sweeps.spec import SweepSpec

Column: TypeAlias = Floats | Ints
NumberedPoint: TypeAlias = tuple[int, Point, StrategyParams]
"""A point that the strategy takes, with its number and its params."""

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
_TOLD = b"coin.sweep"


def column_of(name: str) -> str:
    """Return the column of a swept name, which may be called like a column that is always there."""
    return f"params.{name}" if name in {"point", "symbol", *FIGURES} else name


def trials_table(
    spec: SweepSpec, taken: Sequence[NumberedPoint], bars: Sequence[int], trials: Sequence[Trials]
) -> pa.Table:
    """Return the rows of points in their order, for each point every symbol in the order of the spec.

    Undefined figures are null: rates without trades, a profit factor without losses, an objective over a drawdown of 0,
    the exposure where samples overlap, and returns beyond what a number can hold.

    Args:
        spec: What is swept.
        taken: The points.
        bars: Number of bars of each symbol.
        trials: What each symbol's points made of it.
    """
    symbols = len(spec.symbols)
    figures = [_figures(spec, count, each) for count, each in zip(bars, trials, strict=True)]
    both = {name: np.stack([each[name] for each in figures], axis=1).ravel() for name in FIGURES}
    columns = [
        [number for number, _, _ in taken for _ in range(symbols)],
        list(spec.symbols) * len(taken),
        *([point[one.name] for _, point, _ in taken for _ in range(symbols)] for one in spec.space),
        *(pa.array(column, mask=~np.isfinite(column)) for column in both.values()),
    ]
    return pa.table(columns, schema=trials_schema(spec))


def trials_schema(spec: SweepSpec) -> pa.Schema:
    """Return the columns of a sweep's rows, which all its chunks share."""
    swept = [(column_of(one.name), _type_of(one)) for one in spec.space]
    figures = [(name, pa.int64() if name in COUNTS else pa.float64()) for name in FIGURES]
    return pa.schema([("point", pa.int64()), ("symbol", pa.string()), *swept, *figures])


def objectives_of(table: pa.Table, symbols: int) -> Floats:
    """Return each point's objective, the mean over its symbols; NaN where it is undefined on any of them.

    A point that never trades on one symbol would otherwise be compared on fewer symbols than the others.
    """
    each = table["objective"].fill_null(np.nan).to_numpy().reshape(-1, symbols)
    # Symbol by symbol: numpy's own sum along a row adds in an order that depends on their number.
    return sum(each.T, np.zeros(len(each))) / symbols


def trials_digest(table: pa.Table) -> str:
    """Return the SHA-256 over the columns' names and values, whatever their chunks and their encoding.

    Of each column in turn: its name and type, one byte a row that says whether it has a value, and the values, 0 for
    null: numbers as 64 bits, little-endian, text as JSON.
    """
    digest = hashlib.sha256()
    for name in table.column_names:
        column = table[name]
        digest.update(f"{name}\0{column.type}\0{len(column)}\0".encode())
        digest.update(pc.is_valid(column).to_numpy().astype(np.uint8).tobytes())
        if pa.types.is_string(column.type) or pa.types.is_null(column.type):
            digest.update(json.dumps(column.to_pylist()).encode())
        else:
            values = column.cast(pa.float64() if pa.types.is_floating(column.type) else pa.int64()).fill_null(0)
            digest.update(values.to_numpy().astype(values.to_numpy().dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def with_metadata(table: pa.Table, told: Json) -> pa.Table:
    """Return the table with facts beside its rows, in the schema's metadata."""
    return table.replace_schema_metadata({_TOLD: json.dumps(told, allow_nan=False)})


def read_metadata(table: pa.Table) -> Json:
    """Return the facts that `with_metadata` put beside the rows."""
    told: Json = json.loads(table.schema.metadata[_TOLD])
    return told


def read_trials(store: ObjectStore, key: str) -> pa.Table | None:
    """Return stored rows; None where there are none, and where they are not what was stored, which removes them."""
    try:
        table = pq.read_table(pa.BufferReader(store.get(key)))
        intact = read_metadata(table)["sha256"] == trials_digest(table)
    except ObjectNotFound:
        return None
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        intact = False
    if not intact:
        store.delete(key)
        return None
    return table


def _figures(spec: SweepSpec, bars: int, trials: Trials) -> dict[str, Column]:
    held = np.full(len(trials.trades), np.nan) if spec.fill is Fill.SIGNAL_CLOSE else trials.bars_held / bars
    figures = {
        "trades": trials.trades,
        "wins": trials.wins,
        "win_rate": _ratio(trials.wins, trials.trades),
        "total_return": trials.total_return,
        "max_drawdown": trials.max_drawdown,
        "avg_return": _ratio(trials.gains - trials.losses, trials.trades),
        "profit_factor": _ratio(trials.gains, trials.losses),
        "exposure": held,
    }
    over_drawdown = _ratio(trials.total_return, trials.max_drawdown)
    return {**figures, "objective": {**figures, "return_over_drawdown": over_drawdown}[spec.objective]}


def _ratio(part: Column, whole: Column) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return ratio


def _type_of(dimension: Dimension) -> pa.DataType:
    if isinstance(dimension.values, Range):
        return pa.int64() if dimension.values.is_integer else pa.float64()
    values = [value for value in dimension.values if value is not None]
    if all(map(is_number, values)):
        return pa.int64() if all(isinstance(value, int) for value in values) else pa.float64()
    return pa.bool_() if isinstance(values[0], bool) else pa.string()
