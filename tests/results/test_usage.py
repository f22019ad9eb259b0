"""Counting what is stored, by kind."""

import json
import os
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from coin_pipeline.cli.app import coin
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.results.usage import StoredFile, disk_files, store_objects, sum_by_kind
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = {
    "results/r1.json": "results",
    "results/r1/signals.parquet": "tables",
    "reports/r1.html": "reports",
    "tasks/t1/result.json": "tasks",
    "runs/t1/simulate/out": "interim outputs",
    "sweeps/chunks/a.parquet": "sweep chunks",
    "fingerprints/a.json": "fingerprints",
    "pins/t1.json": "pins",
    "archive/r0.json": "archive records",
    "BTC_KRW/1D/2024.parquet": "candles",
    "backups/results/results_1.tar.gz": "backups",
    "notes.txt": "other",
}


def test_each_object_has_its_kind(store: ObjectStore, tmp_path: Path) -> None:
    """A folder and a bucket with the same objects have the same kinds, counts and bytes."""
    for key in KEYS:
        store.put(key, b"12345")
    files = disk_files(tmp_path) if any(tmp_path.iterdir()) else store_objects(store)
    usages = sum_by_kind("here", files, datetime.now(UTC))
    assert {usage.kind: (usage.objects, usage.size) for usage in usages} == dict.fromkeys(KEYS.values(), (1, 5))


def test_growth_is_the_mean_of_the_last_week() -> None:
    """Older objects count for size and age, but not for growth."""
    ages = (1, 2, 30, 40)
    files = [StoredFile(f"results/r{days}.json", 700, 4096, NOW - timedelta(days=days)) for days in ages]
    (usage,) = sum_by_kind("disk", files, NOW)
    assert usage.to_json(NOW) == {
        "where": "disk",
        "kind": "results",
        "objects": 4,
        "bytes": 2800,
        "bytes_on_disk": 16384,
        "oldest": "2026-01-20T00:00:00+00:00",
        "newest": "2026-02-28T00:00:00+00:00",
        "bytes_per_day": 200,
    }


def test_memory_does_not_depend_on_the_number_of_objects() -> None:
    """A hundred thousand objects are counted in less than 100 KB."""

    def objects() -> Iterator[StoredFile]:
        for number in range(100_000):
            yield StoredFile(f"results/r{number}.json", 100, 4096, NOW)

    tracemalloc.start()
    (usage,) = sum_by_kind("disk", objects(), NOW)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert usage.objects == 100_000
    assert peak < 100_000


def test_a_folder_is_listed_without_being_collected(tmp_path: Path) -> None:
    """Listing 2,000 files of one folder takes less memory than their names."""
    folder = tmp_path / "results"
    folder.mkdir()
    for number in range(2_000):
        os.close(os.open(folder / f"r{number}.json", os.O_CREAT))
    tracemalloc.start()
    count = sum(1 for _ in disk_files(tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2_000
    assert peak < 50_000


def test_command_reports_disk_and_database(data_root: Path) -> None:
    """The JSON has kinds and groups of tables; the table of people has the same kinds."""
    (data_root / "notes.txt").write_text("1")
    with open_instance(load_settings()):
        report = json.loads(CliRunner().invoke(coin, ["storage", "usage", "--json"], catch_exceptions=False).output)
    kinds = {usage["kind"]: usage for usage in report["objects"]}
    assert kinds["database files"]["bytes_on_disk"] > 1_000_000
    assert kinds["other"]["objects"] >= 1
    assert {"results and leases", "positions", "runs", "run events"} <= {group["group"] for group in report["database"]}
    assert report["notices"] == []
    printed = CliRunner().invoke(coin, ["storage", "usage"], catch_exceptions=False).output
    assert all(kind in printed for kind in kinds)


def test_an_unavailable_database_is_a_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is counted nevertheless: it may be full, which is why the database does not start."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgresql://coin:x@127.0.0.1:1/none")
    (tmp_path / "notes.txt").write_text("1")
    report = json.loads(CliRunner().invoke(coin, ["storage", "usage", "--json"], catch_exceptions=False).output)
    assert [usage["kind"] for usage in report["objects"]] == ["other"]
    assert report["notices"][0].startswith("tables of the database are not counted: ")
