"""JSON text of documents whose rows are encoded column by column, once for all texts that contain them."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

_encode = partial(json.dumps, ensure_ascii=False, allow_nan=False)
_DEPTH = 3
"""Containers around the rows of a document: itself, the list of its symbols, and the symbol."""


class Rows(list[dict[str, Any]]):
    """Rows as JSON objects, and the columns that they are made of. Not to be changed: the text is that of the columns.

    >>> Rows({"a": [1, 2], "b": [0.5, None]})
    [{'a': 1, 'b': 0.5}, {'a': 2, 'b': None}]
    """

    def __init__(self, columns: Mapping[str, Sequence[object]]) -> None:
        """Build the rows.

        Args:
            columns: Scalar values by name, all of the same number.
        """
        super().__init__([dict(zip(columns, row, strict=False)) for row in zip(*columns.values(), strict=True)])
        self._columns = columns

    def to_json(self, *, sort_keys: bool) -> str:
        """Return the text of `json.dumps` without spaces; raise ValueError for NaN and infinity."""
        names = sorted(self._columns) if sort_keys else list(self._columns)
        template = "{" + ",".join(_encode(name).replace("%", "%%") + ":%s" for name in names) + "}"
        rows = zip(*(self._texts[name] for name in names), strict=True)
        return "[" + ",".join([template % row for row in rows]) + "]"

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        # JSON escapes line feeds in texts, so that one between two values is always a separator.
        return {
            name: _encode(values, separators=("\n", ":"))[1:-1].split("\n") if values else []
            for name, values in self._columns.items()
        }


def json_text(value: object, *, sort_keys: bool = False) -> str:
    """Return JSON without spaces, with the shortest form of floats; raise ValueError for NaN and infinity.

    >>> json_text({"b": 2.0, "a": "é"}, sort_keys=True)
    '{"a":"é","b":2.0}'
    """
    return _encode(value, sort_keys=sort_keys, separators=(",", ":"))


def document_text(document: Mapping[str, Any], *, sort_keys: bool = False) -> str:
    """Return the same text as `json_text`, faster if the rows of the document's symbols and account are `Rows`.

    >>> document_text({"account": {"trades": Rows({"y": [1], "x": [2.0]})}}, sort_keys=True)
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
