"""Conversion of local times to instants; those that a clock change skips or repeats are rejected."""

import numpy as np
import numpy.typing as npt
import pandas as pd


class UnclearLocalTime(ValueError):
    """A local time that does not exist or occurs twice in its zone.

    Attributes:
        row: Its row, counted from 0.
    """

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row


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


def _reason(time: pd.Timestamp, tz: str) -> str:
    exists = time.tz_localize(tz, ambiguous=True, nonexistent="NaT") is not pd.NaT
    fault = f"occurs twice in {tz}, before and after" if exists else f"does not exist in {tz}: it is skipped by"
    return f"the time {time} {fault} a clock change; write times in UTC or with an offset"
