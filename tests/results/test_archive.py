"""Moving old results to a bucket and back, on a real S3 server."""

import json
import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.cli.app import coin
from coin_pipeline.errors import InvalidSettings
from coin_pipeline.results.archive import ResultArchive
from coin_pipeline.results.index import Filters, ResultIndex
from coin_pipeline.results.reindex import reindex
from coin_pipeline.results.verify import verify_results
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.archived import ArchivedStore
from coin_pipeline.storage.base import ObjectStore, sha256_hex
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.open_store import open_store
from coin_pipeline.storage.probe import check_writable
from tests.conftest import ROOT
from tests.s3 import S3Server

LONG_AGO = datetime(2024, 5, 1, 12, 30, 15, 123_456, tzinfo=UTC)
LEGACY = b'{"run_id": "old", "symbols": [], "strategy": "s"}'


@pytest.fixture
def archived(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArchivedStore:
    """The store of a DATA_ROOT with an empty bucket for its archive."""
    bucket = f"archive-{uuid.uuid4().hex[:12]}"
    s3_server.store(bucket)
    for name, value in archive_environment(s3_server, bucket, tmp_path).items():
        monkeypatch.setenv(name, value)
    store = open_store(load_settings())
    assert isinstance(store, ArchivedStore)
    return store


def archive_environment(server: S3Server, bucket: str, data_root: Path) -> dict[str, str]:
    """Return the settings that keep results under a DATA_ROOT and old ones in a bucket."""
    environment = server.environment(bucket)
    return environment | {"COIN_ARCHIVE_BUCKET": environment.pop("AWS_BUCKET_NAME"), "DATA_ROOT": str(data_root)}


def invoke(*arguments: str) -> Result:
    """Run `coin results archive` in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, ("results", "archive", *arguments), catch_exceptions=False)


def store_result(store: ObjectStore, root: Path, run_id: str, modified: datetime = LONG_AGO) -> dict[str, bytes]:
    """Store a result with a report and a table that were written at a time; return its objects."""
    document = json.dumps({"run_id": run_id, "symbols": [], "strategy": "s", "result_sha256": ""}).encode()
    objects = {
        f"results/{run_id}/signals.parquet": b"signals" * 100,
        f"reports/{run_id}.html": b"<html>",
        f"results/{run_id}.json": document,
    }
    for key, data in objects.items():
        store.put(key, data)
        os.utime(root / key, (modified.timestamp(), modified.timestamp()))
    return objects


def test_old_results_move_and_return_unchanged(archived: ArchivedStore, tmp_path: Path) -> None:
    """Only old results leave the disk; each is read as before with its time, and restored with the same bytes."""
    old, new = store_result(archived, tmp_path, "old"), store_result(archived, tmp_path, "new", datetime.now(UTC))
    before = sorted(archived.entries("results"))
    assert invoke("--older-than", "7").output.startswith("1 result, 3 objects, ")
    assert sorted([*archived.local.keys("results"), *archived.local.keys("reports")]) == sorted(new)
    assert {key: archived.get(key) for key in old | new} == old | new
    assert sorted(archived.entries("results")) == before
    assert archived.info("results/old.json").sha256 == sha256_hex(old["results/old.json"])
    assert archived.uri("results/old.json").startswith("s3://archive-")
    assert invoke("--restore").exit_code == 0
    assert {key: archived.local.get(key) for key in old | new} == old | new
    assert sorted(archived.local.entries("results")) == before
    assert list(archived.archive.keys()) == list(archived.local.keys("archive")) == []


def test_archived_results_are_listed_and_verified(archived: ArchivedStore, tmp_path: Path, index: ResultIndex) -> None:
    """Their index entries stay as they are, and verification reads them from the bucket."""
    store_result(archived, tmp_path, "old")
    reindex(archived, index)
    invoke()
    assert reindex(archived, index).added == 0
    assert [entry.run_id for entry in index.page(Filters(), 10).entries] == ["old"]
    (verified,) = verify_results(archived)
    assert (verified.run_id, verified.objects, verified.unchecked) == ("old", 2, 0)


def test_dry_run_changes_nothing(archived: ArchivedStore, tmp_path: Path) -> None:
    """It reports what would be moved."""
    objects = store_result(archived, tmp_path, "old")
    assert "1 result, 3 objects" in invoke("--dry-run").output
    assert sorted([*archived.local.keys("results"), *archived.local.keys("reports")]) == sorted(objects)
    assert list(archived.archive.keys()) == list(archived.local.keys("archive")) == []


def test_legacy_results_move_only_on_request(archived: ArchivedStore, tmp_path: Path) -> None:
    """The legacy platform reads them on the disk, so they stay unless the user asks."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/old.json").write_bytes(LEGACY)
    assert "--include-legacy" in invoke("--older-than", "0").output
    assert archived.local.exists("results/old.json")
    assert invoke("--older-than", "0", "--include-legacy").output.startswith("1 result, ")
    assert not archived.local.exists("results/old.json")
    assert archived.get("results/old.json") == LEGACY
    assert archived.info("results/old.json").sha256 is None


def test_a_damaged_result_stays(archived: ArchivedStore, tmp_path: Path) -> None:
    """Its bytes are not those that were stored: it is named, left, and the others are moved."""
    store_result(archived, tmp_path, "bad")
    store_result(archived, tmp_path, "good")
    (tmp_path / "reports/bad.html").write_bytes(b"changed")
    result = invoke("--older-than", "0")
    assert result.exit_code == 1
    assert "bad: not moved: " in result.output
    assert archived.local.exists("results/bad.json")
    assert not archived.local.exists("results/good.json")


def test_unarchived_results_need_no_bucket(archived: ArchivedStore, tmp_path: Path) -> None:
    """Results on the disk, and misses, are read without a request to the bucket."""
    store_result(archived, tmp_path, "here")
    offline = ArchivedStore(LocalStore(tmp_path), pytest.fail)
    assert offline.exists("results/here.json")
    assert not offline.exists("results/missing.json")
    assert sorted(offline.keys("results")) == ["results/here.json", "results/here/signals.parquet"]


def test_a_missing_data_root_is_created(archived: ArchivedStore, tmp_path: Path) -> None:
    """`coin up` checks the folder, as it does without an archive."""
    missing = ArchivedStore(LocalStore(tmp_path / "new"), lambda: archived.archive)
    assert check_writable(missing) is None
    assert (tmp_path / "new").is_dir()


def test_refusals_name_the_setting(archived: ArchivedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a bucket, with the results in a bucket, and once results are archived but the setting is gone."""
    store_result(archived, tmp_path, "old")
    invoke()
    bucket = os.environ["COIN_ARCHIVE_BUCKET"]
    monkeypatch.delenv("COIN_ARCHIVE_BUCKET")
    with pytest.raises(InvalidSettings, match="COIN_ARCHIVE_BUCKET: is not set, but results of"):
        open_store(load_settings())
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "other"))
    with pytest.raises(InvalidSettings, match="COIN_ARCHIVE_BUCKET: names no bucket"):
        invoke()
    monkeypatch.setenv("AWS_BUCKET_NAME", bucket)
    with pytest.raises(InvalidSettings, match="AWS_BUCKET_NAME: results are already stored in bucket"):
        invoke()


def test_results_are_readable_while_they_move(tmp_path: Path) -> None:
    """A result that moves between two steps of a read is found in the other place."""
    local, bucket = LocalStore(tmp_path / "data"), LocalStore(tmp_path / "bucket")
    store, key = ArchivedStore(local, lambda: bucket), "results/old.json"
    document = store_result(store, local.root, "old")[key]

    def move_to_and_fro() -> None:
        for _ in range(30):
            ResultArchive(store).archive("old")
            ResultArchive(store).restore("old")

    with ThreadPoolExecutor(1) as pool:
        moves = pool.submit(move_to_and_fro)
        while not moves.done():
            assert store.exists(key)
            assert store.info(key).size == len(document)
            with store.open(key) as file:
                assert file.read() == document
    moves.result()


def test_kill_at_any_write_loses_nothing(tmp_path: Path) -> None:
    """A move killed at any write leaves a readable result, and the next move completes it."""
    command = [sys.executable, "-m", "tests.results.archive_kill_points", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(kills > 20 for kills in json.loads(done.stdout).values())
