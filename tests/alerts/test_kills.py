"""Senders that are killed at random steps: no alert is lost, and at most one is repeated per kill."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from coin_pipeline.alerts.outbox import record
from coin_pipeline.alerts.sender import Sender
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.notifications.message import Delivery, Notification
from tests.alerts.channels import FileChannel, kill_this_process
from tests.alerts.events import failure
from tests.database.programs import query
from tests.forking import forking

T = TypeVar("T")
ROUNDS = int(os.environ.get("COIN_ALERT_KILLS", "20")) // 2
ALERTS_PER_ROUND = 3
LAST_STEP = 24
"""A message takes about six: the database is used three times, and a process may die before and after each."""
EXPIRE_CLAIMS = "update coin.alert_delivery set due_at = clock_timestamp() where state = 'pending'"


def test_killed_senders_lose_no_alert(session: Session, alerts_url: str, tmp_path: Path) -> None:
    """Two processes send at once, and each is killed at a random step; COIN_ALERT_KILLS sets how often."""
    sent = tmp_path / "sent"
    sent.touch()
    process = forking().Process(target=kill_senders, args=(alerts_url, sent))
    process.start()
    process.join()
    assert process.exitcode == 0
    last = Sender(session, FileChannel(sent), ["slack"])
    while last.send_due():
        pass
    ids = sent.read_text().splitlines()
    assert len(set(ids)) == ROUNDS * ALERTS_PER_ROUND
    assert len(ids) - len(set(ids)) <= 2 * ROUNDS


def kill_senders(url: str, sent: Path) -> None:
    """Record alerts, and let two senders begin and die, in each round."""
    chance = random.Random(18)  # noqa: S311 -- no secret
    for number in range(ROUNDS):
        session = Session(url)
        record(session, [failure(number, f"job {number} {each}") for each in range(ALERTS_PER_ROUND)])
        session.close()  # a connection must not be used by two processes
        senders = [start_sender(url, sent, chance.randint(1, LAST_STEP)) for _ in range(2)]
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in senders] == [-9, -9]
        query(url, EXPIRE_CLAIMS)


def start_sender(url: str, sent: Path, last_step: int) -> int:
    """Start a process that sends whatever is due until a step; return its pid."""
    if pid := os.fork():
        return pid
    steps = Steps(last_step)
    sender = Sender(DyingSession(url, steps), DyingChannel(sent, steps), ["slack"])
    while True:
        sender.send_due()


class Steps:
    """Counts the steps of this process, and kills it at the last one."""

    def __init__(self, last: int) -> None:
        self._left = last

    def take(self) -> None:
        """Take a step, or die."""
        self._left -= 1
        if not self._left:
            kill_this_process()


class DyingSession(Session):
    """A session whose process may die before or after each use of the database."""

    def __init__(self, url: str, steps: Steps) -> None:
        super().__init__(url)
        self._steps = steps

    def run(self, work: Callable[[Cursor], T]) -> T:
        """Run work between two steps."""
        self._steps.take()
        result = super().run(work)
        self._steps.take()
        return result


class DyingChannel(FileChannel):
    """A channel whose process may die before a message is sent."""

    def __init__(self, path: Path, steps: Steps) -> None:
        super().__init__(path)
        self._steps = steps

    def send(self, notification: Notification) -> Delivery:
        """Send after a step."""
        self._steps.take()
        return super().send(notification)
