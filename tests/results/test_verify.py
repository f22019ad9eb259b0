"""Verification of stored results."""

import dataclasses
import json
import uuid
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import ResultArea, resolve
from coin_pipeline.backtest.tables import TABLE_NAMES, TableName, to_parquet
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.errors import ObjectCorrupt
from coin_pipeline.results.publish import backtest_files, publish_document, publish_result, publish_task
from coin_pipeline.results.replay import replay_backtest
from coin_pipeline.results.store import file_entry, read_result, to_bytes
from coin_pipeline.results.tables import table_key
from coin_pipeline.results.verify import verify_results
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.s3 import S3Store
from coin_pipeline.strategies.registry import load_registry

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
    publish_document(store, {"run_id": "r"}, {"report.html": b"<html>"})
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


@pytest.fixture
def computed(tmp_path: Path) -> LocalStore:
    """A store with the same backtest in both areas: `tasks/task` and `results/sync`."""
    catalog, registry, store = CandleCatalog(tmp_path), load_registry(), LocalStore(tmp_path)
    daily = parse_timeframe("1d")
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, date(2024, 1, 1), 366))
    fields = {"strategy": "volume_zone_breakout", "symbols": ["BTC_KRW"]}
    spec = resolve(parse_request({**fields, "start_date": "2024-01-01", "end_date": "2024-12-31"}), registry)
    result = runner.run_backtest(spec, catalog, registry, run_id="task")
    publish_result(store, backtest_files(dataclasses.replace(result, shelf="tasks")))
    publish_result(store, backtest_files(runner.run_backtest(spec, catalog, registry, run_id="sync")))
    return store


def test_every_table_is_verified(computed: LocalStore) -> None:
    """Three tables and the document of each result."""
    assert [(verdict.objects, verdict.problems) for verdict in verify_results(computed)] == [(4, ())] * 2


def test_plotted_lines_are_verified(computed: LocalStore) -> None:
    """No document refers to them, but their object has a checksum."""
    key = "results/sync/indicators.parquet"
    computed.put(key, b"lines")
    (sync,) = verify_results(computed, ["sync"])
    assert (sync.objects, sync.problems) == (5, ())
    replace(computed, key, b"other")
    (sync,) = verify_results(computed, ["sync"])
    assert "indicators.parquet" in sync.problems[0]


@pytest.mark.parametrize("name", TABLE_NAMES)
@pytest.mark.parametrize(("area", "run_id"), [("results", "sync"), ("tasks", "task")])
def test_a_changed_row_of_a_table_is_found(
    computed: LocalStore, area: ResultArea, run_id: str, name: TableName
) -> None:
    """Also if the table and all digests of its file are replaced: those in the document remain."""
    key = table_key(area, run_id, name)
    rows = pq.read_table(pa.BufferReader(computed.get(key)))
    column = "equity" if name == "equity" else "return_pct"
    values = rows[column].to_pylist()
    values[7] += 1e-12
    data = to_parquet(rows.set_column(rows.column_names.index(column), column, pa.array(values)))
    computed.put(key, data, overwrite=True)
    if area == "tasks":
        manifest = json.loads(computed.get("tasks/task/manifest.json"))
        listed = [file_entry(f["name"], key, data) if f["path"] == key else f for f in manifest["result_files"]]
        computed.put("tasks/task/manifest.json", to_bytes({**manifest, "result_files": listed}), overwrite=True)
    (bad,) = [verdict for verdict in verify_results(computed) if verdict.problems]
    assert bad.run_id == run_id
    assert bad.problems == (f"'{key}' is corrupt: its rows do not match the digest in the document",)
    with pytest.raises(ObjectCorrupt, match="rows do not match"):
        replay_backtest(computed, CandleCatalog(computed.root), load_registry(), run_id)


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_a_missing_table_of_a_synchronous_result_is_found(computed: LocalStore, name: TableName) -> None:
    """There is no manifest; the document names its tables."""
    computed.delete(table_key("results", "sync", name))
    (bad,) = verify_results(computed, ["sync"])
    assert bad.problems == (f"object 'results/sync/{name}.parquet' does not exist",)
