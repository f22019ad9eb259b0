"""Entries of documents of every schema, and the legacy platform's index."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.errors import InvalidRunId
from coin_pipeline.results.index_entry import IndexEntry, build_entry
from coin_pipeline.results.legacy import parse_time, read_legacy_index
from coin_pipeline.results.store import StoredDocument, load_result, stored_documents
from coin_pipeline.storage.local import LocalStore

WRITTEN = datetime(2024, 11, 5, 1, 2, 3, 456789, tzinfo=UTC)
STORED = StoredDocument("r", "results", 123, WRITTEN)
ASKED = {"strategy": "s", "start_date": "2024-01-01", "end_date": "2024-06-30", "timeframe": "1D"}
SIGNAL = {"symbol": "BTC_KRW", "type": "buy", "timestamp": "2024-01-02", "entry_price": 1, "exit_price": 2}
DATE = "2024-11-04T10:30:45.123456Z"
V12 = {
    "version": "1.2.0",
    **ASKED,
    "symbols": [
        {"symbol": "BTC_KRW", "signals": [SIGNAL], "avg_return": 1.0},
        {"symbol": "ETH_KRW", "avg_return": 2.0},
    ],
    "total_signals": 7,
    "execution_time": 0.25,
    "metadata": {"execution_date": DATE},
    "metrics": {"total_return": 0.5, "sharpe": 1.25, "trades": 3},
    "params": {"window": 20, "trend": "up"},
    "spec": {"fee_rate": 0.002, "stop_loss": None, "warm_up": "auto"},
}


def read(document: Mapping[str, Any], finished: datetime | None = None) -> IndexEntry:
    """Return the entry of a document."""
    return build_entry(dict(document), STORED, finished)


def test_a_current_document_fills_every_column() -> None:
    """Every column is read from its place in the schema; the object's time is in whole seconds."""
    assert read(V12) == IndexEntry(
        run_id="r",
        shelf="results",
        kind="backtest",
        strategy="s",
        symbols=["BTC_KRW", "ETH_KRW"],
        start_date=date(2024, 1, 1),
        end_date=date(2024, 6, 30),
        timeframe="1D",
        total_signals=7,
        avg_return=1.5,
        total_return=0.5,
        execution_time=0.25,
        timestamp=datetime(2024, 11, 4, 10, 30, 45, 123456, tzinfo=UTC),
        version="1.2.0",
        size=123,
        modified=WRITTEN.replace(microsecond=0),
        params="window=20, trend=up",
        sharpe=1.25,
        trades=3,
        options="fee_rate=0.002",
    )


def test_document_without_a_spec_has_no_options() -> None:
    """Neither has one whose spec has defaults only."""
    assert read({**V12, "spec": {}}).options is None
    assert read({**V12, "spec": {"warm_up": "auto"}}).options is None


def test_schema_1_1_has_no_total_return() -> None:
    """Its times may have a doubled zone."""
    symbols = [{"symbol": "BTC_KRW", "signals": [SIGNAL], "avg_return": -2.5}]
    entry = read({"version": "1.1.0", "symbols": symbols, "metadata": {"execution_date": "2024-11-04T10:30:45+00:00Z"}})
    assert (entry.version, entry.avg_return, entry.total_return, entry.total_signals) == ("1.1.0", -2.5, None, 1)
    assert entry.timestamp == datetime(2024, 11, 4, 10, 30, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("signals", "counted"), [(3, 3), ([SIGNAL, SIGNAL], 2), (None, None), (True, None), (-1, None)]
)
def test_schema_1_0_has_signals_as_a_count_or_a_list(signals: object, counted: int | None) -> None:
    """Both are summed if the document has no total; the time is that of the object."""
    entry = read({**ASKED, "symbols": [{"symbol": "KRW-BTC", "signals": signals}]})
    assert (entry.version, entry.total_signals, entry.symbols, entry.timestamp) == (
        "1.0",
        counted,
        ["BTC_KRW"],
        WRITTEN,
    )


def test_signals_of_some_symbols_are_not_the_sum() -> None:
    """The total is unknown if one symbol has no count."""
    assert read({"symbols": [{"symbol": "A_KRW", "signals": 3}, {"symbol": "B_KRW"}]}).total_signals is None


def test_an_overflowing_total_is_unknown() -> None:
    """A total that exceeds the largest count is unknown."""
    most = 2**63 - 1
    parts = [{"symbol": "A_KRW", "signals": most}, {"symbol": "B_KRW", "signals": 1}]
    assert read({"symbols": parts}).total_signals is None
    parts[1]["signals"] = 0
    assert read({"symbols": parts}).total_signals == most


def test_the_legacy_index_supplies_missing_times() -> None:
    """A document's own time takes precedence."""
    finished = datetime(2024, 1, 1, tzinfo=UTC)
    assert read({"symbols": []}, finished).timestamp == finished
    assert read(V12, finished).timestamp == datetime(2024, 11, 4, 10, 30, 45, 123456, tzinfo=UTC)


def test_sweeps_and_backtests_are_distinguished() -> None:
    """The schema distinguishes them; a sweep has no total of signals."""
    entry = read({"version": "sweep 1.0.0", "symbols": [{"symbol": "BTC_KRW"}], "best": None, "total_signals": 0})
    assert (entry.kind, entry.total_signals, entry.symbols) == ("sweep", None, ["BTC_KRW"])


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"symbols": None, "metadata": None, "metrics": []},
        {"symbols": ["BTC_KRW", 7, None, {"symbol": None}], "strategy": ["s"], "version": 1.0},
        {"strategy": "a\0b\ud800" * 1000, "symbols": [{"symbol": "x\0"}]},
        {
            "total_signals": 10**30,
            "execution_time": 10**400,
            "symbols": [{"symbol": "A_KRW", "avg_return": float("nan")}],
        },
        {"metadata": {"execution_date": "0001-01-01T00:00:00"}, "start_date": "soon", "end_date": 20240101},
    ],
)
def test_any_document_becomes_a_storable_entry(document: dict[str, Any]) -> None:
    """A value that is not a figure, name or time is unknown, not an error."""
    entry = read(document)
    assert entry.timestamp == WRITTEN
    assert (entry.total_signals, entry.avg_return, entry.execution_time, entry.start_date) == (None, None, None, None)
    assert "\0" not in f"{entry.strategy}{entry.symbols}"
    assert len(f"{entry.strategy}".encode()) <= 600


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("2024-11-04T10:30:45Z", 0),
        ("2024-11-04T10:30:45+00:00", 0),
        ("2024-11-04T10:30:45+00:00Z", 0),
        ("2024-11-04T10:30:45+09:00", 9),
        ("2024-11-04T10:30:45", 9),
        ("2024-11-04 10:30:45", 9),
    ],
)
def test_naive_times_are_seoul_time(text: str, hours: int) -> None:
    """Other spellings state their zone."""
    assert parse_time(text) == datetime(2024, 11, 4, 10, 30, 45, tzinfo=timezone(timedelta(hours=hours)))


@pytest.mark.parametrize("value", [None, 5, "", "yesterday", "2024-13-01", "9999-12-31T23:59:59"])
def test_invalid_times_are_none(value: object) -> None:
    """A legacy file with an invalid time is listed by the time of its object."""
    assert parse_time(value) is None


ITEM = {
    "run_id": "r",
    "strategy": "s",
    "symbols": [{"symbol": "BTC_KRW", "signals": 3}],
    "timestamp": "2024-11-04T19:30:45",
}


@pytest.mark.parametrize(
    "content",
    [[ITEM], {"results": [ITEM]}, {"version": 1, "items": ["?", {"run_id": 5}, {"run_id": "x", "timestamp": 0}, ITEM]}],
)
def test_the_legacy_index_is_read_in_every_format(tmp_path: Path, content: object) -> None:
    """A list, or an object that contains one; invalid entries are skipped."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/index.json").write_text(json.dumps(content))
    older = read_legacy_index(LocalStore(tmp_path))
    assert older.problem is None
    assert older.finished == {"r": datetime(2024, 11, 4, 10, 30, 45, tzinfo=UTC)}


@pytest.mark.parametrize("content", ["{", "", "[" * 100_000])
def test_a_broken_legacy_index_is_reported_and_not_modified(tmp_path: Path, content: str) -> None:
    """It is treated as empty and not modified."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/index.json").write_text(content)
    older = read_legacy_index(LocalStore(tmp_path))
    assert older.finished == {}
    assert str(older.problem).startswith("'results/index.json' is corrupt: it is not valid JSON")
    assert (tmp_path / "results/index.json").read_text() == content


def test_the_legacy_index_is_not_a_result(tmp_path: Path) -> None:
    """It is neither listed nor read as a result; a missing index is empty."""
    store = LocalStore(tmp_path)
    assert read_legacy_index(store) == ({}, None)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/index.json").write_text("{}")
    assert [(each.run_id, each.shelf) for each in stored_documents(store)] == []
    with pytest.raises(InvalidRunId):
        load_result(store, "index")
