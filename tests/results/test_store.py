"""Publishing results and reading them back."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coin_pipeline.errors import InvalidRunId, ObjectCorrupt, ObjectExists, ResultNotFound, StorageFull
from coin_pipeline.results.publish import publish_document, publish_task
from coin_pipeline.results.store import (
    load_result,
    read_manifest,
    read_result,
    result_key,
    stored_documents,
    to_bytes,
)
from coin_pipeline.storage.local import LocalStore

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

OLD_FILES: dict[str, dict[str, Any]] = {
    "early": {"run_id": "early", "strategy": "s", "symbols": [{"symbol": "BTC_KRW", "signals": 3}]},
    "late": {"run_id": "late", "strategy": "s", "symbols": [{"symbol": "BTC_KRW", "signals": [{"type": "buy"}]}]},
    "v11": {"version": "1.1.0", "run_id": "v11", "metadata": {"execution_date": "2024-11-04T10:30:45+00:00Z"}},
}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path)


class FailingStore(LocalStore):
    """A store whose disk is full after N writes."""

    def __init__(self, root: Path, writes: int) -> None:
        super().__init__(root)
        self.writes = writes

    def put(self, key: str, data: "ReadableBuffer", **options: Any) -> None:  # noqa: ANN401
        """Write, or fail as a full disk does."""
        if self.writes == 0:
            raise StorageFull(key, "No space left on device")
        self.writes -= 1
        super().put(key, data, **options)


FILES = {"equity.parquet": b"PAR1", "result.json": b'{"run_id":"t"}'}


def test_a_synchronous_result_is_stored_in_results(store: LocalStore) -> None:
    """The document is results/ID.json, and its report is in reports/."""
    published = publish_document(store, {"run_id": "abc"}, {"report.html": b"<html>"})
    assert published == ("results/abc.json", hashlib.sha256(b'{"run_id":"abc"}').hexdigest(), True)
    assert json.loads(read_result(store, "abc")) == {"run_id": "abc"}
    assert store.get("reports/abc.html") == b"<html>"


def test_a_task_lists_its_files_with_both_checksums(store: LocalStore) -> None:
    """The manifest names each file with its size, MD5 and SHA-256."""
    publish_task(store, {"task_id": "t", "status": "completed"}, FILES)
    manifest = read_manifest(store, "t")
    assert manifest is not None
    data = FILES["result.json"]
    assert manifest["result_files"][1] == {
        "name": "result.json",
        "path": "tasks/t/result.json",
        "size_bytes": len(data),
        "checksum": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    assert read_result(store, "t") == FILES["result.json"]


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_an_interrupted_task_has_no_result(tmp_path: Path, writes: int) -> None:
    """Nothing is visible before the manifest is written; a second attempt completes the task."""
    with pytest.raises(StorageFull):
        publish_task(FailingStore(tmp_path, writes), {"task_id": "t"}, FILES)
    store = LocalStore(tmp_path)
    with pytest.raises(ResultNotFound, match="'t'"):
        read_result(store, "t")
    assert [(each.run_id, each.shelf) for each in stored_documents(store)] == []
    publish_task(store, {"task_id": "t"}, {**FILES, "result.json": b"{}"})
    assert read_result(store, "t") == b"{}"


@pytest.mark.parametrize("writes", [0, 1, 3, 4])
def test_an_interrupted_synchronous_result_is_not_visible(tmp_path: Path, writes: int) -> None:
    """A disk that fills up while tables are written leaves no result; a second attempt completes it."""
    files = {"signals.parquet": b"s", "trades.parquet": b"t", "equity.parquet": b"e", "report.html": b"<html>"}
    with pytest.raises(StorageFull):
        publish_document(FailingStore(tmp_path, writes), {"run_id": "r"}, files)
    store = LocalStore(tmp_path)
    with pytest.raises(ResultNotFound, match="'r'"):
        read_result(store, "r")
    assert [*stored_documents(store)] == []
    publish_document(store, {"run_id": "r"}, files)
    assert store.get("results/r/signals.parquet") == b"s"
    assert [each.run_id for each in stored_documents(store)] == ["r"]


def test_a_published_task_is_immutable(store: LocalStore) -> None:
    """A further attempt changes nothing and receives the stored result's digest."""
    first = publish_task(store, {"task_id": "t"}, FILES)
    assert first == ("tasks/t/result.json", hashlib.sha256(FILES["result.json"]).hexdigest(), True)
    before = {key: store.get(key) for key in store.keys("tasks")}
    assert publish_task(store, {"task_id": "t"}, {"result.json": b"{}"}) == first._replace(fresh=False)
    assert {key: store.get(key) for key in store.keys("tasks")} == before


def test_a_task_does_not_end_in_two_ways(store: LocalStore) -> None:
    """A failed task cannot get a result, and a completed one cannot fail."""
    publish_task(store, {"task_id": "done"}, FILES)
    publish_task(store, {"task_id": "failed", "status": "failed"}, {})
    for task_id, files in (("done", {}), ("failed", FILES)):
        with pytest.raises(ObjectExists, match=f"tasks/{task_id}/manifest"):
            publish_task(store, {"task_id": task_id}, files)
    assert not publish_task(store, {"task_id": "failed", "status": "failed"}, {}).fresh
    assert read_result(store, "done") == FILES["result.json"]


def test_an_interrupted_synchronous_result_has_no_document(tmp_path: Path) -> None:
    """Without space for the document there is no result, and the next attempt succeeds."""
    with pytest.raises(StorageFull):
        publish_document(FailingStore(tmp_path, 1), {"run_id": "r"}, {"report.html": b"page"})
    store = LocalStore(tmp_path)
    with pytest.raises(ResultNotFound):
        read_result(store, "r")
    publish_document(store, {"run_id": "r"}, {"report.html": b"another page"})
    assert read_result(store, "r") == b'{"run_id":"r"}'


def test_a_changed_result_is_corrupt(store: LocalStore, tmp_path: Path) -> None:
    """A result that does not match its manifest raises ObjectCorrupt."""
    publish_task(store, {"task_id": "t"}, FILES)
    (tmp_path / "tasks/t/result.json").write_bytes(b'{"run_id":"T"}')
    with pytest.raises(ObjectCorrupt, match=r"tasks/t/result\.json"):
        read_result(store, "t")


def test_a_manifest_without_files_is_read_with_its_document(store: LocalStore, tmp_path: Path) -> None:
    """Without `result_files` the document is returned if it is valid; with an empty list there is no result."""
    folder = tmp_path / "tasks/t"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"task_id": "t", "status": "completed"}')
    with pytest.raises(ResultNotFound, match="'t'"):
        read_result(store, "t")
    (folder / "result.json").write_text('{"run_id": "t"')
    with pytest.raises(ObjectCorrupt, match="not valid JSON"):
        read_result(store, "t")
    (folder / "result.json").write_text('{"run_id": "t" }')
    assert read_result(store, "t") == b'{"run_id": "t" }'
    (folder / "manifest.json").write_text('{"task_id": "t", "result_files": []}')
    with pytest.raises(ResultNotFound, match="'t'"):
        read_result(store, "t")


@pytest.mark.parametrize("name", OLD_FILES)
def test_files_of_the_legacy_platform_are_read_unchanged(store: LocalStore, tmp_path: Path, name: str) -> None:
    """Legacy files of any schema are returned byte for byte."""
    data = json.dumps(OLD_FILES[name], indent=2).encode()
    (tmp_path / "results").mkdir()
    (tmp_path / f"results/{name}.json").write_bytes(data)
    assert read_result(store, name) == data


@pytest.mark.parametrize(
    "copied",
    [b'{"run_id":"x","symbols":[{"sym', b"", b'{"run_id":"x","total":9,"symbols":[],"result_sha256":"0"}'],
)
def test_a_copy_without_a_checksum_is_checked_by_itself(store: LocalStore, tmp_path: Path, copied: bytes) -> None:
    """A truncated or changed copy is rejected even though its checksum was not copied."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/x.json").write_bytes(copied)
    with pytest.raises(ObjectCorrupt, match=r"results/x\.json"):
        read_result(store, "x")


@pytest.mark.parametrize(
    "run_id", ["latest", "history", "index", "../x", "a/b", "", "-a", "a.json", "a\x00", "x" * 129, "비트"]
)
def test_path_tricks_in_run_ids_are_refused(store: LocalStore, run_id: str) -> None:
    """No run id is a path."""
    with pytest.raises(InvalidRunId, match="is not a run id"):
        read_result(store, run_id)


def test_stored_documents_are_those_that_are_complete(store: LocalStore) -> None:
    """A failed task has a manifest and no result."""
    publish_document(store, {"run_id": "r"}, {})
    publish_task(store, {"task_id": "t"}, FILES)
    publish_task(store, {"task_id": "failed"}, {})
    assert [(each.run_id, each.shelf) for each in stored_documents(store)] == [("r", "results"), ("t", "tasks")]
    assert result_key("tasks", "t") == "tasks/t/result.json"


def test_other_files_next_to_results_are_ignored(store: LocalStore, tmp_path: Path) -> None:
    """Notes, backup copies and other files do not hide the results."""
    publish_document(store, {"run_id": "r"}, {})
    for name in ("README.txt", "r.json.bak", "a b.json"):
        (tmp_path / "results" / name).write_text("{}")
    assert [(each.run_id, each.shelf) for each in stored_documents(store)] == [("r", "results")]


@pytest.mark.parametrize("content", ["{bad", "[]", ""])
def test_a_result_that_is_not_an_object_is_corrupt(store: LocalStore, tmp_path: Path, content: str) -> None:
    """The error is ObjectCorrupt, neither a traceback nor an empty result."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/x.json").write_text(content)
    with pytest.raises(ObjectCorrupt, match=r"'results/x\.json' is corrupt: it is not (valid JSON|a JSON object)"):
        load_result(store, "x")


def test_a_failed_task_keeps_nothing_of_its_attempts(tmp_path: Path) -> None:
    """Files of a failed attempt are removed before the manifest is written."""
    with pytest.raises(StorageFull):
        publish_task(FailingStore(tmp_path, 1), {"task_id": "t"}, FILES)
    store = LocalStore(tmp_path)
    publish_task(store, {"task_id": "t", "status": "failed"}, {})
    assert list(store.keys("tasks")) == ["tasks/t/manifest.json"]


def test_nan_is_never_written() -> None:
    """JSON has no NaN; a document that contains one is a defect and is not stored."""
    with pytest.raises(ValueError, match="Out of range float"):
        to_bytes({"sharpe": float("nan")})
