"""Building a drift report from what is recorded of a forward test and what is stored today."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, select

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.runner import run_backtest
from coin_pipeline.candles.timeframe import day_of, utc
from coin_pipeline.engine.bars import Floats
from coin_pipeline.errors import CandlesNotFound, NothingDecided
from coin_pipeline.forward import store
from coin_pipeline.forward.account import END, AccountRules, OtherOrder, cash_flow
from coin_pipeline.forward.drift.attribution import BookedOrders, attribute
from coin_pipeline.forward.drift.decisions import compare_decisions
from coin_pipeline.forward.drift.edge import MAX_DECAY, MIN_TRADES, REFERENCE_DAYS, Edge, TradeReturns, closed_returns
from coin_pipeline.forward.drift.late import late_fills
from coin_pipeline.forward.drift.model import Moment
from coin_pipeline.forward.drift.report import DriftReport, MarketDrift
from coin_pipeline.forward.drift.today import MarketToday
from coin_pipeline.forward.records import Decision, ForwardTest, SymbolState, fill_key
from coin_pipeline.ledger.accounting import Leg, Side
from coin_pipeline.ledger.amounts import EXACT, ZERO
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.records import JournalEntry
from coin_pipeline.ledger.rows import to_entry
from coin_pipeline.ledger.tables import JOURNAL
from coin_pipeline.strategies.registry import StrategyRegistry

ACTIONS = ("enter", "exit", "close")
"""Actions of a test's own orders, the last that of a test that is stopped."""


class EdgeLimits(NamedTuple):
    """Bounds of the edge.

    Attributes:
        max_decay: Largest lost fraction of the reference's mean return per trade.
        min_trades: Number of trades below which the decay is not judged.
    """

    max_decay: float = MAX_DECAY
    min_trades: int = MIN_TRADES


class Recorded(NamedTuple):
    """What is stored of a forward test.

    Attributes:
        test: The test.
        states: Its markets after their last decisions.
        decisions: Its decisions, the oldest first.
        entries: The journal of its book, the oldest first.
    """

    test: ForwardTest
    states: Mapping[str, SymbolState]
    decisions: Sequence[Decision]
    entries: Sequence[JournalEntry]


def read_recorded(connection: Connection, test: ForwardTest) -> Recorded:
    """Read what is stored of a forward test; the transaction should be of one snapshot."""
    journal = select(JOURNAL).where(JOURNAL.c.book == test.book).order_by(JOURNAL.c.entry_id)
    entries = [to_entry(row) for row in connection.execute(journal)]
    decisions = store.read_decisions(connection, test.test_id)[::-1]
    return Recorded(test, store.symbol_states(connection, test.test_id), decisions, entries)


def read_drift(
    ledger: Ledger,
    test_id: uuid.UUID,
    candles: CandleSource,
    registry: StrategyRegistry,
    limits: EdgeLimits = EdgeLimits(),  # noqa: B008 - immutable
) -> DriftReport:
    """Return the drift report of a forward test.

    Raises:
        ForwardTestNotFound: No test has this id.
        DatabaseUnavailable: The database is not available.
        CoinError: As for `drift_report`.
    """
    recorded = ledger.read(lambda connection: read_recorded(connection, store.get_test(connection, test_id)))
    return drift_report(recorded, candles, registry, limits)


def drift_report(
    recorded: Recorded,
    candles: CandleSource,
    registry: StrategyRegistry,
    limits: EdgeLimits = EdgeLimits(),  # noqa: B008 - immutable
) -> DriftReport:
    """Compare a forward test with the backtest of the candles that it has decided.

    Args:
        recorded: What is stored of the test.
        candles: The candles of today.
        registry: The strategies of today.
        limits: Bounds of the edge.

    Raises:
        NothingDecided: The test has no decision yet.
        UnknownStrategy, InvalidParams: The strategy of today does not take the spec of the test.
        StrategyFailed, LookAhead, NotDeterministic: It does not work on the stored candles.
        CandlesNotFound, InvalidCandles, InvalidCandleFile: The stored candles cannot be used.
    """
    if not recorded.decisions:
        raise NothingDecided(recorded.test.test_id)
    symbols = [symbol for symbol in recorded.test.spec.symbols if recorded.states[symbol].last_bar is not None]
    markets = [_market(recorded, symbol, candles, registry) for symbol in symbols]
    edge = Edge(_forward_trades(recorded), _reference(recorded.test, candles, registry), *limits)
    return DriftReport(recorded.test, markets, edge)


@dataclass(frozen=True, slots=True)
class _Book:
    """The journal of one market of a forward test.

    Attributes:
        own: Orders that the test placed, by moment.
        others: Other orders, by the open of the candle before which the test took note of them, or `END`.
    """

    own: Mapping[Moment, JournalEntry]
    others: Mapping[int, Sequence[JournalEntry]]

    @classmethod
    def of(cls, state: SymbolState, decisions: Sequence[Decision], entries: Sequence[JournalEntry]) -> "_Book":
        """Distinguish the orders of a test from others by their keys."""
        moments = {
            fill_key(state.symbol, decision.bar_time, action): (decision.bar_time, action)
            for decision in decisions
            for action in ACTIONS
        }
        adopted = dict(state.account.adopted)
        others: dict[int, list[JournalEntry]] = {}
        for entry in entries:
            if entry.key not in moments:
                others.setdefault(adopted.get(entry.entry_id, END), []).append(entry)
        return cls({moments[entry.key]: entry for entry in entries if entry.key in moments}, others)

    @property
    def orders(self) -> BookedOrders:
        """What was executed."""
        return BookedOrders(
            {moment: entry.leg for moment, entry in self.own.items()},
            {time: [OtherOrder(e.entry_id, e.leg) for e in entries] for time, entries in self.others.items()},
        )

    def legs(self) -> list[tuple[int, Leg]]:
        """Return all orders with the opens of their candles, in order."""
        own = [(time, entry.leg) for (time, _), entry in self.own.items()]
        others = [(time, entry.leg) for time, entries in self.others.items() for entry in entries]
        return sorted([*own, *others], key=lambda order: order[0])


def _market(recorded: Recorded, symbol: str, candles: CandleSource, registry: StrategyRegistry) -> MarketDrift:
    test, state = recorded.test, recorded.states[symbol]
    decisions = [decision for decision in recorded.decisions if decision.symbol == symbol]
    entries = [entry for entry in recorded.entries if entry.symbol == symbol]
    today = MarketToday(test, symbol, decisions[-1].bar_time, state.warm_up, candles, registry)
    equity = today.backtest_equity()
    decided = today.decided()
    compared = compare_decisions(decisions, decided, today.digests, test.spec.candle_length.ns, today)
    rules, book = AccountRules.of(test.spec.account_spec, symbol), _Book.of(state, decisions, entries)
    curve, profit = _ledger_profit(rules, decisions, book.legs())
    cash = rules.sizing.initial_cash
    rows = np.searchsorted(decided.bars.time, [decision.bar_time for decision in decisions], side="right")
    return MarketDrift(
        symbol=symbol,
        initial_cash=cash,
        decisions=decisions,
        compared=compared,
        forward_profit=profit,
        backtest_profit=float(equity[-1] - 1) * cash,
        amounts=attribute(rules, decisions, decided, compared, book.orders),
        late_fills=[*late_fills(decisions, book.own, today.candles_since_begin())],
        time=np.array([decision.bar_time for decision in decisions]) + test.spec.candle_length.ns,
        forward_curve=curve,
        backtest_curve=(np.append(1.0, equity)[rows] - 1) * cash,
    )


def _ledger_profit(
    rules: AccountRules, decisions: Sequence[Decision], legs: Sequence[tuple[int, Leg]]
) -> tuple[Floats, Decimal]:
    """Return the profit in the ledger at each close, and the last one with open units sold."""
    cash, units, done = ZERO, ZERO, 0
    curve = np.empty(len(decisions))
    with localcontext(EXACT):
        for row, decision in enumerate(decisions):
            until = END if row == len(decisions) - 1 else decision.bar_time
            while done < len(legs) and legs[done][0] <= until:
                leg = legs[done][1]
                cash, units, done = cash + cash_flow(leg), units + leg.side.sign * leg.quantity, done + 1
            curve[row] = float(cash) + float(units) * decision.candle[3]
        if units:
            side = Side.SELL if units > 0 else Side.BUY
            cash += cash_flow(rules.leg(side, abs(units), decisions[-1].candle[3]))
    curve[-1] = float(cash)
    return curve, cash


def _forward_trades(recorded: Recorded) -> TradeReturns:
    end = max(decision.bar_time for decision in recorded.decisions) + recorded.test.spec.candle_length.ns
    first = min(decision.bar_time for decision in recorded.decisions)
    return TradeReturns(closed_returns(recorded.entries), utc(first), utc(end))


def _reference(test: ForwardTest, candles: CandleSource, registry: StrategyRegistry) -> TradeReturns:
    """Return the trades of the backtest over the stored candles before the test, at most `REFERENCE_DAYS` days."""
    first = day_of(utc(test.begin), test.spec.timezone)
    spec = test.spec.backtest_spec(first - timedelta(days=REFERENCE_DAYS), first - timedelta(days=1))
    returns: list[float] = []
    opens = []
    for symbol in spec.symbols:
        try:
            result = run_backtest(spec.model_copy(update={"symbols": (symbol,)}), candles, registry)
        except CandlesNotFound:  # a market that is new
            continue
        trades = result.tables["trades"]
        returns += trades.filter(~trades["open_at_end"].to_numpy())["return_pct"].to_pylist()
        opens.append(result.tables["equity"]["timestamp"][0].as_py())
    return TradeReturns(returns, min(opens, default=None), utc(test.begin) if opens else None)
