"""Pins, in a folder."""

from pathlib import Path

import pytest

from coin_pipeline.backtest.pins import is_pinned, pin, pinned, unpin
from coin_pipeline.backtest.publishing import publish_task
from coin_pipeline.backtest.results import manifest_key, remove_task
from coin_pipeline.errors import InvalidRunId, NotPinned, ResultNotFound
from coin_pipeline.storage.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """A store with one task."""
    store = LocalStore(tmp_path)
    publish_task(store, {"task_id": "t"}, {"result.json": b"{}"})
    return store


def test_a_pin_keeps_until_it_is_taken_away(store: LocalStore) -> None:
    """Pinning twice is as good as once."""
    assert pinned(store) == frozenset()
    pin(store, "t")
    pin(store, "t")
    assert (pinned(store), is_pinned(store, "t")) == ({"t"}, True)
    unpin(store, "t")
    assert (pinned(store), is_pinned(store, "t")) == (frozenset(), False)
    with pytest.raises(NotPinned, match="task 't' is not pinned"):
        unpin(store, "t")


def test_what_has_not_ended_is_not_pinned(store: LocalStore) -> None:
    """Unknown tasks, those without a manifest yet, and what can be no id."""
    store.put("tasks/half/result.json", b"{}")
    for task_id in ("unknown", "half"):
        with pytest.raises(ResultNotFound, match=task_id):
            pin(store, task_id)
    with pytest.raises(InvalidRunId):
        pin(store, "../results/a")
    assert list(store.keys("pins")) == []


class Expiring(LocalStore):
    """A store in which a task is removed by somebody who looked for a pin just before there was one."""

    def put(self, key: str, data: bytes, **how: object) -> None:  # type: ignore[override]
        """Store the pin, and remove the task."""
        super().put(key, data, **how)  # type: ignore[arg-type]
        remove_task(self, "t")


def test_who_pins_too_late_is_told(store: LocalStore) -> None:
    """No pin stays behind that keeps nothing."""
    with pytest.raises(ResultNotFound):
        pin(Expiring(store.root), "t")
    assert list(store.keys()) == []
    assert not store.exists(manifest_key("t"))
