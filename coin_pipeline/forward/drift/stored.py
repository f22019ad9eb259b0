"""Stored drift reports: the newest of each forward test. Earlier releases stored its page, too, as `drift.html`."""

import json
from uuid import UUID

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.errors import DriftNotFound, ObjectNotFound
from coin_pipeline.storage.base import ObjectStore


def store_drift(store: ObjectStore, document: Json) -> None:
    """Store a drift report in place of the previous one of its test.

    Args:
        store: The object store.
        document: Document from `document.drift_json`.
    """
    store.put(_key(document["test_id"]), json.dumps(document).encode(), overwrite=True)


def stored_document(store: ObjectStore, test_id: UUID) -> bytes:
    """Return the newest drift report of a forward test as JSON.

    Raises:
        DriftNotFound: None is stored.
    """
    try:
        return store.get(_key(str(test_id)))
    except ObjectNotFound:
        raise DriftNotFound(test_id) from None


def _key(test_id: str) -> str:
    return f"forward/{test_id}/drift.json"
