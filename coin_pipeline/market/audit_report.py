"""An audit as JSON."""

from typing import Any

from coin_pipeline.market.audit import Audit
from coin_pipeline.market.findings import Example
from coin_pipeline.market.quality import stamp


def audit_json(found: Audit) -> dict[str, Any]:
    """Return an audit as JSON: what was looked at, how much of it is there, and what is wrong with it."""
    present, no_trade, not_fetched = found.totals
    expected = present + no_trade + not_fetched
    return {
        "symbol": found.symbol,
        "timeframe": found.timeframe.name,
        "start": stamp(found.begin),
        "end": stamp(found.end),
        "rows": found.rows,
        "expected": expected,
        "present": present,
        "no_trade": no_trade,
        "not_fetched": not_fetched,
        "known": 1 - not_fetched / expected if expected else 1.0,
        "source": found.known.source,
        "fetched": [{"start": stamp(start), "end": stamp(end)} for start, end in found.known.fetched],
        "sound": found.sound,
        "findings": [
            {
                "kind": each.kind,
                "severity": each.severity,
                "count": each.found,
                "examples": [_example_json(example) for example in each.examples],
            }
            for each in found.findings
        ],
    }


def _example_json(example: Example) -> dict[str, Any]:
    return {**example._asdict(), "time": None if example.time is None else stamp(example.time)}
