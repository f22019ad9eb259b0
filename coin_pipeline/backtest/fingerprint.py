"""Fingerprints: digests of everything that a result is computed from, and the digest of the result itself."""

import hashlib
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any

from coin_pipeline.backtest.code_digest import source_digests
from coin_pipeline.backtest.formatting import Json, iso_seconds
from coin_pipeline.backtest.json_text import document_text, json_text
from coin_pipeline.candles.coverage import Coverage, Gap
from coin_pipeline.candles.ohlcv import columns_digest
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import ObjectCorrupt
from coin_pipeline.strategies.base import Strategy

PROVENANCE_KEYS = frozenset(
    {
        "sha256",
        "snapshot",
        "resampled_from",
        "no_trade",
        "not_fetched",
        "first_unfetched",
        "known",
        "verdict",
        "warm_up",
    }
)
"""Keys of `candles` in a symbol's part that describe its inputs, not its figures."""


def missing_candles_json(coverage: Coverage) -> Json:
    """Return how many missing candles do not exist, how many were never fetched, and the verdict on them."""
    unfetched = coverage.list_gaps(coverage.unfetched[:1])
    return {
        "no_trade": coverage.no_trade,
        "not_fetched": coverage.not_fetched,
        "first_unfetched": gap_json(unfetched[0]) if unfetched else None,
        "known": coverage.known_ratio,
        "verdict": coverage.verdict,
    }


def gap_json(gap: Gap) -> Json:
    """Return a gap with ISO 8601 start and end."""
    start, end = iso_seconds([gap.start, gap.end])
    return {"start": start, "end": end, "missing": gap.missing}


_INPUTS = ("spec", "candles", "code", "versions")
_PACKAGES = ("coin-pipeline", "numba", "numpy")
# Keys in which two runs of the same computation may differ: who ran it, when, where and from which inputs.
_CIRCUMSTANCES = frozenset(
    {
        "run_id",
        "execution_time",
        "metadata",
        "description",
        "quote_currency",
        "timezone",
        "spec",
        "fingerprint",
        "result_sha256",
        "reused_from",
        "href",
    }
)


def digest_of(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON: sorted keys, no spaces, UTF-8, shortest form of floats.

    >>> digest_of({"b": 1, "a": 2.0}) == digest_of({"a": 2.0, "b": 1})
    True
    """
    return _sha256(json_text(value, sort_keys=True))


def candles_digest(bars: Bars) -> str:
    """Return the SHA-256 of the six columns' bytes, in the order time, open, high, low, close, volume."""
    return columns_digest((bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume))


def code_digest(strategy: Strategy[Any]) -> str:
    """Return the SHA-256 over the modules of the engine and the strategy, as they are on disk now."""
    return digest_of(source_digests(strategy).modules)


def fingerprint_of(
    spec_sha256: str, candles: Mapping[str, str], strategy: Strategy[Any], *others: str
) -> dict[str, Any]:
    """Return the digests of all inputs of a result, and `sha256`, the digest of these digests.

    The machine is not an input: results have the same bits on every machine, and a replay elsewhere proves it.

    Args:
        spec_sha256: Digest of the resolved spec.
        candles: Digest of each symbol's candles.
        strategy: The strategy; its code and the engine's are read from disk now.
        *others: Names of further modules that determine the result.

    Returns:
        `spec`, `candles`, `code` (over `modules`), `versions`; `sha256` of these four; `modules`, a digest per module.
    """
    sources = source_digests(strategy, *others)
    inputs = {
        "spec": spec_sha256,
        "candles": dict(candles),
        "code": digest_of(sources.modules),
        "versions": {**sources.packages, **_versions()},
    }
    return {"sha256": digest_of(inputs), **inputs, "modules": sources.modules}


def backtest_fingerprint(
    spec_sha256: str, candles: Mapping[str, str], warm_ups: Mapping[str, Json | None], strategy: Strategy[Any]
) -> dict[str, Any]:
    """Return `fingerprint_of` a backtest, with the candles of each symbol's warm-up as an entry of their own.

    How far back a warm-up reads is known only once the strategy has run. So that a stored result can be found before,
    `reuse_key` is the digest without these entries; it is absent if there are none.

    Args:
        spec_sha256: Digest of the resolved spec.
        candles: Digest of each symbol's candles in the range.
        warm_ups: Each symbol's `candles.warm_up` in the document.
        strategy: The strategy.
    """
    earlier = {warm_up_name(symbol): own["sha256"] for symbol, own in warm_ups.items() if own and own["sha256"]}
    fingerprint = fingerprint_of(spec_sha256, {**candles, **earlier}, strategy)
    if not earlier:
        return fingerprint
    known_before = {**{name: fingerprint[name] for name in _INPUTS}, "candles": dict(candles)}
    return {**fingerprint, "reuse_key": digest_of(known_before)}


def warm_up_name(symbol: str) -> str:
    """Return the name of a symbol's warm-up candles among the inputs of a result."""
    return f"{symbol} warm-up"


def comparable_content(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a result that a replay must reproduce exactly.

    It leaves out the run ID, times, host, description and inputs, at the top and in each symbol's part. A candle that
    no figure depends on is a different input but not a different result. The same holds for the provenance of candles.
    Rows that are only in the tables are covered by the digests of the tables.
    """
    content = {**_without_circumstances(document), "symbols": [*map(_figures_of, document["symbols"])]}
    if "tables" in document:
        content["tables"] = {name: _without_circumstances(table) for name, table in document["tables"].items()}
    return content


def result_digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a result's comparable content."""
    return _sha256(document_text(comparable_content(document), sort_keys=True))


def verify_own_digests(name: str, document: Mapping[str, Any]) -> None:
    """Verify the content and the spec of a result against the digests that it contains.

    Args:
        name: Name of the document in the error.
        document: The parsed document.

    Raises:
        ObjectCorrupt: The document was changed after the run.
    """
    spec = document.get("spec")
    if result_digest(document) != document["result_sha256"] or (
        spec is not None and digest_of(spec) != document["fingerprint"]["spec"]
    ):
        raise ObjectCorrupt(name, "the document does not match its own digests, so it was changed after the run")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _without_circumstances(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in _CIRCUMSTANCES}


def _figures_of(part: Mapping[str, Any]) -> dict[str, Any]:
    coverage = {key: value for key, value in part["candles"].items() if key not in PROVENANCE_KEYS}
    return {**_without_circumstances(part), "candles": coverage}


@cache
def _versions() -> dict[str, str]:
    python = ".".join(map(str, sys.version_info[:2]))
    return {**{name: metadata.version(name) for name in _PACKAGES}, "python": python}
