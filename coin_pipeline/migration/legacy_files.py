"""What the older platform left under DATA_ROOT; read, and never written."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from coin_pipeline.errors import CoinError, ObjectCorrupt, ObjectNotFound
from coin_pipeline.results.legacy import INDEX_KEY, listed_runs
from coin_pipeline.results.store import is_run_id, load_result
from coin_pipeline.storage.base import ObjectEntry, sha256_hex
from coin_pipeline.storage.local import LocalStore

UNKNOWN_VERSION = "?"
INVALID_NAME = "its name is no run id; rename a copy"


class LegacyResult(NamedTuple):
    """A result file below DATA_ROOT: its run, its key, its schema, what is wrong with it or None, and its digest."""

    run_id: str
    key: str
    version: str
    problem: str | None
    sha256: str

    @property
    def older(self) -> bool:
        """Whether the older platform wrote it, or may have: what cannot be read is not ours either."""
        return self.version.startswith(("1.0", "1.1")) or self.version == UNKNOWN_VERSION


def legacy_objects(root: Path) -> list[ObjectEntry]:
    """Return what lies in results/ and tasks/ below `root`, in the order of keys."""
    local = LocalStore(root)
    return [*local.entries("results"), *local.entries("tasks")]


def result_files(root: Path) -> Iterator[LegacyResult]:
    """Yield each result document in results/, and each task's that has a manifest."""
    local, keys, unnamed = LocalStore(root), {entry.key for entry in legacy_objects(root)}, set(unserved_keys(root))
    for key in sorted(keys - {INDEX_KEY}):
        shelf, _, rest = key.partition("/")
        if shelf == "results" and rest.endswith(".json"):
            if key in unnamed or is_run_id(_run_of(key)):
                yield _looked_at(local, _run_of(key), key)
        elif key.endswith("/result.json") and key.replace("/result.json", "/manifest.json") in keys:
            yield _looked_at(local, key.split("/")[1], key)


def unserved_keys(root: Path) -> list[str]:
    """Return the keys in results/ whose names are no run ids, but for those of which a copy has one."""
    keys = [entry.key for entry in LocalStore(root).entries("results") if entry.key.endswith(".json")]
    unnamed = [key for key in keys if key != INDEX_KEY and not is_run_id(_run_of(key))]
    served = {_sha256(root / key) for key in keys if unnamed and is_run_id(_run_of(key))}
    return [key for key in unnamed if _sha256(root / key) not in served]


def missing_from_disk(root: Path) -> list[str]:
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


def _looked_at(local: LocalStore, run_id: str, key: str) -> LegacyResult:
    version, problem = UNKNOWN_VERSION, None
    if is_run_id(run_id):
        try:
            version = str(load_result(local, run_id).get("version", "1.0"))
        except CoinError as error:
            problem = str(error)
    else:
        problem = f"not served: {INVALID_NAME}"
    return LegacyResult(run_id, key, version, problem, _sha256(local.root / key))


def _run_of(key: str) -> str:
    return key.removeprefix("results/").removesuffix(".json")


def _sha256(path: Path) -> str:
    return sha256_hex(path.read_bytes())
