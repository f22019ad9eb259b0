"""The threads that run checks."""

import logging
import threading
from collections.abc import Mapping

import pytest

from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.monitor import STUCK_S, Check, Monitor


def test_an_error_is_logged_once_and_the_check_runs_again(caplog: pytest.LogCaptureFixture) -> None:
    """An outage logs one line at its start and one at its end; the other check runs all the time."""
    caplog.set_level(logging.INFO, "coin.monitor")
    outcomes = iter([DatabaseUnavailable("the leases", "down"), DatabaseUnavailable("the leases", "down"), None])
    rounds: list[int] = []

    def flaky() -> str:
        if error := next(outcomes):
            raise error
        return "2 lost runs"

    def steady() -> str:
        rounds.append(1)
        return ""

    monitor = Monitor(lambda: {"flaky": flaky, "steady": steady})
    for _ in range(3):
        monitor.run_round()
    messages = [record.message for record in caplog.records]
    assert len(rounds) == 3
    assert "flaky failed and is retried: DatabaseUnavailable" in messages[0]
    assert messages[1:] == ["flaky works again", "flaky: 2 lost runs"]


def test_checks_are_opened_again_until_they_open() -> None:
    """The database may be unavailable when the daemon starts."""
    attempts: list[int] = []

    def open_checks() -> Mapping[str, Check]:
        attempts.append(1)
        if len(attempts) < 2:
            raise DatabaseUnavailable("Dagster's storage", "down")
        return {"check": lambda: ""}

    monitor = Monitor(open_checks)
    for _ in range(3):
        monitor.run_round()
    assert len(attempts) == 2


def test_a_monitor_without_completed_rounds_is_stuck() -> None:
    """The daemon then exits and is started again."""
    monitor = Monitor(dict)
    assert not monitor.is_stuck
    monitor._round_ended -= STUCK_S + 1
    assert monitor.is_stuck
    monitor.run_round()
    assert not monitor.is_stuck


def test_a_stopped_monitor_runs_no_further_round() -> None:
    """Its thread ends, although the next round would be due much later."""
    rounds = threading.Semaphore(0)

    def check() -> str:
        rounds.release()
        return ""

    monitor = Monitor(lambda: {"check": check}, interval_s=3600, name="stopped monitor")
    monitor.start()
    assert rounds.acquire(timeout=10)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "stopped monitor")
    monitor.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert not rounds.acquire(blocking=False)
