"""Retention rules and the storage scan."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coin_pipeline import liveness
from coin_pipeline.errors import ObjectCorrupt, ResultNotFound, StorageRefused
from coin_pipeline.results.publish import publish_document, publish_task
from coin_pipeline.results.retention import (
    DAY,
    EndedRun,
    Fingerprint,
    Folder,
    RetentionLimits,
    StorageSnapshot,
    dead_fingerprints,
    expired_chunks,
    expired_interim,
    expired_run_records,
    expired_tasks,
    group_by_folder,
    stale_pins,
    unpublished_tables,
)
from coin_pipeline.results.storage_scan import measure_usage, parse_ended_at, scan_storage
from coin_pipeline.results.store import manifest_key, read_result, remove_task
from coin_pipeline.results.tables import remove_unpublished
from coin_pipeline.storage.base import IncompleteWrite, ObjectEntry, ObjectStore
from coin_pipeline.storage.local import LocalStore

NOW = datetime(2024, 11, 4, 3, 30, tzinfo=UTC)
OLD, EDGE, NEW = NOW - 8 * DAY, NOW - 7 * DAY, NOW - 6 * DAY
LIMITS = RetentionLimits(7 * DAY, 30 * DAY)
PIN = ObjectEntry("pins/t.json", 15, OLD)


def folder(name: str = "t", newest: datetime = OLD, *, manifest: bool = True) -> Folder:
    """Return a folder of two objects."""
    return Folder(name, 2, 100, newest, manifest)


@pytest.mark.parametrize(
    ("found", "ended", "pinned", "under_way", "kind"),
    [
        (folder(), OLD, False, False, "expired tasks"),
        (folder(), EDGE, False, False, None),
        (folder(newest=OLD), NEW, False, False, None),  # the manifest's end time decides, not the files'
        (folder(newest=NEW), OLD, False, False, "expired tasks"),  # a copied store has new files
        (folder(), OLD, True, False, None),
        (folder(), OLD, False, True, None),
        (folder(), None, False, False, None),  # a manifest that cannot be read
        (folder(manifest=False), None, False, False, "unfinished tasks"),
        (folder(newest=EDGE, manifest=False), None, False, False, None),
        (folder(manifest=False), None, False, True, None),
        (folder(manifest=False), None, True, False, None),
    ],
)
def test_which_tasks_expire(
    found: Folder,
    ended: datetime | None,
    pinned: bool,  # noqa: FBT001 -- a parameter of the test
    under_way: bool,  # noqa: FBT001
    kind: str | None,
) -> None:
    """Tasks older than the limit expire, unless they are pinned, active or unreadable."""
    ids = frozenset({"t"})
    stored = StorageSnapshot({"t": found}, {"t": ended} if ended else {}, pinned={"t": PIN} if pinned else {})
    items = list(expired_tasks(stored, ids if under_way else (), NOW - LIMITS.tasks))
    assert [item.kind for item in items] == ([kind] if kind else [])
    for item in items:
        assert (item.name, item.objects, item.size, item.since) == ("t", 2, 100, ended or found.newest)


@pytest.mark.parametrize(
    ("newest", "under_way", "published", "expires"),
    [(OLD, (), (), 1), (NEW, (), (), 0), (OLD, ("t",), (), 0), (OLD, (), ("t",), 0)],
)
def test_which_tables_expire(
    newest: datetime, under_way: tuple[str, ...], published: tuple[str, ...], expires: int
) -> None:
    """Tables in results/ never expire, unless their run was killed before it wrote their document."""
    tables = {"t": folder(newest=newest, manifest=False)}
    stored = StorageSnapshot({}, {}, results=frozenset(published), tables=tables)
    assert len(list(unpublished_tables(stored, under_way, EDGE))) == expires


def test_tables_without_a_document_are_found_and_removed(tmp_path: Path) -> None:
    """Other files in results/ are not this platform's; a document that appears meanwhile keeps its tables."""
    store = LocalStore(tmp_path)
    publish_document(store, {"run_id": "whole"}, {"trades.parquet": b"1", "equity.parquet": b"2"})
    for key in ("results/killed/signals.parquet", "results/killed/mine.txt", "results/mine/notes.parquet"):
        store.put(key, b"1")
    scanned = scan_storage(store, NOW)
    assert {name: found.objects for name, found in scanned.tables.items()} == {"whole": 2, "killed": 1}
    assert scanned.results == {"whole"}
    for run_id in scanned.tables:
        remove_unpublished(store, run_id)
    left = {"results/killed/mine.txt", "results/mine/notes.parquet", "results/whole.json"}
    assert {*store.keys("results")} == {*left, "results/whole/equity.parquet", "results/whole/trades.parquet"}


@pytest.mark.parametrize(("newest", "under_way", "expires"), [(OLD, (), 1), (NEW, (), 0), (OLD, ("t",), 0)])
def test_which_interim_data_expire(newest: datetime, under_way: tuple[str, ...], expires: int) -> None:
    """Interim data of failed runs expire if the runs are not resumed in time."""
    stored = StorageSnapshot({}, {}, interim={"t": folder(newest=newest, manifest=False)})
    assert len(list(expired_interim(stored, under_way, EDGE))) == expires


@pytest.mark.parametrize(("modified", "expires"), [(OLD, 1), (EDGE, 0), (NEW, 0)])
def test_which_rows_of_sweeps_expire(modified: datetime, expires: int) -> None:
    """Chunks older than the limit expire."""
    stored = StorageSnapshot({}, {}, chunks=[ObjectEntry("sweeps/chunks/a.parquet", 9, modified)])
    assert len(list(expired_chunks(stored, EDGE))) == expires


@pytest.mark.parametrize(("task_id", "modified", "stale"), [("t", OLD, 0), ("gone", OLD, 1), ("gone", EDGE, 0)])
def test_which_pins_are_stale(task_id: str, modified: datetime, stale: int) -> None:
    """Pins of missing tasks are stale, except recent ones, which may come from a backup."""
    stored = StorageSnapshot({"t": folder(manifest=False)}, {}, pinned={task_id: PIN._replace(modified=modified)})
    assert len(list(stale_pins(stored, EDGE))) == stale


@pytest.mark.parametrize(
    ("run_id", "dead"), [("kept", False), ("task", False), ("gone", True), ("elsewhere", True), (None, True)]
)
def test_fingerprints_without_a_result_are_dangling(run_id: str | None, dead: object) -> None:
    """Entries whose result is missing or being removed, and unreadable entries."""
    entry = Fingerprint(ObjectEntry("fingerprints/a.json", 9, OLD), run_id)
    stored = StorageSnapshot(
        {"task": folder("task"), "gone": folder("gone")}, {}, results={"kept"}, fingerprints=[entry]
    )
    assert bool(list(dead_fingerprints(stored, {"gone"}))) is dead


@pytest.mark.parametrize(
    ("run", "goes"),
    [
        (EndedRun("r", "r", expires=False, ended_at=NOW - 31 * DAY), True),
        (EndedRun("r", "r", expires=False, ended_at=NOW - 29 * DAY), False),
        (EndedRun("r", "r", expires=True, ended_at=OLD), True),  # its task is gone
        (EndedRun("r", "r", expires=True, ended_at=NEW), False),  # its manifest may be about to come
        (EndedRun("r", "stored", expires=True, ended_at=NOW - 99 * DAY), False),
        (EndedRun("r", "working", expires=True, ended_at=NOW - 99 * DAY), False),
    ],
)
def test_which_run_records_expire(run: EndedRun, goes: object) -> None:
    """Records of a task go with the task, others by age; none while an attempt is active."""
    assert bool(list(expired_run_records([run], {"stored"}, {"working"}, NOW, LIMITS))) is goes


def test_a_listing_in_any_order_gives_the_folders_of_runs() -> None:
    """Files next to folders, and folders with invalid names, are ignored."""
    listed = [
        ObjectEntry("tasks/b/result.json", 5, OLD),
        ObjectEntry("tasks/a/x", 1, OLD),
        ObjectEntry("tasks/b/manifest.json", 2, NEW),
        ObjectEntry("tasks/notes.txt", 7, OLD),
        ObjectEntry("tasks/가/x", 7, OLD),
        ObjectEntry("tasks/a/deep/manifest.json", 1, OLD),
    ]
    assert group_by_folder(listed) == {"a": Folder("a", 2, 2, OLD, False), "b": Folder("b", 2, 7, NEW, True)}


@pytest.mark.parametrize(
    "text", ["2024-11-04T10:30:45.123456Z", "2024-11-04T10:30:45.123456+00:00Z", "2024-11-04T19:30:45.123456"]
)
def test_end_times_of_both_platforms_are_parsed(text: str) -> None:
    """With Z, with the legacy platform's doubled zone, and without a zone, which means Seoul."""
    manifest = {"task_id": "t", "metadata": {"finished_at": text}}
    assert parse_ended_at("t", manifest) == datetime(2024, 11, 4, 10, 30, 45, 123456, UTC)


@pytest.mark.parametrize(
    "manifest",
    [{}, {"task_id": "../results", "metadata": {"finished_at": "2020-01-01T00:00:00Z"}}]
    + [
        {"task_id": "t", "metadata": metadata}
        for metadata in (None, [], {}, {"finished_at": 3}, {"finished_at": "0001-01-01"})
    ],
)
def test_a_manifest_without_an_end_time_is_corrupt(manifest: dict[str, object]) -> None:
    """No end time is assumed for it."""
    with pytest.raises(ObjectCorrupt, match="manifest of task t"):
        parse_ended_at("t", manifest)


def store_task(store: ObjectStore, task_id: str, ended: datetime = OLD) -> None:
    """Store a task with a result."""
    metadata = {"finished_at": ended.isoformat()}
    publish_task(
        store,
        {"version": "1.2.0", "task_id": task_id, "metadata": metadata},
        {"result.json": b"{}", "report.html": b"page"},
    )


def test_a_scan_returns_everything_stored(store: ObjectStore) -> None:
    """Tasks with their end times, interim data, results, and a warning for each unreadable object."""
    store_task(store, "done")
    store.put("tasks/broken/manifest.json", b"{")
    store.put(
        "tasks/evil/manifest.json",
        b'{"version":"1.2.0","task_id":"../results","metadata":{"finished_at":"2020"}}',
    )
    store.put("tasks/half/result.json", b"{}")
    store.put("runs/r/simulate/AAA_KRW", b"12345")
    publish_document(store, {"run_id": "kept"}, {"report.html": b"page"})
    store.put("fingerprints/f.json", b'{"run_id": "gone"}')
    found = scan_storage(store, datetime.now(UTC))
    assert set(found.tasks) == {"done", "broken", "evil", "half"}
    assert found.ended == {"done": OLD}
    assert (found.interim["r"].size, set(found.results), found.fingerprints) == (5, {"kept"}, ())
    assert [text.split(" is corrupt")[0] for text in found.warnings] == [
        "kept: 'tasks/broken/manifest.json'",
        "kept: 'manifest of task evil'",
    ]
    later = scan_storage(store, datetime.now(UTC) + 2 * DAY)
    assert [(each.entry.key, each.run_id) for each in later.fingerprints] == [("fingerprints/f.json", "gone")]
    assert {item.name for item in expired_tasks(later, (), datetime.now(UTC) + DAY)} == {"done", "half"}


class Refusing(LocalStore):
    """A store whose account may only read and write objects."""

    def incomplete_writes(self, prefix: str, before: datetime) -> Iterator[IncompleteWrite]:
        """Refuse."""
        raise StorageRefused(prefix, f"the credentials do not permit it ({before})")


def test_a_scan_reports_progress(tmp_path: Path) -> None:
    """A long retention is not ended as one without progress."""
    store_task(store := LocalStore(tmp_path), "t")
    before = time.monotonic() - liveness.idle_s()
    time.sleep(0.02)
    scan_storage(store, NOW)
    assert time.monotonic() - liveness.idle_s() > before + 0.01


def test_a_bucket_without_upload_listing_causes_a_warning(tmp_path: Path) -> None:
    """A narrow policy only prevents finding incomplete uploads, which a bucket rule can remove."""
    store_task(LocalStore(tmp_path), "done")
    found = scan_storage(Refusing(tmp_path), NOW)
    assert found.ended == {"done": OLD}
    assert [text.split(":")[0] for text in found.warnings] == ["incomplete uploads are not searched for"]


def test_usage_is_measured_by_folder(store: ObjectStore) -> None:
    """A bucket reports its total size, a disk its free space."""
    store.put("tasks/t/result.json", b"12345")
    store.put("runs/r/x", b"123")
    store.put("sweeps/chunks/a.parquet", b"1")
    store.put("results/kept.json", b"12")
    found = measure_usage(store)
    assert (found.tasks, found.runs, found.sweeps) == (5, 3, 1)
    assert found.bucket == (None if isinstance(store, LocalStore) else 11)
    assert (found.free is None) == (found.bucket is not None)


class Watched(LocalStore):
    """A store that runs a reader between any two deletions."""

    def delete(self, key: str) -> None:
        """Delete, then look at the task."""
        super().delete(key)
        with pytest.raises(ResultNotFound):
            read_result(self, "t")


class Emptied(LocalStore):
    """A store whose task is removed right after its manifest was read."""

    def get(self, key: str) -> bytes:
        """Read, and remove the task if that was its manifest."""
        data = super().get(key)
        if key == manifest_key("t"):
            remove_task(LocalStore(self.root), "t")
        return data


def test_a_task_being_removed_is_not_a_result(tmp_path: Path) -> None:
    """The manifest is removed first; a reader that has just read it gets ResultNotFound."""
    store_task(LocalStore(tmp_path), "t")
    remove_task(Watched(tmp_path), "t")
    assert list(LocalStore(tmp_path).keys()) == []
    store_task(LocalStore(tmp_path), "t")
    with pytest.raises(ResultNotFound):
        read_result(Emptied(tmp_path), "t")


def test_a_task_with_a_lost_result_is_corrupt(tmp_path: Path) -> None:
    """Its manifest lists a file that does not exist, and no removal is running."""
    store = LocalStore(tmp_path)
    store_task(store, "t")
    store.delete("tasks/t/result.json")
    with pytest.raises(ObjectCorrupt, match="its manifest lists it"):
        read_result(store, "t")
