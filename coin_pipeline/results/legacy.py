"""Legacy documents: times, counts and names in the formats of the legacy platform, and its index of results."""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, NamedTuple

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.errors import CoinError, InvalidSymbol, ObjectCorrupt, ObjectNotFound, StorageFailed
from coin_pipeline.storage.base import ObjectStore

INDEX_KEY = "results/index.json"
"""Key of the legacy platform's index, which is read but never written."""
SEOUL = timezone(timedelta(hours=9), "Asia/Seoul")
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_MAX_COUNT = 2**63
_MAX_LENGTH = 200


class LegacyIndex(NamedTuple):
    """Finish times by run ID in the legacy platform's index, and the error if the file is unreadable."""

    finished: Mapping[str, datetime]
    problem: CoinError | None


def read_legacy_index(store: ObjectStore) -> LegacyIndex:
    """Return the legacy platform's index; an unreadable one is empty, and stays as it is."""
    try:
        content = json.loads(store.get(INDEX_KEY))
    except ObjectNotFound:
        return LegacyIndex({}, None)
    except StorageFailed as error:
        return LegacyIndex({}, error)
    except (ValueError, RecursionError) as error:
        return LegacyIndex({}, ObjectCorrupt(INDEX_KEY, f"it is not valid JSON ({error}), so it is ignored"))
    return LegacyIndex({run_id: finished for run_id, finished in listed_runs(content) if finished}, None)


def listed_runs(content: object) -> Iterator[tuple[str, datetime | None]]:
    """Yield the runs of a legacy index, a list of runs or an object of such lists, with their finish times."""
    lists = content.values() if isinstance(content, dict) else [content]
    for entries in lists:
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("run_id"), str):
                yield entry["run_id"], parse_time(entry.get("timestamp"))


def parse_time(value: object) -> datetime | None:
    """Return a time in UTC, or None if `value` is not a time.

    A time without a zone is in Asia/Seoul. A time may end in `+00:00Z`.

    >>> parse_time("2024-01-01T09:00:00").isoformat()
    '2024-01-01T00:00:00+00:00'
    """
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value.strip().replace("+00:00Z", "Z"))
    except ValueError:
        return None
    if not _FIRST_YEAR < parsed.year < _LAST_YEAR:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=SEOUL)).astimezone(UTC)


def parse_day(value: object) -> date | None:
    """Return the day that a text begins with, or None."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def finite_number(value: object) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= _MAX_COUNT:
        return None
    return float(value) if math.isfinite(value) else None


def parse_count(value: object) -> int | None:
    """Return a count, given as a non-negative integer or as a list; None for anything else."""
    if isinstance(value, list):
        return len(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_COUNT else None


def clean_text(value: object, max_length: int = _MAX_LENGTH) -> str | None:
    """Return a text that a database can store, cut to a length; None if `value` is not a text."""
    if not isinstance(value, str):
        return None
    return value[:max_length].replace("\0", "").encode("utf-8", "replace").decode()


def parts_of(document: Json) -> list[Json]:
    """Return the symbols of a document as objects, even if it has only their names."""
    listed = document.get("symbols")
    parts = (
        [part if isinstance(part, dict) else {"symbol": part} for part in listed] if isinstance(listed, list) else []
    )
    return [part for part in parts if isinstance(part.get("symbol"), str)]


def symbol_name(part: Mapping[str, Any]) -> str:
    """Return the name of a symbol, in canonical spelling if it is a market."""
    name = clean_text(part["symbol"]) or ""
    try:
        return parse_symbol(name)
    except InvalidSymbol:
        return name


def total_signals(document: Json, parts: list[Json]) -> int | None:
    """Return the number of signals; None if it is unknown or exceeds the largest count.

    It is summed over the symbols if the document has no total.
    """
    total = parse_count(document.get("total_signals"))
    counts = [parse_count(part.get("signals")) for part in parts]
    known = [count for count in counts if count is not None]
    return parse_count(sum(known)) if total is None and known and len(known) == len(parts) else total
