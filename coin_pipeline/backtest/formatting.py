"""Formatting of values in documents and messages."""

from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

Json = dict[str, Any]


def iso_seconds(ns: npt.ArrayLike) -> Any:  # noqa: ANN401 -- text for one instant, a list for an array
    """Format times as ISO 8601 UTC with Z, to the second.

    Args:
        ns: One time or an array of times, ns since the epoch.

    Returns:
        Text for one time, a list of texts for an array.

    >>> iso_seconds(1_700_000_000_000_000_000)
    '2023-11-14T22:13:20Z'
    """
    return np.datetime_as_string(np.asarray(ns, "datetime64[ns]"), unit="s", timezone="UTC").tolist()


def pluralize(number: int, noun: str) -> str:
    """Return a count with its noun.

    >>> pluralize(1, "gap"), pluralize(2_000, "gap")
    ('1 gap', '2,000 gaps')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def iso_microseconds(moment: datetime) -> str:
    """Format a UTC time as ISO 8601 with Z, to the microsecond."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
