"""The accountant is shown histories with one fault planted in each, and must find it."""

from collections.abc import Callable

import pytest

from tests.chaos.accountant import History, Sight, Submission, figures, findings

DIGEST = "d" * 64


def sound() -> History:
    """A history in which all is well: one task each completed, failed with a sentence, and cancelled."""
    history = History(
        submissions=[
            Submission("one", {}, DIGEST, task_ids=["1", "1"], computed=1),
            Submission("two", {}, DIGEST, task_ids=["2"], computed=1),
            Submission("three", {}, None, task_ids=["3"], cancelled=True),
        ],
        sights={
            "1": [
                Sight(0, "queued"),
                Sight(1, "running", 0.5),
                Sight(2, "completed", 1.0, None, DIGEST),
                Sight(3, "completed", 1.0, None, DIGEST),
            ],
            "2": [Sight(0, "running", 0.3), Sight(2, "failed", 0.3, "its process ended; run it again")],
            "3": [Sight(0, "queued"), Sight(1, "cancelled")],
        },
        files={"1": [("a", "completed"), ("a", "completed")], "2": [("b", "failed")], "3": [("c", "cancelled")]},
        recorded={"1": ["FAILURE", "SUCCESS"], "2": ["FAILURE"], "3": ["CANCELED"]},
        kills={"api": 2, "worker": 1},
        shown_s=[0.5, 1.5],
    )
    assert findings(history) == []
    return history


def lose_a_task(history: History) -> None:
    """Acknowledged, and not stored."""
    del history.recorded["1"]


def forget_a_task(history: History) -> None:
    """Acknowledged, and a poll says that there is no such task."""
    history.sights["1"].insert(1, Sight(0.5, "unknown"))


def never_acknowledge(history: History) -> None:
    """A client that got no answer to the end."""
    history.submissions[0].task_ids.clear()
    del history.recorded["1"]


def refuse(history: History) -> None:
    """A sound request that is refused."""
    history.submissions[1].refusals.append("422")


def leave_running(history: History) -> None:
    """A task that never ends."""
    history.sights["2"].pop()


def run_a_key_twice(history: History) -> None:
    """A repeated submission that became a second task."""
    history.submissions[0].task_ids.append("4")
    history.recorded["4"] = ["SUCCESS"]
    history.sights["4"] = history.sights["1"]
    history.files["4"] = history.files["1"]


def add_a_run(history: History) -> None:
    """A run that nobody was told of."""
    history.recorded["5"] = ["SUCCESS"]


def share_a_task(history: History) -> None:
    """Two keys, one task."""
    history.submissions[1].task_ids.append("1")


def succeed_twice(history: History) -> None:
    """Two attempts at a task, both of which have a result."""
    history.recorded["1"] = ["SUCCESS", "SUCCESS"]


def publish_twice(history: History) -> None:
    """A second attempt that replaced what was published."""
    history.files["1"].append(("z", "completed"))


def change_a_digest(history: History) -> None:
    """A result that differs from the undisturbed one."""
    history.sights["1"][-1] = Sight(3, "completed", 1.0, None, "e" * 64)


def complete_the_impossible(history: History) -> None:
    """A result of a backtest that has none."""
    history.submissions[0].expected = None


def say_nothing(history: History) -> None:
    """A failure without a sentence."""
    history.sights["2"][-1] = Sight(2, "failed", 0.3, None)


def fail_by_itself(history: History) -> None:
    """A sound backtest that fails with what only a bug can say."""
    history.sights["2"][-1] = Sight(2, "failed", 0.3, "KeyError: 'BBB_KRW'")


def go_back_to_queued(history: History) -> None:
    """A status that goes backwards."""
    history.sights["1"].insert(2, Sight(1.5, "queued", 0.5))


def leave_an_end(history: History) -> None:
    """A failed task that completes after all."""
    history.sights["2"].append(Sight(3, "completed", 1.0, None, DIGEST))
    history.recorded["2"], history.files["2"] = ["SUCCESS"], [("b", "completed")]


def lower_the_progress(history: History) -> None:
    """Progress that goes down."""
    history.sights["1"].insert(2, Sight(1.5, "running", 0.2))


def take_a_cancellation_back(history: History) -> None:
    """Cancelled by answer, and failed in the end."""
    history.sights["3"][-1] = Sight(1, "failed", 0.0, "why")
    history.recorded["3"], history.files["3"] = ["FAILURE"], [("c", "failed")]


def contradict_dagster(history: History) -> None:
    """One status over HTTP, another in the Dagster UI."""
    history.recorded["1"] = ["CANCELED"]


def contradict_the_manifest(history: History) -> None:
    """Failed over HTTP, with a complete result on the disk."""
    history.files["2"] = [("b", "completed")]


def leave_no_manifest(history: History) -> None:
    """Ended, and nothing on the disk says so."""
    del history.files["2"]


def leave_an_orphan(history: History) -> None:
    """A program that outlived the platform."""
    history.left.append("python -m something")


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (lose_a_task, "1 was acknowledged and is not in Dagster"),
        (forget_a_task, "1 was acknowledged, and then unknown"),
        (never_acknowledge, "one was never acknowledged"),
        (refuse, "two was refused: 422"),
        (leave_running, "2 did not end: running"),
        (run_a_key_twice, "one became 2 tasks"),
        (add_a_run, "the run 5 belongs to no submission"),
        (share_a_task, "1 is the task of one and of two"),
        (succeed_twice, "1 succeeded 2 times"),
        (publish_twice, "1 was published 2 times"),
        (change_a_digest, f"1 has the result {'e' * 64}, undisturbed it is {DIGEST}"),
        (complete_the_impossible, f"1 has the result {DIGEST}, undisturbed it is None"),
        (say_nothing, "2 failed without a sentence"),
        (fail_by_itself, "2 failed for no fault of ours: KeyError: 'BBB_KRW'"),
        (go_back_to_queued, "1 was running and then queued"),
        (leave_an_end, "2 was failed and then completed"),
        (lower_the_progress, "1 went back from 0.5 to 0.2"),
        (take_a_cancellation_back, "3 was cancelled and is failed"),
        (contradict_dagster, "1 is completed, and CANCELED in Dagster"),
        (contradict_the_manifest, "2 is failed, and completed in its manifest"),
        (leave_no_manifest, "2 is failed, and missing in its manifest"),
        (leave_an_orphan, "orphaned: python -m something"),
    ],
)
def test_a_planted_fault_is_found(plant: Callable[[History], None], found: str) -> None:
    """Each kind of fault, put into a sound history, is told in one sentence."""
    history = sound()
    plant(history)
    assert found in findings(history)


def test_the_figures_of_a_history() -> None:
    """What the table shows is counted from the same history."""
    shown = figures(sound())
    assert {name: shown[name] for name in ("kills", "submitted", "acknowledged", "completed", "failed")} == {
        "kills": "3",
        "submitted": "3",
        "acknowledged": "3",
        "completed": "1",
        "failed": "1",
    }
    assert (shown["lost"], shown["doubled"], shown["wrong"]) == ("0", "0", "0")
    assert shown["dead worker shown, worst"] == "1.5 s"
