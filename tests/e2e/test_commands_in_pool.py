"""`coin backtest` alongside a running platform: its worker pool runs the command."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import LAUNCHER
from tests.platforms import COIN, Platform, has_ended, query_database, wait_until

pytestmark = pytest.mark.skipif(LAUNCHER != "warm", reason="runs commands in the worker pool")
DAYS = ("--start", "2024-01-01", "--end", "2024-12-31")
HERE = "--in-process"
SECRET = "a-secret-of-the-caller"  # noqa: S105
FAILING_STRATEGY = """
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

class Failing(Strategy[StrategyParams]):
    name = "failing"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        if len(bars) > 300:  # the registry and the look-ahead check use fewer bars
            raise ValueError("on purpose")
        return Signals(entries=bars.close > bars.open, hold=1)
"""
CIRCUMSTANCES = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.+Z-]+|\d+\.\d+ m?s\b|\"[a-z_]*seconds\": [\d.]+"
)
"""Run ids and times."""


def start(platform: Platform, *arguments: str) -> subprocess.Popen[str]:
    """Start `coin backtest` on the platform's DATA_ROOT."""
    return subprocess.Popen(
        [COIN, "backtest", *arguments],
        env={**os.environ, "DATA_ROOT": str(platform.root), "A_SECRET": SECRET},
        cwd=platform.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(command: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return exit code and output of a command, without run ids and times."""
    output, errors = command.communicate(timeout=300)
    return command.returncode, CIRCUMSTANCES.sub("_", output), CIRCUMSTANCES.sub("_", errors)


def running_command(platform: Platform) -> int | None:
    """Return the pid of the process that executes the run of a command."""
    rows = query_database(
        platform.root,
        "select pid from coin.lease join runs using (run_id) join run_tags using (run_id) "
        "where status = 'STARTED' and key = 'coin/local'",
    )
    return int(rows[0][0]) if rows else None


def pool_of(platform: Platform, pid: int) -> bool:
    """Return whether a process is a child of the platform's pool."""
    parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    return Path(f"/proc/{parent}/comm").read_text().strip() == "pool" and platform.is_up


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("volume_zone_breakout", "AAA_KRW", *DAYS, "--fresh"), 0),
        (("volume_zone_breakout", "AAA_KRW", *DAYS, "--json"), 0),
        (("volume_zone_breakout", "AAA_KRW", *DAYS, "--param", "nonsense=1"), 2),
        (("volume_zone_breakout", "AAA_KRW", "--start", "someday"), 2),
        (("volume_zone_breakout", "NONE_KRW", *DAYS), 1),
        (("failing", "AAA_KRW", *DAYS, "--strategy-file", "failing.py"), 1),
    ],
    ids=["table", "json", "invalid-param", "usage", "no-candles", "failing-strategy"],
)
def test_output_and_exit_code_are_those_of_a_process_of_its_own(
    platform: Platform, arguments: tuple[str, ...], code: int
) -> None:
    """The user sees no difference except in speed."""
    file = platform.root / "failing.py"
    file.touch(mode=0o600)  # the first command to see a file that others may read reports it
    file.write_text(FAILING_STRATEGY)
    in_pool, here = outcome(start(platform, *arguments)), outcome(start(platform, *arguments, HERE))
    assert in_pool == here
    assert in_pool[0] == code


@pytest.mark.parametrize("options", [(), (HERE,)], ids=["pool", "in-process"])
def test_ctrl_c_ends_the_run(platform: Platform, options: tuple[str, ...]) -> None:
    """Whichever process executes it; it is recorded as interrupted."""
    command = start(platform, "slow", "AAA_KRW", *DAYS, "--strategy-file", "slow.py", *options)
    pid = wait_until(lambda: running_command(platform), timeout_s=200) or 0
    assert pool_of(platform, pid) is not bool(options)
    command.send_signal(signal.SIGINT)
    code, _, errors = outcome(command)
    assert code == 130, errors
    assert "error: " in errors
    wait_until(lambda: has_ended(pid) and running_command(platform) is None)


def test_the_environment_is_not_logged(platform: Platform) -> None:
    """It may contain secrets, and a command that fails is logged nowhere but on its own streams."""
    assert outcome(start(platform, "nonsense", "AAA_KRW", *DAYS))[0] == 2
    logs = [path.read_text() for path in (platform.root / "logs").glob("*.log")]
    assert logs
    assert not any(SECRET in text for text in logs)
