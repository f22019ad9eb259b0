"""Where the objects of a backup come from: the object store, and the candles under DATA_ROOT or in the bucket.

Candles have the same keys in both places, so that a backup of one can be restored into the other.

Every object belongs to exactly one target, those in unknown areas to `results`, so that nothing is left out. An area is
the first part of a key.
"""

import os
from collections.abc import Iterator
from typing import Literal

from coin_pipeline.backup.locations import AREA, key_prefix
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.errors import InvalidSymbol, ObjectNotFound
from coin_pipeline.settings import Settings
from coin_pipeline.storage.archived import AREAS
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.storage.base import CACHE, CANDLES, COMPUTE_LOGS, LOCKS, ObjectEntry, ObjectStore, is_key
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.open_store import open_folder, open_store

ObjectTarget = Literal["results", "tasks", "candles"]
TASK_AREAS = ("tasks", "runs", "sweeps", "pins")
"""Areas of `tasks`: results, outputs of the steps of running tasks, parts of sweeps, and pins."""
NOT_DATA = (AREA, CACHE, "dagster", "logs", "postgres")
"""Areas that no target contains: backups, copies, Dagster's home, logs, and the database, which is dumped."""
_LOCK = ".lock"


def open_source(settings: Settings, target: ObjectTarget) -> ObjectStore:
    """Return the store with the objects of a target."""
    if target != "candles":
        return open_store(settings)
    return open_folder(settings, CANDLES) if settings.coin_candles == "s3" else LocalStore(settings.data_root)


def source_entries(settings: Settings, target: ObjectTarget) -> Iterator[ObjectEntry]:
    """Yield the objects of a target, each once.

    Raises:
        StorageFailed: DATA_ROOT or the bucket cannot be listed.
    """
    own = key_prefix(settings)
    for entry in _entries(settings, target):
        if own is None or not entry.key.startswith(f"{own}/"):
            yield entry


def target_of(area: str) -> ObjectTarget | None:
    """Return the target of an area under DATA_ROOT; None if no target contains it.

    >>> target_of("reports"), target_of("pins"), target_of("BTC_KRW"), target_of("postgres"), target_of("up.lock")
    ('results', 'tasks', 'candles', None, None)
    """
    if area in NOT_DATA or area.endswith(_LOCK) or not is_key(area):
        return None
    if area in TASK_AREAS:
        return "tasks"
    return "candles" if _is_market(area) else "results"


def _entries(settings: Settings, target: ObjectTarget) -> Iterator[ObjectEntry]:
    store = open_source(settings, target)
    if target == "candles" and settings.coin_candles == "s3":
        yield from store.entries()
    elif settings.aws_bucket_name is None or target == "candles":
        for area in _local_areas(settings):
            if target_of(area) == target:
                is_file = (settings.data_root / area).is_file()
                yield from _file_at(store, area) if is_file else store.entries(area)
    elif target == "tasks":
        for area in TASK_AREAS:
            yield from store.entries(area)
    else:
        left_out = (*TASK_AREAS, AREA, COMPUTE_LOGS, CANDLES, LOCKS)
        yield from (entry for entry in store.entries() if entry.key.partition("/")[0] not in left_out)


def _local_areas(settings: Settings) -> list[str]:
    """Return the areas under DATA_ROOT, with those whose objects may all have been archived in a bucket."""
    with translate_os_errors(settings.data_root):
        return sorted({*os.listdir(settings.data_root), *AREAS})  # noqa: PTH208 -- names, not paths


def _file_at(store: ObjectStore, key: str) -> Iterator[ObjectEntry]:
    """Yield the object of a key without a folder, if there is one."""
    try:
        info = store.info(key)
    except ObjectNotFound:
        return
    yield ObjectEntry(key, info.size, info.modified)


def _is_market(area: str) -> bool:
    try:
        parse_symbol(area)
    except InvalidSymbol:
        return False
    return True
