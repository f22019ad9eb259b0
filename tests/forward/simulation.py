"""Days of a forward test at a simulated time, with candles that are stored as they close, and faults on the way."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
from sqlalchemy import Connection, event, update

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe, utc
from coin_pipeline.database.engine import create_engine
from coin_pipeline.forward.advance import Advance, Advancer
from coin_pipeline.forward.spec import parse_forward
from coin_pipeline.forward.start import start
from coin_pipeline.forward.tables import TEST
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.ledger.records import ExitOrder
from coin_pipeline.strategies.registry import load_registry

HOURLY = parse_timeframe("1h")
BEFORE = 243
"""Candles before the test, so that it begins at an hour of UTC that six divides."""
FIRST_DAY = date(2024, 1, 1)
FAULTY, SOUND = "AAA_KRW", "BBB_KRW"
STRATEGY = """
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams

class Params(StrategyParams):
    hold: int = Field(2, ge=1, le=100)

class Clockwork(Strategy[Params]):
    name = "clockwork"
    Params = Params

    def signals(self, bars: Bars, params: Params) -> Signals:
        hour = bars.time // 3_600_000_000_000
        return Signals((hour % 6 == HOUR) & (bars.close > 0.5 * bars.open), hold=params.hold)
"""
"""Enters at the close of one hour in six, unless the price has halved within it."""


@dataclass
class Simulation:
    """A forward test of two markets whose candles close one by one.

    Attributes:
        root: Folder of the candles and of the strategy file.
        ledger: The ledger and the forward tests.
        hour: Number of candles of the test that have closed.
    """

    root: Path
    ledger: Ledger
    hour: int = 0

    def __post_init__(self) -> None:
        self.catalog = CandleCatalog(self.root)
        self.candles = {s: synthetic_candles(n, HOURLY, FIRST_DAY, 1200) for n, s in enumerate((FAULTY, SOUND))}
        self.write_strategy(1)
        for symbol, candles in self.candles.items():
            self.catalog.merge(symbol, HOURLY, candles.rows(slice(BEFORE)))
        request = {"strategy": "clockwork", "symbols": [FAULTY, SOUND], "timeframe": "1h", "collect": False}
        self.test = start(self.ledger, self.catalog, self.registry, parse_forward(request), self.clock)

    @property
    def strategy_file(self) -> Path:
        """The file of the strategy."""
        return self.root / "clockwork.py"

    def write_strategy(self, hour: int) -> None:
        """Write or edit the strategy, which enters at the close of this hour of six."""
        self.strategy_file.write_text(STRATEGY.replace("HOUR)", f"{hour})"))
        self.registry = load_registry((self.strategy_file,))

    def open_of(self, hour: int) -> int:
        """Return the open of a candle of the test, ns UTC."""
        return int(self.candles[FAULTY].time[BEFORE + hour])

    @property
    def now(self) -> datetime:
        """A minute after the last candle has closed; before the first one, a minute after it has opened."""
        return utc(self.open_of(self.hour)) + timedelta(minutes=1)

    def clock(self, _: Connection) -> datetime:
        """Return the simulated time."""
        return self.now

    def close_candle(self, *, without: str = "") -> None:
        """Let the next candle close, and store it, but not that of one market."""
        for symbol in self.candles:
            if symbol != without:
                self.store(symbol, self.hour)
        self.hour += 1

    def store(self, symbol: str, hour: int, **prices: float) -> None:
        """Store a candle of the test, or revise some prices of it."""
        row = self.candles[symbol].rows(slice(BEFORE + hour, BEFORE + hour + 1))
        self.catalog.merge(symbol, HOURLY, row._replace(**{name: np.array([value]) for name, value in prices.items()}))

    def advance(self) -> list[Advance]:
        """Decide what has closed."""
        results = list(Advancer(self.ledger, self.catalog, self.registry, self.clock).run(self.test.test_id))
        assert not [result.failure for result in results if result.failure]
        return results

    def set_spec(self, **fields: object) -> None:
        """Change fields of the stored spec, as another version of the platform or a person could."""
        spec = self.test.spec.model_dump(mode="json") | fields
        own = update(TEST).where(TEST.c.test_id == self.test.test_id)
        self.ledger.run(lambda connection: connection.execute(own.values(spec=spec)))

    def sell_by_hand(self, price: Decimal) -> None:
        """Sell the open position of the faulty market at a price."""
        (position,) = self.ledger.open_positions(self.test.book, FAULTY)
        rates = Decimal("0.001"), Decimal("0.0002")
        self.ledger.exit(ExitOrder(position.position_id, price, *rates, note="by hand"))

    def advance_killed(self, url: str, statement: int) -> None:
        """Advance in a process that is killed (SIGKILL) before one of its SQL statements."""
        arguments = [url, self.root, self.test.test_id, self.now.isoformat(), statement]
        killed = subprocess.run(
            [sys.executable, "-m", "tests.forward.simulation", *map(str, arguments)], capture_output=True, check=False
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()


def main(url: str, root: str, test_id: str, now: str, statement: str) -> None:
    """Advance a test until this process kills itself before a statement, which it counts."""
    engine, count = create_engine(url), 0

    def kill(*_: object) -> None:
        nonlocal count
        count += 1
        if count == int(statement):
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(engine, "before_cursor_execute", kill)
    registry = load_registry((Path(root) / "clockwork.py",))
    ledger, time = Ledger(engine), datetime.fromisoformat(now)
    list(Advancer(ledger, CandleCatalog(Path(root)), registry, lambda _: time).run(UUID(test_id)))


if __name__ == "__main__":
    main(*sys.argv[1:])
