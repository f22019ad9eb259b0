"""A disk that fills up while a result is written."""

from pathlib import Path

import pytest

from coin_pipeline.errors import ResultNotFound, StorageFull
from coin_pipeline.results.publish import publish_document, publish_task
from coin_pipeline.results.store import read_manifest, read_result, stored_documents
from coin_pipeline.storage.local import LocalStore
from tests.small_disk import small_disk

FILES = {"report.html": b"<html>", "signals.parquet": b"small", "equity.parquet": bytes(2 * 2**20)}


def test_a_result_with_too_large_tables_stays_invisible(tmp_path: Path) -> None:
    """The document, which is written last, is missing."""
    with small_disk(tmp_path, 1) as disk:
        store = LocalStore(disk)
        with pytest.raises(StorageFull):
            publish_document(store, {"run_id": "r1"}, FILES)
        assert list(stored_documents(store)) == []
        with pytest.raises(ResultNotFound):
            read_result(store, "r1")


def test_a_task_with_too_large_tables_stays_invisible(tmp_path: Path) -> None:
    """The manifest, which is written last, is missing."""
    with small_disk(tmp_path, 1) as disk:
        store = LocalStore(disk)
        with pytest.raises(StorageFull):
            publish_task(store, {"task_id": "t1"}, {**FILES, "result.json": b"{}"})
        assert read_manifest(store, "t1") is None
        assert list(stored_documents(store)) == []
