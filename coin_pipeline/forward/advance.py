"""Moving forward tests over newly closed candles, each exactly once.

Each candle is one transaction: the decision, the fills that are due in the candle, and the account after it. The row of
the symbol is locked first, so that of two processes one records the candle and the other finds it recorded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.fingerprint import candles_digest, code_digest, digest_of
from coin_pipeline.candles.timeframe import SECOND_NS, utc
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import CoinError, ForwardTestStopped, ServiceUnavailable
from coin_pipeline.forward import store
from coin_pipeline.forward.account import END, AccountRules, PaperFill, close_at, step
from coin_pipeline.forward.decide import SymbolStrategy
from coin_pipeline.forward.other_orders import adopt_others
from coin_pipeline.forward.records import Candle, Choice, Decision, ForwardTest, SymbolState, fill_key
from coin_pipeline.ledger.book import enter
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.records import EnterOrder
from coin_pipeline.strategies.registry import StrategyRegistry

LATE_AFTER = timedelta(minutes=5)
"""A decision is late if it is made longer than this after the candle closed, when the next open fills it."""
Clock = Callable[[Connection], datetime]


@dataclass(frozen=True, slots=True)
class Advance:
    """What one symbol of a forward test did.

    Attributes:
        test: The forward test.
        symbol: The market.
        decisions: Recorded decisions.
        late: Those that were made late.
        fills: Booked executions.
        last_bar: Open of the last decided candle, ns UTC; None before the first.
        failure: Why it stopped before the newest candle; the next attempt continues there. None if it did not.
    """

    test: ForwardTest
    symbol: str
    decisions: int = 0
    late: int = 0
    fills: int = 0
    last_bar: int | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Advancer:
    """Moves forward tests over the candles that have closed.

    Attributes:
        ledger: Books the fills; its database has the forward tests.
        candles: The stored candles.
        registry: The strategies.
        clock: The time; by default, the database's.
    """

    ledger: Ledger
    candles: CandleSource
    registry: StrategyRegistry
    clock: Clock = store.database_now

    def run(self, test_id: UUID | None = None) -> Iterator[Advance]:
        """Move one active test, or all of them, symbol by symbol.

        A symbol that fails does not stop the others. A later run continues after its last recorded candle.

        Raises:
            ForwardTestNotFound: No test has this id.
            ForwardTestStopped: The test was stopped.
            ServiceUnavailable: The database is not available; what was recorded stays.
        """
        for test in self._tests(test_id):
            for symbol in test.spec.symbols:
                yield self._advance(test, symbol)

    def stop(self, test_id: UUID, *, close: bool = False) -> ForwardTest:
        """Stop a test permanently: no candle is decided any more. Its records and positions stay.

        The positions of a test that is stopped already can still be closed.

        Args:
            test_id: The test.
            close: Sell its open positions at the close of the last decided candle, as a backtest does at its end.

        Raises:
            ForwardTestNotFound: No test has this id.
        """

        def work(connection: Connection) -> ForwardTest:
            test = store.stop(connection, test_id, self.clock(connection))
            if close:
                for state in store.lock_symbols(connection, test):
                    _close(connection, test, state)
            return test

        return self.ledger.run(work)

    def _tests(self, test_id: UUID | None) -> list[ForwardTest]:
        if test_id is None:
            return self.ledger.run(lambda connection: store.list_tests(connection, active=True))
        test = self.ledger.run(lambda connection: store.get_test(connection, test_id))
        if test.stopped_at is not None:
            raise ForwardTestStopped(test_id)
        return [test]

    def _advance(self, test: ForwardTest, symbol: str) -> Advance:
        result = Advance(test, symbol)
        try:
            for decision, fills in self._decisions(test, symbol):
                result = replace(
                    result,
                    decisions=result.decisions + 1,
                    late=result.late + decision.late,
                    fills=result.fills + len(fills),
                    last_bar=decision.bar_time,
                )
        except ServiceUnavailable:
            raise
        except ForwardTestStopped:
            return result
        except CoinError as error:
            failure = str(error)
            self.ledger.run(
                lambda connection: store.set_failure(connection, test.test_id, symbol, failure, self.clock(connection))
            )
            return replace(result, failure=failure)
        return result

    def _decisions(self, test: ForwardTest, symbol: str) -> Iterator[tuple[Decision, tuple[PaperFill, ...]]]:
        """Record the decision on each closed candle after the last recorded one, and yield it with its fills."""
        state, now = self.ledger.run(
            lambda connection: (store.symbol_states(connection, test.test_id)[symbol], self.clock(connection))
        )
        strategy = self.registry.get(test.spec.strategy)
        params = self.registry.resolve(test.spec.strategy, test.spec.params)
        bound = SymbolStrategy(self.candles, test.spec, test.begin, symbol, strategy, params)
        first = test.begin if state.last_bar is None else state.last_bar + 1
        if state.last_bar is None and not len(bound.history(None, first, to_ns(now))):
            return
        warm_up = bound.choose_warm_up() if state.last_bar is None else state.warm_up
        bars = bound.history(warm_up, first, to_ns(now))
        rows = range(int(bars.time.searchsorted(first)), len(bars))
        code = code_digest(strategy)
        if rows and state.checked_code != code:
            bound.check(bound.visible(warm_up, bars, rows[0]))
        digests = {"code_sha256": code, "params_sha256": digest_of(params.model_dump(mode="json"))}
        for row in rows:
            seen = bound.visible(warm_up, bars, row)
            pending = _Pending(test, symbol, bound.decide(seen), seen, digests, replace(state, warm_up=warm_up))
            recorded = self.ledger.run(partial(pending.record, clock=self.clock))
            if recorded:
                yield recorded


@dataclass(frozen=True, slots=True)
class _Pending:
    """A decision that is not recorded yet."""

    test: ForwardTest
    symbol: str
    choice: Choice
    seen: Bars
    digests: dict[str, str]
    known: SymbolState

    def record(self, connection: Connection, clock: Clock) -> tuple[Decision, tuple[PaperFill, ...]] | None:
        """Record the decision with the fills in its candle; None if a later or the same candle is already recorded."""
        state = store.lock_active(connection, self.test.test_id, self.symbol)
        bar_time = int(self.seen.time[-1])
        if state.last_bar is not None and bar_time <= state.last_bar:
            return None
        decision = self._decision(bar_time, state.last_bar, clock(connection))
        rules = AccountRules.of(self.test.spec.account_spec, self.symbol)
        known = adopt_others(connection, self.test, self.symbol, state.account, bar_time)
        account, fills = step(rules, known, bar_time, decision.candle, decision.choice)
        store.add_decision(connection, self.test.test_id, decision)
        for fill in fills:
            _book(connection, self.test, self.symbol, fill)
        warm_up = (self.known if state.last_bar is None else state).warm_up
        after = SymbolState(self.symbol, account, bar_time, warm_up, self.digests["code_sha256"])
        store.save_state(connection, self.test.test_id, after)
        return decision, fills

    def _decision(self, bar_time: int, last_bar: int | None, now: datetime) -> Decision:
        length = self.test.spec.candle_length
        due = utc(bar_time + length.ns)
        return Decision(
            symbol=self.symbol,
            bar_time=bar_time,
            candle=candle_at(self.seen, -1),
            choice=self.choice,
            decided_at=now,
            late=now > due + LATE_AFTER,
            missing=0 if last_bar is None else max(0, (bar_time - last_bar) // length.ns - 1),
            history_start=int(self.seen.time[0]),
            history_sha256=candles_digest(self.seen),
            **self.digests,
        )


def candle_at(bars: Bars, row: int) -> Candle:
    """Return a bar as a recorded candle."""
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    opened, high, low, close, volume = (float(column[row]) for column in columns)
    return opened, high, low, close, volume


def _book(connection: Connection, test: ForwardTest, symbol: str, fill: PaperFill) -> None:
    key = fill_key(symbol, fill.bar_time, fill.action)
    enter(connection, EnterOrder(symbol, fill.leg, test.book, utc(fill.bar_time), key, fill.reason))


def _close(connection: Connection, test: ForwardTest, state: SymbolState) -> None:
    if state.last_bar is None:
        return
    rules = AccountRules.of(test.spec.account_spec, state.symbol)
    (last,) = store.read_decisions(connection, test.test_id, symbol=state.symbol, limit=1)
    known = adopt_others(connection, test, state.symbol, state.account, END)
    account, fills = close_at(rules, known, state.last_bar, last.candle[3])
    for fill in fills:
        key = fill_key(state.symbol, fill.bar_time, "close")
        at = utc(fill.bar_time + test.spec.candle_length.ns)
        enter(connection, EnterOrder(state.symbol, fill.leg, test.book, at, key, fill.reason))
    store.save_state(connection, test.test_id, replace(state, account=account))


def to_ns(instant: datetime) -> int:
    """Return an instant in ns UTC, in whole seconds."""
    return int(instant.timestamp()) * SECOND_NS
