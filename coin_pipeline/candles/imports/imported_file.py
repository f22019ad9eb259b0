"""What was read from a file: its candles, and how the file was understood."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.errors import Coded, FileColumn, coded

GIVEN_BY_USER = coded("zone_given")
"""Reason of a zone that is not in the file."""


class Zone(NamedTuple):
    """The time zone of the times of a file, and how it is known.

    >>> str(Zone("Asia/Seoul", GIVEN_BY_USER))
    'Asia/Seoul (given by --tz)'
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> Coded:
        """The zone and the reason as a message."""
        return coded("zone", name=self.name, reason=self.reason)


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """The candles of a file, and how the file was understood.

    Attributes:
        candles: The candles, valid and in strictly increasing order.
        rows: Row of each candle in the file, counted from 1 below the header, shape (n,).
        layout: Name of the recognized layout.
        zone: Time zone of the times.
        order: "oldest first", "newest first" or "unordered".
        spacing: Most frequent distance of two candles in ns; None for a single candle.
        columns: Name in the file of each of time, open, high, low, close and volume.
        file_columns: The columns of the file.
        skipped: Number of rows that were left out, by reason.
        no_trade: Open times of rows without values: no trade happened then, ns UTC, shape (m,).
        symbol: The market that the file names, as it spells it; None if it names none.
        notes: Sentences on what a user should know, such as the currency of the volume.
    """

    candles: OHLCV
    rows: npt.NDArray[np.int64]
    layout: str
    zone: Zone
    order: str
    spacing: int | None
    columns: Mapping[str, str]
    file_columns: tuple[FileColumn, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)
    no_trade: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    symbol: str | None = None
    notes: tuple[str, ...] = ()
