"""Conversion of local times to instants; those that a clock change skips or repeats are rejected."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_pipeline.errors import Coded, coded


class UnclearLocalTime(ValueError):
    """A local time that does not exist or occurs twice in its zone.

    Attributes:
        row: Its row, counted from 0.
        reason: What is wrong with it, and what to do.
    """

    def __init__(self, row: int, reason: Coded) -> None:
        super().__init__(reason)
        self.row, self.reason = row, reason


def to_utc(local: npt.NDArray[np.int64], tz: str) -> npt.NDArray[np.int64]:
    """Return local times as instants, both in ns, shape (n,).

    Args:
        local: Times on the clock of the zone, as ns since 1970-01-01 00:00 on that clock.
        tz: IANA name of the zone.

    Raises:
        UnclearLocalTime: A clock change skips or repeats one of them.

    >>> to_utc(np.array([9 * 3_600_000_000_000]), "Asia/Seoul").tolist()
    [0]
    """
    if tz == "UTC":
        return local
    times = pd.DatetimeIndex(local.view("datetime64[ns]"))
    utc = times.tz_localize(tz, ambiguous="NaT", nonexistent="NaT")
    if utc.hasnans:
        row = int(np.flatnonzero(utc.isna())[0])
        raise UnclearLocalTime(row, _reason(times[row], tz))
    return utc.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ns]").view(np.int64)


def _reason(time: pd.Timestamp, tz: str) -> Coded:
    exists = time.tz_localize(tz, ambiguous=True, nonexistent="NaT") is not pd.NaT
    return coded("local_time_twice" if exists else "local_time_skipped", time=time, zone=tz)
