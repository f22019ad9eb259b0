"""Axes of a figure: the mapping of values to coordinates, and round tick values."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
_LOG_ABOVE = 10.0  # ratio of highest to lowest value above which a log scale reads better
_LOG_DECADES = 1e4  # zero has no logarithm: values this far below the highest are drawn on the axis
_MARGIN = 0.04  # share of the range added at both ends
_MONDAY = 4  # 1970-01-05, in days since 1970-01-01


class Tick(NamedTuple):
    """A labelled value of an axis."""

    value: float
    label: str


class _Unit(NamedTuple):
    """A unit of time: its numpy code, its length in ns, usual step sizes, and the shown slice of an ISO timestamp."""

    code: str
    ns: float
    steps: tuple[int, ...]
    shown: slice


_DAY_NS = 86400e9
_UNITS = (
    _Unit("m", 60e9, (1, 5, 15, 30), slice(5, 16)),  # the year is in the caption
    _Unit("h", 3600e9, (1, 3, 6, 12), slice(5, 16)),
    _Unit("D", _DAY_NS, (1, 2, 7, 14), slice(10)),
    _Unit("M", 30.4 * _DAY_NS, (1, 2, 3, 6), slice(7)),
    _Unit("Y", 365.25 * _DAY_NS, (1, 2, 5, 10, 20, 50, 100), slice(4)),
)


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values from `low` to `high` to coordinates from `start` to `end`; lower values are clipped to `start`.

    >>> Axis(1.0, 3.0, 500, 100)([1.0, 2.0, 3.0]).tolist()
    [500, 300, 100]
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the coordinates of values, rounded to integers."""
        inside = np.maximum(values, self.low)
        if self.log:
            share = np.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return np.rint(self.start + share * (self.end - self.start)).astype(np.int64)


def growth_axis(low: float, high: float, start: float, end: float) -> Axis:
    """Return an axis for growth factors from `low` to `high`; logarithmic if `high` is more than ten times `low`."""
    floor = max(low, high / _LOG_DECADES)
    if high > _LOG_ABOVE * floor:
        margin = (high / floor) ** _MARGIN
        return Axis(floor / margin, high * margin, start, end, log=True)
    margin = _MARGIN * (high - low) if high - low > 1e-9 * high else 0.05
    return Axis(low - margin, high + margin, start, end)


def time_axis(first: int, last: int, start: float, end: float) -> Axis:
    """Return an axis for times in ns; a single time is centred on two days."""
    margin = 0.0 if last > first else _DAY_NS
    return Axis(first - margin, last + margin, start, end)


def value_ticks(axis: Axis, count: int) -> list[Tick]:
    """Return about `count` ticks at round values."""
    return _factor_ticks(axis) if axis.log else _even_ticks(axis, count)


def time_ticks(axis: Axis, count: int) -> list[Tick]:
    """Return at most about `count` ticks at round times of the axis, using the smallest suitable step."""
    steps = [(unit, step) for unit in _UNITS for step in unit.steps]
    unit, step = next((s for s in steps if s[0].ns * s[1] * count >= axis.high - axis.low), steps[-1])
    bounds = np.array([axis.low, axis.high]).astype(np.int64).astype("datetime64[ns]")
    first, last = bounds.astype(f"datetime64[{unit.code}]").astype(np.int64)
    numbers = np.arange(first, last + 1)
    numbers = numbers[(numbers - (_MONDAY if unit.code == "D" else 0)) % step == 0]
    stamps = numbers.astype(f"datetime64[{unit.code}]").astype("datetime64[ns]")
    values = stamps.astype(np.int64)
    labels = [str(stamp).replace("T", " ")[unit.shown] for stamp in stamps]
    return [Tick(float(v), label) for v, label in zip(values, labels, strict=True) if axis.low <= v <= axis.high]


def _even_ticks(axis: Axis, count: int) -> list[Tick]:
    raw = (axis.high - axis.low) / count
    power = math.floor(math.log10(raw))
    step = next(size * 10.0**power for size in (1, 2, 2.5, 5, 10) if size * 10.0**power >= raw * (1 - 1e-9))
    decimals = next(d for d in range(20) if abs(round(step, d) - step) < 1e-9 * step)
    numbers = range(math.ceil(axis.low / step - 1e-9), math.floor(axis.high / step + 1e-9) + 1)
    return [Tick(number * step, f"{number * step:z,.{decimals}f}") for number in numbers]


def _factor_ticks(axis: Axis) -> list[Tick]:
    decades = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
    for sizes in ((1, 2, 3, 5), (1, 3), (1,)):
        values = [size * 10.0**decade for decade in decades for size in sizes]
        inside = [value for value in values if axis.low <= value <= axis.high]
        if len(inside) <= 7:  # noqa: PLR2004 - the labels that fit the panel
            break
    return [Tick(value, f"{value:,.0f}" if 1 <= value < 1e6 else f"{value:g}") for value in inside]  # noqa: PLR2004
