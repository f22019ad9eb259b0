"""Times of any spelling as instants; what a time means is in the file, given by the user, or requested."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coin_pipeline.candles.imports.date_texts import parse_dates
from coin_pipeline.candles.imports.imported_file import GIVEN_BY_USER, Zone
from coin_pipeline.candles.imports.layouts import Layout, named_zone, normalize_name
from coin_pipeline.candles.imports.spacing import common_spacing, time_to_end
from coin_pipeline.candles.local_time import UnclearLocalTime, to_utc
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS
from coin_pipeline.candles.year_files.arrow import to_ns
from coin_pipeline.errors import Coded, InvalidCandleFile, coded

_UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_UNIT_DIGITS = {10: "s", 13: "ms", 16: "us", 19: "ns"}  # digits of an instant from 2001 to 2262
_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_MAX_NS = 2**63
_DIGITS_OF_A_DATE = re.compile(r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])?([0-5]\d){0,2}(\d\d)?")
_EXCEL_DAYS = range(36_526, 73_051)  # 2000 to 2099
_FLOAT_TEXT = r"^\d+\.?\d*$"
_ROUNDED_TEXT = r"^\d+([.,]\d+)?[eE]\+?\d+$"


class Times(NamedTuple):
    """Instants, and the local times that they were read from.

    Attributes:
        utc: ns since the epoch, shape (n,).
        local: The same on the clock of their zone, shape (n,).
        zone: The zone, and how it is known.
    """

    utc: npt.NDArray[np.int64]
    local: npt.NDArray[np.int64]
    zone: Zone


class ZoneRule(NamedTuple):
    """What is known about the zone of times without one.

    Attributes:
        tz: The zone that the user named.
        layout: The layout of the file.
        column: Name of the column of times.
        chosen: Whether the layout chose the column, not the user.
    """

    tz: str | None
    layout: Layout
    column: str
    chosen: bool


def parse_times(
    path: object, column: pa.ChunkedArray, rows: npt.NDArray[np.int64], rule: ZoneRule, dates: str | None
) -> Times:
    """Return times without nulls as instants.

    Args:
        path: Name of the file in error messages.
        column: Timestamps, dates, numbers since the epoch, or texts, shape (n,).
        rows: Row of each in the file.
        rule: What to do with times without a zone.
        dates: "dmy" or "mdy": order of day and month in the texts, if the user named it.

    Raises:
        InvalidCandleFile: A time cannot be read, has two meanings, or has no zone.
    """
    if pa.types.is_string(column.type):
        column = _texts_to_epoch(path, column, rows)
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _from_epoch(path, column, rows)
    if pa.types.is_string(kind):
        local, offsets = parse_dates(path, column, rows, dates)
        if offsets is not None:
            return Times(local - offsets, local, Zone("UTC", coded("zone_offsets")))
        return _in_zone(path, local, rows, rule)
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise InvalidCandleFile(path, coded("no_times", kind=kind))
    return _from_timestamps(path, column, rows, rule)


def _from_timestamps(path: object, column: pa.ChunkedArray, rows: npt.NDArray[np.int64], rule: ZoneRule) -> Times:
    stamps = to_ns(path, column)
    ns = stamps.cast(pa.int64()).combine_chunks().to_numpy()
    if stamps.type.tz is None:
        return _in_zone(path, ns, rows, rule)
    return Times(ns, ns, Zone("UTC", coded("zone_in_times")))


def _texts_to_epoch(path: object, texts: pa.ChunkedArray, rows: npt.NDArray[np.int64]) -> pa.ChunkedArray:
    """Return texts as numbers if all of them are numbers."""
    with suppress(pa.ArrowInvalid):
        return texts.cast(pa.int64())
    if pc.all(pc.match_substring_regex(texts, _FLOAT_TEXT)).as_py():
        return texts.cast(pa.float64())
    rounded = pc.index(pc.match_substring_regex(texts, _ROUNDED_TEXT), value=True).as_py()
    if rounded >= 0:
        raise InvalidCandleFile(path, coded("time_rounded", row=rows[rounded], time=texts[rounded]))
    return texts


def _from_epoch(path: object, column: pa.ChunkedArray, rows: npt.NDArray[np.int64]) -> Times:
    values = column.combine_chunks().to_numpy(zero_copy_only=False)
    if values.dtype == np.float64 and not np.isfinite(values).all():
        row = rows[int(np.isfinite(values).argmin())]
        raise InvalidCandleFile(path, coded("time_not_finite", row=row))
    whole = np.floor(values) if values.dtype == np.float64 else values
    unit = _epoch_unit(path, whole, rows)
    utc = whole.astype(np.int64) * _UNIT_NS[unit]
    if values.dtype == np.float64:  # to the microsecond, which is what a float can hold
        utc += np.rint((values - whole) * _UNIT_NS[unit] / 1_000).astype(np.int64) * 1_000
    return Times(utc, utc, Zone("UTC", coded("zone_epoch", unit=_UNIT_NAMES[unit])))


def _epoch_unit(
    path: object, values: npt.NDArray[np.int64] | npt.NDArray[np.float64], rows: npt.NDArray[np.int64]
) -> str:
    """Return the unit in which all values are instants from 2001 on."""
    ends = {at: int(values[at]) for at in (int(values.argmin()), int(values.argmax()))}
    if all(_DIGITS_OF_A_DATE.fullmatch(str(value)) for value in ends.values()):
        raise _unknown_epoch(path, ends, rows, coded("date_in_digits"))
    units = {at: _UNIT_DIGITS.get(len(str(value))) for at, value in ends.items()}
    unknown = {at: value for at, value in ends.items() if units[at] is None or value >= _MAX_NS}
    if unknown:
        are_days = next(iter(unknown.values())) in _EXCEL_DAYS
        fault = coded("excel_day" if are_days else "before_2001")
        raise _unknown_epoch(path, unknown, rows, fault)
    if len(set(units.values())) > 1:
        (at, one), (other_at, other) = ends.items()
        reason = coded("several_units", one=one, one_row=rows[at], other=other, other_row=rows[other_at])
        raise InvalidCandleFile(path, reason)
    return str(units[int(values.argmin())])


def _unknown_epoch(
    path: object, values: Mapping[int, int], rows: npt.NDArray[np.int64], fault: Coded
) -> InvalidCandleFile:
    at, value = next(iter(values.items()))
    return InvalidCandleFile(path, coded("unknown_epoch", row=rows[at], value=value, fault=fault))


def _in_zone(path: object, local: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], rule: ZoneRule) -> Times:
    zone = _zone(local, rule)
    if zone is None:
        hint = coded(rule.layout.hint) if rule.layout.hint else ""
        are_last = time_to_end([local], common_spacing(np.sort(local))) is not None
        closing = coded("and_closing") if are_last else ""
        raise InvalidCandleFile(path, coded("no_time_zone", hint=hint, closing=closing), "tz")
    try:
        return Times(to_utc(local, zone.name), local, zone)
    except UnclearLocalTime as error:
        raise InvalidCandleFile(path, coded("in_row", row=rows[error.row], reason=error.reason)) from None


def _zone(local: npt.NDArray[np.int64], rule: ZoneRule) -> Zone | None:
    layout = rule.layout
    named = named_zone(normalize_name(rule.column))
    if named:
        return Zone(named, coded("zone_of_column", column=rule.column))
    if layout.zone and rule.chosen:
        return Zone(layout.zone, coded("zone_of_layout", layout=layout.name))
    if rule.tz:
        return Zone(rule.tz, GIVEN_BY_USER)
    if layout.daily_zone and rule.chosen:
        hour, name = layout.daily_zone
        if len(local) > 1 and (local % DAY_NS == hour * HOUR_NS).all():
            return Zone(name, coded("zone_of_days", hour=hour, layout=layout.name))
    return None
