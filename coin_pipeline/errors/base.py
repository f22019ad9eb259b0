"""The base class of the family, the description of one wrong field, and the wording shared by several messages."""

import difflib
from collections.abc import Iterable
from typing import ClassVar, NamedTuple


class CoinError(Exception):
    """Base class of the family. Its text can be shown to users of this machine as it is."""

    client_message: ClassVar[str | None] = None
    """What HTTP clients receive instead, if the text may contain paths, addresses or messages of other programs."""

    @property
    def for_clients(self) -> str:
        """The text without what is private to the machine."""
        return self.client_message or str(self)


class Problem(NamedTuple):
    """One thing that is wrong with one field of the input."""

    field: str
    message: str


def format_validation_message(message: str, value: object = None) -> str:
    """Return a pydantic validation message as a user should read it.

    Args:
        message: The message; pydantic's prefix "Value error, " is removed.
        value: The rejected value, appended to pydantic's own "Input should ..." messages if it is a scalar.
    """
    got = f", not {value!r:.60}" if message.startswith("Input should") and isinstance(value, str | int | float) else ""
    return message.removeprefix("Value error, ") + got


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """Return a hint with the closest known name, or an empty string.

    Args:
        name: The unknown name.
        known: The valid names.
        cutoff: Similarity that the closest name must reach, 0 to 1.

    >>> did_you_mean("volume_windw", ["volume_window", "top_percentile"])
    " (did you mean 'volume_window'?)"
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f" (did you mean {close[0]!r}?)" if close else ""
