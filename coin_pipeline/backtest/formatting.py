"""How values are written in documents and messages."""

from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

Json = dict[str, Any]


def iso_seconds(ns: npt.ArrayLike) -> Any:  # noqa: ANN401 -- text for one instant, a list for an array
    """Format nanoseconds since the epoch as ISO 8601 UTC with Z, to the second."""
    return np.datetime_as_string(np.asarray(ns, "datetime64[ns]"), unit="s", timezone="UTC").tolist()


def pluralize(number: int, noun: str) -> str:
    """Return a count in words: 1 gap, 2 gaps."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def iso_microseconds(moment: datetime) -> str:
    """Format a moment as ISO 8601 UTC with Z, to the microsecond."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
