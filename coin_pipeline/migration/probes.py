"""Removal of the backtests that the checklist submits, which test the platform."""

from collections.abc import Sequence
from contextlib import closing

from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import NotFound, ObjectCorrupt
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.reuse import fingerprinted_run, reuse_key_of
from coin_pipeline.results.store import fingerprint_key, load_result, remove_task, report_key, result_key
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.open_store import open_store


def remove_probes(settings: Settings, run_ids: Sequence[str]) -> None:
    """Remove the results of backtests, and list them no longer. Their Dagster runs stay as a record of the check.

    Args:
        settings: Where results and the database are.
        run_ids: Runs that the checklist submitted. One without a result is in no list, and is left to retention.
    """
    store = open_store(settings)
    removed = [run_id for run_id in run_ids if _remove_objects(store, run_id)]
    if removed:
        with closing(Session(database_url(settings))) as session:
            for area in ("results", "tasks"):
                ResultIndex(session).remove(area, removed)


def _remove_objects(store: ObjectStore, run_id: str) -> bool:
    """Remove everything that is stored of a run; return whether it had a result."""
    try:
        document = load_result(store, run_id)
    except (NotFound, ObjectCorrupt):
        return False
    fingerprint = fingerprint_key(reuse_key_of(document))
    if fingerprinted_run(store, fingerprint) == run_id:
        store.delete(fingerprint)
    store.delete(result_key("results", run_id))
    store.delete(report_key("results", run_id))
    remove_task(store, run_id)
    for key in [*store.keys(f"results/{run_id}"), *store.keys(f"runs/{run_id}")]:
        store.delete(key)
    return True
