"""A notification, and the outcome of sending it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, get_args

Level = Literal["info", "warning", "error", "critical"]
LEVELS: tuple[Level, ...] = get_args(Level)
SYMBOLS: Mapping[Level, str] = {
    "info": "\N{INFORMATION SOURCE}",
    "warning": "\N{WARNING SIGN}",
    "error": "\N{CROSS MARK}",
    "critical": "\N{POLICE CARS REVOLVING LIGHT}",
}


@dataclass(frozen=True)
class Notification:
    """What is sent through every channel.

    Attributes:
        title: One line.
        message: The text; lines are separated by newlines.
        level: How serious it is.
        details: Labelled values, such as the run and the symbols, in order.
        link: URL of a page about it, such as a run in the Dagster UI; empty if there is none.
        id: Unique id that stays the same when it is sent again, so that mail programs show it once; empty for one that
            is sent once.
    """

    title: str
    message: str
    level: Level = "info"
    details: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    id: str = ""


class Delivery(NamedTuple):
    """The outcome of sending a notification through one channel; true if it was delivered.

    Attributes:
        delivered: Whether the channel's server accepted it, for one recipient at least.
        reason: Why not, or which recipients were refused, without secrets; empty if all received it.
        is_permanent: Whether the same request would be rejected again.
        retry_after_s: Pause that the server asked for, s; None if it did not.
    """

    delivered: bool
    reason: str = ""
    is_permanent: bool = False
    retry_after_s: float | None = None

    def __bool__(self) -> bool:
        return self.delivered


class Channel(Protocol):
    """A way to reach operators. `send` reports every failure in its outcome and raises nothing."""

    name: str
    """Stable name, such as slack or mail, under which deliveries are recorded."""

    def send(self, notification: Notification) -> Delivery:
        """Send a notification and wait for the server's answer."""
        ...
