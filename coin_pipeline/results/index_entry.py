"""What the index holds of a result, read off its document, whichever platform and schema it is of."""

from datetime import UTC, date, datetime
from typing import Literal, NamedTuple

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.spec import ResultArea
from coin_pipeline.results import legacy
from coin_pipeline.results.store import StoredDocument

Kind = Literal["backtest", "sweep"]


class ObjectVersion(NamedTuple):
    """Where an indexed document lies, its bytes, and when it was written: by which it is known to be still the same.

    Times count in whole seconds: a bucket's listing tells more digits than its objects do.
    """

    shelf: ResultArea
    size: int
    modified: datetime


class IndexEntry(NamedTuple):
    """A result in the index.

    Attributes:
        run_id: The run.
        shelf: Where its document lies.
        kind: What it is the result of.
        strategy: Its strategy, or None where an old document does not tell.
        symbols: Names, in the order of the document.
        start_date: First day, or None.
        end_date: Last day, or None.
        timeframe: Length of a candle, or None.
        total_signals: Over all symbols; None where nobody knows, and of a sweep.
        avg_return: Percent per trade, the mean over symbols, or None.
        total_return: Of the whole account, a fraction, or None.
        execution_time: s, or None.
        timestamp: When it finished, UTC.
        version: Schema of the document; that of 1.0 has none.
        size: Bytes of the indexed document.
        modified: When that was written, UTC, whole seconds.
    """

    run_id: str
    shelf: ResultArea
    kind: Kind
    strategy: str | None
    symbols: list[str]
    start_date: date | None
    end_date: date | None
    timeframe: str | None
    total_signals: int | None
    avg_return: float | None
    total_return: float | None
    execution_time: float | None
    timestamp: datetime
    version: str
    size: int
    modified: datetime


def version_of(stored: StoredDocument) -> ObjectVersion:
    """Return by what the index knows a document."""
    return ObjectVersion(stored.shelf, stored.size, stored.modified.astimezone(UTC).replace(microsecond=0))


def build_entry(document: Json, stored: StoredDocument, finished: datetime | None = None) -> IndexEntry:
    """Return the entry of a document of any schema.

    Args:
        document: As it is stored.
        stored: Which object it is.
        finished: When the run finished if the document does not tell; without, when the object was written.
    """
    parts, version = legacy.parts_of(document), legacy.clean_text(document.get("version")) or "1.0"
    metadata, metrics = _object(document, "metadata"), _object(document, "metrics")
    kind: Kind = "sweep" if version.startswith("sweep") else "backtest"
    shelf, size, modified = version_of(stored)
    return IndexEntry(
        run_id=stored.run_id,
        shelf=shelf,
        kind=kind,
        strategy=legacy.clean_text(document.get("strategy")),
        symbols=[legacy.symbol_name(part) for part in parts],
        start_date=legacy.parse_day(document.get("start_date")),
        end_date=legacy.parse_day(document.get("end_date")),
        timeframe=legacy.clean_text(document.get("timeframe")),
        total_signals=None if kind == "sweep" else legacy.total_signals(document, parts),
        avg_return=_mean([legacy.finite_number(part.get("avg_return")) for part in parts]),
        total_return=legacy.finite_number(metrics.get("total_return")),
        execution_time=legacy.finite_number(document.get("execution_time")),
        timestamp=legacy.parse_time(metadata.get("execution_date")) or finished or stored.modified.astimezone(UTC),
        version=version,
        size=size,
        modified=modified,
    )


def _object(document: Json, key: str) -> Json:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
