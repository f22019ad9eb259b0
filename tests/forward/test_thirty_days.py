"""A forward test with a planted fault of each cause, killed and ticked twice on the way, against its backtest."""

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, select

from coin_pipeline.candles.timeframe import HOUR_NS
from coin_pipeline.forward import store
from coin_pipeline.forward.drift.attribution import Amount
from coin_pipeline.forward.drift.build import read_drift
from coin_pipeline.forward.drift.causes import Cause
from coin_pipeline.forward.drift.report import MarketDrift
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.rows import to_entry
from coin_pipeline.ledger.tables import JOURNAL
from tests.forward.simulation import BEFORE, FAULTY, SOUND, Simulation

DAY = 24
CASH = 10_000_000.0
OTHER_FEE = 0.003


def before_tick(simulation: Simulation, hour: int) -> None:
    """Plant the fault of an hour, before its candle is decided."""
    match hour:
        case 14:  # the entry of this hour is booked with another fee
            simulation.set_spec(fee_rate=OTHER_FEE)
        case 19:  # the strategy decides with other params
            simulation.set_spec(params={"hold": 4})
        case 25:  # and with other code, by which it enters an hour later
            simulation.write_strategy(2)


def after_tick(simulation: Simulation, hour: int) -> None:
    """Plant what happens after the candle of an hour is decided, or end a fault."""
    match hour:
        case 8:
            simulation.sell_by_hand(manual_price(simulation))
        case 14 | 19:
            simulation.set_spec()
        case 26:
            simulation.write_strategy(1)
        case 34:  # the candle of an entry, revised so that today's strategy does not enter
            simulation.store(FAULTY, 31, low=1.0, close=1.0)
        case 41:  # a candle at whose open a position was bought
            opened = simulation.candles[FAULTY].high[BEFORE + 38]
            simulation.store(FAULTY, 38, open=opened)
        case 46:
            simulation.store(FAULTY, 43)  # too late for the test


def manual_price(simulation: Simulation) -> Decimal:
    """Return a price 3 % below the open of the position that is sold by hand."""
    return round(Decimal(str(simulation.candles[FAULTY].open[BEFORE + 8])) * Decimal("0.97"), 2)


def run(simulation: Simulation, hours: int, kills: dict[int, int], url: str) -> None:
    """Let hours pass; after a kill, and at least once in a while, a tick runs twice."""
    for hour in range(hours):
        absent = hour in {43, 50}  # the first is stored later, the second never
        simulation.close_candle(without=FAULTY if absent else "")
        if 54 <= hour < 78:  # down for a day
            continue
        before_tick(simulation, hour)
        if hour in kills:
            simulation.advance_killed(url, kills[hour])
        simulation.advance()
        if hour % 5 == 0 or hour in kills:
            assert not sum(result.decisions for result in simulation.advance())
        after_tick(simulation, hour)


class Trade(NamedTuple):
    """A trade by hand: bought at the open of an hour with a fee, and sold at a price."""

    hour: int
    fee: float
    sold: float


class ByHand:
    """The account of one market, traded without the engine, the model and the ledger: a product of growth factors."""

    def __init__(self, simulation: Simulation, symbol: str, hours: int) -> None:
        self.candles = simulation.candles[symbol]
        self.faulty = symbol == FAULTY
        self.manual_price = float(manual_price(simulation))
        self.stored = [hour for hour in range(hours) if not (self.faulty and hour == 50)]
        self.opens = dict(enumerate(self.candles.open[BEFORE : BEFORE + hours].tolist()))
        self.holds = dict.fromkeys(range(1, hours, 6), 2)
        self.fees: dict[int, float] = {}
        self.sold_by_hand: dict[int, float] = {}
        if self.faulty:  # what is stored at last
            self.opens[38] = float(self.candles.high[BEFORE + 38])
            del self.holds[31]

    def profit(self) -> float:
        """Return the profit: each decision buys at the next open, and sells `hold` candles later."""
        cash = CASH
        for hour, hold in sorted(self.holds.items()):
            following = [other for other in self.stored if other > hour]
            if not following:
                break
            bought = following[0]
            last = float(self.candles.close[BEFORE + self.stored[-1]])
            sold = self.opens[following[hold]] if hold < len(following) else last
            sold = self.sold_by_hand.get(bought, sold)
            units = cash / (self.opens[bought] * 1.0002 * (1 + self.fees.get(bought, 0.001)))
            cash = units * sold * 0.9998 * 0.999
        return cash - CASH

    def amounts(self) -> dict[Cause, float]:
        """Return the amount of each cause but the rounding."""
        profits = [self.profit()]

        def changed() -> float:
            profits.append(self.profit())
            return profits[-1] - profits[-2]

        amounts = {}
        self.holds[19] = 4
        amounts[Cause.PARAMS_CHANGED] = changed()
        self.holds[26] = self.holds.pop(25)
        amounts[Cause.CODE_CHANGED] = changed()
        if self.faulty:
            self.holds[31] = 2
            self.opens[38] = float(self.candles.open[BEFORE + 38])
        amounts[Cause.CANDLE_REVISED] = changed()
        if self.faulty:
            self.stored.remove(43)
            del self.holds[43]
        amounts[Cause.CANDLE_MISSING] = changed()
        self.fees[14] = OTHER_FEE
        amounts[Cause.FEE] = changed()
        if self.faulty:
            self.sold_by_hand[8] = self.manual_price
        amounts[Cause.OTHER_BOOKING] = changed()
        return amounts


def check(simulation: Simulation, hours: int) -> None:
    """Check the drift of each market against the account by hand."""
    report = read_drift(simulation.ledger, simulation.test.test_id, simulation.catalog, simulation.registry)
    assert report.unexplained == []
    for market in report.markets:
        by_hand = ByHand(simulation, market.symbol, hours)
        assert market.backtest_profit == pytest.approx(by_hand.profit(), abs=0.01)
        amounts = {amount.cause: amount for amount in market.amounts}
        for cause, expected in by_hand.amounts().items():
            assert float(amounts[cause].amount) == pytest.approx(expected, abs=0.05), (market.symbol, cause)
        assert abs(market.residual) < 1e-3
        assert abs(amounts[Cause.ROUNDING].amount) < 1
        check_causes(simulation, market, amounts)


def check_causes(simulation: Simulation, market: MarketDrift, amounts: dict[Cause, Amount]) -> None:
    """Check which candles each cause names, and that all other decisions are equal."""
    faulty = market.symbol == FAULTY
    hours = {
        cause: [(time - simulation.open_of(0)) // HOUR_NS for time in amount.times] for cause, amount in amounts.items()
    }
    assert hours[Cause.PARAMS_CHANGED] == [19]
    assert hours[Cause.CODE_CHANGED] == [25, 26]
    assert hours[Cause.CANDLE_REVISED] == [31, 38] * faulty
    assert hours[Cause.CANDLE_MISSING] == [43] * faulty
    assert hours[Cause.GAP] == [50] * faulty
    assert hours[Cause.LATE_DECISION] == [*range(54, 78)]
    assert hours[Cause.PRICE] == []
    assert hours[Cause.FEE] == [14]
    assert hours[Cause.OTHER_BOOKING] == [9] * faulty
    differing = [(d.recorded.bar_time - simulation.open_of(0)) // HOUR_NS for d in market.compared.differences]
    assert differing == [19, 25, 26, *[31] * faulty]
    assert all(fill.amount for fill in market.late_fills)
    assert len(market.late_fills) == 8


def check_ledger(simulation: Simulation) -> None:
    """Check that every order that was due is booked once, and nothing else but the sale by hand."""
    test = simulation.test
    decisions = simulation.ledger.run(lambda connection: store.read_decisions(connection, test.test_id))[::-1]
    query = select(JOURNAL).where(JOURNAL.c.book == test.book).order_by(JOURNAL.c.entry_id)
    entries = simulation.ledger.run(lambda connection: [to_entry(row) for row in connection.execute(query)])
    assert len({entry.key for entry in entries}) == len(entries)
    assert [entry.note for entry in entries].count("by hand") == 1
    for symbol in (FAULTY, SOUND):
        own = [decision for decision in decisions if decision.symbol == symbol]
        absent = {43, 50} if symbol == FAULTY else set()
        expected = [simulation.open_of(hour) for hour in range(simulation.hour) if hour not in absent]
        assert [decision.bar_time for decision in own] == expected
    assert simulation.ledger.audit().found == 0


def simulate(ledger: Ledger, engine: Engine, root: Path, hours: int, kills: dict[int, int]) -> None:
    """Run a forward test, and check its ledger and its drift."""
    simulation = Simulation(root, ledger)
    run(simulation, hours, kills, engine.url.render_as_string(hide_password=False))
    check_ledger(simulation)
    check(simulation, hours)


def test_each_fault_is_named(ledger: Ledger, ledger_engine: Engine, tmp_path: Path) -> None:
    """Each planted fault gets the amount counted by hand, and nothing is booked twice or lost."""
    simulate(ledger, ledger_engine, tmp_path, 84, {2: 9})


@pytest.mark.forward
@pytest.mark.timeout(1800)
def test_thirty_days(ledger: Ledger, ledger_engine: Engine, tmp_path: Path) -> None:
    """The same in thirty days, with a kill each day, before another statement each time."""
    kills = {hour: 4 + hour // DAY % 14 for hour in range(2, 30 * DAY, DAY) if not 54 <= hour < 78}
    simulate(ledger, ledger_engine, tmp_path, 30 * DAY, kills)
