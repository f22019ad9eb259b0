"""The checklist walk and the documented commands on a complete installation: a bucket, Slack, mail, legacy results."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT
from tests.docs.shell_blocks import commands, shell_blocks
from tests.forking import run_coin
from tests.migration.legacy_platform import write_legacy_platform
from tests.platforms import (
    BACKTEST,
    Platform,
    follow_backtest,
    free_ports,
    leftover_processes,
    start_platform,
    stop_platform,
)
from tests.s3 import S3Server
from tests.slack_server import serving_slack
from tests.smtp_server import serving_smtp

WALK = ROOT / "scripts/walk_checklist.py"
MACHINE_DEPENDENT = ("5.7-sync", "5.7-async", "6.1-clean")
"""Items that a busy machine, or a checkout with uncommitted changes, may fail."""
OPTIONAL = {"4.4-versioning", "9-ignored"}
"""Items that never apply here: versions are a choice of users, and the folder is not a git checkout."""
WITHOUT_CHECKOUT = {"1.1-commit", "6.1-clean"}
EXECUTED_PAGES = {"docs/quickstart.md", "docs/operations.md", "docs/troubleshooting.md"}
NOT_EXECUTED = {
    ("coin", "up"): "the fixture runs it",
    ("coin", "candles", "get"): "an exchange is another machine; tests/cli/test_fetch.py has one",
    ("make",): "sets up this environment again",
    ("scripts/compose_env.sh",): "tests/compose",
    ("docker",): "tests/compose",
}
"""Commands that are only parsed (tests/docs/test_commands.py), and why."""

pytestmark = [pytest.mark.timeout(900), pytest.mark.long]


class Installation(NamedTuple):
    """A running platform, the folder that has its `.env`, and its settings."""

    platform: Platform
    home: Path
    environment: dict[str, str]

    @property
    def url(self) -> str:
        """URL of the API."""
        return str(self.platform.api.base_url)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[Installation]:
    """A migrated platform over legacy candles and results."""
    home = tmp_path_factory.mktemp("walked")
    root = write_legacy_platform(home)
    own = {name: value for name, value in os.environ.items() if name not in {"DATA_ROOT", "COIN_STRATEGY_FILES"}}
    api_port, ui_port = free_ports(2)
    with serving_slack() as slack, serving_smtp(home) as smtp:
        own |= s3_server.environment("walked") | slack.environment | smtp.environment
        own |= {"COIN_API_URL": f"http://127.0.0.1:{api_port}", "COIN_UI_URL": f"http://127.0.0.1:{ui_port}"}
        assert run_coin("migrate", "run", cwd=home, environment=own).returncode == 0
        platform = start_platform(root, cwd=home, environment=own, ports=(api_port, ui_port))
        try:
            yield Installation(platform, home, own)
        finally:
            stop_platform(platform)
    assert leftover_processes(root) == []


@pytest.fixture(scope="module")
def transcript(installation: Installation) -> str:
    """The transcript of a walk that fails no item."""
    allowed = [argument for item in MACHINE_DEPENDENT for argument in ("--allow", item)]
    done = subprocess.run(
        [WALK, "--base-url", installation.url, "--disruptive", *allowed],
        cwd=installation.home,
        env=installation.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_but_choices_of_users_does_not_apply(transcript: str) -> None:
    """Every other item is done, replaced by something that is named, or a task of people."""
    not_applicable = set(re.findall(r"^  n/a +\[([^\]]+)\]", transcript, re.MULTILINE))
    assert not_applicable - WITHOUT_CHECKOUT == OPTIONAL


def test_every_section_has_its_commands_and_items(transcript: str) -> None:
    """The counts at the end are those of the lines above, and no command fails."""
    commands_, items = re.findall(r"^(\d+) (?:commands|items): (.*)$", transcript, re.MULTILINE)
    assert int(commands_[0]) == len(re.findall(r"^  \| .*\n(?!  \| )", transcript, re.MULTILINE))
    assert "failed" not in commands_[1]
    assert int(items[0]) == len(re.findall(r"^  \S+ +\[[\d.]+-", transcript, re.MULTILINE))


def test_documented_commands_work(installation: Installation) -> None:
    """Each command of the pages for a new platform succeeds in the order of its page; ids are those of a task."""
    accepted = installation.platform.api.post("/api/backtests/run-async", json={**BACKTEST, "symbols": ["BTC_KRW"]})
    task_id = accepted.json()["task_id"]
    assert follow_backtest(installation.platform.api, task_id)[-1]["status"] == "completed"
    for block in shell_blocks():
        for command in commands(block) if block.page in EXECUTED_PAGES else ():
            if not any(tuple(command[: len(prefix)]) == prefix for prefix in NOT_EXECUTED):
                _execute(installation, block.place, [re.sub("TASK_ID|RUN_ID", task_id, word) for word in command])


def _execute(installation: Installation, place: str, command: list[str]) -> None:
    if command[0].rpartition("/")[2] == "coin":
        if command[1] == "up":
            return
        done = run_coin(*command[1:], cwd=installation.home, environment=installation.environment)
    else:
        words = [word.replace("http://127.0.0.1:8000", installation.url) for word in command]
        done = subprocess.run(
            [words[0], "--fail-with-body", *words[1:]],
            cwd=installation.home,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, f"{place}: {' '.join(command)}\n{done.stdout}{done.stderr}"
