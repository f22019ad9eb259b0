"""Indicators of a result: the lines that a strategy plots, one table for all symbols, next to the result's own tables.

They are not part of the result: no digest covers them, and results of strategies that plot nothing have no such table.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from coin_pipeline.backtest.tables import TEXT_TYPE
from coin_pipeline.engine.bars import Floats

INDICATORS_FILE = "indicators.parquet"
Lines = Mapping[str, Floats]
"""Values per bar, shape (n,), by label; NaN where there is none."""
_SCHEMA = pa.schema({"label": TEXT_TYPE, "value": pa.float64()})


def lines_table(lines: Lines) -> pa.Table:
    """Return the lines of one symbol as rows, those of a line in the order of its bars."""
    codes = np.repeat(np.arange(len(lines), dtype=np.int32), [len(values) for values in lines.values()])
    labels = pa.DictionaryArray.from_arrays(codes, pa.array(list(lines), pa.string()))
    values = np.concatenate([np.array([]), *lines.values()])
    return pa.table([labels, pa.array(values)], schema=_SCHEMA)


def stack_lines(lines: Sequence[tuple[str, pa.Table]]) -> pa.Table | None:
    """Return one table of the lines of several symbols, with their names as the first column; None without lines."""
    some = [(symbol, rows) for symbol, rows in lines if len(rows)]
    if not some:
        return None
    symbols = [pa.repeat(pa.scalar(symbol), len(rows)).dictionary_encode() for symbol, rows in some]
    rows = pa.concat_tables([rows for _, rows in some])
    return rows.add_column(0, "symbol", pa.chunked_array(symbols))


def read_lines(table: pa.Table) -> dict[str, dict[str, Floats]]:
    """Return the lines of each symbol."""
    lines: dict[str, dict[str, Floats]] = {}
    symbols, labels = (table[name].unify_dictionaries().combine_chunks() for name in ("symbol", "label"))
    pairs = np.stack([symbols.indices.to_numpy(), labels.indices.to_numpy()], axis=1)
    starts = np.flatnonzero(np.any(np.diff(pairs, axis=0, prepend=-1), axis=1)).tolist()
    values = table["value"].to_numpy()
    for start, end in zip(starts, [*starts[1:], len(values)], strict=False):
        lines.setdefault(symbols[start].as_py(), {})[labels[start].as_py()] = values[start:end]
    return lines
