"""Back up and remove sets repeatedly, killing each attempt one write later than the previous one.

What a kill leaves never looks complete without being so, and the next backup removes it. Prints the number of kills of
each kind as JSON.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from coin_pipeline.backup import backup
from coin_pipeline.backup.folder import FolderLocation
from coin_pipeline.backup.locations import Location
from coin_pipeline.backup.retention import remove_expired
from coin_pipeline.backup.s3 import S3Location
from coin_pipeline.backup.sets import damaged_manifests, files_of, list_sets, write_manifest
from coin_pipeline.backup.verify import verify_set
from coin_pipeline.settings import Settings, load_settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.open_store import new_client
from coin_pipeline.storage.s3 import S3Store
from tests.backup.objects import OBJECT_TARGETS, write_data_root
from tests.storage.kill_points import die_at_write, run_in_fork

FOLDER_STEPS, S3_STEPS = (11, 5), (41, 17)
"""Every eleventh write of a backup is killed, and every fifth of a removal; all 500 of them take minutes."""


class Places:
    """New locations with two sets, of which the newer one needs archives of the older one, which has expired.

    Args:
        settings: Settings of the DATA_ROOT that is backed up.
        folder: Where locations in folders are created.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder, self._number = settings, folder, 0
        self._bucket = settings.aws_bucket_name
        self._template = FolderLocation(folder / "template")
        self._prepare(self._template)

    def _prepare(self, location: Location) -> None:
        back_up(self._settings, location)
        (old,) = list_sets(location)
        write_manifest(location, old.model_copy(update={"started_at": old.started_at - timedelta(days=99)}))
        LocalStore(self._settings.data_root).put("results/r2.json", b"new", overwrite=True)
        back_up(self._settings, location)
        LocalStore(self._settings.data_root).put("results/r3.json", b"newer", overwrite=True)

    def new(self) -> tuple[Location, Location, ObjectStore]:
        """Return a location, the same one as seen when its lock has expired, and the store whose writes kill."""
        self._number += 1
        if not self._bucket:
            root = self._folder / str(self._number)
            shutil.copytree(self._template.root, root)
            return FolderLocation(root), FolderLocation(root), LocalStore(root)
        client, prefix = new_client(self._settings), f"{self._folder.name}-{self._number}"
        location = S3Location(client, self._bucket, prefix)
        for name in self._template.names():
            with location.write(name) as file, self._template.open(name) as source:
                shutil.copyfileobj(source, file)
        return location, S3Location(client, self._bucket, prefix, lease_s=-1), S3Store(client, self._bucket)


def back_up(settings: Settings, location: Location) -> None:
    """Back up objects to a location."""
    backup.open_location = lambda _: location  # type: ignore[assignment]  # not that of the settings
    made = backup.run_backup(settings.model_copy(update={"aws_bucket_name": None}), OBJECT_TARGETS)
    assert [target.error for target in made.targets] == [None] * 3


def kill_at_each_write(places: Places, work: Callable[[Location], object], step: int) -> Iterator[Location]:
    """Yield each location whose process was killed at another write of `work`, the last writes in smaller steps."""
    number, stride = 1, step
    while True:
        location, expired, store = places.new()
        if run_in_fork(partial(_work_until, store, number, partial(work, location))):
            yield expired
            number += stride
        elif stride == step:  # only a few writes follow the one that makes a set visible
            stride = step // 4
            number += stride - step
        else:
            return


def _work_until(store: ObjectStore, number: int, work: Callable[[], object]) -> None:
    with die_at_write(store, number):
        work()


def require_intact(location: Location) -> int:
    """Raise AssertionError unless every set that exists is intact; return how many there are."""
    sets = list_sets(location)
    assert damaged_manifests(location) == []
    for backup_set in sets:
        assert [found.error for found in verify_set(location, None, backup_set, deep=True)] == [None] * 3
    return len(sets)


def require_tidy(location: Location) -> None:
    """Raise AssertionError if a file belongs to no set."""
    sets = list_sets(location)
    manifests = {f"sets/{found.set_id}.json{ending}" for found in sets for ending in ("", ".md5")}
    expected = {name for found in sets for name in files_of(found)} | manifests | {"redis/README.txt"}
    assert set(location.names()) == expected
    if isinstance(location, FolderLocation):
        assert [path.name for path in location.root.rglob(".*")] == []
    assert location.remove_incomplete() == 0


def main(folder: Path) -> None:
    """Kill backups and removals at each write."""
    base = load_settings()
    settings = base.model_copy(update={"data_root": write_data_root(folder / "data").data_root})
    places, steps = Places(settings, folder), S3_STEPS if base.aws_bucket_name else FOLDER_STEPS
    kills = {"backup": 0, "visible": 0, "removal": 0, "removed": 0}
    for location in kill_at_each_write(places, partial(back_up, settings), steps[0]):
        kills["backup"] += 1
        kills["visible"] += require_intact(location) == 3
        back_up(settings, location)
        require_intact(location)
        require_tidy(location)
    remove = partial(remove_expired, now=datetime.now(UTC), days=7)
    for location in kill_at_each_write(places, remove, steps[1]):
        kills["removal"] += 1
        kills["removed"] += require_intact(location) == 1
        remove(location)
        assert require_intact(location) == 1
        require_tidy(location)
    sys.stdout.write(json.dumps(kills))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
