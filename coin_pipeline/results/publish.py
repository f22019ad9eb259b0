"""Making results visible: a document or a task's files, and last what says that they are complete."""

from collections.abc import Mapping
from typing import NamedTuple

from coin_pipeline.backtest.document import to_parquet
from coin_pipeline.backtest.runner import BacktestResult
from coin_pipeline.errors import ObjectExists
from coin_pipeline.results.manifest import completed_manifest
from coin_pipeline.results.store import (
    Json,
    fingerprint_key,
    listing,
    manifest_key,
    read_manifest,
    report_key,
    result_key,
    task_key,
    to_bytes,
)
from coin_pipeline.storage.base import ObjectStore, sha256_hex


class Published(NamedTuple):
    """What is visible now.

    Attributes:
        key: Of the result's document; of the manifest, where a task has no result.
        sha256: Hex digest of what lies there.
        fresh: Whether it is what was handed over; else an attempt had published that was interrupted right after.
    """

    key: str
    sha256: str
    fresh: bool = True


def publish_document(store: ObjectStore, document: Json, report: bytes) -> Published:
    """Write a finished synchronous run to `results/`, its report first; what is there already stays."""
    run_id, data = document["run_id"], to_bytes(document)
    key = result_key("results", run_id)
    if store.exists(key):
        return Published(key, sha256_hex(store.get(key)), fresh=False)
    store.put(report_key("results", run_id), report, overwrite=True)
    store.put(key, data)
    return Published(key, sha256_hex(data))


def publish_task(store: ObjectStore, manifest: Json, files: Mapping[str, bytes]) -> Published:
    """Write a task's files, then the manifest that lists them; a result that is there already stays.

    Raises:
        ObjectExists: the task has ended otherwise, with a result or without.
    """
    task_id = manifest["task_id"]
    there = read_manifest(store, task_id)
    if there is not None:
        return _published_before(task_id, there, with_result=bool(files))
    # A retried attempt of the same task may find what the broken one left; no manifest means nobody has seen it.
    if not files:
        for key in list(store.keys(f"tasks/{task_id}")):
            store.delete(key)
    listed = []
    for name, data in files.items():
        key = task_key(task_id, name)
        store.put(key, data, overwrite=True)
        listed.append(listing(name, key, data))
    data = to_bytes({**manifest, "result_files": listed})
    store.put(manifest_key(task_id), data)
    if not files:
        return Published(manifest_key(task_id), sha256_hex(data))
    return Published(result_key("tasks", task_id), sha256_hex(files["result.json"]))


def _note_fingerprint(store: ObjectStore, fingerprint_sha256: str, run_id: str, sha256: str) -> None:
    """Note that the stored result of a run, of this digest, is what this fingerprint gives; the latest one is known."""
    entry = {"run_id": run_id, "sha256": sha256}
    store.put(fingerprint_key(fingerprint_sha256), to_bytes(entry), overwrite=True)


def _published_before(task_id: str, manifest: Json, *, with_result: bool) -> Published:
    listed = {file["name"]: file for file in manifest.get("result_files", [])}
    if with_result != bool(listed):
        raise ObjectExists(manifest_key(task_id))
    if not with_result:
        return Published(manifest_key(task_id), sha256_hex(to_bytes(manifest)), fresh=False)
    return Published(result_key("tasks", task_id), listed["result.json"]["sha256"], fresh=False)


def publish_backtest(store: ObjectStore, result: BacktestResult) -> Published:
    """Store a result where its shelf says."""
    if result.shelf == "results":
        return publish_document(store, result.document, result.report)
    files = {
        "equity.parquet": to_parquet(result.equity),
        "report.html": result.report,
        "result.json": to_bytes(result.document),
    }
    return publish_task(store, completed_manifest(result.document, result.times), files)


def remember(store: ObjectStore, result: BacktestResult, published: Published) -> None:
    """Note the fingerprint of a published result, so that an identical submission is answered with it."""
    fingerprint = result.document["fingerprint"]["sha256"]
    _note_fingerprint(store, fingerprint, result.document["run_id"], published.sha256)
