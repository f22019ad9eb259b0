"""Starting a forward test, after checking that it can run."""

import time
from datetime import datetime

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import day_range, seoul_day
from coin_pipeline.errors import CandlesNotFound, IdempotencyConflict
from coin_pipeline.forward import store
from coin_pipeline.forward.account import AccountRules
from coin_pipeline.forward.advance import Clock, to_ns
from coin_pipeline.forward.decide import SymbolStrategy
from coin_pipeline.forward.records import ForwardTest, SymbolState
from coin_pipeline.forward.spec import ForwardRequest, ForwardSpec, resolve_forward
from coin_pipeline.idempotency import id_of_key
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.strategies.registry import StrategyRegistry

CHECKED_CANDLES = 4096
"""Newest stored candles of each market on which the strategy is run before the test starts."""


def start(
    ledger: Ledger,
    catalog: CandleCatalog,
    registry: StrategyRegistry,
    request: ForwardRequest,
    clock: Clock = store.database_now,
    *,
    key: str | None = None,
) -> ForwardTest:
    """Start a forward test, and return it; its strategy is not run yet, see `check_strategy`.

    A repeated start, with the same `key`, returns the existing test, also if it was stopped.

    Args:
        ledger: Its database stores the test.
        catalog: The stored candles.
        registry: The strategies.
        request: What to test.
        clock: The time; by default, the database's.
        key: Idempotency key, which determines the id of the test; None for a random id.

    Raises:
        UnknownStrategy, InvalidParams, InvalidSpec: The request is invalid.
        CandlesNotFound: A market has no candles, and none are collected.
        InvalidCandleFile: Stored candles cannot be read.
        IdempotencyConflict: The key belongs to a test with another spec.
    """
    spec = resolve_forward(request, registry)
    now = ledger.run(clock)
    _require_candles(catalog, spec, now)
    begin = _begin(spec, now)
    test = ForwardTest(id_of_key("forward-tests", key), spec, begin, now, None)
    rules = {symbol: AccountRules.of(spec.account_spec, symbol) for symbol in spec.symbols}
    accounts = [SymbolState(symbol, own.start) for symbol, own in rules.items()]
    stored = ledger.run(lambda connection: store.add_test(connection, test, accounts))
    if key is not None and stored.spec != spec:
        raise IdempotencyConflict(key, f"forward test {stored.test_id}")
    return stored


def check_strategy(catalog: CandleCatalog, registry: StrategyRegistry, request: ForwardRequest) -> None:
    """Run the strategy of a request on the newest stored candles of each market, with the look-ahead check.

    Args:
        catalog: The stored candles.
        registry: The strategies.
        request: What is to be tested.

    Raises:
        UnknownStrategy, InvalidParams, InvalidSpec: The request is invalid.
        StrategyFailed, LookAhead, NotDeterministic: The strategy does not work on these candles.
        InvalidCandles, InvalidCandleFile: Stored candles cannot be used.
    """
    spec, now = resolve_forward(request, registry), time.time_ns()
    params = registry.resolve(spec.strategy, spec.params)
    for symbol in spec.symbols:
        bound = SymbolStrategy(catalog, spec, now, symbol, registry.get(spec.strategy), params)
        if len(bars := bound.before(now).last(CHECKED_CANDLES)):
            bound.check(bars)


def _begin(spec: ForwardSpec, now: datetime) -> int:
    """Return the earliest open of a candle of the test, ns UTC: by default, that of one which closes after `now`."""
    if spec.start_date:
        return day_range(spec.start_date, spec.start_date, spec.timezone)[0]
    return to_ns(now) - spec.candle_length.ns + 1


def _require_candles(catalog: CandleCatalog, spec: ForwardSpec, now: datetime) -> None:
    if spec.collect:
        return
    missing = [symbol for symbol in spec.symbols if catalog.available(symbol, spec.candle_length) is None]
    if missing:
        described = {symbol: catalog.describe(symbol, spec.candle_length) for symbol in missing}
        raise CandlesNotFound(described, spec.timeframe, "any time", seoul_day(now))
