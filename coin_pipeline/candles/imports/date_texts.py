"""Texts of dates and times, with and without an offset from UTC. An order of day and month is proven, never guessed."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coin_pipeline.candles.timeframe import HOUR_NS, MINUTE_NS, SECOND_NS
from coin_pipeline.errors import Coded, InvalidCandleFile, coded

_NAIVE, _AWARE = pa.timestamp("ns"), pa.timestamp("ns", "UTC")
_ZONES: Mapping[str, int] = MappingProxyType({"Z": 0, "UTC": 0, "GMT": 0, "KST": 9 * HOUR_NS, "JST": 9 * HOUR_NS})
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d\d))?(?::?(\d\d))?")
_MAX_OFFSET_NS = 14 * HOUR_NS
_MINUS = "\N{MINUS SIGN}"
_NOON, _MAX_MINUTE = 12, 59
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_CLOCK = (
    r"(?:(?:\s*[T,]\s*|\s+)(?:(?P<before>오전|오후|AM|PM)\s*)?"
    r"(?P<hour>\d{1,2})(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"\s*-?(?P<after>AM|PM)?)?"
)
_ZONE = r"\s*(?P<zone>Z|KST|JST|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d\d){0,2}|UTC|GMT)?"
_UNKNOWN_ZONE = re.compile(r"\d:\d\d(?::\d\d)?\s*(?![AP]M$)([A-Z]{2,5})$")
_DATES = (
    r"(?P<year>\d{4})\s*[-./]\s*(?P<month>\d{1,2})\s*[-./]\s*(?P<day>\d{1,2})\.?",
    r"(?P<year>\d{4})[년年]\s*(?P<month>\d{1,2})[월月]\s*(?P<day>\d{1,2})[일日]",
    r"(?P<first>\d{1,2})[-./](?P<other>\d{1,2})[-./](?P<year>\d{4})",
    r"(?P<name>[A-Z]{3,9})\.?[\s-](?P<day>\d{1,2}),?[\s-](?P<year>\d{4})",
    r"(?P<day>\d{1,2})[\s-](?P<name>[A-Z]{3,9})\.?[\s,-]+(?P<year>\d{4})",
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
)
_PATTERNS = tuple(f"^{date}{_CLOCK}{_ZONE}$" for date in _DATES)
_COMPACT = _PATTERNS[-1]


class LocalTimes(NamedTuple):
    """Times on the clock of their zone, and their offsets from UTC if they have some, both in ns, shape (n,)."""

    local: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64] | None


def parse_dates(path: object, texts: pa.ChunkedArray, rows: npt.NDArray[np.int64], dates: str | None) -> LocalTimes:
    """Return texts without nulls as local times.

    Args:
        path: Name of the file in error messages.
        texts: The texts, shape (n,).
        rows: Row of each in the file.
        dates: "dmy" or "mdy" if the user named the order of day and month.

    Raises:
        InvalidCandleFile: A text is not a time, or the order of day and month cannot be known.
    """
    return _parse_iso(texts) or _Parser(path, texts, rows).parse(dates)


def _parse_iso(texts: pa.ChunkedArray) -> LocalTimes | None:
    """Return texts that Arrow can parse: ISO 8601, all with an offset or all without."""
    for kind in (_NAIVE, _AWARE):
        try:
            ns = texts.cast(kind).cast(pa.int64()).combine_chunks().to_numpy()
        except pa.ArrowInvalid:
            continue
        return LocalTimes(ns, None if kind == _NAIVE else np.zeros(len(ns), np.int64))
    return None


class _Parser:
    def __init__(self, path: object, texts: pa.ChunkedArray, rows: npt.NDArray[np.int64]) -> None:
        self.path, self.texts, self.rows = path, texts, rows
        folded = pc.utf8_upper(pc.utf8_trim_whitespace(pc.utf8_normalize(texts, form="NFKC")))
        self.clean = pc.replace_substring(folded, _MINUS, "-").combine_chunks()

    def parse(self, dates: str | None) -> LocalTimes:
        parts = self._parts()
        year = parts["year"]
        month, day = self._month_and_day(parts, dates)
        clock = _join(":", *(_two_digits(parts[name]) for name in ("hour", "minute", "second")))
        halves = _join("", parts["before"], parts["after"])
        local = self._cast(_join(" ", _join("-", year, _two_digits(month), _two_digits(day)), clock))
        local += self._afternoon(parts["hour"], halves) + _fraction_ns(parts["fraction"])
        return LocalTimes(local, self._offsets(parts["zone"]))

    def _parts(self) -> dict[str, pa.Array]:
        """Return the parts of all texts, by the first pattern that the first text matches; absent parts are empty."""
        first = self.clean[0].as_py()
        pattern = next((pattern for pattern in _PATTERNS if re.match(pattern, first)), _PATTERNS[0])
        found = pc.extract_regex(self.clean, pattern)
        compact = pattern == _COMPACT and not re.search(r"\D", first)
        wrong = 0 if compact else pc.index(found.is_null(), value=True).as_py()
        if wrong >= 0:
            zone = _UNKNOWN_ZONE.search(self.clean[wrong].as_py())
            raise self._error(wrong, coded("unknown_zone", zone=zone[1]) if zone else coded("unreadable_time"))
        names = [field.name for field in found.type]
        parts = {name: pc.struct_field(found, name) for name in names}
        absent = pa.array([""] * len(found)) if {"month", "name"} - set(names) else None
        return {name: parts.get(name, absent) for name in (*names, "month", "day", "name")}

    def _month_and_day(self, parts: Mapping[str, pa.Array], dates: str | None) -> tuple[pa.Array, pa.Array]:
        if "first" in parts:
            first, other = parts["first"], parts["other"]
            return (first, other) if self._order(first, other, dates) == "mdy" else (other, first)
        if parts["month"] is not None and parts["month"][0].as_py():
            return parts["month"], parts["day"]
        numbers = pc.index_in(pc.utf8_slice_codeunits(pc.utf8_lower(parts["name"]), 0, 3), pa.array(_MONTHS))
        wrong = pc.index(numbers.is_null(), value=True).as_py()
        if wrong >= 0:
            raise self._error(wrong, coded("no_month"))
        return pc.add(numbers, 1).cast(pa.string()), parts["day"]

    def _order(self, first: pa.Array, other: pa.Array, dates: str | None) -> str:
        """Return "dmy" or "mdy"."""
        days_first, days_other = (
            pc.index(pc.greater(part.cast(pa.int32()), len(_MONTHS)), value=True).as_py() for part in (first, other)
        )
        if days_first >= 0 and days_other >= 0:
            both = self._texts_in_rows(one=days_first, other=days_other)
            raise InvalidCandleFile(self.path, coded("day_first_and_second", **both))
        proven = "dmy" if days_first >= 0 else "mdy" if days_other >= 0 else None
        if dates and proven and dates != proven:
            at = max(days_first, days_other)
            raise self._error(at, coded("contradicts_dates", dates=dates))
        if not (dates or proven):
            raise InvalidCandleFile(self.path, coded("unclear_dates", example=self.texts[0].as_py()), "columns.dates")
        return dates or proven or ""

    def _cast(self, canonical: pa.Array) -> npt.NDArray[np.int64]:
        try:
            ns: npt.NDArray[np.int64] = canonical.cast(_NAIVE).cast(pa.int64()).to_numpy().copy()
        except pa.ArrowInvalid:
            raise self._error(_first_failure(canonical), coded("no_such_time")) from None
        return ns

    def _afternoon(self, hour: pa.Array, halves: pa.Array) -> npt.NDArray[np.int64]:
        """Return what the marks of the half of the day add to the hours, in ns."""
        marks = np.array(halves.to_pylist(), dtype=object)
        if not any(marks):
            return np.zeros(len(marks), np.int64)
        hours = np.array(pc.if_else(pc.equal(hour, ""), "0", hour).cast(pa.int64()))
        wrong = np.flatnonzero((marks != "") & ((hours > _NOON) | (hours == 0)))
        if len(wrong):
            raise self._error(int(wrong[0]), coded("hour_of_half"))
        late = np.isin(marks, ("PM", "오후"))
        noon = (marks != "") & (hours == _NOON)
        shift: npt.NDArray[np.int64] = (late.astype(np.int64) - noon) * _NOON * HOUR_NS
        return shift

    def _offsets(self, zones: pa.Array) -> npt.NDArray[np.int64] | None:
        encoded = zones.dictionary_encode()
        spellings = encoded.dictionary.to_pylist()
        if spellings == [""]:
            return None
        if "" in spellings:
            at = pc.index(zones, value="").as_py()
            zoned = pc.index(pc.not_equal(zones, ""), value=True).as_py()
            raise InvalidCandleFile(self.path, coded("some_without_zone", **self._texts_in_rows(zoned=zoned, bare=at)))
        known = [_offset_ns(spelling) for spelling in spellings]
        if None in known:
            at = pc.index(zones, value=spellings[known.index(None)]).as_py()
            raise self._error(at, coded("large_offset"))
        offsets: npt.NDArray[np.int64] = np.array(known, np.int64)[encoded.indices.to_numpy()]
        return offsets

    def _error(self, at: int, problem: Coded) -> InvalidCandleFile:
        time = self.texts[at].as_py()[:60]
        return InvalidCandleFile(self.path, coded("time_text", row=self.rows[at], time=time, problem=problem))

    def _texts_in_rows(self, **places: int) -> dict[str, object]:
        """Return the texts at several places by their names, and the row of each."""
        texts = {name: self.texts[at].as_py() for name, at in places.items()}
        return texts | {f"{name}_row": self.rows[at] for name, at in places.items()}


def _join(separator: str, *parts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(*parts, separator)


def _two_digits(part: pa.Array) -> pa.Array:
    return pc.utf8_lpad(part, 2, "0")


def _fraction_ns(fraction: pa.Array) -> npt.NDArray[np.int64]:
    ns: npt.NDArray[np.int64] = pc.utf8_rpad(fraction, 9, "0").cast(pa.int64()).to_numpy()
    return ns


def _offset_ns(spelling: str) -> int | None:
    if spelling in _ZONES:
        return _ZONES[spelling]
    match = _OFFSET.fullmatch(spelling)
    sign, *parts = match.groups() if match else ("+", "99")
    hours, minutes, seconds = (int(part or 0) for part in (*parts, 0, 0)[:3])
    ns = hours * HOUR_NS + minutes * MINUTE_NS + seconds * SECOND_NS
    if ns > _MAX_OFFSET_NS or max(minutes, seconds) > _MAX_MINUTE:
        return None
    return -ns if sign == "-" else ns


def _first_failure(texts: pa.Array) -> int:
    """Return the first text that is not a time, by bisection: casts of a million texts take milliseconds."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            texts[low:middle].cast(_NAIVE)
        except pa.ArrowInvalid:
            high = middle
        else:
            low = middle
    return low
