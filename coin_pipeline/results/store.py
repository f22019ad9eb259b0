"""Paths of stored results and how they are read; every result path is defined here.

A task's result appears complete or not at all: its manifest is written last, and without one there is no result.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from coin_pipeline.backtest.fingerprint import verify_own_digests
from coin_pipeline.backtest.json_text import document_text
from coin_pipeline.backtest.spec import ResultArea
from coin_pipeline.errors import InvalidRunId, ObjectCorrupt, ObjectNotFound, ResultNotFound
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.mapped import pieces
from coin_pipeline.storage.spooled import Content

Json = dict[str, Any]


class StoredResult(NamedTuple):
    """A stored result: the run that computed it, and its document exactly as stored."""

    run_id: str
    document: bytes


class StoredDocument(NamedTuple):
    """A result document in a listing of objects: its run, its area, its size in bytes, and when it was written."""

    run_id: str
    shelf: ResultArea
    size: int
    modified: datetime


_RUN_ID = re.compile(r"(?!(?:index|latest|history)$)[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
"""results/index.json belongs to the legacy platform and is not a result; the other excluded names are API routes."""


def is_run_id(text: str) -> bool:
    """Return whether a text can be the ID of a run."""
    return _RUN_ID.fullmatch(text) is not None


def check_run_id(run_id: str) -> str:
    """Return `run_id` if it can be the ID of a run; raise InvalidRunId otherwise."""
    if not is_run_id(run_id):
        raise InvalidRunId(run_id)
    return run_id


def result_key(shelf: ResultArea, run_id: str) -> str:
    """Return the key of a result's JSON document.

    >>> result_key("results", "r1"), result_key("tasks", "r1")
    ('results/r1.json', 'tasks/r1/result.json')
    """
    check_run_id(run_id)
    return f"results/{run_id}.json" if shelf == "results" else f"tasks/{run_id}/result.json"


def report_key(shelf: ResultArea, run_id: str) -> str:
    """Return the key of a result's report page."""
    check_run_id(run_id)
    return f"reports/{run_id}.html" if shelf == "results" else f"tasks/{run_id}/report.html"


def report_path(run_id: str) -> str:
    """Return the path of a result's report at the API."""
    return f"/reports/{run_id}"


def file_key(area: ResultArea, run_id: str, name: str) -> str:
    """Return the key of a file of a result, such as `signals.parquet`, `report.html` or `result.json`.

    >>> file_key("results", "r1", "signals.parquet"), file_key("tasks", "r1", "signals.parquet")
    ('results/r1/signals.parquet', 'tasks/r1/signals.parquet')
    """
    if area == "tasks":
        return task_key(run_id, name)
    named = {"result.json": result_key, "report.html": report_key}
    return named[name](area, run_id) if name in named else f"results/{check_run_id(run_id)}/{name}"


def task_key(task_id: str, name: str) -> str:
    """Return the key of a file of a task."""
    return f"tasks/{check_run_id(task_id)}/{name}"


def manifest_key(task_id: str) -> str:
    """Return the key of a task's manifest."""
    return task_key(task_id, "manifest.json")


def pin_key(task_id: str) -> str:
    """Return the key of a pin, whose presence keeps a task from expiring."""
    return f"pins/{check_run_id(task_id)}.json"


def claim_key(task_id: str) -> str:
    """Return the key of a claim, whose presence announces that a task is being removed."""
    return f"pins/claims/{check_run_id(task_id)}.json"


def fingerprint_key(sha256: str) -> str:
    """Return the key of the entry that names the run with this fingerprint."""
    return f"fingerprints/{sha256}.json"


def remove_task(store: ObjectStore, task_id: str) -> None:
    """Remove a task, its manifest first, so that a partly removed task is never taken for a result."""
    store.delete(manifest_key(task_id))
    for key in list(store.keys(f"tasks/{check_run_id(task_id)}")):
        store.delete(key)


def read_result(store: ObjectStore, run_id: str) -> bytes:
    """Return the JSON document of a finished run exactly as stored, including files of the legacy platform.

    Raises:
        InvalidRunId: `run_id` cannot be the ID of a run.
        ResultNotFound: No complete result is stored under it.
        ObjectCorrupt: The file does not match its manifest or its own digests.
    """
    key = result_key("results", run_id)
    try:
        data = store.get(key)
    except ObjectNotFound:
        return _read_task_result(store, run_id)
    if store.info(key).sha256 is None:  # copied here by other means, and possibly truncated
        verify_document(key, data)
    return data


def load_result(store: ObjectStore, run_id: str) -> Json:
    """Return the parsed document of a finished run.

    Raises:
        InvalidRunId: `run_id` cannot be the ID of a run.
        ResultNotFound: No complete result is stored under it.
        ObjectCorrupt: The file is not JSON, or does not match its manifest or its own digests.
    """
    return parse_document(run_id, read_result(store, run_id))


def read_manifest(store: ObjectStore, task_id: str) -> Json | None:
    """Return a task's manifest, or None if it has none yet.

    Raises:
        ObjectCorrupt: It is not a JSON object, or does not list files as a manifest does.
    """
    key = manifest_key(task_id)
    try:
        manifest = parse_document(key, store.get(key))
    except ObjectNotFound:
        return None
    files = manifest.get("result_files", [])
    if not (isinstance(files, list) and all(isinstance(file, dict) and "name" in file for file in files)):
        raise ObjectCorrupt(key, "its result_files are not a list of files")
    return manifest


def read_task_file(store: ObjectStore, task_id: str, name: str) -> bytes:
    """Return a file that a task's manifest lists.

    Raises:
        ResultNotFound: There is no manifest, or it does not list the file.
        ObjectCorrupt: The file does not exist, or does not match the manifest.
    """
    manifest = read_manifest(store, task_id)
    listed = {file["name"]: file for file in (manifest or {}).get("result_files", [])}
    if name not in listed:
        raise ResultNotFound(task_id)
    key = task_key(task_id, name)
    try:
        data = store.get(key)
    except ObjectNotFound:
        if store.exists(manifest_key(task_id)):
            raise ObjectCorrupt(key, "its manifest lists it, but it does not exist") from None
        raise ResultNotFound(task_id) from None  # it expired after its manifest was read
    return verify_listed_file(key, data, listed[name])


def stored_documents(store: ObjectStore) -> Iterator[StoredDocument]:
    """Yield the document of every result from listings alone: of a task, if it has a manifest of any content."""
    for key, size, modified in store.entries("results"):
        if run_id := _run_in(key, "results/", ".json"):
            yield StoredDocument(run_id, "results", size, modified)
    found = {
        entry.key: entry for entry in store.entries("tasks") if entry.key.endswith(("/manifest.json", "/result.json"))
    }
    for key in found:
        task_id = _run_in(key, "tasks/", "/manifest.json")
        if task_id and (entry := found.get(result_key("tasks", task_id))):
            yield StoredDocument(task_id, "tasks", entry.size, entry.modified)


def kept_result_ids(store: ObjectStore) -> Iterator[str]:
    """Yield the ID of every result in `results/`."""
    return result_ids(store.keys("results"))


def result_ids(keys: Iterable[str]) -> Iterator[str]:
    """Yield the ID of every result whose document is among the keys of objects in `results/`."""
    return (run_id for key in keys if (run_id := _run_in(key, "results/", ".json")))


def ended_task_ids(store: ObjectStore) -> Iterator[str]:
    """Yield the ID of every task that has a manifest, with or without a result."""
    for key in store.keys("tasks"):
        if task_id := _run_in(key, "tasks/", "/manifest.json"):
            yield task_id


def stored_document(store: ObjectStore, run_id: str) -> StoredDocument:
    """Return the object that holds the document of a complete result.

    Raises:
        ResultNotFound: No complete result is stored under this ID.
    """
    shelves: tuple[ResultArea, ...] = ("results", "tasks")
    for shelf in shelves:
        try:
            facts = store.info(result_key(shelf, run_id))
        except ObjectNotFound:
            continue
        return StoredDocument(run_id, shelf, facts.size, facts.modified)
    raise ResultNotFound(run_id)


def is_stored(store: ObjectStore, shelf: ResultArea, run_id: str) -> bool:
    """Return whether an area holds a complete result of this ID."""
    manifest_there = shelf == "results" or store.exists(manifest_key(run_id))
    return manifest_there and store.exists(result_key(shelf, run_id))


def to_bytes(document: Json) -> bytes:
    """Encode as UTF-8 JSON; raise ValueError for NaN and infinity, which JSON does not have."""
    return document_text(document).encode()


def with_reused_from(stored: bytes, reused_from: str | None) -> bytes:
    """Return a stored document with `reused_from` appended as its last key.

    The bytes are extended without parsing them: that would take seconds for a large document.

    Args:
        stored: The document, a JSON object.
        reused_from: Run that the result is reused from; None if it was computed for this submission.

    >>> with_reused_from(b'{"a":1}', "run-1")
    b'{"a":1,"reused_from":"run-1"}'
    """
    return stored.rstrip().removesuffix(b"}") + b',"reused_from":' + json.dumps(reused_from).encode() + b"}"


def _run_in(key: str, before: str, after: str) -> str | None:
    """Return the run whose document or manifest has this key; None for any other file."""
    run_id = key.removeprefix(before).removesuffix(after)
    return run_id if key.endswith(after) and _RUN_ID.fullmatch(run_id) else None


def _read_task_result(store: ObjectStore, task_id: str) -> bytes:
    manifest = read_manifest(store, task_id)
    if manifest is None:
        raise ResultNotFound(task_id)
    if "result_files" not in manifest:  # the legacy platform wrote such manifests
        return _read_unlisted(store, task_id)
    return read_task_file(store, task_id, "result.json")


def _read_unlisted(store: ObjectStore, task_id: str) -> bytes:
    """Return the document of a task whose manifest lists no files."""
    key = result_key("tasks", task_id)
    try:
        data = store.get(key)
    except ObjectNotFound:
        raise ResultNotFound(task_id) from None
    verify_document(key, data)
    return data


def verify_listed_file(key: str, data: bytes, listed: Json) -> bytes:
    """Return a task's file if it matches its entry in the manifest.

    Args:
        key: Key of the file.
        data: Its content.
        listed: Its entry in the manifest.

    Raises:
        ObjectCorrupt: Size or digest differ.
    """
    now = file_entry(listed["name"], key, data)
    for field in ("size_bytes", "checksum", "sha256"):  # manifests of the legacy platform have no SHA-256
        if field in listed and listed[field] != now[field]:
            raise ObjectCorrupt(key, f"its {field} is {now[field]}, but the manifest has {listed[field]}")
    return data


def verify_document(key: str, data: bytes) -> Json:
    """Return a document that is verified on its own: it is JSON and, from schema 1.2.0 on, matches its own digests.

    Raises:
        ObjectCorrupt: It is not JSON, or does not match.
    """
    document = parse_document(key, data)
    if "result_sha256" not in document:
        return document
    with require_structure(key):
        verify_own_digests(key, document)
    return document


@contextmanager
def require_structure(name: str, *also: type[Exception]) -> Iterator[None]:
    """Report errors that come from a document whose keys are missing or have values of other types.

    Args:
        name: Name of the document in the error.
        also: Further errors that such a document leads to.

    Raises:
        ObjectCorrupt: One of these errors occurred; it is its cause.
    """
    errors: tuple[type[Exception], ...] = (AttributeError, KeyError, TypeError, ValueError, *also)
    try:
        yield
    except errors as error:
        raise ObjectCorrupt(name, "it does not have the structure of a result") from error


def parse_document(name: str, data: bytes) -> Json:
    """Return a parsed JSON object.

    Args:
        name: Name of the object in the error.
        data: Its content.

    Raises:
        ObjectCorrupt: It is not a JSON object.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ObjectCorrupt(name, f"it is not valid JSON ({error})") from None
    if not isinstance(document, dict):
        raise ObjectCorrupt(name, "it is not a JSON object")
    return document


def file_entry(name: str, key: str, data: Content) -> Json:
    """Return a file's entry in a manifest: name, path, size, MD5 and SHA-256."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    for piece in pieces(data):
        md5.update(piece)
        sha256.update(piece)
    digests = {"checksum": md5.hexdigest(), "sha256": sha256.hexdigest()}
    return {"name": name, "path": key, "size_bytes": len(data), **digests}
