"""Verification of stored results."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coin_pipeline.errors import ObjectCorrupt
from coin_pipeline.results.publish import publish_document, publish_task
from coin_pipeline.results.store import read_result, to_bytes
from coin_pipeline.results.verify import verify_results
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.s3 import S3Store

if TYPE_CHECKING:
    from tests.s3 import S3Server

FILES = {"equity.parquet": b"PAR1" * 100, "report.html": b"<html>", "result.json": b'{"run_id":"t"}'}
KEYS = ["tasks/t/equity.parquet", "tasks/t/report.html", "tasks/t/result.json", "results/r.json", "reports/r.html"]


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A store with a task, a synchronous run, and a failed task."""
    store: ObjectStore = LocalStore(tmp_path)
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        store = server.store(f"verify-{uuid.uuid4().hex[:12]}")
    publish_task(store, {"task_id": "t", "status": "completed"}, FILES)
    publish_task(store, {"task_id": "failed", "status": "failed"}, {})
    publish_document(store, {"run_id": "r"}, b"<html>")
    return store


def replace(store: ObjectStore, key: str, data: bytes) -> None:
    """Change an object without its digest, as bit rot or a broken disk does."""
    if isinstance(store, S3Store):
        metadata = store.client.head_object(Bucket=store.bucket, Key=key)["Metadata"]
        store.client.put_object(Bucket=store.bucket, Key=key, Body=data, Metadata=metadata)
    else:
        Path(store.uri(key)).write_bytes(data)


def test_intact_results_have_no_problems(store: ObjectStore) -> None:
    """Every object of both results was read; the failed task has no result."""
    verdicts = {verdict.run_id: verdict for verdict in verify_results(store)}
    assert {run_id: (found.objects, found.unchecked, found.problems) for run_id, found in verdicts.items()} == {
        "t": (3, 0, ()),
        "r": (2, 0, ()),
    }
    assert verdicts["t"].size == sum(map(len, FILES.values()))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:-1] + b"?", lambda _: b""])
def test_every_changed_or_cut_object_is_named(store: ObjectStore, key: str, change: Callable[[bytes], bytes]) -> None:
    """A wrong byte, a missing byte or an empty file is found in each object, and in no other."""
    replace(store, key, change(store.get(key)))
    (bad,) = [verdict for verdict in verify_results(store) if verdict.problems]
    assert bad.run_id == key.split("/")[1].split(".", maxsplit=1)[0]
    assert [key in problem and "is corrupt" in problem for problem in bad.problems] == [True]


@pytest.mark.parametrize("key", KEYS[:3])
def test_a_missing_listed_file_is_reported(store: ObjectStore, key: str) -> None:
    """The manifest lists the missing file."""
    store.delete(key)
    (bad,) = [verdict for verdict in verify_results(store) if verdict.problems]
    assert bad.problems == (f"object {key!r} does not exist",)


def test_a_file_of_another_task_is_not_taken_for_its_own(store: ObjectStore) -> None:
    """A file of another task is rejected, even with a valid digest or a path out of the folder."""
    manifest = json.loads(store.get("tasks/t/manifest.json"))
    manifest["result_files"][0]["sha256"] = "0" * 64
    manifest["result_files"][1]["name"] = "../../results/r.json"
    store.put("tasks/t/manifest.json", to_bytes(manifest), overwrite=True)
    (bad,) = [verdict for verdict in verify_results(store) if verdict.problems]
    assert "sha256" in bad.problems[0]
    assert "is not an object key" in bad.problems[1]


def test_a_manifest_that_cannot_be_read_hides_nothing(store: ObjectStore) -> None:
    """It is reported, and the other results are still verified."""
    replace(store, "tasks/t/manifest.json", b"{")
    verdicts = {verdict.run_id: verdict.problems for verdict in verify_results(store)}
    assert verdicts["r"] == ()
    assert "'tasks/t/manifest.json' is corrupt" in verdicts["t"][0]


def test_legacy_results_are_read_and_reported_as_unchecked(tmp_path: Path) -> None:
    """Legacy files have no checksum; one that is not valid JSON is still reported."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/old.json").write_text('{"run_id":"old","symbols":[{"symbol":"BTC_KRW","signals":3}]}')
    (tmp_path / "results/cut.json").write_text('{"run_id":"cut","symb')
    cut, old = verify_results(LocalStore(tmp_path))
    assert (old.unchecked, old.problems) == (1, ())
    assert (cut.unchecked, "it is not valid JSON" in cut.problems[0]) == (1, True)


def test_figures_that_were_changed_with_their_file_are_found(tmp_path: Path) -> None:
    """A replaced file without a checksum is verified against the digest in its document."""
    (tmp_path / "results").mkdir()
    document = {"run_id": "r", "total": 9.9, "symbols": [], "result_sha256": "0" * 64}
    (tmp_path / "results/r.json").write_bytes(to_bytes(document))
    (bad,) = verify_results(LocalStore(tmp_path))
    assert "changed after the run" in bad.problems[0]


def test_a_result_of_a_hundred_megabytes_is_verified(store: ObjectStore) -> None:
    """A large result is published, read back byte for byte and verified, and a truncated one is found."""
    document = b'{"run_id":"large","signals":"' + b"x" * 100 * 2**20 + b'"}'
    publish_task(store, {"task_id": "large", "status": "completed"}, {"result.json": document})
    assert read_result(store, "large") == document
    assert [verdict.problems for verdict in verify_results(store)] == [()] * 3
    replace(store, "tasks/large/result.json", document[:-1])
    with pytest.raises(ObjectCorrupt, match=r"tasks/large/result\.json"):
        read_result(store, "large")
