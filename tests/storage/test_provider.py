"""Files to and from a store as the users' own programs move them, in a folder and in a bucket alike."""

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
    """An empty store."""
    if request.param == "local":
        return LocalStore(tmp_path / "store")
    found: S3Store = request.getfixturevalue("s3_server").store(BUCKET)
    for key in list(found.keys()):
        found.delete(key)
    return found


@pytest.fixture
def provider(store: ObjectStore) -> StorageProvider:
    """The provider of that store."""
    return StorageProvider(store)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to upload."""
    path = tmp_path / "mine" / "test.json"
    path.parent.mkdir()
    path.write_text('{"test": "data"}')
    return path


def damage(store: ObjectStore, key: str) -> None:
    """Change a byte of an object where it lies, and nothing that is said of it."""
    if isinstance(store, LocalStore):
        with (store.root / key).open("r+b") as file:
            file.write(b"!")
        return
    assert isinstance(store, S3Store)
    about = {"sha256": store.info(key).sha256}
    store.client.put_object(Bucket=store.bucket, Key=key, Body=b"!" + store.get(key)[1:], Metadata=about)


def test_the_users_checklist_works(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program of the checklist, with its module's name and its folder changed, uploads and verifies."""
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


def test_what_was_uploaded_comes_back(provider: StorageProvider, file: Path, tmp_path: Path) -> None:
    """Upload, list, describe, download and delete tell the same of one file."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()

    async def act() -> None:
        sent = await provider.upload(file, "test/test.json", {"test": "true"})
        facts = {"success": True, "etag": digest, "sha256": digest, "remote_path": "test/test.json", "size": 16}
        assert sent == {**facts, "location": provider.store.uri("test/test.json")}
        told = await provider.get_metadata("test/test.json")
        assert (told["size"], told["etag"], told["metadata"]) == (16, digest, {"test": "true"})
        listed = await provider.list_files()
        assert [(each["path"], each["size"]) for each in listed] == [("test/test.json", 16)]
        back = tmp_path / "new" / "back.json"
        assert await provider.download("test/test.json", str(back)) == {**facts, "file_path": str(back)}
        assert back.read_bytes() == file.read_bytes()  # noqa: ASYNC240
        assert await provider.delete("test/test.json") == {"success": True, "remote_path": "test/test.json"}
        assert await provider.list_files() == []

    asyncio.run(act())


def test_a_second_upload_replaces_the_first(provider: StorageProvider, file: Path) -> None:
    """An upload is not create-only, as that of the older platform was not."""
    asyncio.run(provider.upload(file, "a"))
    file.write_bytes(b"second")
    asyncio.run(provider.upload(file, "a"))
    assert provider.store.get("a") == b"second"


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("", ["ab/x", "ab/y/z", "abc"]),
        ("ab/", ["ab/x", "ab/y/z"]),
        ("ab", ["ab/x", "ab/y/z", "abc"]),
        ("ab/y", ["ab/y/z"]),
    ],
)
def test_a_prefix_is_one_of_the_path(provider: StorageProvider, prefix: str, found: list[str]) -> None:
    """It need not end where a folder does."""
    for key in ("ab/x", "ab/y/z", "abc"):
        provider.store.put(key, b"")
    assert sorted(each["path"] for each in asyncio.run(provider.list_files(prefix))) == found


@pytest.mark.parametrize("size", [0, 256, 16 * 2**20 + 1, 100 * 2**20])
def test_files_of_any_size_are_verified(provider: StorageProvider, tmp_path: Path, size: int) -> None:
    """Empty, and larger than memory should hold: the digest is that of the file."""
    path = tmp_path / "to-upload"
    path.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()

    async def act() -> None:
        sent = await provider.upload(path, "large")
        assert (sent["size"], sent["etag"]) == (size, digest)
        assert (await provider.verify_integrity("large", digest))["matches"]
        await provider.download("large", tmp_path / "back")

    asyncio.run(act())
    with (tmp_path / "back").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest
    provider.store.delete("large")


@pytest.mark.parametrize("written", ["{}", '"{}"', " {} \n"])
@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_digest_of_the_users_own_is_compared(
    provider: StorageProvider, file: Path, algorithm: str, written: str
) -> None:
    """What sha256sum and md5sum say of the same file matches, and of another does not; both digests are told."""
    asyncio.run(provider.upload(file, "a"))
    right, wrong = (hashlib.new(algorithm, data).hexdigest() for data in (file.read_bytes(), b"other"))
    for local in (right, wrong):
        found = asyncio.run(provider.verify_integrity("a", written.format(local.upper())))
        assert found == {
            "remote_path": "a",
            "algorithm": algorithm,
            "local_etag": local,
            "remote_etag": right,
            "matches": local == right,
        }


def test_a_damaged_object_does_not_match(provider: StorageProvider, file: Path, tmp_path: Path) -> None:
    """That is an answer to the question; a download of it is an error, and leaves the file that was there."""
    digest = asyncio.run(provider.upload(file, "a"))["etag"]
    damage(provider.store, "a")
    found = asyncio.run(provider.verify_integrity("a", digest))
    assert (found["matches"], found["remote_etag"]) == (False, None)
    assert "is corrupt" in found["reason"]
    (tmp_path / "back").write_bytes(b"before")
    with pytest.raises(ObjectCorrupt):
        asyncio.run(provider.download("a", tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"before"


@pytest.mark.parametrize("etag", ["", "abc", "g" * 64, f"{'0' * 32}-2", "0" * 40])
def test_what_is_no_digest_is_refused(provider: StorageProvider, file: Path, etag: str) -> None:
    """S3's own ETag of an upload in parts is said not to be one, instead of a mismatch."""
    asyncio.run(provider.upload(file, "a"))
    with pytest.raises(InvalidInput, match=r"local_etag: .* is neither a SHA-256 nor an MD5"):
        asyncio.run(provider.verify_integrity("a", etag))


def test_what_is_not_there_is_a_named_error(provider: StorageProvider, tmp_path: Path) -> None:
    """Neither a missing object nor a missing file is a mismatch, or a success."""
    for ask in (
        provider.get_metadata("no"),
        provider.download("no", tmp_path / "x"),
        provider.verify_integrity("no", "0" * 64),
    ):
        with pytest.raises(ObjectNotFound, match="'no'"):
            asyncio.run(ask)
    with pytest.raises(InvalidInput, match="file_path: there is no file"):
        asyncio.run(provider.upload(tmp_path / "absent", "a"))
    assert not (tmp_path / "x").exists()


def test_a_download_to_where_no_file_can_be_is_an_error(provider: StorageProvider, file: Path, tmp_path: Path) -> None:
    """The folder is named in a sentence, and nothing half-written is left."""
    asyncio.run(provider.upload(file, "a"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageFailed, match="folder"):
        asyncio.run(provider.download("a", tmp_path / "folder"))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_many_uploads_at_once_all_arrive(provider: StorageProvider, tmp_path: Path) -> None:
    """Twenty at a time, each its own bytes."""
    paths = [tmp_path / f"{number}" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100_000)

    async def act() -> list[bool]:
        sent = await asyncio.gather(*(provider.upload(path, f"many/{path.name}") for path in paths))
        found = await asyncio.gather(*(provider.verify_integrity(each["remote_path"], each["etag"]) for each in sent))
        return [each["matches"] for each in found]

    assert asyncio.run(act()) == [True] * 20
    assert all(provider.store.get(f"many/{number}") == bytes([number]) * 100_000 for number in range(20))


@dataclass
class Meanwhile(LocalStore):
    """A folder during whose uploads something else happens."""

    root: Path
    happens: Callable[[], object]

    def put(self, key: str, data: object, **options: object) -> None:
        """Store what is there, and let it happen."""
        super().put(key, data, **options)  # type: ignore[arg-type]
        self.happens()


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"!")


@pytest.mark.parametrize("size", [1, 16 * 2**20 + 1])
@pytest.mark.parametrize("change", [_flip, lambda path: os.truncate(path, 0), Path.unlink])
def test_a_file_that_changes_during_its_upload_is_no_success(
    tmp_path: Path, size: int, change: Callable[[Path], object]
) -> None:
    """Nobody is told a digest of what the file no longer is."""
    path = tmp_path / "changing"
    path.write_bytes(bytes(size))
    provider = StorageProvider(Meanwhile(tmp_path / "store", lambda: change(path)))
    with pytest.raises(StorageFailed, match=r"was written to while it was uploaded|No such file"):
        asyncio.run(provider.upload(path, "a"))


def test_a_large_file_that_is_cut_short_during_its_upload_kills_nobody(tmp_path: Path) -> None:
    """The system ends a process that looks at a mapped page which its file no longer has."""
    (tmp_path / "cut").write_bytes(bytes(16 * 2**20 + 1))
    program = (
        "import asyncio, os, sys; from pathlib import Path\n"
        "from coin_pipeline.errors import StorageFailed\n"
        "from coin_pipeline.storage.local import LocalStore\n"
        "from coin_pipeline.storage.provider import StorageProvider\n"
        "folder = Path(sys.argv[1])\n"
        "class Cuts(LocalStore):\n"
        "    def put(self, *given, **options):\n"
        "        os.truncate(folder / 'cut', 0)\n"
        "        super().put(*given, **options)\n"
        "try:\n"
        "    asyncio.run(StorageProvider(Cuts(folder / 'store')).upload(folder / 'cut', 'a'))\n"
        "except StorageFailed as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert "was written to while it was uploaded" in done.stdout


def test_a_bucket_that_cannot_be_used_is_an_error(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    """A fault is raised, never answered with a success that is not one."""
    for name, value in s3_server.environment("another-bucket").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageRefused, match="no such bucket"):
        asyncio.run(S3StorageProvider("never-made", endpoint_url=s3_server.endpoint, path_style=True).upload(file, "a"))
