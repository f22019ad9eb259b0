"""Ops of the job `forward_test`: collect the candles that have closed, then decide them."""

from uuid import UUID

import dagster as dg
from pydantic import BaseModel, Field

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.defs.candles.ops import Exchanges
from coin_pipeline.defs.forward import metadata
from coin_pipeline.errors import ForwardTestsFailed
from coin_pipeline.forward import store
from coin_pipeline.forward.advance import Advance, Advancer
from coin_pipeline.forward.collect import collect_new, series_of
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.orchestration.failures import translate_errors
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.strategies.registry import StrategyRegistry


class ForwardConfig(dg.Config):
    """Forward tests to advance."""

    test_id: str | None = Field(default=None, description="Id of one forward test; by default, all active ones.")


class Collection(BaseModel):
    """What was collected: the test that was asked for, and why series failed."""

    test_id: UUID | None
    failures: dict[str, str]


@dg.op(
    out=dg.Out(io_manager_key="interim_io"),
    description="Collect the candles that have closed since the last ones; a failure does not stop the next op.",
)
def collect_new_candles(
    context: dg.OpExecutionContext,
    config: ForwardConfig,
    candles: dg.ResourceParam[CandleCatalog],
    exchange: dg.ResourceParam[Exchanges],
    ledger: dg.ResourceParam[Ledger],
    alive: dg.ResourceParam[RunHeartbeat],
) -> Collection:
    """Collect the candles of the active forward tests."""
    with translate_errors():
        test_id = store.parse_test_id(config.test_id) if config.test_id else None
        active = ledger.run(lambda connection: store.list_tests(connection, active=True))
        tests = [test for test in active if test_id in {None, test.test_id}]
        collected = [*collect_new(candles, exchange, series_of(tests))]
        alive.step_done(2)
    context.add_output_metadata(metadata.collected_metadata(collected))
    failed = {f"{own.series.symbol} {own.series.timeframe}": own.failure for own in collected if own.failure}
    return Collection(test_id=test_id, failures=failed)


@dg.op(out=dg.Out(dg.Nothing), description="Decide each closed candle, and book the fills that are due.")
def advance_tests(
    context: dg.OpExecutionContext,
    collection: Collection,
    candles: dg.ResourceParam[CandleCatalog],
    strategies: dg.ResourceParam[StrategyRegistry],
    ledger: dg.ResourceParam[Ledger],
    alive: dg.ResourceParam[RunHeartbeat],
) -> None:
    """Advance the forward tests.

    Raises:
        ForwardTestsFailed: Some candles could not be collected or decided; the others are.
    """
    with translate_errors():
        advanced: list[Advance] = [*Advancer(ledger, candles, strategies).run(collection.test_id)]
        alive.step_done(2)
        context.add_output_metadata(metadata.advance_metadata(advanced))
        failed = {f"{own.symbol} of {own.test.test_id}": own.failure for own in advanced if own.failure}
        if failures := {**collection.failures, **failed}:
            raise ForwardTestsFailed(failures)
