"""Fingerprint index: finds the stored result of an identical submission, so that nothing is computed twice."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from coin_pipeline.backtest.fingerprint import fingerprint_of, warm_up_name
from coin_pipeline.backtest.preflight import coverage_of, require_coverage
from coin_pipeline.backtest.runner import find_candles
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.backtest.warm_up import warm_up_digests
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import InvalidRunId, NotFound, ObjectCorrupt, ObjectNotFound
from coin_pipeline.results.store import Json, StoredResult, fingerprint_key, parse_document, read_result, to_bytes
from coin_pipeline.storage.base import ObjectStore, sha256_hex
from coin_pipeline.strategies.registry import StrategyRegistry

if TYPE_CHECKING:  # a backtest in a notebook needs no database driver
    from coin_pipeline.results.index import ResultIndex


def find_reusable(
    store: ObjectStore, catalog: CandleCatalog, registry: StrategyRegistry, spec: BacktestSpec
) -> StoredResult | None:
    """Return a stored result of the same spec, candles, code and package versions, or None.

    Candles are read and digested for it, which costs a small part of a run. The strategy is not run.

    Raises:
        CandlesNotFound: As for a run.
        InsufficientCoverage: As for a run.
        InvalidCandles: As for a run.
    """
    slices = find_candles(catalog, spec, "results")
    require_coverage(spec, coverage_of(slices))
    candles = {part.symbol: part.sha256 for part in slices}
    stored = find_by_fingerprint(store, fingerprint_of(spec.digest, candles, registry.get(spec.strategy))["sha256"])
    return stored if stored and _has_same_warm_up(catalog, spec, stored) else None


def _has_same_warm_up(catalog: CandleCatalog, spec: BacktestSpec, stored: StoredResult) -> bool:
    """Return whether the candles before the range are still those that the stored result was warmed up with."""
    document = parse_document(stored.run_id, stored.document)
    names = {warm_up_name(symbol) for symbol in spec.symbols}
    before = {name: digest for name, digest in document["fingerprint"]["candles"].items() if name in names}
    return before == warm_up_digests(catalog, spec, document["symbols"])


def record_reuse(index: "ResultIndex", run_id: str) -> None:
    """List a stored result that answers an identical submission as the newest.

    Args:
        index: The index of results.
        run_id: The result.

    Raises:
        DatabaseUnavailable: The result cannot be listed.
    """
    index.add_reuse(run_id, datetime.now(UTC))


def find_by_fingerprint(store: ObjectStore, fingerprint_sha256: str) -> StoredResult | None:
    """Return the result with this fingerprint, or None if it is no longer stored or has changed since it was recorded.

    Args:
        store: Object store of the results.
        fingerprint_sha256: The `sha256` of a fingerprint.
    """
    key = fingerprint_key(fingerprint_sha256)
    try:
        entry = parse_document(key, store.get(key))
        run_id = str(entry.get("run_id"))
        stored = StoredResult(run_id, read_result(store, run_id))
    except (NotFound, InvalidRunId, ObjectCorrupt):  # an expired task, for example: entries may outlive their results
        return None
    return stored if sha256_hex(stored.document) == entry.get("sha256") else None


def fingerprinted_run(store: ObjectStore, key: str) -> str | None:
    """Return the run that an entry of the fingerprint index points to, or None if the entry is missing or invalid.

    Args:
        store: Object store of the results.
        key: Key of the entry.
    """
    try:
        run_id = parse_document(key, store.get(key)).get("run_id")
    except (ObjectNotFound, ObjectCorrupt):
        return None
    return run_id if isinstance(run_id, str) else None


def reuse_key_of(document: Json) -> str:
    """Return the digest under which an identical submission finds a result; early results have only `sha256`."""
    fingerprint = document["fingerprint"]
    return str(fingerprint.get("reuse_key", fingerprint["sha256"]))


def record_fingerprint(store: ObjectStore, fingerprint_sha256: str, run_id: str, document_sha256: str) -> None:
    """Record which stored result has a fingerprint; the latest result replaces earlier ones.

    Args:
        store: Object store of the results.
        fingerprint_sha256: The `sha256` of the result's fingerprint.
        run_id: The result.
        document_sha256: Digest of its stored document, so that a changed one is never reused.

    Raises:
        StorageFailed: The entry cannot be written.
    """
    entry = {"run_id": run_id, "sha256": document_sha256}
    store.put(fingerprint_key(fingerprint_sha256), to_bytes(entry), overwrite=True)
