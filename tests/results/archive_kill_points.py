"""Archive and restore a result repeatedly, killing each attempt one write later than the previous one.

A second folder takes the place of the bucket: a put is atomic in both, and a kill is as likely before as after it.
Prints the number of kills of each direction as JSON.
"""

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from coin_pipeline.results.archive import ResultArchive
from coin_pipeline.storage.archived import ArchivedStore
from coin_pipeline.storage.local import LocalStore
from tests.storage.kill_points import die_at_write, run_in_fork

RUN_ID = "r1"
OBJECTS = {
    "reports/r1.html": b"<html>" * 1000,
    "results/r1.json": json.dumps({"run_id": RUN_ID, "rows": list(range(1000))}).encode(),
}


def kill_at_each_write(store: ArchivedStore, move: Callable[[], None]) -> Iterator[None]:
    """Yield after each attempt at a move that was killed."""
    for number in range(1, 10_000):
        if not run_in_fork(partial(_move_until, store, number, move)):
            return
        yield


def _move_until(store: ArchivedStore, number: int, move: Callable[[], None]) -> None:
    with die_at_write(store.local, number):
        move()


def archive(store: ArchivedStore) -> None:
    """Archive the result unless it is archived; it must be moved completely."""
    if store.local.exists("results/r1.json"):
        assert ResultArchive(store).archive(RUN_ID, include_legacy=True).skipped == ""
    assert [*store.local.keys("results"), *store.local.keys("reports")] == []
    require_readable(store)


def restore(store: ArchivedStore) -> None:
    """Restore the result unless it is restored; nothing may be left in the archive."""
    if list(store.local.keys("archive")):
        assert ResultArchive(store).restore(RUN_ID).skipped == ""
    assert {key: store.local.get(key) for key in OBJECTS} == OBJECTS
    assert list(store.archive.keys()) == []


def require_readable(store: ArchivedStore) -> None:
    """Raise AssertionError unless every object is listed once and has its bytes."""
    assert {key: store.get(key) for key in OBJECTS} == OBJECTS
    assert sorted([*store.keys("results"), *store.keys("reports")]) == sorted(OBJECTS)


def main(folder: Path) -> None:
    """Kill both directions at each write; what a kill leaves is readable, and the next attempt completes it."""
    local, bucket = LocalStore(folder / "data"), LocalStore(folder / "bucket")
    for store in (local, bucket):
        store.root.mkdir()
    store = ArchivedStore(local, lambda: bucket)
    for key, data in OBJECTS.items():
        local.put(key, data)
    kills = {"archive": 0, "restore": 0}
    for _ in kill_at_each_write(store, partial(archive, store)):
        kills["archive"] += 1
        require_readable(store)
        archive(store)
        restore(store)
    for number, _ in enumerate(kill_at_each_write(store, partial(restore, store))):
        kills["restore"] += 1
        require_readable(store)
        if number % 2 and local.exists("results/r1.json"):  # instead of completing the restoration
            archive(store)
        restore(store)
        archive(store)
    sys.stdout.write(json.dumps(kills))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
