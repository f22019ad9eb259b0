"""The ops of the job `refresh_candles`: one step per market, so that a failed market does not stop the others."""

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
from coin_pipeline.defs.candles.config import RefreshConfig, plan_config
from coin_pipeline.defs.candles.partitions import materializations, register_partitions
from coin_pipeline.defs.mapping_keys import from_mapping_key, to_mapping_key
from coin_pipeline.defs.run_requests import PLAN_OP
from coin_pipeline.errors import CandlesNotCollected, CoinError, NotFound, ServiceUnavailable
from coin_pipeline.orchestration.failures import translate_errors
from coin_pipeline.orchestration.progress import ProgressReporter

Exchanges = Callable[[str], Exchange]
"""Returns an exchange by name, and opens it on first use."""


@dg.op(
    name=PLAN_OP,
    out=dg.DynamicOut(dg.Nothing),
    required_resource_keys={"alive"},
    description="List the markets; each is collected by its own step.",
)
def plan_refresh(context: dg.OpExecutionContext, config: RefreshConfig) -> Iterator[dg.DynamicOutput[None]]:
    """Yield one output per market."""
    with translate_errors():
        spec = config.resolved()
    register_partitions(context.instance, spec.symbols)
    for symbol in spec.symbols:
        key = to_mapping_key(symbol)
        yield dg.DynamicOutput(None, mapping_key=key, metadata=progress.plan_metadata(spec.timeframes))


@dg.op(
    ins={"planned": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    description="Collect the timeframes of one market in turn; fetched candles are not requested again.",
)
def collect_symbol(
    context: dg.OpExecutionContext,
    candles: dg.ResourceParam[CandleCatalog],
    exchange: dg.ResourceParam[Exchanges],
    verdicts: dg.ResourceParam[CheckVerdicts],
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Yield materializations and checks of each collected series.

    Raises:
        CandlesNotCollected: At least one series failed; the message contains the reasons.
    """
    symbol = from_mapping_key(str(context.get_mapping_key()))
    with translate_errors():
        spec = plan_config(context).resolved()
        failed: dict[str, CoinError] = {}
        for timeframe in map(parse_timeframe, spec.timeframes):
            try:
                report = _collect(context, candles, exchange(spec.exchange), symbol, timeframe, spec)
                yield from materializations(candles, report)
                yield from verdicts.of_collected(candles, report)
            except CoinError as error:
                failed[timeframe.name] = error
                ProgressReporter(context).report(
                    f"{symbol} {timeframe}: {error}", progress.failure_metadata(symbol, timeframe, error)
                )
                if isinstance(error, NotFound | ServiceUnavailable):  # affects all timeframes of the market
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
    """Collect one series, and report its progress."""
    if spec.start:
        begin, end = day_range(spec.start, spec.end or LAST_DAY)
    else:
        end = exchange.last_closed(timeframe)
        begin = refresh_start(candles, symbol, timeframe, end)
    progress_logger = ProgressLogger(context)
    report = collect(candles, exchange, symbol, timeframe, begin, end, progress_logger)
    ProgressReporter(context).report(
        f"{symbol} {timeframe}: {report.added:,} added", progress.collected_metadata(report, progress_logger.last)
    )
    return report


class ProgressLogger:
    """Logs the progress of a collection as an event of the run, at most once per second."""

    def __init__(self, context: dg.OpExecutionContext | dg.AssetExecutionContext) -> None:
        self._reporter = ProgressReporter(context)
        self.last: CollectProgress | None = None

    def __call__(self, update: CollectProgress) -> None:
        """Keep the update, and log it if due."""
        self.last = update
        self._reporter.report_if_due(progress.describe_progress(update), progress.progress_metadata(update))
