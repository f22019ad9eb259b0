"""The `--columns` option: which column of a file is which field, and how its dates and numbers are written."""

from collections.abc import Iterable, Mapping
from functools import reduce
from types import MappingProxyType

from coin_pipeline.errors import Coded, InvalidInput, Problem, coded, did_you_mean

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
            _reject(coded("columns_not_pairs", part=part))
        if key.lower() in mapping:
            _reject(coded("columns_given_twice", key=key))
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
            _reject(coded("columns_key", key=key, known=", ".join(known), hint=did_you_mean(key, known)))
        if key in SPELLINGS and value not in SPELLINGS[key]:
            _reject(coded("columns_value", key=key, value=value, known=" or ".join(SPELLINGS[key])))
    return dict(mapping)


def field_names(fields: Iterable[str]) -> Coded:
    """Return the names of fields of candles, separated by commas.

    >>> str(field_names(["open", "volume"]))
    'open, volume'
    """
    names = (coded(f"candle_{field}") for field in fields)
    return reduce(lambda first, rest: coded("listed", first=first, rest=rest), names)


def _reject(message: Coded) -> None:
    raise InvalidInput([Problem("columns", message)])
