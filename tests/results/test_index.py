"""The index of results on a real PostgreSQL, compared with plain Python on the same entries."""

import base64
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coin_pipeline.database.session import Session
from coin_pipeline.errors import EmptyRange, InvalidInput, InvalidSymbol, ObjectCorrupt
from coin_pipeline.results.index import Filters, ResultIndex
from coin_pipeline.results.index_entry import IndexEntry, Order, OrderColumn
from coin_pipeline.results.legacy import SEOUL
from coin_pipeline.results.publish import index_result, publish_document, publish_task
from coin_pipeline.results.reindex import reindex
from coin_pipeline.results.store import to_bytes
from coin_pipeline.storage.local import LocalStore
from tests.forking import forking
from tests.s3 import S3Server

START = datetime(2024, 1, 1, tzinfo=UTC)
WRITERS, PROCESSES = 50, 5


def entry(number: int, **changes: Any) -> IndexEntry:  # noqa: ANN401 -- columns of many types
    """Return an entry; the higher its number, the newer."""
    return IndexEntry(
        run_id=f"run-{number}",
        shelf="results",
        kind="backtest",
        strategy="s",
        symbols=["BTC_KRW"],
        start_date=date(2024, 1, 1),
        end_date=date(2024, 12, 31),
        timeframe="1d",
        total_signals=number,
        avg_return=0.5,
        total_return=0.25,
        execution_time=0.1,
        timestamp=START + timedelta(minutes=number),
        version="1.2.0",
        size=100 + number,
        modified=START,
        params="window=20, factor=1.5",
        sharpe=1.25,
        trades=number,
    )._replace(**changes)


def document(run_id: str, minute: int, **more: object) -> dict[str, Any]:
    """Return a small document of the current schema that finished at a minute."""
    finished = (START + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")
    return {"version": "1.2.0", "run_id": run_id, "symbols": [], "metadata": {"execution_date": finished}, **more}


def everything(index: ResultIndex, limit: int = 100) -> list[IndexEntry]:
    """Return all entries, page by page."""
    found, after = [], None
    while True:
        page = index.page(Filters(kind=None), limit, after=after)
        found += page.entries
        after = page.next_cursor
        if after is None:
            return found


def run_ids(entries: Sequence[IndexEntry]) -> list[str]:
    """Return the ids of entries."""
    return [each.run_id for each in entries]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path)


def test_an_entry_comes_back_as_it_was_added(index: ResultIndex) -> None:
    """Every column survives, including nulls and microseconds; the last of two entries of a run replaces the first."""
    known = entry(1, timestamp=START + timedelta(microseconds=123457))
    bare = entry(2, strategy=None, symbols=[], start_date=None, end_date=None, timeframe=None, total_signals=None)
    bare = bare._replace(avg_return=None, total_return=None, execution_time=None, kind="sweep", shelf="tasks")
    bare = bare._replace(params=None, sharpe=None, trades=None)
    index.add([entry(1, strategy="before"), known, bare])
    index.add([known])
    assert everything(index) == [bare, known]
    assert index.versions() == {"run-1": ("results", 101, START), "run-2": ("tasks", 102, START)}


def test_removed_entries_are_not_listed(index: ResultIndex) -> None:
    """Only the named entries are removed; remove_unchanged() keeps an entry that has changed."""
    index.add([entry(n) for n in range(4)])
    index.remove("results", ["run-0", "unknown"])
    marks = index.versions()
    index.add([entry(1, size=7)])
    index.remove_unchanged({run_id: marks[run_id] for run_id in ("run-1", "run-2")})
    assert run_ids(everything(index)) == ["run-3", "run-1"]


def test_an_entry_is_removed_only_with_its_own_document(index: ResultIndex) -> None:
    """A task may expire while a result of the same run is kept."""
    index.add([entry(1), entry(2, shelf="tasks")])
    index.remove("tasks", ["run-1", "run-2"])
    assert run_ids(everything(index)) == ["run-1"]


def test_the_latest_are_backtests_newest_first(index: ResultIndex) -> None:
    """At the same time the higher ID comes first; sweeps are excluded; more than one page is read."""
    assert list(index.latest()) == []
    index.add([entry(n) for n in range(150)])
    index.add([entry(1000, kind="sweep"), entry(149, run_id="run-a")])
    assert run_ids(list(index.latest())) == ["run-a", *(f"run-{n}" for n in range(149, -1, -1))]


def test_a_page_has_the_total_and_the_next_cursor(index: ResultIndex) -> None:
    """Offset and cursor give the same pages; past the end there is only the total."""
    index.add([entry(n) for n in range(5)])
    first = index.page(Filters(), 2)
    assert (first.total, run_ids(first.entries)) == (5, ["run-4", "run-3"])
    second = index.page(Filters(), 2, after=first.next_cursor)
    assert second == index.page(Filters(), 2, offset=2)
    last = index.page(Filters(), 2, after=second.next_cursor)
    assert (last.total, run_ids(last.entries), last.next_cursor) == (5, ["run-0"], None)
    assert index.page(Filters(), 2, offset=5) == (5, [], None)
    assert index.page(Filters(strategy="none"), 2) == (0, [], None)


def test_a_reused_result_is_listed_again(index: ResultIndex) -> None:
    """An identical submission adds an entry with its own time; the entry of the run stays where it was."""
    index.add([entry(1), entry(2)])
    index.add_reuse("run-1", START + timedelta(minutes=3))
    again = entry(1, timestamp=START + timedelta(minutes=3), reused=True)
    assert everything(index) == [again, entry(2), entry(1)]
    assert next(index.latest()) == again
    assert index.versions().keys() == {"run-1", "run-2"}


def test_a_cursor_neither_misses_nor_repeats_what_is_reused_meanwhile(index: ResultIndex) -> None:
    """A reuse between two pages adds an entry before the first page."""
    index.add([entry(number) for number in range(4)])
    first = index.page(Filters(), 2)
    index.add_reuse("run-0", START + timedelta(minutes=9))
    second = index.page(Filters(), 2, after=first.next_cursor)
    assert run_ids([*first.entries, *second.entries]) == ["run-3", "run-2", "run-1", "run-0"]
    assert (second.total, second.next_cursor) == (5, None)


def test_removal_of_a_result_removes_its_reuses(index: ResultIndex) -> None:
    """Retention leaves no entry of a result that is gone, and every entry of a result that stays."""
    index.add([entry(1), entry(2, shelf="tasks"), entry(3, shelf="tasks")])
    for run_id in ("run-1", "run-2", "run-3"):
        index.add_reuse(run_id, START + timedelta(minutes=5))
    index.remove_unchanged({"run-3": index.versions()["run-3"]})  # a reindex has seen that its files are gone
    index.remove("tasks", ["run-1", "run-2", "run-3"])
    assert run_ids(everything(index)) == ["run-1", "run-1"]
    index.add([entry(2, shelf="tasks"), entry(3, shelf="tasks")])
    assert run_ids(everything(index)) == ["run-1", "run-3", "run-2", "run-1"]


def test_a_rebuild_keeps_the_reuses_of_stored_results(index: ResultIndex, store: LocalStore) -> None:
    """Reading all documents again neither loses nor invents one; without its document a reuse is not listed."""
    publish_document(store, document("r", 1), {})
    index.add_reuse("r", START + timedelta(minutes=2))
    index.add_reuse("gone", START + timedelta(minutes=3))
    for _ in range(2):
        reindex(store, index, everything=True)
        assert [(each.run_id, each.reused) for each in everything(index)] == [("r", True), ("r", False)]
    assert index.page(Filters(), 9).total == 2


@pytest.mark.parametrize(
    "change",
    [
        "avg_return = 99",
        "strategy = 'other'",
        "symbols = array['ETH_KRW']",
        '"timestamp" = "timestamp" + interval \'1 us\'',
        "start_date = start_date + 1",
        "total_signals = 7",
        "sharpe = 9",
        "run_id = 'another'",
        "digest = null",
    ],
)
def test_an_entry_that_was_changed_by_hand_is_read_again(
    index: ResultIndex, index_url: str, store: LocalStore, change: str
) -> None:
    """Its document is unchanged, so a rebuild that compares only documents would keep it."""
    for number in (1, 2):
        publish_document(store, document(f"r{number}", number, start_date="2024-01-01"), {})
    reindex(store, index)
    before = everything(index)
    with closing(Session(index_url)) as session:
        session.run(lambda cursor: cursor.execute(f"update coin.result set {change} where run_id = 'r1'"))  # noqa: S608 -- above
    assert reindex(store, index).added == 1
    assert everything(index) == before
    assert reindex(store, index).added == 0


def cursor_of(text: str) -> str:
    """Return a forged cursor."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "한글", "!" * 9, "MjAyNC0wMS0wMQ", "MjAyNC0wMS0wMSBy", "MjAyNC0wMS0wMVowMCA"]
    + [
        cursor_of(text)
        for text in (
            "2024-01-01T00:00:00 a",
            "2024-01-01T00:00:00+23:59 a",
            "2024-01-01T00:00:00+09:00 a",
            "0001-01-01T00:00:00+00:00 a",
            "9999-12-31T23:59:59+00:00 a",
            "2024-01-01T00:00:00+00:00 ../a",
            "2024-01-01T00:00:00+00:00 a\0",
            "2024-01-01T00:00:00+00:00 ",
        )
    ],
)
def test_invalid_cursors_are_rejected(index: ResultIndex, cursor: str) -> None:
    """The error is a sentence for any text."""
    with pytest.raises(InvalidInput, match=r"cursor: .* is not a cursor"):
        index.page(Filters(), 1, after=cursor)


@pytest.mark.parametrize(
    ("bounds", "field"),
    [
        ({"min_return": 1.0, "max_return": 0.5}, "min_return: 1.0 is above max_return, which is 0.5"),
        ({"min_signals": 2, "max_signals": 1}, "min_signals: 2 is above"),
        ({"date_from": date(2024, 1, 2), "date_to": date(2024, 1, 1)}, "date_from: 2024-01-02 is above date_to"),
    ],
)
def test_a_range_that_holds_nothing_is_refused(bounds: dict[str, Any], field: str) -> None:
    """The bound is named with both values."""
    with pytest.raises(EmptyRange, match=field):
        Filters(**bounds)


def test_a_symbol_is_found_in_either_spelling(index: ResultIndex) -> None:
    """A text that is not a market is rejected."""
    index.add([entry(1, symbols=["BTC_KRW", "ETH_KRW"]), entry(2, symbols=["ETH_KRW"])])
    assert run_ids(index.page(Filters(symbol="KRW-BTC"), 9).entries) == ["run-1"]
    with pytest.raises(InvalidSymbol):
        Filters(symbol="../x")


def test_an_unstorable_name_matches_nothing(index: ResultIndex) -> None:
    """Undecodable bytes from a command line are not an error."""
    index.add([entry(1)])
    assert index.page(Filters(strategy="s\udcff"), 1).total == 0


def passes(one: IndexEntry, f: Filters) -> bool:
    """Return whether an entry matches, without a database."""

    def within(value: Any, least: Any, most: Any) -> bool:  # noqa: ANN401 -- of several types
        bounded = least is not None or most is not None
        known = value is not None
        return not bounded or (known and (least is None or value >= least) and (most is None or value <= most))

    return (
        f.kind in {None, one.kind}
        and f.strategy in {None, one.strategy}
        and (f.symbol is None or f.symbol in one.symbols)
        and within(one.avg_return, f.min_return, f.max_return)
        and within(one.total_signals, f.min_signals, f.max_signals)
        and within(one.total_return, f.min_total_return, f.max_total_return)
        and within(one.sharpe, f.min_sharpe, f.max_sharpe)
        and f.timeframe in {None, one.timeframe}
        and (f.params is None or (one.params is not None and f.params.lower() in one.params.lower()))
        and within(one.timestamp.astimezone(SEOUL).date(), f.date_from, f.date_to)
    )


ENTRIES = st.lists(
    st.builds(
        entry,
        st.integers(0, 30),
        kind=st.sampled_from(["backtest", "backtest", "sweep"]),
        strategy=st.sampled_from(["s", "t", None]),
        symbols=st.lists(st.sampled_from(["BTC_KRW", "ETH_KRW", "XRP_KRW"]), unique=True),
        avg_return=st.sampled_from([None, -1.5, 0.0, 0.1, 2.0]),
        total_signals=st.sampled_from([None, 0, 1, 5]),
        timeframe=st.sampled_from([None, "1d", "1h"]),
        params=st.sampled_from([None, "", "window=20, kind=EMA", "window=2, a%b_c"]),
        total_return=st.sampled_from([None, -0.5, 0.0, 0.25]),
        sharpe=st.sampled_from([None, -1.0, 0.0, 1.25]),
        trades=st.sampled_from([None, 0, 3]),
        # Around midnight of Seoul, and of the same moment.
        timestamp=st.sampled_from(
            [START.replace(hour=15) + timedelta(microseconds=n, days=d) for n in (-1, 0) for d in range(3)]
        ),
    ),
    max_size=12,
)
REUSES = st.sets(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from([START.replace(hour=15) + timedelta(microseconds=n, days=d) for n in (-2, 1) for d in (0, 2)]),
    ),
    max_size=6,
)
DAYS = st.none() | st.dates(date(2023, 12, 31), date(2024, 1, 5))
BOUNDS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([None, "backtest", "sweep"]),
        "strategy": st.sampled_from([None, None, "s", "t"]),
        "symbol": st.sampled_from([None, None, "KRW-BTC", "ETH_KRW"]),
        "min_return": st.sampled_from([None, None, -1.5, 0.05]),
        "max_return": st.sampled_from([None, None, 0.1, 2.0]),
        "min_signals": st.sampled_from([None, None, 0, 1]),
        "max_signals": st.sampled_from([None, None, 1, 10**12]),
        "date_from": DAYS,
        "date_to": DAYS,
        "timeframe": st.sampled_from([None, None, "1d"]),
        "params": st.sampled_from([None, None, "ema", "=2", "%b_"]),
        "min_total_return": st.sampled_from([None, None, -0.1]),
        "max_total_return": st.sampled_from([None, None, 0.0]),
        "min_sharpe": st.sampled_from([None, None, 0.0]),
        "max_sharpe": st.sampled_from([None, None, 1.0]),
    }
)
COLUMNS = {name: name for name in get_args(OrderColumn)} | {"symbol": "symbols"}
"""Field of an entry by the name of its order."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=ENTRIES, column=st.sampled_from(list(COLUMNS)), descending=st.booleans(), offset=st.integers(0, 6))
def test_an_order_by_a_figure_is_that_of_plain_python(
    index: ResultIndex, entries: list[IndexEntry], column: OrderColumn, offset: int, *, descending: bool
) -> None:
    """Unknown values come last in either direction, equal ones newest first, and reuses are not listed."""
    index.remove("results", [*index.versions()])
    index.add(entries)
    index.add_reuse("run-0", START)

    def value(one: IndexEntry) -> Any:  # noqa: ANN401 -- of several types
        return getattr(one, COLUMNS[column])

    newest = sorted({e.run_id: e for e in entries}.values(), key=lambda e: (e.timestamp, e.run_id), reverse=True)
    known = [e for e in newest if value(e) is not None]
    expected = [*sorted(known, key=value, reverse=descending), *(e for e in newest if value(e) is None)]
    page = index.ranked(Filters(kind=None), Order(column, descending), 3, offset)
    assert (page.total, page.entries) == (len(expected), expected[offset : offset + 3])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=ENTRIES, reuses=REUSES, bounds=BOUNDS, limit=st.integers(1, 5), offset=st.integers(0, 6))
@example([entry(1)], {(1, START)}, {"date_from": date(1, 1, 1), "date_to": date(9999, 12, 31)}, 1, 0)
def test_filters_find_what_plain_python_finds(
    index: ResultIndex,
    entries: list[IndexEntry],
    reuses: set[tuple[int, datetime]],
    bounds: dict[str, Any],
    limit: int,
    offset: int,
) -> None:
    """Single and combined filters give the same total, page and order, by offset and by cursor."""
    try:
        filters = Filters(**bounds)
    except EmptyRange:
        return
    for shelf in ("results", "tasks"):
        index.remove(shelf, [*index.versions()])
    index.add(entries)
    unique = {each.run_id: each for each in entries}
    again = []
    for number, answered in reuses:
        if (run_id := f"run-{number}") in unique:
            index.add_reuse(run_id, answered)
            again.append(unique[run_id]._replace(timestamp=answered, reused=True))
    matching = sorted(
        (each for each in (*unique.values(), *again) if passes(each, filters)),
        key=lambda e: (e.timestamp, e.run_id),
        reverse=True,
    )
    page = index.page(filters, limit, offset)
    assert (page.total, page.entries) == (len(matching), matching[offset : offset + limit])
    if page.next_cursor:
        following = index.page(filters, limit, after=page.next_cursor)
        assert following.entries == matching[offset + limit : offset + 2 * limit]
    else:
        assert offset + limit >= len(matching)


def test_a_rebuild_makes_the_index_equal_to_the_objects(index: ResultIndex, store: LocalStore, tmp_path: Path) -> None:
    """New results are added, missing ones removed, broken ones reported; unchanged ones are not read again."""
    publish_document(store, document("new", 1), {})
    publish_task(store, {"task_id": "task"}, {"result.json": to_bytes(document("task", 2))})
    publish_task(store, {"task_id": "failed"}, {})
    (tmp_path / "results/broken.json").write_text("{")
    (tmp_path / "results/index.json").write_text("[]")
    index.add([entry(3)])
    seen: list[tuple[int, int]] = []
    rebuild = reindex(store, index, on_progress=lambda done, of: seen.append((done, of)))
    assert (rebuild.added, rebuild.removed) == (2, 1)
    assert [str(error).partition(":")[0] for error in rebuild.broken] == ["'results/broken.json' is corrupt"]
    assert [(each.run_id, each.shelf) for each in everything(index)] == [("task", "tasks"), ("new", "results")]
    assert seen == [(0, 3), (3, 3)]
    again = reindex(store, index)
    assert (again.added, again.removed, len(again.broken)) == (0, 0, 1)
    assert reindex(store, index, everything=True).added == 2


def test_a_document_that_changed_is_read_again(index: ResultIndex, store: LocalStore, tmp_path: Path) -> None:
    """A change of size or time is noticed; the entry of a document that became unreadable is removed."""
    publish_document(store, document("r", 1), {})
    reindex(store, index)
    path = tmp_path / "results/r.json"
    os.removexattr(path, "user.coin.sha256.raw")
    path.write_text(json.dumps(document("r", 1, strategy="another")))
    assert reindex(store, index).added == 1
    assert everything(index)[0].strategy == "another"
    path.write_text("[]")
    rebuild = reindex(store, index)
    assert (rebuild.removed, [type(error) for error in rebuild.broken]) == (1, [ObjectCorrupt])
    assert everything(index) == []


@pytest.fixture
def narrow(index: ResultIndex, index_url: str) -> Iterator[ResultIndex]:
    """An index that rejects counts above 32,767, since no known document has a value that the real one rejects."""
    alter = "alter table coin.result alter total_signals type {}"
    with closing(Session(index_url)) as session:
        session.run(lambda cursor: cursor.execute(alter.format("smallint")))
        yield index
        session.run(lambda cursor: cursor.execute(alter.format("bigint")))


def test_a_rejected_entry_does_not_affect_others(narrow: ResultIndex, store: LocalStore) -> None:
    """The rejected entry is reported by its run and its previous entry removed; the rest of the batch is added."""
    for number in range(3):
        publish_document(store, document(f"r{number}", number, total_signals=10 ** (2 * number + 1)), {})
    narrow.add([entry(7, run_id="r2")])
    rebuild = reindex(store, narrow)
    assert (rebuild.added, rebuild.removed, run_ids(everything(narrow))) == (2, 1, ["r1", "r0"])
    assert [str(error) for error in rebuild.broken] == [
        "'r2' is corrupt: its values do not fit the index; the database rejected a value: smallint out of range"
    ]


def test_times_of_the_legacy_index_are_used(index: ResultIndex, store: LocalStore, tmp_path: Path) -> None:
    """Documents without a time take it from the legacy index."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/old.json").write_text('{"run_id": "old", "symbols": [{"symbol": "BTC_KRW", "signals": 3}]}')
    (tmp_path / "results/index.json").write_text('[{"run_id": "old", "timestamp": "2024-11-04T10:30:45"}]')
    reindex(store, index)
    assert everything(index)[0].timestamp == datetime(2024, 11, 4, 1, 30, 45, tzinfo=UTC)


def test_results_in_a_bucket_keep_their_version(index: ResultIndex, s3_server: S3Server) -> None:
    """The version recorded at publication equals the one in a later listing."""
    store = s3_server.store(f"index-{uuid.uuid4().hex[:12]}")
    publish_document(store, document("r", 1), {})
    publish_task(store, {"task_id": "t"}, {"result.json": to_bytes(document("t", 2))})
    for run_id in ("r", "t"):
        index_result(store, index, run_id)
    rebuild = reindex(store, index)
    assert (rebuild.added, rebuild.removed, rebuild.broken) == (0, 0, [])
    store.delete("results/r.json")
    assert reindex(store, index).removed == 1
    assert run_ids(everything(index)) == ["t"]


class BusyStore(LocalStore):
    """A store that runs a callback after an object has been read or looked up."""

    after: dict[str, Callable[[], object]]

    def get(self, key: str) -> bytes:
        """Return an object, then run the callback."""
        data = super().get(key)
        self.after.pop(key, lambda: None)()
        return data


def test_a_rebuild_adds_nothing_that_was_removed_while_it_read(index: ResultIndex, tmp_path: Path) -> None:
    """A result is removed between the rebuild's read and write."""
    store = BusyStore(tmp_path)
    publish_document(store, document("r", 1), {})
    store.after = {"results/r.json": lambda: (store.delete("results/r.json"), index.remove("results", ["r"]))}
    reindex(store, index)
    assert store.after == {}
    assert everything(index) == []


def test_a_rebuild_removes_nothing_that_was_published_while_it_read(index: ResultIndex, tmp_path: Path) -> None:
    """Results that are new or published again keep their entries."""
    store = BusyStore(tmp_path)
    publish_document(store, document("r", 1), {})
    index.add([entry(7)])

    def meanwhile() -> None:
        for run_id in ("fresh", "run-7"):
            publish_document(store, document(run_id, 2), {})
            index_result(store, index, run_id)

    store.after = {"results/r.json": meanwhile}
    reindex(store, index)
    assert store.after == {}
    assert run_ids(everything(index)) == ["run-7", "fresh", "r"]


def publish_some(root: str, url: str, numbers: Sequence[int]) -> None:
    """Publish and index results, in a separate process."""
    store = LocalStore(Path(root))
    with closing(Session(url)) as session:
        for number in numbers:
            made = document(f"writer-{number:02}", 1000 + number)
            publish_document(store, made, {})
            index_result(store, ResultIndex(session), made["run_id"], made)


def rebuild_again_and_again(root: str, url: str, done: Any) -> None:  # noqa: ANN401 -- an event has no public class
    """Rebuild the index until the event is set, in a separate process."""
    with closing(Session(url)) as session:
        while not done.is_set():
            reindex(LocalStore(Path(root)), ResultIndex(session), everything=True)


def test_fifty_parallel_writers_a_reader_and_a_rebuild(
    index: ResultIndex, index_url: str, store: LocalStore, tmp_path: Path
) -> None:
    """Every result is indexed once, in order; paging by cursor repeats none and misses no earlier one."""
    before = [f"before-{number:02}" for number in range(30)]
    for number, run_id in enumerate(before):
        publish_document(store, document(run_id, number), {})
        index_result(store, index, run_id)
    processes = forking()
    done = processes.Event()
    root = str(tmp_path)
    rebuilding = processes.Process(target=rebuild_again_and_again, args=(root, index_url, done))
    writing = [
        processes.Process(target=publish_some, args=(root, index_url, range(first, WRITERS, PROCESSES)))
        for first in range(PROCESSES)
    ]
    for process in (rebuilding, *writing):
        process.start()
    readings = 0
    while readings < 3 or any(process.is_alive() for process in writing):
        seen = run_ids(everything(index, limit=7))
        assert len(seen) == len(set(seen))
        assert set(before) <= set(seen)
        readings += 1
    done.set()
    for process in (rebuilding, *writing):
        process.join()
        assert process.exitcode == 0
    written = [f"writer-{number:02}" for number in range(WRITERS)]
    assert run_ids(everything(index)) == [*reversed(written), *reversed(before)]
