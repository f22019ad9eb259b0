"""The `--columns` option: which column of a file is which field, and how its dates and numbers are written."""

from collections.abc import Mapping
from types import MappingProxyType

from coin_pipeline.errors import InvalidInput, Problem, did_you_mean

FIELDS = ("time", "open", "high", "low", "close", "volume")
SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType({"dates": ("dmy", "mdy"), "decimal": ("comma", "point")})
"""Keys that name no column: the order of day and month, and the decimal separator."""


def parse_columns(text: str) -> dict[str, str]:
    """Parse the text of the option `--columns`.

    >>> parse_columns("time=날짜,open=시가,dates=mdy")
    {'time': '날짜', 'open': '시가', 'dates': 'mdy'}

    Raises:
        InvalidInput: It is not a list of key=value, or contains an unknown or repeated key.
    """
    mapping: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            _reject(f"{part!r} is not key=value; write for example time=날짜,open=시가")
        if key.lower() in mapping:
            _reject(f"{key} is given twice")
        mapping[key.lower()] = value
    return check_columns(mapping)


def check_columns(mapping: Mapping[str, str]) -> dict[str, str]:
    """Return a mapping of fields to column names after checking its keys.

    Raises:
        InvalidInput: A key is unknown, or the value of `dates` or `decimal` is.
    """
    for key, value in mapping.items():
        if key not in (*FIELDS, *SPELLINGS):
            known = (*FIELDS, *SPELLINGS)
            _reject(f"{key!r} is not one of {', '.join(known)}{did_you_mean(key, known)}")
        if key in SPELLINGS and value not in SPELLINGS[key]:
            _reject(f"{key} is {value!r}, not {' or '.join(SPELLINGS[key])}")
    return dict(mapping)


def _reject(message: str) -> None:
    raise InvalidInput([Problem("columns", message)])
