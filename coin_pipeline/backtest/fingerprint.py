"""What a result was computed from, as digests: spec, candles, code, package versions; and the digest of a result."""

import hashlib
import json
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any

from coin_pipeline.backtest.code_digest import source_digests
from coin_pipeline.backtest.formatting import Json, iso_seconds
from coin_pipeline.candles.coverage import Coverage, Gap
from coin_pipeline.candles.ohlcv import columns_digest
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import ObjectCorrupt
from coin_pipeline.strategies.base import Strategy

PROVENANCE_KEYS = frozenset({"sha256", "snapshot", "no_trade", "not_fetched", "first_unfetched", "known", "verdict"})
"""In the `candles` of a symbol's part."""


def missing_candles_json(found: Coverage) -> Json:
    """Say how many of the missing candles do not exist, how many nobody has fetched, and what to think of that."""
    unfetched = found.list_gaps(found.unfetched[:1])
    return {
        "no_trade": found.no_trade,
        "not_fetched": found.not_fetched,
        "first_unfetched": gap_json(unfetched[0]) if unfetched else None,
        "known": found.known_ratio,
        "verdict": found.verdict,
    }


def gap_json(gap: Gap) -> Json:
    """Return a gap with its ends as texts."""
    start, end = iso_seconds([gap.start, gap.end])
    return {"start": start, "end": end, "missing": gap.missing}


_PACKAGES = ("coin-pipeline", "numba", "numpy")
# Who ran it, when, where and from what: all that two runs of one computation may tell differently.
_CIRCUMSTANCES = frozenset(
    {"run_id", "execution_time", "metadata", "description", "spec", "fingerprint", "result_sha256", "reused_from"}
)


def digest_of(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON: keys sorted, no spaces, UTF-8, floats in their shortest form."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def candles_digest(bars: Bars) -> str:
    """Return the SHA-256 of the six columns' bytes, in the order time, open, high, low, close, volume."""
    return columns_digest((bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume))


def code_digest(strategy: Strategy[Any]) -> str:
    """Return the SHA-256 over the modules that the engine and the strategy consist of, as they are on disk now."""
    return digest_of(source_digests(strategy).modules)


def fingerprint_of(
    spec_sha256: str, candles: Mapping[str, str], strategy: Strategy[Any], *others: str
) -> dict[str, Any]:
    """Return the digests of all that decides a result, and `sha256`, which is over the others.

    The machine is not among them: a result has the same bits on every one, and a replay elsewhere is to show it.

    Args:
        spec_sha256: Digest of the resolved spec.
        candles: Digest of each symbol's candles.
        strategy: The strategy, whose code and the engine's are read from disk now.
        *others: Modules of ours that decide it too.

    Returns:
        `spec`, `candles`, `code` (over `modules`), `versions`; `sha256` of these four; `modules`, each one's digest.
    """
    closure = source_digests(strategy, *others)
    inputs = {
        "spec": spec_sha256,
        "candles": dict(candles),
        "code": digest_of(closure.modules),
        "versions": {**closure.packages, **_versions()},
    }
    return {"sha256": digest_of(inputs), **inputs, "modules": closure.modules}


def comparable_content(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a replay must reproduce of a result, figure by figure.

    Run id, times, host, description, and what it was computed from are left out, at the top and in each symbol's part:
    a candle that no figure depends on is another input, and no other result. So is what is known of missing candles.
    """
    return {**_without_circumstances(document), "symbols": [*map(_figures_of, document["symbols"])]}


def result_digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the content of a result."""
    return digest_of(comparable_content(document))


def verify_own_digests(name: str, document: Mapping[str, Any]) -> None:
    """Check the content and the spec of a result against the digests in it.

    Raises:
        ObjectCorrupt: it was changed after the run.
    """
    spec = document.get("spec")
    if result_digest(document) != document["result_sha256"] or (
        spec is not None and digest_of(spec) != document["fingerprint"]["spec"]
    ):
        raise ObjectCorrupt(name, "the document is not what its own digests say, so it was changed after the run")


def _without_circumstances(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key not in _CIRCUMSTANCES}


def _figures_of(part: Mapping[str, Any]) -> dict[str, Any]:
    coverage = {key: value for key, value in part["candles"].items() if key not in PROVENANCE_KEYS}
    return {**_without_circumstances(part), "candles": coverage}


@cache
def _versions() -> dict[str, str]:
    python = ".".join(map(str, sys.version_info[:2]))
    return {**{name: metadata.version(name) for name in _PACKAGES}, "python": python}
