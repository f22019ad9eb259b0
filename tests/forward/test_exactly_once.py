"""A candle is decided and booked once, by concurrent processes as well as after kills."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import event

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.database.engine import create_engine
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import ForwardTestStopped
from coin_pipeline.forward.advance import Advancer
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.strategies import Bars, Strategy, StrategyParams
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from tests.forking import forking
from tests.forward.conftest import SYMBOLS
from tests.forward.reading import decisions, journal, state_of

if TYPE_CHECKING:
    from pathlib import Path

    from coin_pipeline.forward.records import ForwardTest
    from tests.forward.conftest import Workbench

SYMBOL = SYMBOLS[0]
FREQUENT = {"volume_window": 5, "hold_period_bars": 1}
HOURS = 12


class FailsAt(Strategy[StrategyParams]):
    """Enters on every other bar; raises an exception as long as `broken` on a bar of 20:00 UTC."""

    name = "fails_at"
    broken = True

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Return the signals."""
        del params
        if type(self).broken and int(bars.time[-1]) // 3_600_000_000_000 % 24 == 20:
            raise ZeroDivisionError
        return Signals(np.arange(len(bars)) % 2 == 0, hold=1)


def recorded(workbench: Workbench, test: ForwardTest) -> list[object]:
    """Return what a test has decided and booked, without the times at which it did."""
    own = [(decision.bar_time, decision.choice) for decision in decisions(workbench.ledger, test, SYMBOL)]
    return [*own, *((entry.at, entry.leg, entry.key) for entry in journal(workbench.ledger, test, SYMBOL))]


def advanced_undisturbed(workbench: Workbench) -> tuple[ForwardTest, list[object]]:
    """Start a test like another one that has already decided some hours, and return what that one recorded."""
    reference, test = workbench.start(params=FREQUENT), workbench.start(params=FREQUENT)
    workbench.now += timedelta(hours=HOURS)
    list(workbench.advancer.run(reference.test_id))
    expected = recorded(workbench, reference)
    assert len(expected) > HOURS
    return test, expected


def test_concurrent_processes_share_the_candles(workbench: Workbench) -> None:
    """Two that advance the same test at once record each candle once, with the same fills as one of them alone."""
    test, expected = advanced_undisturbed(workbench)
    with ThreadPoolExecutor(2) as pool:
        results = [*pool.map(lambda _: list(workbench.advancer.run(test.test_id)), range(2))]
    assert recorded(workbench, test) == expected
    assert sum(own.decisions for result in results for own in result) == HOURS
    assert not any(own.failure for result in results for own in result)


def advance_until_killed(url: str, candles: Path, now: datetime, test: ForwardTest, at: str, after: int) -> None:
    """Advance a test in a process of its own that is killed at the nth reading of the clock, or at the nth commit."""
    engine, seen = create_engine(url), iter(range(after))

    def kill_at_last(*_: object) -> None:
        if next(seen, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def clock(_: object) -> datetime:
        if at == "clock":
            kill_at_last()
        return now

    def kill_at_commit(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement == at:
            kill_at_last()

    event.listen(engine, "before_cursor_execute", kill_at_commit)
    list(Advancer(Ledger(engine), CandleCatalog(candles), load_registry(), clock).run(test.test_id))


def test_killed_process_loses_and_repeats_nothing(workbench: Workbench) -> None:
    """Killed before anything of a candle is written, or right before its commit, the next one continues there."""
    test, expected = advanced_undisturbed(workbench)
    for at, after in (("clock", 3), ("commit", 4)):
        before = recorded(workbench, test)
        arguments = (workbench.url, workbench.catalog.root, workbench.now, test, at, after)
        process = forking().Process(target=advance_until_killed, args=arguments)
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert len(before) < len(recorded(workbench, test)) < len(expected)
    list(workbench.advancer.run(test.test_id))
    assert recorded(workbench, test) == expected


def test_failing_strategy_is_tried_again(workbench: Workbench) -> None:
    """Its sentence is stored, and no candle is lost: once it works, the next attempt continues at the same candle."""
    workbench.registry = StrategyRegistry([FailsAt()])
    test = workbench.start(strategy="fails_at", symbols=SYMBOLS)
    results = workbench.advance(20)
    failed = state_of(workbench.ledger, test, SYMBOL)
    assert failed.failure is not None
    assert "ZeroDivisionError" in failed.failure
    assert failed.failed_at == workbench.started + timedelta(hours=18)
    assert {own.failure for own in results} == {None, failed.failure, failed.failure.replace(*SYMBOLS)}
    assert len(decisions(workbench.ledger, test, SYMBOL)) == 17
    FailsAt.broken = False
    workbench.advance(1)
    healed = state_of(workbench.ledger, test, SYMBOL)
    assert (healed.failure, healed.failed_at) == (None, None)
    assert [decision.late for decision in decisions(workbench.ledger, test, SYMBOL)] == [False] * 17 + [True] * 3 + [
        False
    ]


def test_stopped_test_decides_nothing_more(workbench: Workbench) -> None:
    """Its records stay; --close sells what it holds at the last close, once."""
    test = workbench.start(params={**FREQUENT, "hold_period_bars": 1000})
    workbench.advance(24, at_once=True)
    before = state_of(workbench.ledger, test, SYMBOL)
    assert before.account.trade
    stopped = workbench.advancer.stop(test.test_id, close=True)
    assert workbench.advancer.stop(test.test_id, close=True) == stopped
    assert stopped.stopped_at == workbench.now
    last = journal(workbench.ledger, test, SYMBOL)[-1]
    assert (last.leg.quantity, last.note) == (before.account.trade.quantity, "end")
    assert not workbench.ledger.open_positions(test.book)
    assert workbench.advance(1) == []
    with pytest.raises(ForwardTestStopped, match="start a new one"):
        list(workbench.advancer.run(test.test_id))
