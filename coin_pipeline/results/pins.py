"""Pins: marks beside the results, one for each task that is to be kept longer than tasks are; and claims against them.

Whoever pins a task writes the pin, then looks for a claim. Whoever removes one claims it, then looks for a pin. Of two
at the same moment at least one sees the other, so no task is removed that somebody was told is pinned.
"""

from collections.abc import Mapping

from coin_pipeline.errors import NotPinned, ResultNotFound, TaskExpiring
from coin_pipeline.results.store import (
    check_run_id,
    claim_key,
    is_run_id,
    manifest_key,
    pin_key,
    read_manifest,
    remove_task,
    to_bytes,
)
from coin_pipeline.storage.base import ObjectEntry, ObjectStore


def pin(store: ObjectStore, task_id: str) -> None:
    """Keep a task that has ended until it is unpinned.

    Raises:
        InvalidRunId: `task_id` cannot be one.
        ResultNotFound: there is no such task, or it has not ended, or it has just expired.
        TaskExpiring: it is claimed; the pin goes with the task, or keeps it.
    """
    _require_ended(store, task_id)
    store.put(pin_key(task_id), to_bytes({"task_id": task_id}))
    claimed = store.exists(claim_key(task_id))
    try:
        _require_ended(store, task_id)
    except ResultNotFound:
        store.delete(pin_key(task_id))
        raise
    if claimed:  # others may have been told that this pin holds, so it is not taken back
        raise TaskExpiring(task_id)


def unpin(store: ObjectStore, task_id: str) -> None:
    """Let a task expire, or raise NotPinned."""
    if not is_pinned(store, task_id):
        raise NotPinned(task_id)
    store.delete(pin_key(task_id))


def is_pinned(store: ObjectStore, task_id: str) -> bool:
    """Tell whether a task is kept."""
    return store.exists(pin_key(check_run_id(task_id)))


def pinned_tasks(store: ObjectStore) -> Mapping[str, ObjectEntry]:
    """Return the pins of all tasks that are kept."""
    return _marks(store, "pins/")


def claim(store: ObjectStore, task_id: str) -> bool:
    """Claim a task in order to remove it; tell whether it may be, since no pin keeps it."""
    store.put(claim_key(task_id), to_bytes({"task_id": task_id}))
    if is_pinned(store, task_id):
        store.delete(claim_key(task_id))
        return False
    return True


def remove_claimed(store: ObjectStore, task_id: str) -> None:
    """Remove a task that is claimed, with the pin of somebody who came too late."""
    remove_task(store, task_id)
    _end_claim(store, task_id)


def release_claims(store: ObjectStore) -> None:
    """End the claims of a removal that was killed; none may be under way."""
    for task_id in _marks(store, "pins/claims/"):
        _end_claim(store, task_id)


def remove_stale_pin(store: ObjectStore, task_id: str) -> None:
    """Remove the pin of a task that is gone, lest it keeps the next one of this id; one that is there keeps its pin."""
    if not store.exists(manifest_key(task_id)):
        store.delete(pin_key(task_id))


def _end_claim(store: ObjectStore, task_id: str) -> None:
    remove_stale_pin(store, task_id)
    store.delete(claim_key(task_id))


def _marks(store: ObjectStore, folder: str) -> Mapping[str, ObjectEntry]:
    names = ((entry.key.removeprefix(folder).removesuffix(".json"), entry) for entry in store.entries(folder[:-1]))
    return {name: entry for name, entry in names if is_run_id(name)}


def _require_ended(store: ObjectStore, task_id: str) -> None:
    if read_manifest(store, task_id) is None:
        raise ResultNotFound(task_id)
