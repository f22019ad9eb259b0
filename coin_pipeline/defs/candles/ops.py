"""The ops of the job `refresh_candles`: one step for each market, so that one that fails stops no other."""

from collections.abc import Callable, Iterator

import dagster as dg

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.collect import CollectProgress, CollectReport, collect, refresh_start
from coin_pipeline.candles.exchanges.base import Exchange
from coin_pipeline.candles.fields import LAST_DAY
from coin_pipeline.candles.refresh_spec import RefreshSpec
from coin_pipeline.candles.timeframe import Timeframe, day_range, parse_timeframe
from coin_pipeline.defs.candles import progress
from coin_pipeline.defs.candles.checks import CheckVerdicts
from coin_pipeline.defs.candles.config import PLAN_OP, RefreshConfig, plan_config
from coin_pipeline.defs.candles.partitions import materializations, register_partitions
from coin_pipeline.errors import CandlesNotCollected, CoinError, NotFound, ServiceUnavailable
from coin_pipeline.orchestration.failures import translate_errors
from coin_pipeline.orchestration.progress import ProgressReporter

Exchanges = Callable[[str], Exchange]
"""Opens an exchange by its name, or returns the one that is open."""


@dg.op(
    name=PLAN_OP,
    out=dg.DynamicOut(dg.Nothing),
    required_resource_keys={"alive"},
    description="Name the markets; each is collected by a step of its own.",
)
def plan_refresh(context: dg.OpExecutionContext, config: RefreshConfig) -> Iterator[dg.DynamicOutput[None]]:
    """Yield one output per market."""
    with translate_errors():
        spec = config.resolved()
    register_partitions(context.instance, spec.symbols)
    for symbol in spec.symbols:
        yield dg.DynamicOutput(None, mapping_key=symbol, metadata=progress.of_plan(spec.timeframes))


@dg.op(
    ins={"planned": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    description="Collect the timeframes of one market, one after another; what is fetched already is not asked for.",
)
def collect_symbol(
    context: dg.OpExecutionContext,
    candles: dg.ResourceParam[CandleCatalog],
    exchange: dg.ResourceParam[Exchanges],
    verdicts: dg.ResourceParam[CheckVerdicts],
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Collect, tell what became of each series, and fail with one sentence if any of them was not collected."""
    symbol = str(context.get_mapping_key())
    with translate_errors():
        spec = plan_config(context).resolved()
        failed: dict[str, CoinError] = {}
        for timeframe in map(parse_timeframe, spec.timeframes):
            try:
                done = _collect(context, candles, exchange(spec.exchange), symbol, timeframe, spec)
                yield from materializations(candles, done)
                yield from verdicts.of_collected(candles, done)
            except CoinError as error:
                failed[timeframe.name] = error
                ProgressReporter(context).report(
                    f"{symbol} {timeframe}: {error}", progress.of_failure(symbol, timeframe, error)
                )
                if isinstance(error, NotFound | ServiceUnavailable):  # of the market, or of the exchange as a whole
                    break
        if failed:
            raise CandlesNotCollected(symbol, failed)


def _collect(
    context: dg.OpExecutionContext,
    candles: CandleCatalog,
    exchange: Exchange,
    symbol: str,
    timeframe: Timeframe,
    spec: RefreshSpec,
) -> CollectReport:
    """Collect one series, and tell how far it is."""
    if spec.start:
        begin, end = day_range(spec.start, spec.end or LAST_DAY)
    else:
        end = exchange.last_closed(timeframe)
        begin = refresh_start(candles, symbol, timeframe, end)
    heard = ProgressLogger(context)
    done = collect(candles, exchange, symbol, timeframe, begin, end, heard)
    ProgressReporter(context).report(
        f"{symbol} {timeframe}: {done.added:,} added", progress.of_collected(done, heard.last)
    )
    return done


class ProgressLogger:
    """Hears how far a series is, and tells that in the run's events at most once a second."""

    def __init__(self, context: dg.OpExecutionContext | dg.AssetExecutionContext) -> None:
        self._reporter = ProgressReporter(context)
        self.last: CollectProgress | None = None

    def __call__(self, now: CollectProgress) -> None:
        """Hear, and tell if it is time to."""
        self.last = now
        self._reporter.report_if_due(progress.sentence(now), progress.of_progress(now))
