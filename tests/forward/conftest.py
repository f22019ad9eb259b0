"""Forward tests on synthetic candles, in a real database, at a time that the test sets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.forward.advance import Advance, Advancer
from coin_pipeline.forward.spec import parse_forward
from coin_pipeline.forward.start import start
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from tests.ledger.tampering import tamper

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from coin_pipeline.forward.records import ForwardTest
    from coin_pipeline.ledger.ledger import Ledger

NOON = datetime(2024, 2, 1, 3, 1, tzinfo=UTC)
"""A minute past noon in Seoul, a month after the first candle."""
SYMBOLS = ("AAA_KRW", "BBB_KRW")


@dataclass
class Workbench:
    """What a forward test needs; `now` is its time."""

    ledger: Ledger
    catalog: CandleCatalog
    registry: StrategyRegistry
    url: str
    now: datetime = NOON
    started: datetime = NOON

    def clock(self, _: Connection) -> datetime:
        """Return the time that the test has set."""
        return self.now

    @property
    def advancer(self) -> Advancer:
        """Moves forward tests at this time."""
        return Advancer(self.ledger, self.catalog, self.registry, self.clock)

    def start(self, **fields: object) -> ForwardTest:
        """Start a forward test on hourly candles that are already stored."""
        request = {"strategy": "volume_zone_breakout", "symbols": SYMBOLS[:1], "timeframe": "1h", "collect": False}
        return start(self.ledger, self.catalog, self.registry, parse_forward({**request, **fields}), self.clock)

    def advance(self, hours: int, *, at_once: bool = False) -> list[Advance]:
        """Let hours pass, and look each hour, or once at the end."""
        step = hours if at_once else 1
        results = []
        for _ in range(0, hours, step):
            self.now += timedelta(hours=step)
            results += self.advancer.run()
        return results


@pytest.fixture(scope="session")
def hourly(tmp_path_factory: pytest.TempPathFactory) -> CandleCatalog:
    """Three months of hourly synthetic candles of two markets, one of them with gaps."""
    catalog, length = CandleCatalog(tmp_path_factory.mktemp("hourly")), parse_timeframe("1h")
    for seed, symbol in enumerate(SYMBOLS):
        candles = synthetic_candles(seed, length, date(2024, 1, 1), 2200)
        rows = candles.time % 7 != 3 if seed else slice(None)
        catalog.merge(symbol, length, candles.rows(rows))
    return catalog


@pytest.fixture
def workbench(ledger: Ledger, ledger_engine: Engine, hourly: CandleCatalog) -> Workbench:
    """No forward test yet, at noon."""
    tamper(ledger_engine, "truncate coin.forward_decision, coin.forward_symbol, coin.forward_test")
    return Workbench(ledger, hourly, load_registry(), ledger_engine.url.render_as_string(hide_password=False))
