"""Reading what the older platform wrote: times, counts and names in its shapes, and its index of results."""

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
"""Where the older platform kept its index, which is read, and never written."""
SEOUL = timezone(timedelta(hours=9), "Asia/Seoul")
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_MOST = 2**63
_LONGEST = 200


class LegacyIndex(NamedTuple):
    """When runs finished according to the older platform's index, by run id, and what is wrong with that file."""

    finished: Mapping[str, datetime]
    problem: CoinError | None


def read_legacy_index(store: ObjectStore) -> LegacyIndex:
    """Return what the older platform's index tells; one that cannot be read tells nothing, and is left as it is."""
    try:
        told = json.loads(store.get(INDEX_KEY))
    except ObjectNotFound:
        return LegacyIndex({}, None)
    except StorageFailed as error:
        return LegacyIndex({}, error)
    except (ValueError, RecursionError) as error:
        return LegacyIndex({}, ObjectCorrupt(INDEX_KEY, f"it is no JSON ({error}), so it is left out of account"))
    return LegacyIndex({run_id: finished for run_id, finished in listed_runs(told) if finished}, None)


def listed_runs(told: object) -> Iterator[tuple[str, datetime | None]]:
    """Yield the runs of an index, with when each finished: it is a list of them, or an object that holds one."""
    lists = told.values() if isinstance(told, dict) else [told]
    for entries in lists:
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("run_id"), str):
                yield entry["run_id"], parse_time(entry.get("timestamp"))


def parse_time(value: object) -> datetime | None:
    """Return a time in UTC; naive ones mean Asia/Seoul, and one may end in `+00:00Z`. None for what is no time."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value.strip().replace("+00:00Z", "Z"))
    except ValueError:
        return None
    if not _FIRST_YEAR < read.year < _LAST_YEAR:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=SEOUL)).astimezone(UTC)


def parse_day(value: object) -> date | None:
    """Return the day that a text begins with, or None."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def finite_number(value: object) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= _MOST:
        return None
    return float(value) if math.isfinite(value) else None


def parse_count(value: object) -> int | None:
    """Return a count: a number that is one, or the length of a list; else None."""
    if isinstance(value, list):
        return len(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST else None


def clean_text(value: object) -> str | None:
    """Return a text as a database can hold it, not longer than any name is; None for what is no text."""
    if not isinstance(value, str):
        return None
    return value[:_LONGEST].replace("\0", "").encode("utf-8", "replace").decode()


def parts_of(document: Json) -> list[Json]:
    """Return the symbols of a document as objects, also where it has names alone."""
    listed = document.get("symbols")
    parts = (
        [part if isinstance(part, dict) else {"symbol": part} for part in listed] if isinstance(listed, list) else []
    )
    return [part for part in parts if isinstance(part.get("symbol"), str)]


def symbol_name(part: Mapping[str, Any]) -> str:
    """Return the name of a symbol, in the one spelling where it is a market."""
    name = clean_text(part["symbol"]) or ""
    try:
        return parse_symbol(name)
    except InvalidSymbol:
        return name


def total_signals(document: Json, parts: list[Json]) -> int | None:
    """Return how many signals there were, added up where the document does not tell; early ones count per symbol.

    None where nobody knows, or where the sum is more than any count can be.
    """
    told = parse_count(document.get("total_signals"))
    counts = [parse_count(part.get("signals")) for part in parts]
    known = [each for each in counts if each is not None]
    return parse_count(sum(known)) if told is None and known and len(known) == len(parts) else told
