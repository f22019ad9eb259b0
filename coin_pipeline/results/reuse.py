"""Finding the stored result of an identical submission, so that nothing is computed twice."""

from coin_pipeline.backtest.fingerprint import fingerprint_of
from coin_pipeline.backtest.preflight import coverage_of, require_coverage
from coin_pipeline.backtest.runner import find_candles
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.results.store import StoredResult, recall
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry


def find_reusable(
    store: ObjectStore, catalog: CandleCatalog, registry: StrategyRegistry, spec: BacktestSpec
) -> StoredResult | None:
    """Return a stored result of the same spec, candles, code and versions; none is no error.

    It reads and digests the candles, a small part of what a run costs.

    Raises:
        CandlesNotFound, InsufficientCoverage, InvalidCandles: as a run would.
    """
    pieces = find_candles(catalog, spec, "results")
    require_coverage(spec, coverage_of(pieces))
    candles = {piece.symbol: piece.sha256 for piece in pieces}
    return recall(store, fingerprint_of(spec.digest, candles, registry.get(spec.strategy))["sha256"])
