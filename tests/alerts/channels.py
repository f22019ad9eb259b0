"""Channels of tests, in place of a server: they record what is sent, and fail as planned."""

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from coin_pipeline.notifications.message import Delivery, Notification

OK = Delivery(delivered=True)
AWAY = Delivery(delivered=False, reason="503")
REVOKED = Delivery(delivered=False, reason="404 no_service", is_permanent=True)


class RecordingChannel:
    """Records what it delivers; answers as planned, then with ok."""

    def __init__(self, answers: Iterable[Delivery] = (), name: str = "slack") -> None:
        self.name = name
        self.sent: list[Notification] = []
        self.ids: list[str] = []
        """Of all attempts."""
        self.answers = list(answers)

    @property
    def titles(self) -> list[str]:
        """Titles of what was delivered."""
        return [notification.title for notification in self.sent]

    @property
    def attempts(self) -> int:
        """Number of all attempts."""
        return len(self.ids)

    def send(self, notification: Notification) -> Delivery:
        """Record a notification."""
        self.ids.append(notification.id)
        outcome = self.answers.pop(0) if self.answers else OK
        if outcome:
            self.sent.append(notification)
        return outcome


class FileChannel:
    """Appends the id of each message to a file, so that other processes can read what was delivered."""

    name = "slack"

    def __init__(self, path: Path, then: Callable[[], object] = lambda: None) -> None:
        self._path = path
        self._then = then

    def send(self, notification: Notification) -> Delivery:
        """Append its id."""
        with self._path.open("a") as file:
            file.write(f"{notification.id}\n")
        self._then()
        return OK


class KilledChannel:
    """Kills the process before anything is sent."""

    name = "slack"

    def send(self, _notification: Notification) -> Delivery:
        """Kill the process."""
        kill_this_process()
        return OK


def kill_this_process() -> None:
    """End this process without any cleanup."""
    os.kill(os.getpid(), signal.SIGKILL)
