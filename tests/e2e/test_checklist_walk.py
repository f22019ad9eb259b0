"""The walk of the migration checklist on a complete installation: a bucket, Slack, mail and legacy results."""

import os
import re
import subprocess

import pytest

from tests.conftest import ROOT
from tests.forking import run_coin
from tests.migration.legacy_platform import write_legacy_platform
from tests.platforms import free_ports, leftover_processes, start_platform, stop_platform
from tests.s3 import S3Server
from tests.slack_server import serving_slack
from tests.smtp_server import serving_smtp

WALK = ROOT / "scripts/walk_checklist.py"
MACHINE_DEPENDENT = ("5.7-sync", "5.7-async", "6.1-clean")
"""Items that a busy machine, or a checkout with uncommitted changes, may fail."""
OPTIONAL = {"4.4-versioning", "9-ignored"}
"""Items that never apply here: versions are a choice of users, and the folder is not a git checkout."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def transcript(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> str:
    """The transcript of a walk that fails no item."""
    home = tmp_path_factory.mktemp("walked")
    root = write_legacy_platform(home)
    inherited = {name: value for name, value in os.environ.items() if name not in {"DATA_ROOT", "COIN_STRATEGY_FILES"}}
    ports = free_ports(2)
    with serving_slack() as slack, serving_smtp(home) as smtp:
        environment = inherited | s3_server.environment("walked") | slack.environment | smtp.environment
        assert run_coin("migrate", "run", cwd=home, environment=environment).returncode == 0
        platform = start_platform(root, cwd=home, environment=environment, ports=ports)
        try:
            allowed = [argument for item in MACHINE_DEPENDENT for argument in ("--allow", item)]
            command = [WALK, "--base-url", f"http://127.0.0.1:{ports[0]}", "--disruptive", *allowed]
            done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
        finally:
            stop_platform(platform)
    assert leftover_processes(root) == []
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_but_choices_of_users_does_not_apply(transcript: str) -> None:
    """Every other item is done, replaced by something that is named, or a task of people."""
    assert set(re.findall(r"^  n/a +\[([^\]]+)\]", transcript, re.MULTILINE)) - {"6.1-clean", "1.1-commit"} == OPTIONAL


def test_every_section_has_its_commands_and_items(transcript: str) -> None:
    """The counts at the end cover the whole checklist, and no command fails."""
    (commands, items) = re.findall(r"^(\d+) (?:commands|items): (.*)$", transcript, re.MULTILINE)
    assert int(commands[0]) == transcript.count("\n  | ") - _continued_lines(transcript)
    assert "failed" not in commands[1]
    assert int(items[0]) == len(re.findall(r"^  \S+ +\[[\d.]+-", transcript, re.MULTILINE))


def _continued_lines(transcript: str) -> int:
    return len(re.findall(r"^  \| .*\n(?=  \| )", transcript, re.MULTILINE))
