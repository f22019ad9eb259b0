"""Prices and volumes as people and spreadsheets write them; a spelling with two meanings is rejected."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coin_pipeline.candles.year_files.arrow import to_float64
from coin_pipeline.errors import InvalidCandleFile, coded

_MINUS, _APOSTROPHE = "\N{MINUS SIGN}", "\N{RIGHT SINGLE QUOTATION MARK}"
_CURRENCY = rf"[₩\\$€£¥원\s'{_APOSTROPHE}]|KRW|USDT?"
_UNITS: Mapping[str, str] = MappingProxyType(
    {"K": "e3", "M": "e6", "B": "e9", "T": "e12", "천": "e3", "만": "e4", "백만": "e6", "억": "e8", "조": "e12"}
)
_UNIT = r"^(?P<number>.*[\d.,])\s*(?P<unit>K|M|B|T|천|만|백만|억|조)$"
_GROUPED = MappingProxyType(
    {"point": r"^-?\d{1,3}(,\d{2,3})*,\d{3}(\.\d*)?$", "comma": r"^-?\d{1,3}(\.\d{3})+(,\d*)?$"}
)
_NUMBER = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity|nan)$"


def _either(*patterns: str) -> str:
    return "|".join(f"^-?{pattern}$" for pattern in patterns)


_POINT = _either(
    r"\d{1,3}(,\d{2,3})*,\d{3}\.\d*", r"\d{1,3}(,\d{2,3})+,\d{3}", r"(|0\d*|\d{4,})\.\d*", r"\d+\.(\d{0,2}|\d{4,})"
)
_COMMA = _either(r"\d{1,3}(\.\d{3})+,\d*", r"\d{1,3}(\.\d{3}){2,}", r"(|0\d*|\d{4,}),\d*", r"\d+,(\d{0,2}|\d{4,})")
"""Spellings that prove a decimal separator."""
_UNCLEAR_COMMA, _UNCLEAR_POINT = _either(r"[1-9]\d{0,2},\d{3}"), _either(r"[1-9]\d{0,2}\.\d{3}")
"""Spellings with two meanings: 56,600 and 56.600."""


class Values(NamedTuple):
    """Prices and volumes, with NaN where the file has none, and whether volumes were rounded to thousands or more."""

    columns: dict[str, npt.NDArray[np.float64]]
    rounded: str | None


def parse_values(
    path: object,
    columns: Mapping[str, pa.ChunkedArray],
    rows: npt.NDArray[np.int64],
    decimal: str | None,
    *,
    decimal_unclear: bool,
) -> Values:
    """Return columns of numbers or texts as floats.

    Args:
        path: Name of the file in error messages.
        columns: Open, high, low, close and volume, n rows each.
        rows: Row of each in the file.
        decimal: "comma" or "point" if the user named it.
        decimal_unclear: Whether a single point may group thousands.

    Raises:
        InvalidCandleFile: A value is not a number, or the decimal separator cannot be known.
    """
    texts = {name: column for name, column in columns.items() if pa.types.is_string(column.type)}
    result = {name: _floats(to_float64(path, name, column)) for name, column in columns.items() if name not in texts}
    rounded = None
    if texts:
        plain = None if decimal or decimal_unclear else _cast_all(texts)
        if plain is None:
            plain, rounded = _parse_texts(path, texts, rows, decimal, decimal_unclear=decimal_unclear)
        result |= plain
    return Values({name: result[name] for name in columns}, rounded)


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = column.combine_chunks().to_numpy(zero_copy_only=False)
    return values


def _cast_all(texts: Mapping[str, pa.ChunkedArray]) -> dict[str, npt.NDArray[np.float64]] | None:
    try:
        return {name: _floats(column.cast(pa.float64())) for name, column in texts.items()}
    except pa.ArrowInvalid:
        return None


def _parse_texts(
    path: object,
    texts: Mapping[str, pa.ChunkedArray],
    rows: npt.NDArray[np.int64],
    decimal: str | None,
    *,
    decimal_unclear: bool,
) -> tuple[dict[str, npt.NDArray[np.float64]], str | None]:
    units = pa.chunked_array([pa.nulls(len(rows), pa.string())])
    clean = {name: _clean(column) for name, column in texts.items()}
    if "volume" in clean:
        clean["volume"], units = _split_units(clean["volume"])
    separator = decimal or _decimal_separator(path, clean.values(), decimal_unclear=decimal_unclear)
    clean = {name: _to_point(column, separator) for name, column in clean.items()}
    for name, column in clean.items():
        _check_numbers(path, name, texts[name], column, rows)
    if "volume" in clean:
        clean["volume"] = pc.binary_join_element_wise(clean["volume"], pc.fill_null(units, ""), "")
    at = pc.index(pc.is_valid(units), value=True).as_py()
    parsed = {name: _floats(column.cast(pa.float64())) for name, column in clean.items()}
    return parsed, texts["volume"][at].as_py() if at >= 0 else None


def _clean(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts in ASCII where possible, without blanks, currencies, apostrophes and a plus sign."""
    text = pc.replace_substring(pc.utf8_normalize(column, form="NFKC"), _MINUS, "-")
    text = pc.replace_substring_regex(text, _CURRENCY, "")
    return pc.replace_substring_regex(text, r"^\+", "")


def _split_units(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return volumes such as 1.2K as numbers and exponents, null for those without a unit."""
    upper = pc.utf8_upper(column)
    parts = pc.extract_regex(upper, _UNIT)
    numbers, units = (pc.struct_field(parts, field) for field in ("number", "unit"))
    known = list(_UNITS)
    exponents = pa.array(list(_UNITS.values())).take(pc.index_in(units.combine_chunks(), pa.array(known)))
    exponents = pa.chunked_array([exponents])
    return pc.if_else(pc.is_valid(exponents), numbers, upper), exponents


def _decimal_separator(path: object, columns: Collection[pa.ChunkedArray], *, decimal_unclear: bool) -> str:
    """Return "comma" or "point", proven by at least one value of the file."""
    point, comma, either_comma, either_point = (
        _example(columns, pattern) for pattern in (_POINT, _COMMA, _UNCLEAR_COMMA, _UNCLEAR_POINT)
    )
    if point and comma:
        raise InvalidCandleFile(path, coded("point_and_comma", point=point, comma=comma))
    if comma or point:
        return "comma" if comma else "point"
    unclear = either_comma or (either_point if decimal_unclear else None)
    if unclear:
        raise InvalidCandleFile(path, coded("unclear_decimal", example=unclear), "columns.decimal")
    return "point"


def _example(columns: Collection[pa.ChunkedArray], pattern: str) -> str | None:
    for column in columns:
        at = pc.index(pc.match_substring_regex(column, pattern), value=True).as_py()
        if at >= 0:
            return str(column[at])
    return None


def _to_point(column: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    """Return numbers without grouping and with a decimal point; others as they are."""
    group, decimal = (",", ".") if separator == "point" else (".", ",")
    grouped = pc.match_substring_regex(column, _GROUPED[separator])
    ungrouped = pc.if_else(grouped, pc.replace_substring(column, group, ""), column)
    if separator == "point":
        return ungrouped
    pointed = pc.replace_substring(ungrouped, decimal, ".")
    return pc.if_else(
        pc.match_substring_regex(ungrouped, r"^-?\d*,?\d*$"), pointed, pc.replace_substring(column, ".", "?")
    )


def _check_numbers(
    path: object, name: str, texts: pa.ChunkedArray, clean: pa.ChunkedArray, rows: npt.NDArray[np.int64]
) -> None:
    wrong = pc.invert(pc.match_substring_regex(clean, _NUMBER))
    at = pc.index(wrong, value=True).as_py()
    if at >= 0:
        text = texts[at].as_py()[:40]
        reason = coded("cell_not_a_number", row=rows[at], name=coded(f"candle_{name}"), text=text)
        raise InvalidCandleFile(path, reason)
