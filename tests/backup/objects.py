"""A DATA_ROOT with objects in every area, and what a set contains of them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from coin_pipeline.backup.backup import run_backup
from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import open_location
from coin_pipeline.backup.model import BackupSet, Target
from coin_pipeline.backup.objects import read_list, unpack
from coin_pipeline.backup.verify import verify_set
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore

OBJECT_TARGETS: Sequence[Target] = ("results", "tasks", "candles")
AREAS = {
    "results": (
        "results/r1.json",
        "results/r1/signals.parquet",
        "reports/r1.html",
        "fingerprints/f1.json",
        "forward/t1/drift.json",
        "backtests/custom/1.csv",
        "결과/한글.json",
    ),
    "tasks": ("tasks/t1/result.json", "runs/r1/simulate/out", "sweeps/chunks/a.parquet", "pins/t1.json"),
    "candles": ("BTC_KRW/1D/2024.parquet", "KRW-ETH/1m/2023.parquet"),
}
"""Keys by target."""
NOT_BACKED_UP = ("postgres/base/1", "logs/api.log", "dagster/dagster.yaml", "backups/old/1", "up.lock")


def content(key: str) -> bytes:
    """Return the bytes of an object."""
    return hashlib.sha256(key.encode()).digest() * 40


def fill(store: ObjectStore, keys: Sequence[str]) -> None:
    """Store objects."""
    for key in keys:
        store.put(key, content(key))


def settings_for(root: Path, **values: object) -> Settings:
    """Return the settings of a DATA_ROOT."""
    return Settings(data_root=root, **values)  # type: ignore[arg-type]


def write_data_root(root: Path) -> Settings:
    """Fill an empty DATA_ROOT, and return its settings."""
    store = LocalStore(root)
    for keys in (AREAS["results"], AREAS["tasks"], NOT_BACKED_UP):
        fill(store, keys)
    for key in AREAS["candles"]:  # without digests, as candles are stored
        (root / key).parent.mkdir(parents=True)
        (root / key).write_bytes(content(key))
    return settings_for(root)


def back_up(settings: Settings, targets: Sequence[Target] = OBJECT_TARGETS) -> BackupSet:
    """Back up objects; no target may fail."""
    made = run_backup(settings, targets)
    assert [target.error for target in made.targets] == [None] * len(targets)
    return made


def contents(settings: Settings, made: BackupSet, target: Target) -> dict[str, bytes]:
    """Return the objects of a target by key, unpacked from its archives according to its list."""
    location, key = open_location(settings), Key.from_settings(settings)
    backup = made.target(target)
    assert backup
    assert backup.object_list
    listed = {item.key: item for item in read_list(location, backup.object_list, key)}
    found: dict[str, bytes] = {}
    for archive in backup.archives:

        def receive(name: str, file: object, archive: str = archive.name) -> None:
            if name in listed and listed[name].archive == archive:
                found[name] = file.read()  # type: ignore[attr-defined]

        unpack(location, archive, key, receive)
    assert {name: hashlib.sha256(data).hexdigest() for name, data in found.items()} == {
        name: item.sha256 for name, item in listed.items()
    }
    return found


def damage(settings: Settings, made: BackupSet) -> list[str]:
    """Return what a deep verification of a set finds."""
    key = Key.from_settings(settings)
    return [found.error for found in verify_set(open_location(settings), key, made, deep=True) if found.error]
