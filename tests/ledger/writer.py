"""Programs that send orders for a position and are killed: `python -m tests.ledger.writer FUNCTION ARGUMENT ...`."""

import os
import random
import signal
import sys
import time
import uuid
from pathlib import Path

from sqlalchemy import Connection

from coin_pipeline.database.engine import create_engine
from coin_pipeline.ledger import book as booking
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.retry import tolerate_outages
from tests.ledger.parallel import order, submit

LONGEST_LIFE_S = 0.05
"""Of a process, after its first order."""
OUTAGE_S = 60.0


def write(url: str, book: str, position_id: str, first: str, acknowledged: str) -> None:
    """Send orders until the process is killed.

    Args:
        url: The database.
        book: Book of the position.
        position_id: The position.
        first: Number of the first order.
        acknowledged: File that gets a byte for each order that was answered; the next one is sent first.
    """
    ledger, number = Ledger(create_engine(url)), int(first) + Path(acknowledged).stat().st_size
    with tolerate_outages(OUTAGE_S), Path(acknowledged).open("ab", buffering=0) as file:
        while True:
            submit(ledger, order(number, book, uuid.UUID(position_id)))
            file.write(b".")
            number += 1


def write_and_die(url: str, book: str, position_id: str, first: str, acknowledged: str, kills: str) -> None:
    """Send orders from processes that are killed one after another, each at a random time after its first order."""
    draw = random.Random(int(first))  # noqa: S311 -- not for secrets
    for _ in range(int(kills)):
        before = Path(acknowledged).stat().st_size
        pid = os.fork()
        if not pid:
            write(url, book, position_id, first, acknowledged)
        while Path(acknowledged).stat().st_size == before and not os.waitpid(pid, os.WNOHANG)[0]:
            time.sleep(0.001)
        time.sleep(draw.uniform(0, LONGEST_LIFE_S))
        os.kill(pid, signal.SIGKILL)  # fails if the process has ended by itself
        os.waitpid(pid, 0)


def die_before_commit(url: str, book: str, position_id: str, number: str) -> None:
    """Be killed between the writes of an order and their commit."""
    message = order(int(number), book, uuid.UUID(position_id))

    def work(connection: Connection) -> None:
        booking.enter(connection, message)
        os.kill(os.getpid(), signal.SIGKILL)

    Ledger(create_engine(url)).run(work)


def die_before_answer(url: str, book: str, position_id: str, number: str) -> None:
    """Be killed after an order is committed and before anything is done with the answer."""
    submit(Ledger(create_engine(url)), order(int(number), book, uuid.UUID(position_id)))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
