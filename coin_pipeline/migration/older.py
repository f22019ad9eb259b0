"""What the older platform left under DATA_ROOT; read, and never written."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from coin_pipeline.backtest.legacy import INDEX_KEY, listed_runs
from coin_pipeline.backtest.results import check_run_id
from coin_pipeline.errors import CoinError, InvalidRunId, ObjectCorrupt, ObjectNotFound
from coin_pipeline.storage.base import Entry
from coin_pipeline.storage.local import LocalStore


class OldResult(NamedTuple):
    """A result file below DATA_ROOT: its run, its key, its schema, and what is wrong with it or None."""

    run_id: str
    key: str
    version: str
    problem: str | None


def old_objects(root: Path) -> list[Entry]:
    """Return what lies in results/ and tasks/ below `root`, in the order of keys."""
    local = LocalStore(root)
    return [*local.entries("results"), *local.entries("tasks")]


def result_files(root: Path) -> Iterator[OldResult]:
    """Yield each result document in results/, and each task's that has a manifest."""
    local, keys = LocalStore(root), {entry.key for entry in old_objects(root)}
    for key in sorted(keys - {INDEX_KEY}):
        shelf, _, rest = key.partition("/")
        if shelf == "results" and rest.endswith(".json"):
            yield _looked_at(local, rest.removesuffix(".json"), key)
        elif key.endswith("/result.json") and key.replace("/result.json", "/manifest.json") in keys:
            yield _looked_at(local, key.split("/")[1], key)


def lost_entries(root: Path) -> list[str]:
    """Return the runs that the older platform's index lists and that have no file.

    Raises:
        ObjectCorrupt: the index is no JSON.
    """
    local = LocalStore(root)
    try:
        told = json.loads(local.get(INDEX_KEY))
    except ObjectNotFound:
        return []
    except ValueError as error:
        raise ObjectCorrupt(INDEX_KEY, f"it is no JSON ({error}); it is not used here, so move it away") from None
    known = {Path(entry.key).stem for entry in local.entries("results")}
    return sorted({run_id for run_id, _ in listed_runs(told)} - known)


def _looked_at(local: LocalStore, run_id: str, key: str) -> OldResult:
    try:
        document = json.loads(local.get(key))
        check_run_id(run_id)
    except InvalidRunId:
        return OldResult(run_id, key, "?", "its name is no run id, so the API cannot serve it; rename a copy")
    except (CoinError, ValueError) as error:
        return OldResult(run_id, key, "?", f"it cannot be read: {error}")
    if not isinstance(document, dict):
        return OldResult(run_id, key, "?", "it is no JSON object")
    return OldResult(run_id, key, str(document.get("version", "1.0")), None)
