"""Where values lie on a picture, and the round values that label its axes."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
_LOG_ABOVE = 5.0  # ratio of highest to lowest from which a factor reads better than a difference
_LOG_DECADES = 1e4  # an account that lost everything has no logarithm; lower values lie on the axis
_MARGIN = 0.04  # share of the range left free at both ends
_MONDAY = 4  # 1970-01-05, in days since 1970-01-01


class Tick(NamedTuple):
    """A labelled value of an axis."""

    value: float
    label: str


class _Unit(NamedTuple):
    """A unit of time: numpy's code, its length in ns, the steps people count it in, and its part of an ISO stamp."""

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
    """Values from `low` to `high` lie from `start` to `end` on the picture; what is lower lies at `start`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return where values lie, rounded to the picture's units."""
        inside = np.maximum(values, self.low)
        if self.log:
            share = np.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return np.rint(self.start + share * (self.end - self.start)).astype(np.int64)


def growth_axis(low: float, high: float, start: float, end: float) -> Axis:
    """Return an axis for growth factors from `low` to `high`, logarithmic if they span more than five times."""
    floor = max(low, high / _LOG_DECADES)
    if high > _LOG_ABOVE * floor:
        room = (high / floor) ** _MARGIN
        return Axis(floor / room, high * room, start, end, log=True)
    room = _MARGIN * (high - low) if high - low > 1e-9 * high else 0.05
    return Axis(low - room, high + room, start, end)


def time_axis(first: int, last: int, start: float, end: float) -> Axis:
    """Return an axis for times in ns; a single time lies in the middle of two days."""
    room = 0.0 if last > first else _DAY_NS
    return Axis(first - room, last + room, start, end)


def value_ticks(axis: Axis, count: int) -> list[Tick]:
    """Return about `count` round values of an axis of numbers."""
    return _factor_ticks(axis) if axis.log else _even_ticks(axis, count)


def time_ticks(axis: Axis, count: int) -> list[Tick]:
    """Return about `count` round times UTC at most, in the smallest step that is coarse enough."""
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
        if len(inside) <= 7:  # noqa: PLR2004 - as many labels as the panel has room for
            break
    return [Tick(value, f"{value:,.0f}" if 1 <= value < 1e6 else f"{value:g}") for value in inside]  # noqa: PLR2004
