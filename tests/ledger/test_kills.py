"""Programs and servers killed in mid-transaction: every acknowledged order is booked once, any other at most once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from operator import gt
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.database.engine import create_engine
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.retry import tolerate_outages
from tests.database.programs import query, server_pid, wait_until
from tests.ledger.parallel import FIRST, check_journal, first_order, order, submit
from tests.schemas import create_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

ROOT = Path(__file__).resolve().parents[2]
LONG = (pytest.mark.ledger, pytest.mark.timeout(0))
WRITERS = 2
APART = 1_000_000
"""Distance between the numbers of the first orders of two writers."""


class Account:
    """A position that programs write to, and the orders that were acknowledged.

    Args:
        engine: The database.
        folder: Folder for the acknowledgements.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.ledger, self.book = Ledger(engine), "book"
        self.position_id = self.ledger.enter(first_order(self.book)).position.position_id
        self._url = engine.url.render_as_string(hide_password=False)
        self._files = [folder / f"writer {number}" for number in range(WRITERS)]
        self._before = [0] * WRITERS
        for file in self._files:
            file.touch()

    def start(self, function: str, *arguments: object) -> subprocess.Popen[bytes]:
        """Start a program of tests/ledger/writer.py for this position."""
        texts = map(str, (self._url, self.book, self.position_id, *arguments))
        return subprocess.Popen([sys.executable, "-m", "tests.ledger.writer", function, *texts], cwd=ROOT)

    def start_writers(self, function: str, *arguments: object) -> list[subprocess.Popen[bytes]]:
        """Start all writers."""
        return [self.start(function, n * APART, file, *arguments) for n, file in enumerate(self._files)]

    def acknowledged(self) -> list[int]:
        """Return the number of acknowledged orders of each writer."""
        return [file.stat().st_size for file in self._files]

    def is_written(self) -> bool:
        """Return whether each writer received an answer since the last call that returned True."""
        counts = self.acknowledged()
        if all(map(gt, counts, self._before)):
            self._before = counts
            return True
        return False

    def check(self) -> None:
        """Send the next order of each writer, which may have been booked without an answer; then check the journal."""
        counts = self.acknowledged()
        for n, count in enumerate(counts):
            submit(self.ledger, order(n * APART + count, self.book, self.position_id))
        numbers = [n * APART + number for n, count in enumerate(counts) for number in range(count + 1)]
        check_journal(self.ledger, self.position_id, {FIRST, *(f"order {number}" for number in numbers)})


@contextmanager
def running(programs: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Kill the programs on exit; none may have ended before."""
    try:
        yield
    finally:
        for program in programs:
            program.kill()
        codes = [program.wait() for program in programs]
    assert codes == [-signal.SIGKILL] * len(programs)


def kill_backend(home: Path, url: str) -> None:
    """Kill the process of a connection in a transaction; the server then ends all others and recovers."""
    in_transaction = "select pid from pg_stat_activity where xact_start is not null and pid <> pg_backend_pid()"
    assert home
    pids: list[int] = []
    wait_until(lambda: pids.extend(int(str(pid)) for (pid,) in query(url, in_transaction)) or pids)
    os.kill(pids[0], signal.SIGKILL)


def kill_server(home: Path, _: str) -> None:
    """Kill the server."""
    os.kill(server_pid(home), signal.SIGKILL)


def shut_down_immediately(home: Path, _: str) -> None:
    """Have the server end all connections and itself at once."""
    os.kill(server_pid(home), signal.SIGQUIT)


@pytest.fixture
def account(ledger: Ledger, ledger_engine: Engine, tmp_path: Path) -> Account:
    """A position in the emptied database of the session."""
    assert not ledger.open_positions()
    return Account(ledger_engine, tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Home of a server that this test may kill."""
    yield tmp_path / "postgres"
    assert EmbeddedPostgres(tmp_path / "postgres").wait_until_stopped(10)


def test_program_killed_before_its_commit(account: Account) -> None:
    """Nothing is booked, and the order can be sent again at once."""
    assert account.start("die_before_commit", 0).wait() == -signal.SIGKILL
    assert account.ledger.position(account.position_id).entries == 1
    assert not submit(account.ledger, order(0, account.book, account.position_id)).replayed


def test_program_killed_before_its_answer(account: Account) -> None:
    """The order was booked, and sent again it is a replay."""
    assert account.start("die_before_answer", 0).wait() == -signal.SIGKILL
    assert account.ledger.position(account.position_id).entries == 2
    assert submit(account.ledger, order(0, account.book, account.position_id)).replayed


@pytest.mark.parametrize("kills", [4, pytest.param(300, marks=LONG)])
def test_programs_killed_at_random(account: Account, kills: int) -> None:
    """Two programs write to one position, and each is killed and continued again and again."""
    for program in account.start_writers("write_and_die", kills):
        assert program.wait() == 0
    account.check()


@pytest.mark.parametrize("rounds", [1, pytest.param(30, marks=LONG)])
def test_server_killed_while_programs_write(home: Path, tmp_path: Path, rounds: int) -> None:
    """A connection's process is killed, then the server, then it shuts down at once; the programs wait and continue."""
    with EmbeddedPostgres(home).lease() as lease:
        create_schema(lease.url)
        engine = create_engine(lease.url)
        account = Account(engine, tmp_path)
        with running(account.start_writers("write")):
            for kill in (kill_backend, kill_server, shut_down_immediately) * rounds:
                wait_until(account.is_written, 60)
                kill(home, lease.url)
            wait_until(account.is_written, 60)
        with tolerate_outages():
            account.check()
        engine.dispose()
