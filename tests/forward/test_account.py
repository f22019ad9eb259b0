"""The account of a forward test trades what the account of a backtest trades, candle by candle."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.execution import Costs, Fill, Stops
from coin_pipeline.engine.outcomes import ExitReason, Samples
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.forward.account import AccountRules, AccountState, PaperFill, close_at, replay, step
from coin_pipeline.forward.records import Candle, Choice
from coin_pipeline.ledger.accounting import Side
from tests.engine.candles import HOUR_NS, bars_of

FREE = AccountRules(Costs(0.0, 0.0), Stops(), Sizing(initial_cash=1000.0))
FLAT: Candle = (100.0, 100.0, 100.0, 100.0, 1.0)
BUY, WAIT, SELL = Choice(entry=True, hold=None), Choice(entry=False), Choice(entry=False, exit=True)

price = st.integers(100, 300)
patterns = st.lists(st.booleans(), min_size=1, max_size=20)
stop = st.none() | st.integers(50, 7_000).map(lambda n: n / 10_000)
rate = st.integers(0, 500).map(lambda n: n / 10_000)
rules = st.builds(
    AccountRules,
    st.builds(Costs, rate, rate),
    st.builds(Stops, stop, stop, stop),
    st.builds(Sizing, st.integers(1, 100).map(lambda n: n / 100), st.just(1e6), st.sampled_from([0.0, 5e5, 9e5])),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Bars, Signals]:
    """Draw up to 150 bars and signals on them, with any of the planned exits."""
    rows = draw(st.lists(st.tuples(price, price, price, price), min_size=1, max_size=15))
    table = [(opened, max(p), min(p), close) for p in rows for opened, _, _, close in [p]]
    bars = bars_of(table * draw(st.integers(1, 10)))
    entries, exits = (np.resize(np.array(draw(patterns)), len(bars)) for _ in range(2))
    return bars, Signals(entries, exits if draw(st.booleans()) else None, draw(st.none() | st.integers(1, 30)))


def steps(bars: Bars, signals: Signals) -> list[tuple[int, Candle, Choice]]:
    """Return candles and decisions as the account takes them."""
    exits = np.zeros(len(bars), np.bool_) if signals.exits is None else signals.exits
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    candles = zip(*(column.tolist() for column in columns), strict=True)
    choices = (Choice(bool(entry), bool(out), signals.hold) for entry, out in zip(signals.entries, exits, strict=True))
    return list(zip(bars.time.tolist(), candles, choices, strict=True))


def round_trips(fills: list[PaperFill]) -> list[tuple[int, float, int, float, str]]:
    """Return entry bar and price, exit bar and price, and the reason of each closed position."""
    entries, exits = fills[0::2], fills[1::2]
    assert all(fill.action == "enter" for fill in entries)
    assert all(fill.action == "exit" for fill in exits)
    return [
        (a.bar_time, float(a.leg.price), b.bar_time, float(b.leg.price), b.reason)
        for a, b in zip(entries, exits, strict=False)
    ]


def closed_trades(bars: Bars, trades: Samples) -> list[tuple[int, float, int, float, str]]:
    """Return the same of the trades that a simulation closed before the end."""
    closed = trades.where(~trades.open_at_end)
    return [
        (int(bars.time[a]), float(bought), int(bars.time[b]), float(sold), ExitReason(reason).name.lower())
        for a, bought, b, sold, reason in zip(
            closed.entry_bar, closed.entry_price, closed.exit_bar, closed.exit_price, closed.exit_reason, strict=True
        )
    ]


@settings(max_examples=150, deadline=None)
@given(cases(), rules)
def test_trades_equal_those_of_the_engine(case: tuple[Bars, Signals], rules: AccountRules) -> None:
    """Bars, prices and reasons are equal, and money is within the rounding of the quantities."""
    bars, signals = case
    simulation = simulate(bars, signals, rules.costs, Fill.NEXT_OPEN, rules.stops, rules.sizing)
    moves = list(replay(rules, steps(bars, signals)))
    state, fills = moves[-1][0], [fill for _, own in moves for fill in own]

    assert round_trips(fills) == closed_trades(bars, simulation.trades)
    assert bool(state.trade) == bool(simulation.trades.open_at_end.any())
    sold, _ = close_at(rules, state, int(bars.time[-1]), float(bars.close[-1]))
    cash = 1e6 * np.prod(1 - rules.sizing.fraction + rules.sizing.fraction * simulation.trades.growth)
    # Each entry leaves less than one step of a unit unspent.
    assert float(sold.cash) == pytest.approx(cash, rel=1e-9, abs=len(fills) * 300e-8)


def run(rules: AccountRules, *moves: tuple[Candle, Choice]) -> tuple[AccountState, list[PaperFill]]:
    """Return the account and the executions after hourly candles."""
    state, fills = rules.start, []
    for hour, (candle, choice) in enumerate(moves):
        state, own = step(rules, state, hour * HOUR_NS, candle, choice)
        fills += own
    return state, fills


def test_worked_example() -> None:
    """All cash is spent at the next open, and the sale at the open after the exit signal brings its value."""
    dear = (110.0, 111.0, 109.0, 110.5, 1.0)
    state, fills = run(FREE, (FLAT, BUY), (FLAT, SELL), (dear, WAIT))
    assert [(fill.action, fill.leg.side, fill.leg.price, fill.reason) for fill in fills] == [
        ("enter", Side.BUY, Decimal("100.0"), "entry"),
        ("exit", Side.SELL, Decimal("110.0"), "signal"),
    ]
    assert state == AccountState(Decimal(1100))


def test_quantity_is_rounded_down() -> None:
    """A third of a unit has eight decimals, and the rest stays in cash."""
    thirds = FREE._replace(sizing=Sizing(initial_cash=1.0))
    state, _ = run(thirds, (FLAT, BUY), ((3.0, 3.0, 3.0, 3.0, 1.0), WAIT))
    assert state.trade
    assert (state.trade.quantity, state.cash) == (Decimal("0.33333333"), Decimal("0.00000001"))


def test_quantity_of_nothing_is_not_bought() -> None:
    """An account that cannot pay for the smallest quantity stays flat."""
    poor = FREE._replace(sizing=Sizing(initial_cash=1e-8))
    assert run(poor, (FLAT, BUY), (FLAT, WAIT)) == (AccountState(Decimal("1e-8")), [])


def test_equity_is_marked_at_the_close() -> None:
    """An open position counts at the close, and its exit costs do not."""
    state, _ = run(FREE, (FLAT, BUY), ((100.0, 120.0, 90.0, 105.0, 1.0), WAIT))
    assert state.equity(105.0) == Decimal(1050)


def test_small_price_fits_the_ledger() -> None:
    """A price with more decimals than the ledger stores is rounded to the nearest that it stores."""
    tiny = 1.2345678901234567e-9
    _, fills = run(FREE, (FLAT, BUY), ((tiny,) * 4 + (1.0,), WAIT))
    assert fills[0].leg.price == Decimal("0.000000001234567890")
