"""Pins: objects that keep tasks from expiring; and claims, which announce their removal.

Pinning writes the pin, then looks for a claim. Removal writes a claim, then looks for a pin. Of two concurrent calls at
least one sees the other, so a task whose pin was confirmed is never removed.
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
    """Keep a finished task until it is unpinned.

    Raises:
        InvalidRunId: `task_id` cannot be an ID.
        ResultNotFound: The task does not exist, has not ended, or has just expired.
        TaskExpiring: It is claimed for removal; the pin may still keep it.
    """
    _require_ended(store, task_id)
    store.put(pin_key(task_id), to_bytes({"task_id": task_id}))
    claimed = store.exists(claim_key(task_id))
    try:
        _require_ended(store, task_id)
    except ResultNotFound:
        store.delete(pin_key(task_id))
        raise
    if claimed:  # a concurrent pin() may have been confirmed by this pin, so it is not withdrawn
        raise TaskExpiring(task_id)


def unpin(store: ObjectStore, task_id: str) -> None:
    """Let a task expire again; raise NotPinned if it is not pinned."""
    if not is_pinned(store, task_id):
        raise NotPinned(task_id)
    store.delete(pin_key(task_id))


def is_pinned(store: ObjectStore, task_id: str) -> bool:
    """Return whether a task is pinned."""
    return store.exists(pin_key(check_run_id(task_id)))


def pinned_tasks(store: ObjectStore) -> Mapping[str, ObjectEntry]:
    """Return the pins of all pinned tasks, by task ID."""
    return _task_objects(store, "pins/")


def claim(store: ObjectStore, task_id: str) -> bool:
    """Claim a task for removal and return whether it may be removed; a pinned task may not."""
    store.put(claim_key(task_id), to_bytes({"task_id": task_id}))
    if is_pinned(store, task_id):
        store.delete(claim_key(task_id))
        return False
    return True


def remove_claimed(store: ObjectStore, task_id: str) -> None:
    """Remove a claimed task, together with a pin that was written too late."""
    remove_task(store, task_id)
    _release_claim(store, task_id)


def release_claims(store: ObjectStore) -> None:
    """Release the claims of a removal that was killed; no removal may be running."""
    for task_id in _task_objects(store, "pins/claims/"):
        _release_claim(store, task_id)


def remove_stale_pin(store: ObjectStore, task_id: str) -> None:
    """Remove the pin of a task that no longer exists, so that it does not keep a later task of the same ID."""
    if not store.exists(manifest_key(task_id)):
        store.delete(pin_key(task_id))


def _release_claim(store: ObjectStore, task_id: str) -> None:
    remove_stale_pin(store, task_id)
    store.delete(claim_key(task_id))


def _task_objects(store: ObjectStore, folder: str) -> Mapping[str, ObjectEntry]:
    names = ((entry.key.removeprefix(folder).removesuffix(".json"), entry) for entry in store.entries(folder[:-1]))
    return {name: entry for name, entry in names if is_run_id(name)}


def _require_ended(store: ObjectStore, task_id: str) -> None:
    if read_manifest(store, task_id) is None:
        raise ResultNotFound(task_id)
