"""Rows of a file that hold no candle: blank ones, comments, totals, repeated headers, and times without a trade."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coin_pipeline.candles.imports.layouts import normalize_name
from coin_pipeline.errors import coded

BLANK = coded("row_blank")
COMMENT = coded("row_comment")
TOTAL = coded("row_total")
HEADER = coded("row_header")
NO_TRADE = coded("row_no_trade")

_DIGITS = frozenset("0123456789")
_TOTALS = frozenset(
    {"total", "totals", "sum", "average", "mean", "합계", "총합계", "총계", "소계", "계", "평균", "合計", "合计"}
)


def is_total(text: str) -> bool:
    """Return whether the first cell of a row marks it as a sum or an average.

    >>> is_total("합계:"), is_total("2024-01-01")
    (True, False)
    """
    return normalize_name(text).rstrip(":") in _TOTALS


def idle_rows(time: pa.ChunkedArray, name: str, values: list[pa.ChunkedArray]) -> dict[str, npt.NDArray[np.bool_]]:
    """Return masks of the rows that hold neither a candle nor a fault, by reason.

    Args:
        time: Texts of the times, shape (n,).
        name: Name of the column.
        values: Prices and volumes, five columns of n rows.
    """
    masks: dict[str, npt.NDArray[np.bool_]] = {}
    blank = _nulls(time)
    if blank.any():
        masks[BLANK] = np.logical_and.reduce([blank, *map(_nulls, values)])
    if pa.types.is_string(time.type) and not _all_start_with_digits(time):
        masks[COMMENT] = _true(pc.starts_with(time, "#"))
        words = np.flatnonzero(_true(pc.invert(pc.match_substring_regex(time, r"\d"))))
        texts = dict(zip(words.tolist(), time.take(pa.array(words)).to_pylist(), strict=True))
        masks[HEADER] = _mask(
            len(time), [at for at, text in texts.items() if normalize_name(text) == normalize_name(name)]
        )
        totals = [at for at, text in texts.items() if is_total(text)]
        masks[TOTAL] = _mask(len(time), _last_rows(totals, len(time), masks.get(BLANK)))
    return masks


def _true(mask: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return which rows are true, rather than false or null."""
    rows: npt.NDArray[np.bool_] = mask.fill_null(False).to_numpy()
    return rows


def _all_start_with_digits(texts: pa.ChunkedArray) -> bool:
    ends = pc.min_max(texts).as_py()  # texts between two that start with digits start with a digit
    return all(text is None or text[:1] in _DIGITS for text in ends.values())


def _last_rows(rows: list[int], length: int, blank: npt.NDArray[np.bool_] | None) -> list[int]:
    """Return those rows that no candle follows."""
    candle = np.ones(length, bool) if blank is None else ~blank
    candle[rows] = False
    last = int(np.flatnonzero(candle)[-1]) if candle.any() else -1
    return [row for row in rows if row > last]


def _mask(length: int, rows: list[int]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(length, bool)
    mask[rows] = True
    return mask


def _nulls(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    nulls: npt.NDArray[np.bool_] = column.is_null(nan_is_null=True).to_numpy()
    return nulls
