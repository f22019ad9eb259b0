"""The contract of every object store, tested on a directory and on a real S3 server."""

import hashlib
import mmap
import uuid
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coin_pipeline import retry
from coin_pipeline.errors import InvalidInput, ObjectCorrupt, ObjectExists, ObjectNotFound
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.put_all import put_all
from coin_pipeline.storage.s3 import MULTIPART_THRESHOLD_BYTES, PART_BYTES, S3Store
from tests.forking import forking
from tests.s3 import S3Server

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LONGEST = "/".join(["k" * 255] * 4)


def test_put_get_round_trip(store: ObjectStore) -> None:
    """The bytes read are the bytes written."""
    store.put("tasks/a/result.json", b"\x00\xff")
    store.put("tasks/a/empty", b"")
    assert store.get("tasks/a/result.json") == b"\x00\xff"
    assert store.get("tasks/a/empty") == b""
    assert store.exists("tasks/a/result.json")
    assert not store.exists("tasks/a")


def test_second_put_does_not_replace(store: ObjectStore) -> None:
    """Different bytes under an existing key are rejected, and the first ones are kept."""
    store.put("a", b"first")
    with pytest.raises(ObjectExists, match="'a' already exists"):
        store.put("a", b"second")
    assert store.get("a") == b"first"


def test_repeated_put_of_same_bytes_succeeds(store: ObjectStore) -> None:
    """A retried write of the same object succeeds."""
    store.put("a", b"same")
    store.put("a", b"same")
    assert store.get("a") == b"same"


def test_overwrite_replaces(store: ObjectStore) -> None:
    """With overwrite the last bytes win, with their own checksum and metadata."""
    store.put("a", b"first", overwrite=True, metadata={"of": "first"})
    store.put("a", b"second", overwrite=True)
    assert store.get("a") == b"second"
    assert store.info("a").sha256 == hashlib.sha256(b"second").hexdigest()
    assert store.info("a").metadata == {}


def test_get_of_absent_key_raises_object_not_found(store: ObjectStore) -> None:
    """Absent objects, folders and keys below an object raise ObjectNotFound."""
    store.put("folder/a", b"")
    for key in ("b", "folder", "folder/a/b"):
        for read in (store.get, store.info):
            with pytest.raises(ObjectNotFound, match=key):
                read(key)


def test_an_object_is_read_at_any_position(store: ObjectStore) -> None:
    """A large object need not be in memory as a whole; an absent one is not found."""
    data = bytes(range(256)) * 20_000
    store.put("large", data)
    with store.open("large") as file:
        assert file.read() == data
        file.seek(1_000_003)
        assert file.read(5) == data[1_000_003:1_000_008]
    with pytest.raises(ObjectNotFound), store.open("absent"):
        pass


def test_a_damaged_object_is_not_opened(store: ObjectStore) -> None:
    """The bytes are verified before the first is returned."""
    store.put("a", b"first")
    if isinstance(store, S3Store):
        metadata = store.client.head_object(Bucket=store.bucket, Key="a")["Metadata"]
        store.client.put_object(Bucket=store.bucket, Key="a", Body=b"other", Metadata=metadata)
    else:
        Path(store.uri("a")).write_bytes(b"other")
    with pytest.raises(ObjectCorrupt, match="5 bytes read are not those that were stored"), store.open("a"):
        pass


def test_several_objects_are_stored_at_once(store: ObjectStore) -> None:
    """All of them are there afterwards, and existing ones are replaced."""
    store.put("tasks/t/3", b"old")
    objects = {f"tasks/t/{number}": bytes([number]) * 1000 for number in range(9)}
    put_all(store, objects)
    assert {key: store.get(key) for key in store.keys("tasks")} == objects


def test_a_key_that_cannot_be_stored_fails_all(store: ObjectStore) -> None:
    """The error is that of the write."""
    with pytest.raises(InvalidInput, match=r"\.\./b"):
        put_all(store, {"a": b"1", "../b": b"2"})


def test_writes_at_once_wait_through_an_outage_as_their_caller_does(tmp_path: Path) -> None:
    """A run tolerates outages in its own thread; the threads that write for it do as well."""
    waits: list[float] = []

    class Waiting(LocalStore):
        """A store whose writes record how long they may wait."""

        def put(self, key: str, data: "ReadableBuffer", **options: object) -> None:
            """Record."""
            assert key in {"a", "b"}, (data, options)
            waits.append(retry._tolerance_s.get())

    with retry.tolerate_outages(7):
        put_all(Waiting(tmp_path), {"a": b"", "b": b""})
    assert waits == [7, 7]


def test_info_describes_the_object(store: ObjectStore) -> None:
    """Size, digest, time and metadata are available without reading the object."""
    store.put("a/b", b"12345", metadata={"source": "upbit", "kind": "a=b; c"})
    info = store.info("a/b")
    assert (info.size, info.sha256) == (5, hashlib.sha256(b"12345").hexdigest())
    assert info.metadata == {"source": "upbit", "kind": "a=b; c"}
    assert abs(datetime.now(UTC) - info.modified) < timedelta(minutes=1)


@pytest.mark.parametrize("metadata", [{"설명": "x"}, {"a": "비트"}, {"A b": "x"}, {"sha256": "x"}, {"a": "x" * 2000}])
def test_invalid_metadata_is_rejected(store: ObjectStore, metadata: dict[str, str]) -> None:
    """Every store rejects the same metadata and stores nothing."""
    with pytest.raises(InvalidInput, match="metadata"):
        store.put("a", b"", metadata=metadata)
    assert not store.exists("a")


def test_listing_is_limited_to_one_folder(store: ObjectStore) -> None:
    """A listing contains one folder, not others that share its prefix; servers sort differently."""
    keys = ["tasks/b/x", "tasks/a/x", "tasks/a-1", "tasks/a.b/y", "tasks/가/y", "tasks2/c", "results/c"]
    for key in keys:
        store.put(key, key.encode())
    assert sorted(store.keys("tasks")) == sorted(key for key in keys if key.startswith("tasks/"))
    assert sorted(store.keys()) == sorted(keys)
    assert list(store.keys("nothing")) == []
    assert [(entry.key, entry.size) for entry in store.entries("results")] == [("results/c", 9)]


def test_listing_spans_pages(store: ObjectStore) -> None:
    """S3 lists a thousand objects per page."""
    for number in range(1100):
        store.put(f"many/{number:04}", b"")
    assert sorted(store.keys("many")) == [f"many/{number:04}" for number in range(1100)]


def test_delete_is_idempotent(store: ObjectStore) -> None:
    """Deleting twice is not an error, and neighbouring objects are kept."""
    store.put("runs/r/a", b"")
    store.put("runs/r/deep/b", b"")
    store.delete("runs/r/deep/b")
    store.delete("runs/r/deep/b")
    assert list(store.keys()) == ["runs/r/a"]


UNSAFE = [
    "../a",
    "a/../b",
    "/a",
    "a//b",
    "a/",
    "",
    ".",
    "a/.hidden",
    "a\x00b",
    "a\\b",
    "k" * 256,
    LONGEST + "k",
    "\ud800",
]


@pytest.mark.parametrize("key", UNSAFE)
def test_unsafe_keys_are_rejected(store: ObjectStore, key: str) -> None:
    """No key may leave the store, be hidden, or exceed the length that every store supports."""
    for act in (lambda: store.put(key, b""), lambda: store.get(key), lambda: store.delete(key)):
        with pytest.raises(InvalidInput, match="is not an object key"):
            act()


@pytest.mark.parametrize("key", ["결과/비트코인.json", "a b/c", "a+b/%20/&?#=;:@$,'()!~*.json", "e\u0301/é", LONGEST])
def test_unicode_special_and_longest_keys_work(store: ObjectStore, key: str) -> None:
    """Keys of any script are preserved; the longest key has 1,024 bytes including separators."""
    store.put(key, b"1")
    assert list(store.keys()) == [key]
    assert store.get(key) == b"1"
    store.delete(key)
    assert not store.exists(key)


@pytest.mark.parametrize(
    "size", [MULTIPART_THRESHOLD_BYTES, MULTIPART_THRESHOLD_BYTES + 1, 3 * PART_BYTES, 100 * 2**20]
)
def test_large_objects_round_trip(store: ObjectStore, size: int, tmp_path: Path) -> None:
    """Large objects are uploaded in parts; memory-mapped data works, and a second put with other bytes is rejected."""
    path = tmp_path / "to-upload"
    path.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        digest = hashlib.sha256(mapped).hexdigest()
        store.put("large", mapped)
        store.put("large", mapped)
    assert hashlib.sha256(store.get("large")).hexdigest() == digest
    info = store.info("large")
    assert (info.size, info.sha256) == (size, digest)
    with pytest.raises(ObjectExists):
        store.put("large", bytes(size))


def _put_numbered(store: tuple[str, S3Server] | Path, number: int) -> bool:
    opened: ObjectStore = LocalStore(store) if isinstance(store, Path) else store[1].store(store[0])
    try:
        opened.put("contested", str(number).encode() * 1000)
    except ObjectExists:
        return False
    return True


@pytest.mark.parametrize("backend", ["local", "s3"])
def test_only_one_of_many_writers_wins(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Create-only puts are atomic across processes."""
    location: tuple[str, S3Server] | Path = tmp_path
    store: ObjectStore = LocalStore(tmp_path)
    if backend == "s3":
        running: S3Server = request.getfixturevalue("s3_server")
        server = S3Server(None, running.endpoint)  # type: ignore[arg-type] -- a process cannot be pickled
        location, store = ("contested", server), server.store("contested")
    with ProcessPoolExecutor(4, forking()) as pool:
        wins = list(pool.map(_put_numbered, [location] * 16, range(16)))
    assert sum(wins) == 1
    assert store.get("contested") == str(wins.index(True)).encode() * 1000


def _interrupt_write(store: ObjectStore, key: str) -> None:
    """Leave what a process leaves when it is killed while writing `key`."""
    if isinstance(store, LocalStore):
        path = store.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".tmp-{uuid.uuid4().hex}").write_bytes(b"12345")
    else:
        assert isinstance(store, S3Store)
        upload = store.client.create_multipart_upload(Bucket=store.bucket, Key=key)
        target = {"Bucket": store.bucket, "Key": key, "UploadId": upload["UploadId"]}
        store.client.upload_part(**target, PartNumber=1, Body=b"12345")


def test_incomplete_writes_are_listed_and_discarded(store: ObjectStore) -> None:
    """Old incomplete writes of one folder are found; listings hide them, and discarding twice is not an error."""
    store.put("results/whole", b"12345")
    for key in ("results/broken", "results2/other", "runs/r/deep/broken"):
        _interrupt_write(store, key)
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert list(store.incomplete_writes("results", later - timedelta(hours=1))) == []
    (left,) = store.incomplete_writes("results", later)
    (deep,) = store.incomplete_writes("runs", later)
    assert (left.size, deep.key.rpartition("/")[0]) == (5, "runs/r/deep")
    assert abs(datetime.now(UTC) - left.started_at) < timedelta(minutes=1)
    assert list(store.keys("results")) == ["results/whole"]
    for _ in range(2):
        store.discard(left)
        store.discard(deep)
    assert [*store.incomplete_writes("results", later), *store.incomplete_writes("runs", later)] == []
    assert len(list(store.incomplete_writes("results2", later))) == 1
    assert list(store.keys()) == ["results/whole"]
    assert list(store.incomplete_writes("nothing", later)) == []


def test_free_bytes_of_disk_and_bucket(store: ObjectStore) -> None:
    """A disk reports its free space; a bucket has no limit."""
    free = store.free_bytes()
    assert (free is None) == isinstance(store, S3Store)
    assert free is None or free > 0
