"""JSON text of documents whose rows are encoded column by column, once for all texts that contain them."""

import json
import re
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coin_pipeline.backtest.formatting import iso_seconds

_encode = partial(json.dumps, ensure_ascii=False, allow_nan=False)
_DEPTH = 3
"""Containers around the rows of a document: itself, the list of its symbols, and the symbol."""
_JOINED_ROWS = 65_536
"""Rows that are joined at once: Arrow's texts have at most 2 GiB."""
_TINY, _SMALLEST, _LARGEST = 1e-10, 1e-4, 1e10
"""Python and Arrow, which is much faster, write floats alike that are smaller than the first or between the others."""


class Rows(list[dict[str, Any]]):
    """Rows as JSON objects, and the texts of their values. Not to be changed: the text is that of the columns.

    >>> Rows(pa.table({"a": [1, 2], "b": [0.5, None]}))
    [{'a': 1, 'b': 0.5}, {'a': 2, 'b': None}]
    """

    def __init__(self, table: pa.Table) -> None:
        """Build the rows, with times as ISO 8601 to the second.

        Raises:
            ValueError: A number is NaN or infinite.
        """
        names = table.column_names
        # NumPy makes lists several times faster than Arrow, but has no nulls.
        columns = {name: table[name].combine_chunks() for name in names}
        columns = {
            name: pa.array(iso_seconds(column.cast(pa.int64()).to_numpy()), pa.string())
            if pa.types.is_timestamp(column.type)
            else column
            for name, column in columns.items()
        }
        values = (
            column.to_pylist() if column.null_count else column.to_numpy(zero_copy_only=False).tolist()
            for column in columns.values()
        )
        super().__init__([dict(zip(names, row, strict=False)) for row in zip(*values, strict=True)])
        self._texts = {name: encode_column(column) for name, column in columns.items()}

    def to_json(self, *, sort_keys: bool) -> str:
        """Return the text of `json.dumps` without spaces."""
        names = sorted(self._texts) if sort_keys else list(self._texts)
        blocks = range(0, len(self), _JOINED_ROWS)
        return "[" + ",".join(self._join(names, start) for start in blocks) + "]"

    def _join(self, names: list[str], start: int) -> str:
        pieces: list[str | pa.Array] = []
        for name in names:
            pieces += [("," if pieces else "{") + _encode(name) + ":", self._texts[name].slice(start, _JOINED_ROWS)]
        rows = pc.binary_join_element_wise(*pieces, "}", "")
        text: str = pc.binary_join(pa.ListArray.from_arrays([0, len(rows)], rows), ",")[0].as_py()
        return text


def encode_column(column: pa.Array) -> pa.Array:
    """Return each value of a column of numbers, booleans or texts as `json.dumps` writes it, null as `null`.

    Raises:
        ValueError: A number is NaN or infinite.

    >>> encode_column(pa.array([1.0, -0.25, 1e-7, None])).to_pylist()
    ['1.0', '-0.25', '1e-07', 'null']
    """
    if pa.types.is_boolean(column.type):
        texts = pc.if_else(column, "true", "false")
    elif pa.types.is_integer(column.type):
        texts = column.cast(pa.string())
    elif pa.types.is_floating(column.type):
        texts = _encode_floats(column)
    else:
        indexed = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        texts = _encode_each(indexed.dictionary.to_pylist()).take(indexed.indices)
    return texts.fill_null("null")


def _encode_floats(column: pa.Array) -> pa.Array:
    values = column.to_numpy(zero_copy_only=False)
    texts = column.cast(pa.string())
    texts = pc.if_else(pa.array(values == np.floor(values)), pc.binary_join_element_wise(texts, ".0", ""), texts)
    size = np.abs(values)
    alike = (size < _TINY) | ((size >= _SMALLEST) & (size < _LARGEST))
    others = ~alike & column.is_valid().to_numpy(zero_copy_only=False)
    if not others.any():
        return texts
    return pc.replace_with_mask(texts, pa.array(others), _encode_each(values[others].tolist()))


def _encode_each(values: list[object]) -> pa.Array:
    # JSON escapes line feeds in texts, so that one between two values is always a separator.
    texts = _encode(values, separators=("\n", ":"))[1:-1].split("\n") if values else []
    return pa.array(texts, pa.string())


def json_text(value: object, *, sort_keys: bool = False) -> str:
    """Return JSON without spaces, with the shortest form of floats; raise ValueError for NaN and infinity.

    >>> json_text({"b": 2.0, "a": "é"}, sort_keys=True)
    '{"a":"é","b":2.0}'
    """
    return _encode(value, sort_keys=sort_keys, separators=(",", ":"))


def document_text(document: Mapping[str, Any], *, sort_keys: bool = False) -> str:
    """Return the same text as `json_text`, faster if the rows of the document's symbols and account are `Rows`.

    >>> document_text({"account": {"trades": Rows(pa.table({"y": [1], "x": [2.0]}))}}, sort_keys=True)
    '{"account":{"trades":[{"x":2.0,"y":1}]}}'
    """
    marker = uuid.uuid4().hex
    found: list[Rows] = []

    def marked(part: object, depth: int) -> object:
        if isinstance(part, Rows):
            found.append(part)
            return f"{marker}{len(found) - 1}"
        if not depth:
            return part
        if isinstance(part, Mapping):
            return {key: marked(item, depth - 1) for key, item in part.items()}
        return [marked(item, depth - 1) for item in part] if isinstance(part, list) else part

    text = json_text(marked(document, _DEPTH), sort_keys=sort_keys)
    if not found:
        return text
    return re.sub(rf'"{marker}([0-9]+)"', lambda match: found[int(match[1])].to_json(sort_keys=sort_keys), text)
