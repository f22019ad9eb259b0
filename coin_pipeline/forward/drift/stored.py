"""Stored drift reports: the newest of each forward test, as a document and as a page."""

import json
from uuid import UUID

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.errors import DriftNotFound, ObjectNotFound
from coin_pipeline.storage.base import ObjectStore


def store_drift(store: ObjectStore, document: Json, page: str) -> None:
    """Store a drift report in place of the previous one of its test.

    Args:
        store: The object store.
        document: Document from `document.drift_json`.
        page: The same as HTML.
    """
    for name, text in (("drift.json", json.dumps(document)), ("drift.html", page)):
        store.put(_key(document["test_id"], name), text.encode(), overwrite=True)


def stored_document(store: ObjectStore, test_id: UUID) -> bytes:
    """Return the newest drift report of a forward test as JSON.

    Raises:
        DriftNotFound: None is stored.
    """
    return _read(store, test_id, "drift.json")


def stored_page(store: ObjectStore, test_id: UUID) -> bytes:
    """Return the newest drift report of a forward test as HTML.

    Raises:
        DriftNotFound: None is stored.
    """
    return _read(store, test_id, "drift.html")


def _read(store: ObjectStore, test_id: UUID, name: str) -> bytes:
    try:
        return store.get(_key(str(test_id), name))
    except ObjectNotFound:
        raise DriftNotFound(test_id) from None


def _key(test_id: str, name: str) -> str:
    return f"forward/{test_id}/{name}"
