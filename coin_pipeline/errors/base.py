"""The base class of the family, the description of one wrong field, and the wording shared by several messages."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from coin_pipeline.errors.coded import Coded, coded
from coin_pipeline.errors.texts_pydantic import code_of


class CoinError(Exception):
    """Base class of the family. Its text can be shown to users of this machine as it is."""

    client_message: ClassVar[str | None] = None
    """What HTTP clients receive instead, if the text may contain paths, addresses or messages of other programs."""

    @property
    def message(self) -> str:
        """The text, which keeps its code and values if it has them; `str` does not."""
        return self.args[0] if self.args and isinstance(self.args[0], Coded) else str(self)

    @property
    def for_clients(self) -> str:
        """The text without what is private to the machine."""
        return self.client_message or self.message


class Problem(NamedTuple):
    """One thing that is wrong with one field of the input."""

    field: str
    message: str


def validation_message(detail: Mapping[str, Any], *, with_value: bool = True) -> str:
    """Return the message of one of pydantic's errors as a user should read it.

    Args:
        detail: Of `ValidationError.errors()`, with its context.
        with_value: Append the rejected value to pydantic's own "Input should ..." messages if it is a scalar.
    """
    values = dict(detail.get("ctx") or {})
    cause = values.pop("error", None)
    if isinstance(cause, ValueError):
        return cause.args[0] if cause.args and isinstance(cause.args[0], Coded) else str(cause)
    value = detail.get("input") if with_value and detail["msg"].startswith("Input should") else None
    got: str = ""
    if isinstance(value, str | int | float):
        text = f"{value!r:.60}"
        got = Coded(f", not {text}", "got", {"value": value if isinstance(value, float) else text})
    if "expected" in values:
        values["expected"] = values["expected"].replace(" or ", ", ")
    return Coded(detail["msg"] + got, code_of(detail["type"]), {**values, "message": detail["msg"], "got": got})


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
    return coded("did_you_mean", name=close[0]) if close else ""
