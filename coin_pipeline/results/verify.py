"""Whether what is stored is still what was stored: every object of every result, against every digest there is."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import NamedTuple

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.spec import ResultArea
from coin_pipeline.errors import InvalidInput, NotFound, ObjectCorrupt
from coin_pipeline.results.store import (
    ended_task_ids,
    kept_result_ids,
    manifest_key,
    read_manifest,
    report_key,
    result_key,
    stored_document,
    task_key,
    verify_document,
    verify_listed_file,
)
from coin_pipeline.storage.base import ObjectStore

_WRONG = (InvalidInput, NotFound, ObjectCorrupt)
"""What is said of the result, and not of the store: an object that is gone, changed, or named as none can be."""


class VerifiedResult(NamedTuple):
    """What was found of one result.

    Attributes:
        run_id: The result.
        objects: How many objects were read.
        size: Their bytes.
        unchecked: How many of them no digest is known of: those of the older platform, say.
        problems: What is wrong, a sentence each.
    """

    run_id: str
    objects: int
    size: int
    unchecked: int
    problems: tuple[str, ...]


def verify_results(store: ObjectStore, run_ids: Collection[str] = ()) -> Iterator[VerifiedResult]:
    """Read every object of every result, or of these, and yield a verdict on each result, good or bad.

    A store that cannot be reached raises as it does for whoever reads.

    Raises:
        ResultNotFound: one of `run_ids` is no result.
    """
    kept = kept_result_ids(store) if not run_ids else (each for each in run_ids if _shelf(store, each) == "results")
    for run_id in kept:
        yield _Reading(store, run_id).result()
    ended = ended_task_ids(store) if not run_ids else (each for each in run_ids if _shelf(store, each) == "tasks")
    for task_id in ended:
        verdict = _Reading(store, task_id).task()
        if verdict.objects or verdict.problems:  # one that failed has no result
            yield verdict


def _shelf(store: ObjectStore, run_id: str) -> ResultArea:
    """Return where a result lies, or whatever is left of it."""
    return "tasks" if store.exists(manifest_key(run_id)) else stored_document(store, run_id).shelf


class _Reading:
    """One result being read."""

    def __init__(self, store: ObjectStore, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._objects = self._size = self._unchecked = 0
        self._problems: list[str] = []

    def result(self) -> VerifiedResult:
        """Read a synchronous result and say what was found."""
        return self._verdict(self._result)

    def task(self) -> VerifiedResult:
        """Read a task and say what was found."""
        return self._verdict(self._task)

    def _verdict(self, read: Callable[[], object]) -> VerifiedResult:
        self._trying(read)
        return VerifiedResult(self._run_id, self._objects, self._size, self._unchecked, tuple(self._problems))

    def _result(self) -> None:
        report = report_key("results", self._run_id)
        self._trying(lambda: self._store.exists(report) and self._object(report))
        self._document(result_key("results", self._run_id))

    def _task(self) -> None:
        for listed in (read_manifest(self._store, self._run_id) or {}).get("result_files", []):
            read = self._document if listed["name"] == "result.json" else self._object
            self._trying(partial(read, task_key(self._run_id, listed["name"]), listed))

    def _document(self, key: str, listed: Json | None = None) -> None:
        verify_document(key, self._object(key, listed))

    def _object(self, key: str, listed: Json | None = None) -> bytes:
        data = self._store.get(key)
        self._objects, self._size = self._objects + 1, self._size + len(data)
        if listed:
            verify_listed_file(key, data, listed)
        elif self._store.info(key).sha256 is None:
            self._unchecked += 1
        return data

    def _trying(self, read: Callable[[], object]) -> None:
        try:
            read()
        except _WRONG as error:
            self._problems.append(str(error))
