"""LocalStore specifics: the disk, its links and its file attributes."""

import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coin_pipeline.errors import InvalidInput, ObjectCorrupt, StorageFailed
from coin_pipeline.storage.base import IncompleteWrite, sha256_hex
from coin_pipeline.storage.local import LocalStore, supports_checksums


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Return an empty store."""
    return LocalStore(tmp_path)


def test_keys_exclude_files_being_written(store: LocalStore, tmp_path: Path) -> None:
    """Keys of complete objects are listed in order; the temporary file of a killed writer is not."""
    for key in ("tasks/b/x", "tasks/a/x", "results/c"):
        store.put(key, b"")
    (tmp_path / "tasks/a/.tmp-1").write_bytes(b"half")
    assert list(store.keys("tasks")) == ["tasks/a/x", "tasks/b/x"]
    assert list(store.keys("nothing")) == []


def test_delete_removes_empty_folders(store: LocalStore, tmp_path: Path) -> None:
    """Deleting twice is not an error; a folder with other objects is kept."""
    store.put("runs/r/a", b"")
    store.put("runs/r/deep/b", b"")
    store.delete("runs/r/deep/b")
    store.delete("runs/r/deep/b")
    assert [path.name for path in (tmp_path / "runs/r").iterdir()] == ["a"]
    store.delete("runs/r/a")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_raises_and_leaves_nothing(tmp_path: Path) -> None:
    """A write to a full disk raises StorageFull and leaves neither a partial object nor a temporary file."""
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


def test_modified_file_is_corrupt(store: LocalStore, tmp_path: Path) -> None:
    """A flipped bit, a truncated file and extra bytes all raise ObjectCorrupt."""
    store.put("a/b", b"figures")
    for changed in (b"figurez", b"figure", b"figures ", b""):
        (tmp_path / "a/b").write_bytes(changed)
        with pytest.raises(ObjectCorrupt, match=r"'a/b' is corrupt: SHA-256 mismatch"):
            store.get("a/b")


def test_foreign_file_has_no_checksum(store: LocalStore, tmp_path: Path) -> None:
    """Files from the legacy platform or from an archive are read without verification."""
    (tmp_path / "old.json").write_bytes(b"{}")
    assert store.get("old.json") == b"{}"
    assert store.info("old.json").sha256 is None
    store.put("old.json", b"{}")
    assert supports_checksums(tmp_path)
    assert list(store.keys()) == ["old.json"]


def test_checksum_takes_no_space(store: LocalStore, tmp_path: Path) -> None:
    """A small object takes as many blocks as the same file without a checksum."""
    (tmp_path / "plain").write_bytes(b"x" * 100)
    store.put("pins/a.json", b"x" * 100)
    os.sync()
    assert (tmp_path / "pins/a.json").stat().st_blocks == (tmp_path / "plain").stat().st_blocks


def test_checksum_of_an_earlier_version_is_verified(store: LocalStore, tmp_path: Path) -> None:
    """Earlier versions stored hex digits under another name."""
    path = tmp_path / "old"
    path.write_bytes(b"1")
    os.setxattr(path, "user.coin.sha256", sha256_hex(b"1").encode())
    assert (store.get("old"), store.info("old").sha256) == (b"1", sha256_hex(b"1"))
    path.write_bytes(b"2")
    with pytest.raises(ObjectCorrupt, match="SHA-256 mismatch"):
        store.get("old")


def test_unwritable_root_raises_storage_failed(tmp_path: Path) -> None:
    """A root that is a file raises StorageFailed."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="cannot access a/b: Not a directory"):
        LocalStore(tmp_path / "file").put("a/b", b"")


def test_folder_removed_during_write_is_created_again(store: LocalStore) -> None:
    """A concurrent deletion may remove an empty folder just before another writer uses it."""

    def put_and_delete(writer: int) -> None:
        for number in range(300):
            store.put(f"fingerprints/{writer}", str(number).encode())
            store.delete(f"fingerprints/{writer}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put_and_delete, range(4)))
    assert list(store.keys()) == []


@pytest.mark.parametrize("key", ["results/a.json", "results/../.tmp-1", ".tmp-1"])
def test_discard_removes_only_temporary_files(store: LocalStore, key: str) -> None:
    """Discarding an object or a path outside the store is rejected."""
    store.put("results/a.json", b"")
    with pytest.raises(InvalidInput):
        store.discard(IncompleteWrite(key, 0, datetime.now(UTC)))
    assert list(store.keys()) == ["results/a.json"]


def test_top_level_folder_may_be_a_link(tmp_path: Path) -> None:
    """A link to another disk works for every operation and is kept."""
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


def test_links_below_top_level_are_not_followed(store: LocalStore, tmp_path: Path) -> None:
    """Otherwise retention of tasks could delete results."""
    store.put("results/deep/a", b"1")
    (tmp_path / "results/deep/.tmp-1").write_bytes(b"half")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/x").symlink_to("../results")
    for prefix in ("tasks", "tasks/x", "tasks/x/deep"):
        assert list(store.keys(prefix)) == []
    assert list(store.keys()) == ["results/deep/a"]
    for action in (
        lambda: store.delete("tasks/x/deep/a"),
        lambda: store.discard(IncompleteWrite("tasks/x/deep/.tmp-1", 0, datetime.now(UTC))),
    ):
        with pytest.raises(StorageFailed, match="tasks/x is a link"):
            action()
    assert sorted(path.name for path in (tmp_path / "results/deep").iterdir()) == [".tmp-1", "a"]


def test_link_to_file_is_listed_and_broken_link_skipped(store: LocalStore, tmp_path: Path) -> None:
    """A link to a file counts as that file; broken and cyclic links do not break a listing."""
    store.put("results/a", b"12345")
    for name, target in {"b": "a", "loop": "loop", "gone": "absent"}.items():
        (tmp_path / "results" / name).symlink_to(target)
    (tmp_path / "loop").symlink_to("loop")
    assert [(entry.key, entry.size) for entry in store.entries()] == [("results/a", 5), ("results/b", 5)]
    store.delete("results/b")
    assert store.get("results/a") == b"12345"
