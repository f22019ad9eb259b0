"""Verification: every object of every result against every digest on record."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import NamedTuple

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.indicators import INDICATORS_FILE
from coin_pipeline.backtest.spec import ResultArea
from coin_pipeline.errors import InvalidInput, NotFound, ObjectCorrupt
from coin_pipeline.results.store import (
    ended_task_ids,
    file_key,
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
from coin_pipeline.results.tables import recorded_tables, table_key, verify_tables
from coin_pipeline.storage.base import ObjectStore

_WRONG = (InvalidInput, NotFound, ObjectCorrupt)
"""Errors about a result, not about the store: a missing, changed or impossibly named object."""


class VerifiedResult(NamedTuple):
    """The verdict on one result.

    Attributes:
        run_id: The result.
        objects: Number of objects read.
        size: Their size, bytes.
        unchecked: Number of objects without a digest, such as those of the legacy platform.
        problems: One sentence per problem.
    """

    run_id: str
    objects: int
    size: int
    unchecked: int
    problems: tuple[str, ...]


def verify_results(store: ObjectStore, run_ids: Collection[str] = ()) -> Iterator[VerifiedResult]:
    """Read every object of every result and yield a verdict on each, intact or not.

    Args:
        store: Object store of the results.
        run_ids: The results to verify; all if empty.

    Raises:
        ResultNotFound: One of `run_ids` is not a result.
        StorageUnavailable: The store cannot be reached.
    """
    kept = kept_result_ids(store) if not run_ids else (name for name in run_ids if _area(store, name) == "results")
    for run_id in kept:
        yield _Verification(store, run_id).result()
    ended = ended_task_ids(store) if not run_ids else (name for name in run_ids if _area(store, name) == "tasks")
    for task_id in ended:
        verdict = _Verification(store, task_id).task()
        if verdict.objects or verdict.problems:  # a failed task has no result
            yield verdict


def _area(store: ObjectStore, run_id: str) -> ResultArea:
    """Return the area that holds a result, or what is left of it."""
    return "tasks" if store.exists(manifest_key(run_id)) else stored_document(store, run_id).shelf


class _Verification:
    """Verification of one result."""

    def __init__(self, store: ObjectStore, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._objects = self._size = self._unchecked = 0
        self._document: Json = {}
        self._problems: list[str] = []

    def result(self) -> VerifiedResult:
        """Verify a synchronous result."""
        return self._verdict("results", self._result)

    def task(self) -> VerifiedResult:
        """Verify a task."""
        return self._verdict("tasks", self._task)

    def _verdict(self, area: ResultArea, read: Callable[[], object]) -> VerifiedResult:
        self._collect_problem(read)
        if not self._problems:
            self._collect_problem(lambda: verify_tables(self._store, self._document, area, self._run_id))
        return VerifiedResult(self._run_id, self._objects, self._size, self._unchecked, tuple(self._problems))

    def _result(self) -> None:
        for optional in (report_key("results", self._run_id), file_key("results", self._run_id, INDICATORS_FILE)):
            if self._store.exists(optional):
                self._collect_problem(partial(self._object, optional))
        self._read_document(result_key("results", self._run_id))
        for name in recorded_tables(self._document):
            self._collect_problem(partial(self._object, table_key("results", self._run_id, name)))

    def _task(self) -> None:
        for listed in (read_manifest(self._store, self._run_id) or {}).get("result_files", []):
            read = self._read_document if listed["name"] == "result.json" else self._object
            self._collect_problem(partial(read, task_key(self._run_id, listed["name"]), listed))

    def _read_document(self, key: str, listed: Json | None = None) -> None:
        self._document = verify_document(key, self._object(key, listed))

    def _object(self, key: str, listed: Json | None = None) -> bytes:
        data = self._store.get(key)
        self._objects, self._size = self._objects + 1, self._size + len(data)
        if listed:
            verify_listed_file(key, data, listed)
        elif self._store.info(key).sha256 is None:
            self._unchecked += 1
        return data

    def _collect_problem(self, read: Callable[[], object]) -> None:
        try:
            read()
        except _WRONG as error:
            self._problems.append(str(error))
