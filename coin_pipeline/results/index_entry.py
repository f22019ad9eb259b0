"""Entries of the index, built from documents of any schema, including those of the legacy platform."""

from datetime import UTC, date, datetime
from typing import Literal, NamedTuple

from coin_pipeline.backtest.formatting import Json, format_param
from coin_pipeline.backtest.options import changed_options
from coin_pipeline.backtest.spec import ResultArea
from coin_pipeline.results import legacy
from coin_pipeline.results.store import StoredDocument

Kind = Literal["backtest", "sweep"]
MAX_PARAMS = 1000
"""Longest text of parameters in the index; a longer one is cut."""

OrderColumn = Literal["strategy", "symbol", "timeframe", "total_return", "sharpe", "trades"]


class Order(NamedTuple):
    """Order of a list of results other than by time; results without a value come last."""

    column: OrderColumn
    descending: bool


class ObjectVersion(NamedTuple):
    """Area, size and modification time of an indexed document, by which a changed document is recognized.

    Times are whole seconds: listings of a bucket have more digits than its objects' metadata.
    """

    shelf: ResultArea
    size: int
    modified: datetime


class IndexEntry(NamedTuple):
    """A result in the index.

    Attributes:
        run_id: The run.
        shelf: Area of its document.
        kind: Backtest or sweep.
        strategy: Name of the strategy; None if a legacy document has none.
        symbols: Names, in the order of the document.
        start_date: First day, or None.
        end_date: Last day, or None.
        timeframe: Length of a candle, or None.
        total_signals: Signals of all symbols; None if unknown, and for a sweep.
        avg_return: Percent per trade, the mean over symbols, or None.
        total_return: Return of the whole account, a fraction, or None.
        execution_time: Seconds, or None.
        timestamp: When the run finished, UTC.
        version: Schema of the document; 1.0 if it has none.
        size: Size of the document, bytes.
        modified: When the document was written, UTC, whole seconds.
        params: Parameters of the strategy as `name=value, name=value`, or None; at most `MAX_PARAMS` characters.
        sharpe: Annualized Sharpe ratio of the account, or None.
        trades: Number of trades of the account, or None.
        options: Fills, costs, stops and account that differ from the defaults, written as `params`, or None.
        reused: Whether the entry is a later, identical submission that was answered with this result; `timestamp` is
            then when it was answered.
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
    params: str | None = None
    sharpe: float | None = None
    trades: int | None = None
    options: str | None = None
    reused: bool = False


def version_of(stored: StoredDocument) -> ObjectVersion:
    """Return the version of a stored document as the index records it."""
    return ObjectVersion(stored.shelf, stored.size, stored.modified.astimezone(UTC).replace(microsecond=0))


def build_entry(document: Json, stored: StoredDocument, finished: datetime | None = None) -> IndexEntry:
    """Return the entry of a document of any schema.

    Args:
        document: The parsed document.
        stored: The object that holds it.
        finished: When the run finished, if the document does not contain it; defaults to when the object was written.
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
        params=_params_text(document.get("params")),
        sharpe=legacy.finite_number(metrics.get("sharpe")),
        trades=legacy.parse_count(metrics.get("trades")),
        options=_params_text(changed_options(_object(document, "spec")) or None),
    )


def _object(document: Json, key: str) -> Json:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _params_text(params: object) -> str | None:
    """Return parameters as a text that people can read and search.

    >>> _params_text({"window": 20, "factor": 1.5, "trend": True, "kind": "sma"})
    'window=20, factor=1.5, trend=true, kind=sma'
    """
    if not isinstance(params, dict):
        return None
    return legacy.clean_text(", ".join(f"{name}={format_param(value)}" for name, value in params.items()), MAX_PARAMS)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
