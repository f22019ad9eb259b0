"""The checklist walk and the documented commands on a complete installation: a bucket, Slack, mail, legacy results."""

import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT
from tests.docs.reader import Reader, exchange_candles, write_reader_files
from tests.docs.shell_blocks import commands, shell_blocks
from tests.forking import run_coin
from tests.migration.legacy_platform import write_legacy_platform
from tests.platforms import (
    Platform,
    free_ports,
    leftover_processes,
    start_platform,
    stop_platform,
)
from tests.s3 import S3Server
from tests.slack_server import serving_slack
from tests.smtp_server import serving_smtp
from tests.upbit_server import Clock, UpbitServer, serving

WALK = ROOT / "scripts/walk_checklist.py"
MACHINE_DEPENDENT = ("5.7-sync", "5.7-async", "6.1-clean")
"""Items that a busy machine, or a checkout with uncommitted changes, may fail."""
OPTIONAL = {"4.4-versioning", "9-ignored"}
"""Items that never apply here: versions are a choice of users, and the folder is not a git checkout."""
WITHOUT_CHECKOUT = {"1.1-commit", "6.1-clean"}
PAGES = tuple(dict.fromkeys(block.page for block in shell_blocks() if not block.page.startswith("docs/ko/")))
"""Pages with commands; tests/docs shows that those of the Korean pages are the same."""
EXECUTED = {"coin", "curl", "backup.sh"}
NOT_EXECUTED = {
    r"coin up": "the fixture runs it",
    r"coin backup restore latest$": "not while a platform runs; tests/backup/test_everything.py",
    r"coin database downgrade": "not while a platform runs; tests/cli/test_database.py",
    r"coin alerts retry": "no alert has failed here; tests/cli/test_alerts.py",
    r"coin candles get BTC_USDT": "an optional dependency; tests/candles/test_ccxt.py",
    r"curl .*/cancel$": "the task has ended here; tests/e2e/test_sweeps.py",
}
"""Commands that are only parsed (tests/docs/test_commands.py), and why. Containers: tests/compose."""
ELSEWHERE = {"docs/migration.md", "docs/deployment.md", "CONTRIBUTING.md", "SECURITY.md", "README.ko.md"}
"""Pages that other tests or developers execute (test_migration.py, tests/compose); README.ko.md equals README.md."""
NOW = datetime(2025, 1, 10, 9, 30, 30, tzinfo=UTC)
"""Time of the exchange."""

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
    exchange = UpbitServer(exchange_candles(), Clock(NOW))
    with serving_slack() as slack, serving_smtp(home) as smtp, serving(exchange):
        own |= s3_server.environment("walked") | slack.environment | smtp.environment
        own |= {"COIN_UPBIT_URL": exchange.url}
        own |= {"COIN_API_URL": f"http://127.0.0.1:{api_port}", "COIN_UI_URL": f"http://127.0.0.1:{ui_port}"}
        assert run_coin("migrate", "run", cwd=home, environment=own).returncode == 0
        platform = start_platform(root, cwd=home, environment=own, ports=(api_port, ui_port))
        try:
            yield Installation(platform, home, own)
        finally:
            stop_platform(platform)
    assert leftover_processes(root) == []


@pytest.fixture(scope="module")
def reader(installation: Installation) -> Reader:
    """A reader of the documentation on the platform."""
    write_reader_files(installation.home, installation.platform.root)
    return Reader(installation.platform.api, installation.home, installation.environment)


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


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE])
def test_documented_commands_work(reader: Reader, page: str) -> None:
    """Each command of a page succeeds in the order of the page; ids and files are those of its reader."""
    for block in shell_blocks():
        for command in commands(block) if block.page == page else ():
            is_ours = command[0].rpartition("/")[2] in EXECUTED
            if is_ours and not any(re.search(skipped, " ".join(command)) for skipped in NOT_EXECUTED):
                reader.execute(block.place, command)
