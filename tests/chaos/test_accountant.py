"""The accountant must find every violation that is planted in a history."""

from collections.abc import Callable

import pytest

from tests.chaos.accountant import History, Observation, Submission, find_violations, summarize

DIGEST = "d" * 64


def correct_history() -> History:
    """Return a history without violations: a completed, a failed and a cancelled task."""
    history = History(
        submissions=[
            Submission("one", {}, DIGEST, task_ids=["1", "1"], executions=1),
            Submission("two", {}, DIGEST, task_ids=["2"], executions=1),
            Submission("three", {}, None, task_ids=["3"], cancelled=True),
        ],
        observations={
            "1": [
                Observation(0, "queued"),
                Observation(1, "running", 0.5),
                Observation(2, "completed", 1.0, None, DIGEST),
                Observation(3, "completed", 1.0, None, DIGEST),
            ],
            "2": [Observation(0, "running", 0.3), Observation(2, "failed", 0.3, "its process ended; run it again")],
            "3": [Observation(0, "queued"), Observation(1, "cancelled")],
        },
        manifests={"1": [("a", "completed"), ("a", "completed")], "2": [("b", "failed")], "3": [("c", "cancelled")]},
        attempts={"1": ["FAILURE", "SUCCESS"], "2": ["FAILURE"], "3": ["CANCELED"]},
        kills={"api": 2, "worker": 1},
        detection_s=[0.5, 1.5],
    )
    assert find_violations(history) == []
    return history


def lose_a_task(history: History) -> None:
    """Acknowledged, but not stored."""
    del history.attempts["1"]


def forget_a_task(history: History) -> None:
    """Acknowledged, but a poll responds with 404."""
    history.observations["1"].insert(1, Observation(0.5, "unknown"))


def never_acknowledge(history: History) -> None:
    """A client whose request was never accepted."""
    history.submissions[0].task_ids.clear()
    del history.attempts["1"]


def reject(history: History) -> None:
    """A valid request that was rejected."""
    history.submissions[1].rejections.append("422")


def leave_running(history: History) -> None:
    """A task that never ends."""
    history.observations["2"].pop()


def run_a_key_twice(history: History) -> None:
    """A repeated submission that became a second task."""
    history.submissions[0].task_ids.append("4")
    history.attempts["4"] = ["SUCCESS"]
    history.observations["4"] = history.observations["1"]
    history.manifests["4"] = history.manifests["1"]


def add_a_run(history: History) -> None:
    """A run without a submission."""
    history.attempts["5"] = ["SUCCESS"]


def share_a_task(history: History) -> None:
    """Two keys with one task."""
    history.submissions[1].task_ids.append("1")


def succeed_twice(history: History) -> None:
    """Two successful attempts of one task."""
    history.attempts["1"] = ["SUCCESS", "SUCCESS"]


def publish_twice(history: History) -> None:
    """A second attempt that replaced the published result."""
    history.manifests["1"].append(("z", "completed"))


def change_a_digest(history: History) -> None:
    """A result that differs from the undisturbed one."""
    history.observations["1"][-1] = Observation(3, "completed", 1.0, None, "e" * 64)


def complete_the_infeasible(history: History) -> None:
    """A result of a request that cannot succeed."""
    history.submissions[0].expected = None


def fail_without_a_message(history: History) -> None:
    """A failure without a message."""
    history.observations["2"][-1] = Observation(2, "failed", 0.3, None)


def fail_through_a_bug(history: History) -> None:
    """A feasible backtest whose message can only come from a bug."""
    history.observations["2"][-1] = Observation(2, "failed", 0.3, "KeyError: 'BBB_KRW'")


def return_to_queued(history: History) -> None:
    """A status that goes backwards."""
    history.observations["1"].insert(2, Observation(1.5, "queued", 0.5))


def leave_a_final_status(history: History) -> None:
    """A failed task that completes afterwards."""
    history.observations["2"].append(Observation(3, "completed", 1.0, None, DIGEST))
    history.attempts["2"], history.manifests["2"] = ["SUCCESS"], [("b", "completed")]


def lower_the_progress(history: History) -> None:
    """Progress that goes down."""
    history.observations["1"].insert(2, Observation(1.5, "running", 0.2))


def undo_a_cancellation(history: History) -> None:
    """An acknowledged cancellation whose task fails."""
    history.observations["3"][-1] = Observation(1, "failed", 0.0, "why")
    history.attempts["3"], history.manifests["3"] = ["FAILURE"], [("c", "failed")]


def contradict_dagster(history: History) -> None:
    """Different statuses over HTTP and in the Dagster UI."""
    history.attempts["1"] = ["CANCELED"]


def contradict_the_manifest(history: History) -> None:
    """Failed over HTTP, with a complete result on disk."""
    history.manifests["2"] = [("b", "completed")]


def leave_no_manifest(history: History) -> None:
    """Ended without a manifest."""
    del history.manifests["2"]


def leave_a_process(history: History) -> None:
    """A program that outlived the platform."""
    history.leftover.append("python -m something")


@pytest.mark.parametrize(
    ("plant", "violation"),
    [
        (lose_a_task, "1 was acknowledged but is not in Dagster"),
        (forget_a_task, "1 was acknowledged, then unknown"),
        (never_acknowledge, "one was never acknowledged"),
        (reject, "two was rejected: 422"),
        (leave_running, "2 did not end: running"),
        (run_a_key_twice, "one has 2 tasks"),
        (add_a_run, "run 5 belongs to no submission"),
        (share_a_task, "1 is the task of one and of two"),
        (succeed_twice, "1 succeeded 2 times"),
        (publish_twice, "1 was published 2 times"),
        (change_a_digest, f"1 has the result {'e' * 64}, expected {DIGEST}"),
        (complete_the_infeasible, f"1 has the result {DIGEST}, expected None"),
        (fail_without_a_message, "2 failed without a message"),
        (fail_through_a_bug, "2 failed for a reason other than the injected fault: KeyError: 'BBB_KRW'"),
        (return_to_queued, "1 was running, then queued"),
        (leave_a_final_status, "2 was failed, then completed"),
        (lower_the_progress, "1 went back from 0.5 to 0.2"),
        (undo_a_cancellation, "3 was cancelled but is failed"),
        (contradict_dagster, "1 is completed, but CANCELED in Dagster"),
        (contradict_the_manifest, "2 is failed, but completed in its manifest"),
        (leave_no_manifest, "2 is failed, but missing in its manifest"),
        (leave_a_process, "leftover process: python -m something"),
    ],
)
def test_planted_violation_is_found(plant: Callable[[History], None], violation: str) -> None:
    """Each kind of violation, planted in a correct history, is reported in one message."""
    history = correct_history()
    plant(history)
    assert violation in find_violations(history)


def test_summary_of_a_history() -> None:
    """The report counts what the accountant finds."""
    figures = summarize(correct_history())
    assert {name: figures[name] for name in ("kills", "submitted", "acknowledged", "completed", "failed")} == {
        "kills": "3",
        "submitted": "3",
        "acknowledged": "3",
        "completed": "1",
        "failed": "1",
    }
    assert (figures["lost"], figures["duplicated"], figures["wrong"]) == ("0", "0", "0")
    assert figures["worst detection"] == "1.5 s"
