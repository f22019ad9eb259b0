"""Objects in a local folder."""

import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coin_pipeline.errors import InvalidInput, ObjectCorrupt, StorageFailed
from coin_pipeline.storage.base import IncompleteWrite
from coin_pipeline.storage.local import LocalStore, supports_checksums


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path)


def test_keys_leave_out_what_is_being_written(store: LocalStore, tmp_path: Path) -> None:
    """Keys of whole objects come in order; a temporary file of a killed writer is no object."""
    for key in ("tasks/b/x", "tasks/a/x", "results/c"):
        store.put(key, b"")
    (tmp_path / "tasks/a/.tmp-1").write_bytes(b"half")
    assert list(store.keys("tasks")) == ["tasks/a/x", "tasks/b/x"]
    assert list(store.keys("nothing")) == []


def test_delete_is_idempotent_and_leaves_no_empty_folders(store: LocalStore, tmp_path: Path) -> None:
    """Deleting twice is not an error; a folder with other objects stays."""
    store.put("runs/r/a", b"")
    store.put("runs/r/deep/b", b"")
    store.delete("runs/r/deep/b")
    store.delete("runs/r/deep/b")
    assert [path.name for path in (tmp_path / "runs/r").iterdir()] == ["a"]
    store.delete("runs/r/a")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    """Without space the write fails with a sentence, and no part of the object or temporary file stays."""
    limit = 1000
    program = (
        "import pathlib, sys\n"
        "from coin_pipeline.storage.local import LocalStore\n"
        "from coin_pipeline.errors import StorageFull\n"
        "try:\n"
        f"    LocalStore(pathlib.Path(sys.argv[1])).put('tasks/a/result.json', bytes({limit + 1}))\n"
        "except StorageFull as error:\n"
        "    print(error)\n"
    )

    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        preexec_fn=small_files_only,
        cwd=Path(__file__).parents[2],
        env={"COVERAGE_CORE": "ctrace", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("no space left to write tasks/a/result.json")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_changed_in_place_is_corrupt(store: LocalStore, tmp_path: Path) -> None:
    """One flipped bit, a lost tail, more bytes: a named error, never wrong figures."""
    store.put("a/b", b"figures")
    for changed in (b"figurez", b"figure", b"figures ", b""):
        (tmp_path / "a/b").write_bytes(changed)
        with pytest.raises(ObjectCorrupt, match=r"'a/b' is corrupt: .* not the SHA-256"):
            store.get("a/b")


def test_a_file_that_came_some_other_way_has_no_checksum(store: LocalStore, tmp_path: Path) -> None:
    """Files of the older platform, or from an archive, are read as they are, and known to be unchecked."""
    (tmp_path / "old.json").write_bytes(b"{}")
    assert store.get("old.json") == b"{}"
    assert store.info("old.json").sha256 is None
    store.put("old.json", b"{}")
    assert supports_checksums(tmp_path)
    assert list(store.keys()) == ["old.json"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A root that is a file is an error of the family, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="cannot reach a/b: Not a directory"):
        LocalStore(tmp_path / "file").put("a/b", b"")


def test_a_folder_that_is_removed_while_it_is_written_to_is_made_again(store: LocalStore) -> None:
    """Who deletes the last object of a folder removes it, maybe just before somebody else's first object is there."""

    def put_and_delete(writer: int) -> None:
        for number in range(300):
            store.put(f"fingerprints/{writer}", str(number).encode())
            store.delete(f"fingerprints/{writer}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put_and_delete, range(4)))
    assert list(store.keys()) == []


@pytest.mark.parametrize("key", ["results/a.json", "results/../.tmp-1", ".tmp-1"])
def test_only_what_a_broken_write_left_is_discarded(store: LocalStore, key: str) -> None:
    """No object, and nothing outside."""
    store.put("results/a.json", b"")
    with pytest.raises(InvalidInput):
        store.discard(IncompleteWrite(key, 0, datetime.now(UTC)))
    assert list(store.keys()) == ["results/a.json"]


def test_a_shelf_may_be_a_link_to_another_disk(tmp_path: Path) -> None:
    """Objects in it are put, listed, read and deleted, and the link stays."""
    store = LocalStore(tmp_path / "data")
    (tmp_path / "other").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/results").symlink_to(tmp_path / "other")
    store.put("results/deep/a", b"1")
    assert list(store.keys()) == list(store.keys("results")) == ["results/deep/a"]
    assert list(store.keys("results/deep")) == ["results/deep/a"]
    assert store.get("results/deep/a") == b"1"
    store.delete("results/deep/a")
    assert ((tmp_path / "data/results").is_symlink(), list((tmp_path / "other").iterdir())) == (True, [])


def test_what_a_link_below_a_shelf_leads_to_is_neither_listed_nor_deleted(store: LocalStore, tmp_path: Path) -> None:
    """Retention of tasks would remove results else."""
    store.put("results/deep/a", b"1")
    (tmp_path / "results/deep/.tmp-1").write_bytes(b"half")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/x").symlink_to("../results")
    for prefix in ("tasks", "tasks/x", "tasks/x/deep"):
        assert list(store.keys(prefix)) == []
    assert list(store.keys()) == ["results/deep/a"]
    for act in (
        lambda: store.delete("tasks/x/deep/a"),
        lambda: store.discard(IncompleteWrite("tasks/x/deep/.tmp-1", 0, datetime.now(UTC))),
    ):
        with pytest.raises(StorageFailed, match="tasks/x is a link"):
            act()
    assert sorted(path.name for path in (tmp_path / "results/deep").iterdir()) == [".tmp-1", "a"]


def test_a_link_to_a_file_is_that_file_and_one_to_nowhere_nothing(store: LocalStore, tmp_path: Path) -> None:
    """Old results may be links; one that loops, or whose file is gone, does not break a listing."""
    store.put("results/a", b"12345")
    for name, leads_to in {"b": "a", "loop": "loop", "gone": "absent"}.items():
        (tmp_path / "results" / name).symlink_to(leads_to)
    (tmp_path / "loop").symlink_to("loop")
    assert [(each.key, each.size) for each in store.entries()] == [("results/a", 5), ("results/b", 5)]
    store.delete("results/b")
    assert store.get("results/a") == b"12345"
