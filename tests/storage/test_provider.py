"""The public storage provider, tested on a directory and on a bucket."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from coin_pipeline.errors import InvalidInput, ObjectCorrupt, ObjectNotFound, StorageFailed, StorageRefused
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.provider import S3StorageProvider, StorageProvider
from coin_pipeline.storage.s3 import S3Store
from tests.s3 import S3Server

BUCKET = "provider"


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Return an empty store."""
    if request.param == "local":
        return LocalStore(tmp_path / "store")
    bucket: S3Store = request.getfixturevalue("s3_server").store(BUCKET)
    for key in list(bucket.keys()):
        bucket.delete(key)
    return bucket


@pytest.fixture
def provider(store: ObjectStore) -> StorageProvider:
    """Return the provider of that store."""
    return StorageProvider(store)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file to upload."""
    path = tmp_path / "mine" / "test.json"
    path.parent.mkdir()
    path.write_text('{"test": "data"}')
    return path


def damage(store: ObjectStore, key: str) -> None:
    """Change one byte of a stored object but not its recorded digest."""
    if isinstance(store, LocalStore):
        with (store.root / key).open("r+b") as file:
            file.write(b"!")
        return
    assert isinstance(store, S3Store)
    metadata = {"sha256": store.info(key).sha256}
    store.client.put_object(Bucket=store.bucket, Key=key, Body=b"!" + store.get(key)[1:], Metadata=metadata)


def test_migration_checklist_program_works(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program of the migration checklist uploads and verifies a file, with only module name and folder changed."""
    s3_server.store("backtest-bucket")
    for name, value in s3_server.environment("another-bucket").items():
        monkeypatch.setenv(name, value)

    async def test() -> None:
        provider = S3StorageProvider(bucket_name="backtest-bucket", region="us-east-1")
        with (tmp_path / "test.json").open("w") as f:
            f.write('{"test": "data"}')
        result = await provider.upload(
            file_path=str(tmp_path / "test.json"), remote_path="test/test.json", metadata={"test": "true"}
        )
        print(f"Upload: {result['success']} - ETag: {result['etag']}")  # noqa: T201
        integrity = await provider.verify_integrity(remote_path="test/test.json", local_etag=result["etag"])
        print(f"Integrity: {integrity['matches']}")  # noqa: T201

    asyncio.run(test())
    digest = hashlib.sha256(b'{"test": "data"}').hexdigest()
    assert capsys.readouterr().out == f"Upload: True - ETag: {digest}\nIntegrity: True\n"
    assert s3_server.store("backtest-bucket").get("test/test.json") == b'{"test": "data"}'


def test_upload_round_trip(provider: StorageProvider, file: Path, tmp_path: Path) -> None:
    """Upload, list, metadata, download and delete agree on one file."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()

    async def act() -> None:
        upload = await provider.upload(file, "test/test.json", {"test": "true"})
        expected = {"success": True, "etag": digest, "sha256": digest, "remote_path": "test/test.json", "size": 16}
        assert upload == {**expected, "location": provider.store.uri("test/test.json")}
        metadata = await provider.get_metadata("test/test.json")
        assert (metadata["size"], metadata["etag"], metadata["metadata"]) == (16, digest, {"test": "true"})
        listed = await provider.list_files()
        assert [(item["path"], item["size"]) for item in listed] == [("test/test.json", 16)]
        back = tmp_path / "new" / "back.json"
        assert await provider.download("test/test.json", str(back)) == {**expected, "file_path": str(back)}
        assert back.read_bytes() == file.read_bytes()  # noqa: ASYNC240
        assert await provider.delete("test/test.json") == {"success": True, "remote_path": "test/test.json"}
        assert await provider.list_files() == []

    asyncio.run(act())


def test_second_upload_replaces_the_first(provider: StorageProvider, file: Path) -> None:
    """An upload overwrites, as on the legacy platform."""
    asyncio.run(provider.upload(file, "a"))
    file.write_bytes(b"second")
    asyncio.run(provider.upload(file, "a"))
    assert provider.store.get("a") == b"second"


@pytest.mark.parametrize(
    ("prefix", "paths"),
    [
        ("", ["ab/x", "ab/y/z", "abc"]),
        ("ab/", ["ab/x", "ab/y/z"]),
        ("ab", ["ab/x", "ab/y/z", "abc"]),
        ("ab/y", ["ab/y/z"]),
    ],
)
def test_prefix_matches_paths(provider: StorageProvider, prefix: str, paths: list[str]) -> None:
    """A prefix need not end at a folder boundary."""
    for key in ("ab/x", "ab/y/z", "abc"):
        provider.store.put(key, b"")
    assert sorted(item["path"] for item in asyncio.run(provider.list_files(prefix))) == paths


@pytest.mark.parametrize("size", [0, 256, 16 * 2**20 + 1, 100 * 2**20])
def test_files_of_any_size_are_verified(provider: StorageProvider, tmp_path: Path, size: int) -> None:
    """Empty and large files keep the digest of the file."""
    path = tmp_path / "to-upload"
    path.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()

    async def act() -> None:
        upload = await provider.upload(path, "large")
        assert (upload["size"], upload["etag"]) == (size, digest)
        assert (await provider.verify_integrity("large", digest))["matches"]
        await provider.download("large", tmp_path / "back")

    asyncio.run(act())
    with (tmp_path / "back").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest
    provider.store.delete("large")


@pytest.mark.parametrize("written", ["{}", '"{}"', " {} \n"])
@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_local_digest_is_compared(provider: StorageProvider, file: Path, algorithm: str, written: str) -> None:
    """The output of sha256sum or md5sum matches the same file and no other; both digests are returned."""
    asyncio.run(provider.upload(file, "a"))
    right, wrong = (hashlib.new(algorithm, data).hexdigest() for data in (file.read_bytes(), b"other"))
    for local in (right, wrong):
        report = asyncio.run(provider.verify_integrity("a", written.format(local.upper())))
        assert report == {
            "remote_path": "a",
            "algorithm": algorithm,
            "local_etag": local,
            "remote_etag": right,
            "matches": local == right,
        }


def test_damaged_object_does_not_match(provider: StorageProvider, file: Path, tmp_path: Path) -> None:
    """Verification reports the damage; a download raises and leaves the existing file unchanged."""
    digest = asyncio.run(provider.upload(file, "a"))["etag"]
    damage(provider.store, "a")
    report = asyncio.run(provider.verify_integrity("a", digest))
    assert (report["matches"], report["remote_etag"]) == (False, None)
    assert "is corrupt" in report["reason"]
    (tmp_path / "back").write_bytes(b"before")
    with pytest.raises(ObjectCorrupt):
        asyncio.run(provider.download("a", tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"before"


@pytest.mark.parametrize("etag", ["", "abc", "g" * 64, f"{'0' * 32}-2", "0" * 40])
def test_invalid_digest_is_rejected(provider: StorageProvider, file: Path, etag: str) -> None:
    """S3's ETag of a multipart upload is rejected instead of reported as a mismatch."""
    asyncio.run(provider.upload(file, "a"))
    with pytest.raises(InvalidInput, match=r"local_etag: .* is neither a SHA-256 nor an MD5"):
        asyncio.run(provider.verify_integrity("a", etag))


def test_abupload_object_or_file_raises(provider: StorageProvider, tmp_path: Path) -> None:
    """An abupload object or file is neither a mismatch nor a success."""
    for request in (
        provider.get_metadata("no"),
        provider.download("no", tmp_path / "x"),
        provider.verify_integrity("no", "0" * 64),
    ):
        with pytest.raises(ObjectNotFound, match="'no'"):
            asyncio.run(request)
    with pytest.raises(InvalidInput, match=r"file_path: the file .* does not exist"):
        asyncio.run(provider.upload(tmp_path / "abupload", "a"))
    assert not (tmp_path / "x").exists()


def test_download_to_invalid_path_raises(provider: StorageProvider, file: Path, tmp_path: Path) -> None:
    """The error names the folder, and no temporary file is left."""
    asyncio.run(provider.upload(file, "a"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageFailed, match="folder"):
        asyncio.run(provider.download("a", tmp_path / "folder"))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_concurrent_uploads_all_succeed(provider: StorageProvider, tmp_path: Path) -> None:
    """Twenty concurrent uploads item store their own bytes."""
    paths = [tmp_path / f"{number}" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100_000)

    async def act() -> list[bool]:
        upload = await asyncio.gather(*(provider.upload(path, f"many/{path.name}") for path in paths))
        report = await asyncio.gather(
            *(provider.verify_integrity(item["remote_path"], item["etag"]) for item in upload)
        )
        return [item["matches"] for item in report]

    assert asyncio.run(act()) == [True] * 20
    assert all(provider.store.get(f"many/{number}") == bytes([number]) * 100_000 for number in range(20))


@dataclass
class ConcurrentChange(LocalStore):
    """A store during whose uploads a callback runs."""

    root: Path
    callback: Callable[[], object]

    def put(self, key: str, data: object, **options: object) -> None:
        """Store the object, then run the callback."""
        super().put(key, data, **options)  # type: ignore[arg-type]
        self.callback()


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"!")


@pytest.mark.parametrize("size", [1, 16 * 2**20 + 1])
@pytest.mark.parametrize("change", [_flip, lambda path: os.truncate(path, 0), Path.unlink])
def test_file_modified_during_upload_raises(tmp_path: Path, size: int, change: Callable[[Path], object]) -> None:
    """No digest is returned for a file that has changed."""
    path = tmp_path / "changing"
    path.write_bytes(bytes(size))
    provider = StorageProvider(ConcurrentChange(tmp_path / "store", lambda: change(path)))
    with pytest.raises(StorageFailed, match=r"was modified during its upload|No such file"):
        asyncio.run(provider.upload(path, "a"))


def test_file_truncated_during_upload_does_not_kill_the_process(tmp_path: Path) -> None:
    """Reading a truncated memory-mapped file would end the process with SIGBUS."""
    (tmp_path / "cut").write_bytes(bytes(16 * 2**20 + 1))
    program = (
        "import asyncio, os, sys; from pathlib import Path\n"
        "from coin_pipeline.errors import StorageFailed\n"
        "from coin_pipeline.storage.local import LocalStore\n"
        "from coin_pipeline.storage.provider import StorageProvider\n"
        "folder = Path(sys.argv[1])\n"
        "class Truncates(LocalStore):\n"
        "    def put(self, *arguments, **options):\n"
        "        os.truncate(folder / 'cut', 0)\n"
        "        super().put(*arguments, **options)\n"
        "try:\n"
        "    asyncio.run(StorageProvider(Truncates(folder / 'store')).upload(folder / 'cut', 'a'))\n"
        "except StorageFailed as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert "was modified during its upload" in done.stdout


def test_unusable_bucket_raises(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """A failure raises; it is never reported as a success."""
    for name, value in s3_server.environment("another-bucket").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageRefused, match="the bucket does not exist"):
        asyncio.run(S3StorageProvider("never-made", endpoint_url=s3_server.endpoint, path_style=True).upload(file, "a"))
