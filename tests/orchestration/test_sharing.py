"""How clients share the worker pool."""

from collections.abc import Mapping

import pytest

from coin_pipeline.orchestration.worker_pool.sharing import PoolLimits, RunRequest, may_bypass_queue, next_run

LIMITS = PoolLimits(interactive=3, bulk=1, room=12)
A, B, C = RunRequest("a"), RunRequest("b"), RunRequest("c")
BULK_A, BULK_B = RunRequest("a", bulk=True), RunRequest("b", bulk=True)


def test_one_client_uses_all_slots_but_the_reserved_one() -> None:
    """Its runs may never end, and another client must still be served."""
    waiting = {"a4": A, "b1": B}
    assert next_run(LIMITS, {"a4": A}, [A, A]) == "a4"
    assert next_run(LIMITS, {"a4": A}, [A, A, A]) is None
    assert next_run(LIMITS, waiting, [A, A, A]) == "b1"
    assert next_run(LIMITS, {"b2": B}, [A, A, A, B]) is None
    assert next_run(LIMITS, {"a4": A}, [A, A, B]) is None  # the reserved slot is no more than one more


@pytest.mark.parametrize(
    ("waiting", "executing", "expected"),
    [
        ({"a1": A, "b1": B}, [], "a1"),
        ({"a2": A, "b1": B}, [A], "b1"),
        ({"a2": A, "b2": B, "c1": C}, [A, B], "c1"),
        ({"a1": BULK_A, "a2": A}, [], "a2"),
        ({"a2": BULK_A, "b1": BULK_B}, [A, A], "a2"),
        ({"b1": BULK_B}, [BULK_A], None),
    ],
)
def test_the_client_that_executes_the_fewest_is_next(
    waiting: Mapping[str, RunRequest], executing: list[RunRequest], expected: str | None
) -> None:
    """Then the oldest run; interactive runs come first, and bulk runs have a slot of their own without a reserve."""
    assert next_run(LIMITS, waiting, executing) == expected


def test_a_client_with_few_runs_bypasses_the_queue_although_others_fill_the_room() -> None:
    """Up to four runs each and six altogether, so that the queue is not starved."""
    assert may_bypass_queue(LIMITS, "a", [A] * 11)
    assert not may_bypass_queue(LIMITS, "a", [A] * 12)
    assert may_bypass_queue(LIMITS, "b", [A] * 16)
    assert not may_bypass_queue(LIMITS, "b", [*[A] * 12, *[B] * 4])
    assert not may_bypass_queue(LIMITS, "c", [*[A] * 14, *[B] * 4])
    assert may_bypass_queue(LIMITS, "c", [*[BULK_A] * 100, A])
