"""Entry and exit decisions of a strategy."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coin_pipeline.engine.bars import Bools, read_only


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

    Raises:
        TypeError: entries or exits are not boolean, or hold is not an integer.
        ValueError: entries or exits are not one-dimensional, their lengths differ, or hold is below 1.

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", _booleans("entries", self.entries))
        if self.exits is not None:
            object.__setattr__(self, "exits", _booleans("exits", self.exits))
            if len(self.exits) != len(self.entries):
                raise ValueError(f"exits has {len(self.exits)} bars, entries has {len(self.entries)}")
        if self.hold is not None:
            _check_hold(self.hold)

    def __len__(self) -> int:
        return len(self.entries)


def _booleans(name: str, column: npt.ArrayLike) -> Bools:
    array = np.ascontiguousarray(column)
    if array.dtype != np.bool_:
        raise TypeError(f"{name} must be an array of bool, not {array.dtype}")
    if np.ndim(column) != 1:
        raise ValueError(f"{name} must be one-dimensional, not {np.ndim(column)}-dimensional")
    return read_only(array)


def _check_hold(hold: int) -> None:
    if isinstance(hold, bool) or not isinstance(hold, int):
        raise TypeError(f"hold must be an integer number of bars, not {hold!r}")
    if hold < 1:
        raise ValueError(f"hold must be at least 1 bar, not {hold}")
