"""The machine whose daemon is active is lost while it executes backtests and a sweep."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.builders import STEADY_STRATEGY
from tests.chaos.traffic import RECORDING_STRATEGY
from tests.machines import Machines, can_name_machines, two_machines
from tests.platforms import BACKTEST, Platform, follow, wait_until

pytestmark = [
    pytest.mark.skipif(not can_name_machines(), reason="host names of processes need Linux and root"),
    pytest.mark.long,
    pytest.mark.timeout(600),
]
PAUSE_S = 300
"""How long each backtest of the second machine takes; on the first they take no time."""
TASKS = 2 + 2 * (os.cpu_count() or 1)
"""More than the second machine executes at a time: the others wait in its pool."""
SWEEP: dict[str, Any] = {**BACKTEST, "strategy": "steady", "space": {"every": "2:901:1"}}
TASKS_IN_DAGSTER = """select run_id from runs where run_id not in
    (select run_id from run_tags where key = 'dagster/root_run_id') and run_id in
    (select run_id from run_tags where key = 'coin/strategy')"""


@pytest.fixture
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two machines; the daemon of the second is active."""
    strategies = {"counted": RECORDING_STRATEGY, "steady": STEADY_STRATEGY}
    with two_machines(tmp_path_factory.mktemp("machines"), "second", strategies) as machines:
        yield machines


def test_every_task_of_a_lost_machine_ends_once(machines: Machines) -> None:
    """The other one repeats what was executing, executes what was waiting, and repeats nothing that had ended."""
    first, second = machines.first, machines.second
    (second.root / "pause").write_text(str(PAUSE_S))
    ended = [submit(second, "failed", symbols=["NONE_KRW"]), submit(second, "cancelled", params={"number": 99})]
    assert second.api.post(f"/api/backtests/{ended[1]}/cancel").status_code == 200
    before = [outcome(second, task_id) for task_id in ended]
    sweep = second.api.post("/api/sweeps", json=SWEEP, headers={"Idempotency-Key": "sweep"}).json()["task_id"]
    wait_until(lambda: second.api.get(f"/api/sweeps/{sweep}").json()["points_done"] > 0)
    tasks = [submit(second, f"task-{number}", params={"number": number}) for number in range(TASKS)]
    wait_until(lambda: len(list(filter(machines.attempts, tasks))) > 1)

    machines.signal_second(signal.SIGKILL)
    executing = list(filter(machines.attempts, tasks))
    assert len(executing) < TASKS

    swept = follow(first.api, f"/api/sweeps/{sweep}", 240)[-1]
    assert (swept["status"], swept["points_done"]) == ("completed", 900), swept["error"]
    assert machines.hosts(sweep) == [("second", "FAILURE"), ("first", "SUCCESS")]
    for task_id in tasks:
        status = wait_for_end(first, task_id)
        assert status["status"] == "completed", status["error"]
        lost = [("second", "FAILURE")] if task_id in executing else []
        assert machines.hosts(task_id) == [*lost, ("first", "SUCCESS")]
    assert executions(first) == {str(number): 1 for number in range(TASKS)}
    assert [outcome(first, task_id) for task_id in ended] == before
    assert [status for status, _ in before] == ["failed", "cancelled"]
    assert "NONE_KRW" in before[0][1]
    again = [submit(first, f"task-{number}", params={"number": number}) for number in range(TASKS)]
    assert again == tasks
    assert stored_tasks(machines.url) == {*ended, *tasks, sweep}


def submit(platform: Platform, key: str, **fields: Any) -> str:  # noqa: ANN401 -- any field of a request
    """Submit a backtest of two years under a key; return its task id."""
    body = {**BACKTEST, "strategy": "counted", "start_date": "2023-01-01", **fields}
    answer = platform.api.post("/api/backtests/run-async", json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


def wait_for_end(platform: Platform, task_id: str) -> dict[str, Any]:
    """Return the last status of a backtest."""
    return follow(platform.api, f"/api/backtests/status/{task_id}", 240)[-1]


def outcome(platform: Platform, task_id: str) -> tuple[str, str]:
    """Return the status and the error of a backtest that has ended."""
    last = wait_for_end(platform, task_id)
    return last["status"], last["error"] or ""


def executions(platform: Platform) -> dict[str, int]:
    """Return how often a machine has computed each backtest, by its number."""
    calls = {tuple(line.split()) for line in (platform.root / "calls").read_text().splitlines()}
    return dict(Counter(call[0] for call in calls if len(call) == 2))  # the other strategy records one number


def stored_tasks(url: str) -> set[str]:
    """Return the first run of every task."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(TASKS_IN_DAGSTER)
        return {run_id for (run_id,) in cursor.fetchall()}
