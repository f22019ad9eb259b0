"""Pins: marks beside the results, one for each task that is to be kept longer than tasks are."""

from coin_pipeline.backtest.results import check_run_id, pin_key, read_manifest, to_bytes
from coin_pipeline.errors import NotPinned, ResultNotFound
from coin_pipeline.storage.base import ObjectStore


def pin(store: ObjectStore, task_id: str) -> None:
    """Keep a task that has ended until it is unpinned.

    Raises:
        InvalidRunId: `task_id` cannot be one.
        ResultNotFound: there is no such task, or it has not ended, or it has just expired.
    """
    _require_ended(store, task_id)
    store.put(pin_key(task_id), to_bytes({"task_id": task_id}))
    try:
        _require_ended(store, task_id)  # who removes tasks may have looked for the pin just before
    except ResultNotFound:
        store.delete(pin_key(task_id))
        raise


def unpin(store: ObjectStore, task_id: str) -> None:
    """Let a task expire, or raise NotPinned."""
    if not is_pinned(store, task_id):
        raise NotPinned(task_id)
    store.delete(pin_key(task_id))


def is_pinned(store: ObjectStore, task_id: str) -> bool:
    """Tell whether a task is kept."""
    return store.exists(pin_key(check_run_id(task_id)))


def pinned(store: ObjectStore) -> frozenset[str]:
    """Return the ids of all tasks that are kept."""
    return frozenset(key.removeprefix("pins/").removesuffix(".json") for key in store.keys("pins"))


def _require_ended(store: ObjectStore, task_id: str) -> None:
    if read_manifest(store, task_id) is None:
        raise ResultNotFound(task_id)
