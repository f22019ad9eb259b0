"""Publication of results: manifests, files, index entry and fingerprint, in the order that keeps readers consistent.

A result becomes visible with its last write: the manifest of a task, or the document in `results/`. A process killed at
any moment before that leaves nothing that a reader takes for a result.
"""

import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from coin_pipeline.backtest.formatting import Json, iso_microseconds
from coin_pipeline.backtest.indicators import INDICATORS_FILE
from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.backtest.runner import BacktestResult
from coin_pipeline.backtest.spec import ResultArea, Times
from coin_pipeline.backtest.tables import encode_tables, to_parquet
from coin_pipeline.errors import ObjectExists, StorageFailed
from coin_pipeline.results.index_entry import build_entry
from coin_pipeline.results.reuse import record_fingerprint, reuse_key_of
from coin_pipeline.results.store import (
    file_entry,
    file_key,
    load_result,
    manifest_key,
    read_manifest,
    report_path,
    result_key,
    stored_document,
    to_bytes,
)
from coin_pipeline.storage.base import ObjectStore, sha256_hex
from coin_pipeline.storage.put_all import put_all
from coin_pipeline.storage.spooled import Content

if TYPE_CHECKING:  # a backtest in a notebook needs no database driver
    from coin_pipeline.results.index import ResultIndex

VERSION = "1.2.0"
"""Schema version of task manifests. The legacy platform's manifests have none, which is how they are recognized."""
UnfinishedStatus = Literal["failed", "cancelled"]
_LOGGER = logging.getLogger(__name__)


class PublishGate(Protocol):
    """Permission to publish: a run that was ended from outside must not make its result visible."""

    def begin_publishing(self) -> None:
        """Return if the run may publish; raise otherwise."""


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """Everything that is stored for one finished run.

    Attributes:
        area: Where it is stored.
        document: The result document.
        files: Contents by file name; in `results` without the document, which is encoded when it is written.
        manifest: Manifest of the task, without the list of files; None in `results`.
        fingerprint_sha256: Fingerprint under which an identical submission finds the result; None if it is not reused.
    """

    area: ResultArea
    document: Json
    files: Mapping[str, Content]
    manifest: Json | None = None
    fingerprint_sha256: str | None = None

    @property
    def run_id(self) -> str:
        """ID of the run, or of the task that the run is an attempt of."""
        run_id: str = self.document["run_id"]
        return run_id


class PublishedResult(NamedTuple):
    """The stored result.

    Attributes:
        key: Key of its document; of the manifest for a task without a result.
        sha256: Hex digest of the object under that key.
        fresh: Whether this call wrote it; False if an earlier, interrupted attempt already had.
    """

    key: str
    sha256: str
    fresh: bool = True


def publish_result(
    store: ObjectStore,
    result: ResultFiles,
    *,
    gate: PublishGate | None = None,
    index: "ResultIndex | None" = None,
    log: logging.Logger = _LOGGER,
) -> PublishedResult:
    """Pass the gate, write the result, index it, and record its fingerprint for reuse.

    Args:
        store: Object store of the results.
        result: The files to store.
        gate: Checked before the first write; None outside a recorded run.
        index: Index of results; None if the result is not listed.
        log: Receives a warning if the fingerprint cannot be recorded. The result is complete without it: an identical
            submission is computed again.

    Raises:
        Superseded: The run was ended from outside.
        ObjectExists: The task has already ended in another way.
        StorageFailed: A file cannot be written.
        DatabaseUnavailable: The index cannot be written.
    """
    if gate is not None:
        gate.begin_publishing()
    published = write_result(store, result)
    if index is not None:
        # The document of an earlier attempt stays, and its times differ: index what is stored.
        index_result(store, index, result.run_id, result.document if published.fresh else None)
    if result.fingerprint_sha256 is not None:
        try:
            record_fingerprint(store, result.fingerprint_sha256, result.run_id, published.sha256)
        except StorageFailed as error:
            log.warning("fingerprint not recorded, an identical submission will be computed again: %s", error)
    return published


def backtest_files(result: BacktestResult) -> ResultFiles:
    """Return the files of a finished backtest."""
    document, fingerprint = result.document, reuse_key_of(result.document)
    files = encode_tables(result.tables)
    if result.indicators is not None:
        files[INDICATORS_FILE] = to_parquet(result.indicators)
    if result.shelf == "results":
        return ResultFiles("results", document, files, fingerprint_sha256=fingerprint)
    files["result.json"] = to_bytes(document)
    return ResultFiles("tasks", document, files, completed_manifest(document, result.times), fingerprint)


def write_result(store: ObjectStore, result: ResultFiles) -> PublishedResult:
    """Write the files of a result to its area; a result that is already there stays.

    Raises:
        ObjectExists: The task has already ended in another way.
        StorageFailed: A file cannot be written.
    """
    if result.manifest is None:
        return publish_document(store, result.document, result.files)
    return publish_task(store, result.manifest, result.files)


def publish_document(store: ObjectStore, document: Json, files: Mapping[str, Content]) -> PublishedResult:
    """Write a synchronous result to `results/`, the document last; a document that is already there stays.

    Args:
        store: Object store of the results.
        document: The document.
        files: Contents of the tables by file name.
    """
    run_id, data = document["run_id"], to_bytes(document)
    key = result_key("results", run_id)
    if store.exists(key):
        return PublishedResult(key, sha256_hex(store.get(key)), fresh=False)
    put_all(store, {file_key("results", run_id, name): content for name, content in files.items()})
    store.put(key, data)
    return PublishedResult(key, sha256_hex(data))


def publish_task(store: ObjectStore, manifest: Json, files: Mapping[str, Content]) -> PublishedResult:
    """Write a task's files, then the manifest that lists them; a result that is already there stays.

    Args:
        store: Object store of the results.
        manifest: The manifest without the list of files.
        files: Contents by file name; empty for a task that ended without a result.

    Raises:
        ObjectExists: The task has already ended in another way, with or without a result.
    """
    task_id = manifest["task_id"]
    existing = read_manifest(store, task_id)
    if existing is not None:
        return _earlier_attempt(task_id, existing, with_result=bool(files))
    # A retried attempt may find files of the failed one. Without a manifest no reader has seen them.
    if not files:
        for key in list(store.keys(f"tasks/{task_id}")):
            store.delete(key)
    keys = {name: file_key("tasks", task_id, name) for name in files}
    put_all(store, {keys[name]: content for name, content in files.items()})
    listed = [file_entry(name, keys[name], content) for name, content in files.items()]
    data = to_bytes({**manifest, "result_files": listed})
    store.put(manifest_key(task_id), data)
    if not files:
        return PublishedResult(manifest_key(task_id), sha256_hex(data))
    return PublishedResult(result_key("tasks", task_id), sha256_hex(files["result.json"]))


def index_result(store: ObjectStore, index: "ResultIndex", run_id: str, document: Json | None = None) -> None:
    """Add a stored result to the index.

    Args:
        store: Object store of the results.
        index: The index.
        run_id: The result.
        document: Its parsed document; read from the store if None.

    Raises:
        ResultNotFound: No complete result is stored under this ID.
        DatabaseUnavailable: The index cannot be written.
    """
    content = load_result(store, run_id) if document is None else document
    index.add([build_entry(content, stored_document(store, run_id))])


def is_current_platform(manifest: Json) -> bool:
    """Return whether this platform wrote a manifest, as opposed to the legacy platform."""
    return "version" in manifest


def completed_manifest(document: Json, times: Times) -> Json:
    """Return the manifest of a task that has a result, without the list of its files.

    Args:
        document: The result document.
        times: Start and end of the run.
    """
    symbols = document["symbols"]
    summary = {
        "total_signals": document["total_signals"],
        "symbols_processed": len(symbols),
        "symbols_failed": 0,
        "average_execution_time_per_symbol_ms": 1000 * sum(part["execution_time"] for part in symbols) / len(symbols),
    }
    request = {**document, "symbols": [part["symbol"] for part in symbols]}
    environment = document["metadata"]["environment"]
    return _manifest(document["run_id"], "completed", request, times, environment, summary, None)


def unfinished_manifest(
    task_id: str,
    status: UnfinishedStatus,
    request: BacktestRequest,
    times: Times,
    environment: str,
    error: str,
) -> Json:
    """Return the manifest of a task that ended without a result.

    Args:
        task_id: The task.
        status: How it ended.
        request: The submitted backtest or sweep.
        times: Start and end of the run.
        environment: Name of the environment that it ran in.
        error: Message for the user.
    """
    summary = {
        "total_signals": 0,
        "symbols_processed": 0,
        "symbols_failed": len(request.symbols),
        "average_execution_time_per_symbol_ms": 0.0,
    }
    return _manifest(task_id, status, request.model_dump(mode="json"), times, environment, summary, error)


def _earlier_attempt(task_id: str, manifest: Json, *, with_result: bool) -> PublishedResult:
    listed = {file["name"]: file for file in manifest.get("result_files", [])}
    if with_result != bool(listed):
        raise ObjectExists(manifest_key(task_id))
    if not with_result:
        return PublishedResult(manifest_key(task_id), sha256_hex(to_bytes(manifest)), fresh=False)
    return PublishedResult(result_key("tasks", task_id), listed["result.json"]["sha256"], fresh=False)


def _manifest(
    task_id: str, status: str, request: Json, times: Times, environment: str, summary: Json, error: str | None
) -> Json:
    started_at, finished_at = times
    return {
        "version": VERSION,
        "task_id": task_id,
        "status": status,
        **{key: request[key] for key in ("strategy", "params", "symbols", "start_date", "end_date", "timeframe")},
        "result_files": [],
        "metadata": {
            "started_at": iso_microseconds(started_at),
            "finished_at": iso_microseconds(finished_at),
            "duration_ms": _milliseconds(started_at, finished_at),
            "execution_host": socket.gethostname(),
            "environment": environment,
        },
        "summary": summary,
        "error": {"occurred": error is not None, "message": error},
        "report_url": report_path(task_id) if status == "completed" else None,
    }


def _milliseconds(start: datetime, end: datetime) -> float:
    return 1000 * (end - start).total_seconds()
