"""Objects in a local folder."""

import multiprocessing
import resource
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from coin_pipeline.errors import InvalidInput, ObjectExists, ObjectNotFound, StorageFailed
from coin_pipeline.storage.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path)


def test_put_then_get_returns_the_same_bytes(store: LocalStore) -> None:
    """What was put is what is read."""
    store.put("tasks/a/result.json", b"\x00\xff")
    assert store.get("tasks/a/result.json") == b"\x00\xff"
    assert store.exists("tasks/a/result.json")


def test_a_second_put_never_replaces(store: LocalStore) -> None:
    """Other bytes under a taken key are refused, and the first ones stay."""
    store.put("a", b"first")
    with pytest.raises(ObjectExists, match="'a' exists already"):
        store.put("a", b"second")
    assert store.get("a") == b"first"


def test_putting_the_same_bytes_twice_is_fine(store: LocalStore) -> None:
    """A retried write of the same object succeeds."""
    store.put("a", b"same")
    store.put("a", b"same")
    assert list(store.keys("a")) == []
    assert store.get("a") == b"same"


def test_overwrite_replaces(store: LocalStore) -> None:
    """With overwrite the last bytes stand."""
    store.put("a", b"first", overwrite=True)
    store.put("a", b"second", overwrite=True)
    assert store.get("a") == b"second"


def test_get_of_an_absent_key_is_a_named_error(store: LocalStore) -> None:
    """An absent object is not found; neither is a folder, nor a key below a file."""
    store.put("folder/a", b"")
    for key in ("b", "folder", "folder/a/b"):
        with pytest.raises(ObjectNotFound, match=key):
            store.get(key)


def test_keys_are_sorted_and_leave_out_what_is_being_written(store: LocalStore, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("key", ["../a", "a/../b", "/a", "a//b", "", ".", "a/.hidden", "a\x00b", "a\\b", "k" * 1025])
def test_keys_that_could_leave_the_root_are_refused(store: LocalStore, key: str) -> None:
    """No key reaches outside the folder or hides in it."""
    with pytest.raises(InvalidInput, match="is not an object key"):
        store.put(key, b"")


@pytest.mark.parametrize("key", ["결과/비트코인.json", "a b/c", "x" * 200])
def test_unicode_and_long_keys_work(store: LocalStore, key: str) -> None:
    """Keys of any script are kept as they are."""
    store.put(key, b"1")
    assert list(store.keys(key.split("/", maxsplit=1)[0] if "/" in key else "nothing")) in ([key], [])
    assert store.get(key) == b"1"


def _put_numbered(root: Path, number: int) -> bool:
    try:
        LocalStore(root).put("contested", str(number).encode())
    except ObjectExists:
        return False
    return True


def test_of_many_writers_of_one_key_one_wins(tmp_path: Path) -> None:
    """Create-only holds between processes."""
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        won = list(pool.map(_put_numbered, [tmp_path] * 16, range(16)))
    assert sum(won) == 1
    assert LocalStore(tmp_path).get("contested") == str(won.index(True)).encode()


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
    assert done.stdout.startswith("no space to write tasks/a/result.json")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A root that is a file is an error of the family, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="cannot reach a/b: Not a directory"):
        LocalStore(tmp_path / "file").put("a/b", b"")
