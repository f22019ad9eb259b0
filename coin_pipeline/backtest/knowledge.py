"""What a result tells of its candles that may be known better later: no digest of a result depends on it."""

from coin_pipeline.backtest.formats import Json, iso
from coin_pipeline.candles.coverage import Coverage, Gap

KEYS = frozenset({"sha256", "snapshot", "no_trade", "not_fetched", "first_unfetched", "known", "verdict"})
"""In the `candles` of a symbol's part."""


def knowledge_json(found: Coverage) -> Json:
    """Say how many of the missing candles do not exist, how many nobody has fetched, and what to think of that."""
    unfetched = found.listed(found.unfetched[:1])
    return {
        "no_trade": found.no_trade,
        "not_fetched": found.not_fetched,
        "first_unfetched": gap_json(unfetched[0]) if unfetched else None,
        "known": found.known,
        "verdict": found.verdict,
    }


def gap_json(gap: Gap) -> Json:
    """Return a gap with its ends as texts."""
    start, end = iso([gap.start, gap.end])
    return {"start": start, "end": end, "missing": gap.missing}
