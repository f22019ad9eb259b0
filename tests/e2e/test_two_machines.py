"""Two platforms on one database and one bucket, as on two machines: each has its own DATA_ROOT and host name."""

import signal
from collections.abc import Iterator

import pytest

from tests.machines import Machines, can_name_machines, two_machines
from tests.platforms import follow_backtest, has_ended, wait_until

pytestmark = [
    pytest.mark.skipif(not can_name_machines(), reason="host names of processes need Linux and root"),
    pytest.mark.long,
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two machines; the daemon of the first is active."""
    with two_machines(tmp_path_factory.mktemp("machines")) as machines:
        yield machines


def test_a_run_is_cancelled_from_another_machine(machines: Machines) -> None:
    """Its process ends there, and both machines report it as cancelled."""
    task_id, pid = machines.submit_to_second("slow")
    assert machines.first.api.post(f"/api/backtests/{task_id}/cancel").json()["status"] == "cancelled"
    wait_until(lambda: has_ended(pid), 20)
    wait_until(lambda: machines.hosts(task_id) == [("second", "CANCELED")])
    for platform in (machines.first, machines.second):
        assert platform.api.get(f"/api/backtests/status/{task_id}").json()["status"] == "cancelled"


def test_a_suspended_machine_publishes_nothing_and_ends_its_run(machines: Machines) -> None:
    """The other one repeats the run; the process that resumes later finds it ended, and ends too."""
    task_id, pid = machines.submit_to_second("steady", every=3)
    machines.signal_second(signal.SIGSTOP)
    try:
        completed = follow_backtest(machines.first.api, task_id, 120)[-1]
    finally:
        machines.signal_second(signal.SIGCONT)
    assert completed["status"] == "completed", completed["error"]
    wait_until(lambda: has_ended(pid), 20)
    assert machines.hosts(task_id) == [("second", "FAILURE"), ("first", "SUCCESS")]


def test_the_runs_of_a_lost_machine_are_repeated_on_the_other(machines: Machines) -> None:
    """Every process of a machine is killed at once."""
    task_id, _ = machines.submit_to_second("steady", every=4)
    machines.signal_second(signal.SIGKILL)
    completed = follow_backtest(machines.first.api, task_id, 120)[-1]
    assert completed["status"] == "completed", completed["error"]
    assert machines.hosts(task_id) == [("second", "FAILURE"), ("first", "SUCCESS")]
