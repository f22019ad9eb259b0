"""Pins and claims on a local store."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coin_pipeline.errors import InvalidRunId, NotPinned, ResultNotFound, TaskExpiring
from coin_pipeline.results.pins import (
    claim,
    is_pinned,
    pin,
    pinned_tasks,
    release_claims,
    remove_claimed,
    remove_stale_pin,
    unpin,
)
from coin_pipeline.results.publish import publish_task
from coin_pipeline.results.store import claim_key, manifest_key, read_result, remove_task
from coin_pipeline.storage.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """A store with one task."""
    store = LocalStore(tmp_path)
    publish_task(store, {"task_id": "t"}, {"result.json": b"{}"})
    return store


def test_a_pin_keeps_a_task_until_it_is_unpinned(store: LocalStore) -> None:
    """Pinning is idempotent."""
    assert pinned_tasks(store) == {}
    pin(store, "t")
    pin(store, "t")
    assert ({*pinned_tasks(store)}, is_pinned(store, "t")) == ({"t"}, True)
    unpin(store, "t")
    assert ({*pinned_tasks(store)}, is_pinned(store, "t")) == (set(), False)
    with pytest.raises(NotPinned, match="task 't' is not pinned"):
        unpin(store, "t")


def test_only_finished_tasks_can_be_pinned(store: LocalStore) -> None:
    """Unknown tasks, tasks without a manifest, and invalid IDs are rejected."""
    store.put("tasks/half/result.json", b"{}")
    for task_id in ("unknown", "half"):
        with pytest.raises(ResultNotFound, match=task_id):
            pin(store, task_id)
    with pytest.raises(InvalidRunId):
        pin(store, "../results/a")
    assert list(store.keys("pins")) == []


class Expiring(LocalStore):
    """A store whose task is removed by a process that looked for a pin just before it was written."""

    def put(self, key: str, data: bytes, **how: object) -> None:  # type: ignore[override]
        """Store the pin, and remove the task."""
        super().put(key, data, **how)  # type: ignore[arg-type]
        remove_task(self, "t")


def test_pinning_a_removed_task_raises(store: LocalStore) -> None:
    """No pin is left without a task."""
    with pytest.raises(ResultNotFound):
        pin(Expiring(store.root), "t")
    assert list(store.keys()) == []
    assert not store.exists(manifest_key("t"))


class Died(BaseException):
    """The process was killed."""


class Turns:
    """Two threads on one store whose operations alternate in a given order; one may die before an operation.

    Attributes:
        order: Whose turn is next, 0 or 1; a thread that has ended is skipped.
        dies: Number of the operation before which each thread dies, or None.
    """

    def __init__(self, order: Sequence[int], dies: Sequence[int | None]) -> None:
        self.order, self.dies = list(order), list(dies)
        self._ended: set[int] = set()
        self._change = threading.Condition()

    def run(self, works: Sequence[Callable[[LocalStore], object]], root: Path) -> list[object]:
        """Return what each thread returned or raised."""
        outcomes: list[object] = [None, None]

        def work(who: int) -> None:
            try:
                outcomes[who] = works[who](Shared(root, self, who))
            except (ResultNotFound, TaskExpiring, Died) as error:
                outcomes[who] = error
            finally:
                with self._change:
                    self._ended.add(who)
                    self._change.notify_all()

        threads = [threading.Thread(target=work, args=(who,)) for who in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes

    def take(self, who: int, operation: Callable[[], Any]) -> Any:  # noqa: ANN401 -- whatever a store returns
        """Do an operation when it is its turn."""
        with self._change:
            self._change.wait_for(lambda: 1 - who in self._ended or not self.order or self.order[0] == who)
            if self.order and self.order[0] == who:
                self.order.pop(0)
            if self.dies[who] == 0:
                raise Died
            self.dies[who] = None if (left := self.dies[who]) is None else left - 1
            try:
                return operation()
            finally:
                self._change.notify_all()


class Shared(LocalStore):
    """The store as seen by one of the two threads."""

    def __init__(self, root: Path, turns: Turns, who: int) -> None:
        super().__init__(root)
        self._turns, self._who = turns, who

    def put(self, key: str, data: bytes, **how: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        """Store in turn."""
        self._turns.take(self._who, lambda: super(Shared, self).put(key, data, **how))

    def get(self, key: str) -> bytes:
        """Read in turn."""
        return bytes(self._turns.take(self._who, lambda: super(Shared, self).get(key)))

    def exists(self, key: str) -> bool:
        """Look in turn."""
        return bool(self._turns.take(self._who, lambda: super(Shared, self).exists(key)))

    def delete(self, key: str) -> None:
        """Delete in turn."""
        self._turns.take(self._who, lambda: super(Shared, self).delete(key))


def expire(store: LocalStore) -> bool:
    """Remove the task as retention does, unless it is pinned; return whether it was removed."""
    release_claims(store)
    if is_pinned(store, "t") or not claim(store, "t"):
        return False
    remove_claimed(store, "t")
    return True


LOOKED = [0, 1, 0, 1, 1, 1]
"""Both have looked for what the other has not written yet, where neither writes before it looks."""
LATE = [0, *[1] * 8, 0, 1, 0]
"""The task was there when it was pinned, and gone with its claim when the pin was written."""
DEATHS = st.none() | st.integers(0, 12)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.sampled_from([0, 1]), max_size=20), dies=st.tuples(DEATHS, DEATHS))
@example([1, 0, 0, 0, 0], (None, None))
@example(LOOKED, (None, None))
@example(LATE, (3, None))
def test_a_confirmed_pin_always_keeps_its_task(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], dies: tuple[int | None, int | None]
) -> None:
    """In every interleaving, and wherever either side dies, a confirmed pin keeps its task."""
    root = tmp_path_factory.mktemp("store")
    store = LocalStore(root)
    publish_task(store, {"task_id": "t"}, {"result.json": b"{}", "report.html": b""})
    outcome, removed = Turns(order, dies).run((lambda shared: pin(shared, "t"), expire), root)
    if outcome is None:
        assert (removed is True, is_pinned(store, "t"), read_result(store, "t")) == (False, True, b"{}")
    expire(store)  # the next night
    if outcome is None:
        assert (is_pinned(store, "t"), read_result(store, "t")) == (True, b"{}")
    if isinstance(outcome, Died):  # maybe before it saw that its pin keeps nothing; retention removes that a day later
        remove_stale_pin(store, "t")
    assert is_pinned(store, "t") is store.exists(manifest_key("t"))
    assert store.exists("tasks/t/result.json") is store.exists(manifest_key("t"))
    assert not store.exists(claim_key("t"))


def test_pinning_a_claimed_task_raises(store: LocalStore) -> None:
    """The pin stays: it keeps the task if the removal was killed."""
    assert claim(store, "t")
    with pytest.raises(TaskExpiring, match="task t has expired"):
        pin(store, "t")
    assert not claim(store, "t")
    release_claims(store)
    pin(store, "t")
    assert list(store.keys("pins")) == ["pins/t.json"]
