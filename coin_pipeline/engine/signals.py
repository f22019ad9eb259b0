"""Entry and exit decisions of a strategy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from coin_pipeline.engine.bars import Bools, Floats, read_only

MAX_LINES, MAX_LABEL = 16, 64
"""Lines of a plot, and characters of the label of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Decisions of a long-only strategy on n bars, each made at the close of its bar.

    A position is closed ``hold`` bars after its entry fill or on the first exit signal after its entry, whichever comes
    first. With neither, it is held until the last bar. Any one-dimensional boolean array is accepted, including a
    pandas Series.

    Attributes:
        entries: True where a position should be opened, bool, shape (n,), read-only.
        exits: True where an open position should be closed, bool, shape (n,), read-only.
        hold: Bars from the entry fill to the exit fill, at least 1.
        plot: Lines that the chart of a report shows, by label, float64, shape (n,) each, read-only; NaN where there is
            no value. They have no effect on any decision or figure.

    Raises:
        TypeError: entries or exits are not boolean, hold is not an integer, or a line is not numeric.
        ValueError: entries or exits are not one-dimensional, lengths differ, hold is below 1, there are too many lines,
            or a label is not 1 to 64 printable characters.

    Example:
        >>> import numpy as np
        >>> close = np.array([100.0, 99.0, 103.0, 102.0])
        >>> signals = Signals(entries=close > 100.0, hold=1)
        >>> signals.entries.tolist()
        [False, False, True, True]
    """

    entries: Bools
    exits: Bools | None = None
    hold: int | None = None
    plot: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", _booleans("entries", self.entries))
        if self.exits is not None:
            object.__setattr__(self, "exits", _booleans("exits", self.exits))
            if len(self.exits) != len(self.entries):
                raise ValueError(f"exits has {len(self.exits)} bars, entries has {len(self.entries)}")
        if self.hold is not None:
            _check_hold(self.hold)
        if self.plot:
            object.__setattr__(self, "plot", check_lines(self.plot, len(self.entries)))

    def __len__(self) -> int:
        return len(self.entries)


def _booleans(name: str, column: npt.ArrayLike) -> Bools:
    array = np.ascontiguousarray(column)
    if array.dtype != np.bool_:
        raise TypeError(f"{name} must be an array of bool, not {array.dtype}")
    if np.ndim(column) != 1:
        raise ValueError(f"{name} must be one-dimensional, not {np.ndim(column)}-dimensional")
    return read_only(array)


def check_label(label: object) -> None:
    """Require that a text can be the label of a line.

    Raises:
        ValueError: It is not 1 to `MAX_LABEL` printable characters.
    """
    if not (isinstance(label, str) and 0 < len(label) <= MAX_LABEL and label.isprintable()):
        raise ValueError(f"the label of a line must be 1 to {MAX_LABEL} printable characters, not {label!r}")


def check_lines(plot: Mapping[str, npt.ArrayLike], n: int) -> Mapping[str, Floats]:
    """Return the lines of a plot as read-only float64 arrays, shape (n,) each.

    Raises:
        TypeError: A line is not numeric.
        ValueError: There are more than `MAX_LINES`, one has another shape, or its label is not 1 to `MAX_LABEL`
            printable characters.
    """
    if len(plot) > MAX_LINES:
        raise ValueError(f"plot has {len(plot)} lines; at most {MAX_LINES} are shown")
    lines: dict[str, Floats] = {}
    for label, values in plot.items():
        check_label(label)
        array = np.ascontiguousarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"plot[{label!r}] must be an array of numbers, not {array.dtype}")
        if array.shape != (n,):
            raise ValueError(f"plot[{label!r}] has the shape {array.shape}, entries has {n} bars")
        lines[label] = read_only(array.astype(np.float64))
    return MappingProxyType(lines)


def _check_hold(hold: int) -> None:
    if isinstance(hold, bool) or not isinstance(hold, int):
        raise TypeError(f"hold must be an integer number of bars, not {hold!r}")
    if hold < 1:
        raise ValueError(f"hold must be at least 1 bar, not {hold}")
