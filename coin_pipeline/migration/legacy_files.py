"""Files of the legacy platform under DATA_ROOT, which are read and never written."""

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
INVALID_NAME = "its name is not a valid run id; rename a copy"


class LegacyResult(NamedTuple):
    """A result file under DATA_ROOT.

    Attributes:
        run_id: Run that the file name implies.
        key: Path below DATA_ROOT.
        version: Schema version; `UNKNOWN_VERSION` if the file cannot be read.
        problem: Why the result cannot be served; None if it can.
        sha256: Digest of the file, hex.
    """

    run_id: str
    key: str
    version: str
    problem: str | None
    sha256: str

    @property
    def is_legacy(self) -> bool:
        """Whether the legacy platform wrote the file; unreadable files count, since this platform writes none."""
        return self.version.startswith(("1.0", "1.1")) or self.version == UNKNOWN_VERSION


def legacy_objects(root: Path) -> list[ObjectEntry]:
    """Return the files in results/ and tasks/, sorted by key."""
    local = LocalStore(root)
    return [*local.entries("results"), *local.entries("tasks")]


def result_files(root: Path) -> Iterator[LegacyResult]:
    """Yield each result document in results/, and the result of each task that has a manifest."""
    local, keys, unserved = LocalStore(root), {entry.key for entry in legacy_objects(root)}, set(unserved_keys(root))
    for key in sorted(keys - {INDEX_KEY}):
        area, _, name = key.partition("/")
        if area == "results" and name.endswith(".json"):
            if key in unserved or is_run_id(_run_id_of(key)):
                yield _inspect(local, _run_id_of(key), key)
        elif key.endswith("/result.json") and key.replace("/result.json", "/manifest.json") in keys:
            yield _inspect(local, key.split("/")[1], key)


def unserved_keys(root: Path) -> list[str]:
    """Return the keys in results/ whose names are not valid run ids, unless a copy with a valid name exists."""
    keys = [entry.key for entry in LocalStore(root).entries("results") if entry.key.endswith(".json")]
    invalid = [key for key in keys if key != INDEX_KEY and not is_run_id(_run_id_of(key))]
    served = {_sha256(root / key) for key in keys if invalid and is_run_id(_run_id_of(key))}
    return [key for key in invalid if _sha256(root / key) not in served]


def missing_from_disk(root: Path) -> list[str]:
    """Return the runs that the legacy index lists but that have no file.

    Raises:
        ObjectCorrupt: The index is not JSON.
    """
    local = LocalStore(root)
    try:
        index = json.loads(local.get(INDEX_KEY))
    except ObjectNotFound:
        return []
    except ValueError as error:
        reason = f"it is not JSON ({error}); this platform does not use it, so move it out of the way"
        raise ObjectCorrupt(INDEX_KEY, reason) from None
    stored = {Path(key).stem for key in local.keys("results") if key.endswith(".json")}
    return sorted({run_id for run_id, _ in listed_runs(index)} - stored)


def _inspect(local: LocalStore, run_id: str, key: str) -> LegacyResult:
    version, problem = UNKNOWN_VERSION, None
    if is_run_id(run_id):
        try:
            version = str(load_result(local, run_id).get("version", "1.0"))
        except CoinError as error:
            problem = str(error)
    else:
        problem = f"not served: {INVALID_NAME}"
    return LegacyResult(run_id, key, version, problem, _sha256(local.root / key))


def _run_id_of(key: str) -> str:
    return key.removeprefix("results/").removesuffix(".json")


def _sha256(path: Path) -> str:
    return sha256_hex(path.read_bytes())
