"""Publish the same result repeatedly, killing each attempt one write later than the previous one.

Each attempt runs in a fork that kills itself at its n-th write. The program then checks what is visible, and another
fork completes the publication, as a retry of a task would. The counts are printed as JSON.
"""

import json
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from coin_pipeline.errors import ResultNotFound
from coin_pipeline.results import publish
from coin_pipeline.results import store as results
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.open_store import open_store
from coin_pipeline.storage.s3 import S3Store

WRITES = {"open", "write", "setxattr", "fsync", "link", "replace", "rename", "unlink", "remove", "mkdir", "flush"}
"""C functions that modify a file system."""
ROWS = 20_000


class Killer:
    """Kill this process at its n-th write."""

    def __init__(self, number: int) -> None:
        self.left = number

    def count(self) -> None:
        """Count one write, and kill the process at the last one."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, _frame: types.FrameType, event: str, called: object) -> None:
        """Count a call reported by sys.setprofile; a write counts when it starts and when it returns."""
        if event in {"c_call", "c_return"} and getattr(called, "__name__", "") in WRITES:
            self.count()


@contextmanager
def die_at_write(store: ObjectStore, number: int) -> Iterator[None]:
    """Kill this process at the n-th write of `store`: around each system call, or around each request to the server."""
    killer = Killer(number)
    if isinstance(store, S3Store):
        for moment in ("before-send.s3", "after-call.s3"):
            store.client.meta.events.register(moment, lambda **_: killer.count())
        yield
    else:
        threading.setprofile(killer)  # several files are written at once
        sys.setprofile(killer)
        yield
        sys.setprofile(None)


def document(run_id: str, attempt: int) -> results.Json:
    """Return a result that records which attempt computed it."""
    return {"run_id": run_id, "attempt": attempt, "rows": list(range(ROWS)), "end": attempt}


def rows(attempt: int) -> dict[str, bytes]:
    """Return a table of an attempt."""
    return {"signals.parquet": f"{attempt}".encode() * ROWS}


def publish_task(store: ObjectStore, run_id: str, attempt: int) -> None:
    """Publish a task."""
    files = {**rows(attempt), "result.json": results.to_bytes(document(run_id, attempt))}
    publish.publish_task(store, {"task_id": run_id, "status": "completed"}, files)


def publish_document(store: ObjectStore, run_id: str, attempt: int) -> None:
    """Publish the result of a synchronous run."""
    files = {**rows(attempt), "report.html": f"<html>{attempt}</html>".encode() * ROWS}
    publish.publish_document(store, document(run_id, attempt), files)


def visible_attempt(store: ObjectStore, run_id: str) -> int | None:
    """Return the attempt whose result is visible, or None; a visible result must be complete."""
    listed = run_id in [item.run_id for item in results.stored_documents(store)]
    try:
        result = results.load_result(store, run_id)
    except ResultNotFound:
        if listed:
            raise AssertionError(f"{run_id} is listed but cannot be read") from None
        return None
    attempt: int = result["attempt"]
    if not listed or result != document(run_id, attempt):
        raise AssertionError(f"{run_id} differs from what an attempt published, or is not listed")
    area = results.stored_document(store, run_id).shelf
    for name, content in rows(attempt).items():
        if store.get(results.file_key(area, run_id, name)) != content:
            raise AssertionError(f"{name} of {run_id} belongs to another attempt than its document")
    return attempt


def run_in_fork(work: Callable[[], None]) -> bool:
    """Run `work` in a fork; return whether the fork was killed."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 -- reported by the exit code; the fork must not continue as the parent
            sys.stderr.write(f"{error!r}\n")
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.waitstatus_to_exitcode(status):
        raise AssertionError("the fork failed")
    return False


def kill_at_each_write(
    store: ObjectStore, publish: Callable[[ObjectStore, str, int], None], name: str
) -> dict[str, int]:
    """Publish with a kill at the first write, the second, and so on until an attempt completes; return the counts."""
    visible = 0
    for number in range(1, 10_000):
        run_id = f"{name}-{number}"
        killed = run_in_fork(partial(_first, store, number, partial(publish, store, run_id, 1)))
        before = visible_attempt(store, run_id)
        run_in_fork(partial(publish, store, run_id, before or 2))
        after = visible_attempt(store, run_id)
        if after != (before or 2):
            raise AssertionError(f"{run_id}: attempt {before} was visible, then {after}")
        visible += before is not None
        if not killed:
            return {"kills": number - 1, "visible": visible}
    raise AssertionError("the writes do not end")


def _first(store: ObjectStore, number: int, publish: Callable[[], None]) -> None:
    with die_at_write(store, number):
        publish()


def main() -> None:
    """Kill both kinds of publication at each write, in the configured store."""
    store = open_store(load_settings())
    if isinstance(store, LocalStore):
        store.root.mkdir(parents=True, exist_ok=True)
    counts = {
        "task": kill_at_each_write(store, publish_task, "task"),
        "result": kill_at_each_write(store, publish_document, "result"),
    }
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    main()
