"""Faults of every kind while clients submit: nothing that was accepted is lost, doubled, wrong or taken back."""

import os
import sys
from pathlib import Path

import pytest

from tests.chaos.conftest import Judge
from tests.chaos.harness import Traffic, kill_at_random, started, stop_and_look

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which process is which")
# By weight. A program takes seconds to start, a worker may be killed at any time.
TARGETS = {"worker": 6, "pool": 2, "code-server": 1, "api": 2, "daemon": 2, "webserver": 1}


@pytest.mark.timeout(300)
def test_nothing_is_lost_under_kills(tmp_path: Path, judge: Judge) -> None:
    """Every kind of process is killed at random while clients submit."""
    tasks, kills = (int(n) for n in os.environ.get("COIN_CHAOS_SHORT", "60,30").split(","))
    with started(tmp_path) as platform, Traffic(platform, seed=1, tasks=tasks) as traffic:
        kill_at_random(traffic, platform, seed=1, kills=kills, pause_s=1.5, targets=TARGETS)
        traffic.settle(150)
        stop_and_look(platform, traffic.history)
    judge("a few kills", traffic.history)
