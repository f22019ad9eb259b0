"""Reindexing: bring the index in line with the stored results while others publish and remove results."""

from collections.abc import Callable, Mapping, Sequence

from coin_pipeline.errors import CoinError, DataRefused, NotFound, ObjectCorrupt, StorageFailed
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.index_entry import IndexEntry, ObjectVersion, build_entry, version_of
from coin_pipeline.results.legacy import read_legacy_index
from coin_pipeline.results.store import (
    StoredDocument,
    is_stored,
    load_result,
    stored_documents,
)
from coin_pipeline.storage.base import ObjectStore

BATCH_SIZE = 50
"""Entries per insert."""
MANY = 1000
"""From this number of new entries on, the table is analyzed."""


class IndexRebuild:
    """A rebuild of the index.

    Attributes:
        added: Number of entries written.
        removed: Number of entries removed.
        broken: An error for each document that could not be read.
    """

    def __init__(self, store: ObjectStore, index: ResultIndex) -> None:
        self.added, self.removed = 0, 0
        self.broken: list[CoinError] = []
        self._store, self._index = store, index
        self._known = index.versions()  # read before the objects are listed: later entries are of later objects
        self._altered = index.altered()
        listed = sorted(stored_documents(store), key=lambda document: document.shelf, reverse=True)
        self._listed = {document.run_id: document for document in listed}  # results/ wins over tasks/, as for readers
        legacy = read_legacy_index(store)
        self._finished = legacy.finished
        if legacy.problem:
            self.broken.append(legacy.problem)

    def changed(self, *, everything: bool) -> list[StoredDocument]:
        """Return the documents to read, newest first."""
        unread = [
            document
            for document in self._listed.values()
            if everything
            or document.run_id in self._altered
            or self._known.get(document.run_id) != version_of(document)
        ]
        return sorted(unread, key=lambda document: document.modified, reverse=True)

    def read(self, documents: Sequence[StoredDocument]) -> None:
        """Write the entries of documents."""
        entries = self._add([entry for document in documents if (entry := self._entry(document))])
        self.added += len(entries)
        # A removal deletes the object before the entry, so it may have run between reading and writing here.
        self._remove(
            {
                entry.run_id: ObjectVersion(entry.shelf, entry.size, entry.modified)
                for entry in entries
                if not self._has(entry)
            }
        )

    def remove_missing(self) -> None:
        """Remove the entries whose objects no longer exist."""
        missing = {run_id: mark for run_id, mark in self._known.items() if run_id not in self._listed}
        self._remove(
            {run_id: mark for run_id, mark in missing.items() if not is_stored(self._store, mark.shelf, run_id)}
        )

    def _entry(self, stored: StoredDocument) -> IndexEntry | None:
        try:
            document = load_result(self._store, stored.run_id)
        except (NotFound, ObjectCorrupt) as error:
            if isinstance(error, ObjectCorrupt):
                self.broken.append(error)
            self._remove_previous(stored.run_id)
            return None
        except StorageFailed as error:
            self.broken.append(error)
            return None
        return build_entry(document, stored, self._finished.get(stored.run_id))

    def _add(self, entries: list[IndexEntry]) -> list[IndexEntry]:
        """Add entries and return those that the database accepted; a rejected one is reported and affects no other."""
        try:
            self._index.add(entries)
        except DataRefused:
            return [entry for entry in entries if self._is_added(entry)]
        return entries

    def _is_added(self, entry: IndexEntry) -> bool:
        try:
            self._index.add([entry])
        except DataRefused as error:
            self.broken.append(ObjectCorrupt(entry.run_id, f"its values do not fit the index; {error}"))
            self._remove_previous(entry.run_id)
            return False
        return True

    def _remove_previous(self, run_id: str) -> None:
        """Remove the entry of a document that was readable before and no longer is."""
        if run_id in self._known:
            self._remove({run_id: self._known[run_id]})

    def _has(self, entry: IndexEntry) -> bool:
        return is_stored(self._store, entry.shelf, entry.run_id)

    def _remove(self, marks: Mapping[str, ObjectVersion]) -> None:
        if marks:
            self._index.remove_unchanged(marks)
            self.removed += len(marks)


def reindex(
    store: ObjectStore,
    index: ResultIndex,
    *,
    everything: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> IndexRebuild:
    """Bring the index in line with the stored results.

    Results may be published and removed meanwhile. A document that cannot be read is reported and has no entry.

    Args:
        store: Object store of the results.
        index: The index.
        everything: Read all documents, not only new and changed ones and those whose entries were changed by hand.
        on_progress: Called with the number of documents read and the total.

    Raises:
        StorageFailed: The objects cannot be listed.
        DatabaseUnavailable: The index cannot be read or written.
    """
    rebuild = IndexRebuild(store, index)
    changed = rebuild.changed(everything=everything)
    for start in range(0, len(changed), BATCH_SIZE):
        on_progress(start, len(changed))
        rebuild.read(changed[start : start + BATCH_SIZE])
    on_progress(len(changed), len(changed))
    rebuild.remove_missing()
    if rebuild.added >= MANY:
        index.analyze()
    return rebuild
