"""A program that publishes the same result again and again, each time killed one write later than the time before.

A fork publishes; where its count of writes reaches the number that it was given, it kills itself. What is left is
looked at, then another fork finishes the work, as a further attempt at a task does. Prints what it saw as JSON.
"""

import json
import os
import signal
import sys
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
"""Calls of C functions that change a file system."""
ROWS = 20_000


class Killer:
    """Kills this process at its n-th write."""

    def __init__(self, number: int) -> None:
        self.left = number

    def count(self) -> None:
        """Count one write, and die at the last."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, _frame: types.FrameType, event: str, called: object) -> None:
        """Hear of a call, as sys.setprofile tells it; a write is both begun and done."""
        if event in {"c_call", "c_return"} and getattr(called, "__name__", "") in WRITES:
            self.count()


@contextmanager
def dying(store: ObjectStore, number: int) -> Iterator[None]:
    """Die at the n-th write that `store` makes: before or after a call of the system, or a request to the server."""
    killer = Killer(number)
    if isinstance(store, S3Store):
        for moment in ("before-send.s3", "after-call.s3"):
            store.client.meta.events.register(moment, lambda **_: killer.count())
        yield
    else:
        sys.setprofile(killer)
        yield
        sys.setprofile(None)


def document(run_id: str, attempt: int) -> results.Json:
    """Return a result that says which attempt computed it."""
    return {"run_id": run_id, "attempt": attempt, "rows": list(range(ROWS)), "end": attempt}


def publish_task(store: ObjectStore, run_id: str, attempt: int) -> None:
    """Publish a task."""
    files = {
        "equity.parquet": f"{attempt}".encode() * ROWS,
        "result.json": results.to_bytes(document(run_id, attempt)),
    }
    publish.publish_task(store, {"task_id": run_id, "status": "completed"}, files)


def publish_document(store: ObjectStore, run_id: str, attempt: int) -> None:
    """Publish a synchronous run."""
    publish.publish_document(store, document(run_id, attempt), f"<html>{attempt}</html>".encode() * ROWS)


def seen(store: ObjectStore, run_id: str) -> int | None:
    """Return which attempt's result is visible, None where none is; one that is visible must be whole."""
    listed = run_id in [each.run_id for each in results.stored_documents(store)]
    try:
        found = results.load_result(store, run_id)
    except ResultNotFound:
        if listed:
            raise AssertionError(f"{run_id} is listed, and cannot be read") from None
        return None
    attempt: int = found["attempt"]
    if not listed or found != document(run_id, attempt):
        raise AssertionError(f"{run_id} is not what an attempt published, or is not listed")
    return attempt


def forked(work: Callable[[], None]) -> bool:
    """Do something in a fork; return whether it was killed."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 -- told by the exit code, as the parent must not go on twice
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


def killed_at_each_write(
    store: ObjectStore, publish: Callable[[ObjectStore, str, int], None], name: str
) -> dict[str, int]:
    """Publish with a kill at the first write, at the second, and so on until none is left; return what was seen."""
    visible = 0
    for number in range(1, 10_000):
        run_id = f"{name}-{number}"
        killed = forked(partial(_first, store, number, partial(publish, store, run_id, 1)))
        before = seen(store, run_id)
        forked(partial(publish, store, run_id, before or 2))
        after = seen(store, run_id)
        if after != (before or 2):
            raise AssertionError(f"{run_id}: attempt {before} was visible, then {after}")
        visible += before is not None
        if not killed:
            return {"kills": number - 1, "visible": visible}
    raise AssertionError("there is no end of writes")


def _first(store: ObjectStore, number: int, publish: Callable[[], None]) -> None:
    with dying(store, number):
        publish()


def main() -> None:
    """Kill both ways to publish, in the store that the settings name."""
    store = open_store(load_settings())
    if isinstance(store, LocalStore):
        store.root.mkdir(parents=True, exist_ok=True)
    told = {
        "task": killed_at_each_write(store, publish_task, "task"),
        "result": killed_at_each_write(store, publish_document, "result"),
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
