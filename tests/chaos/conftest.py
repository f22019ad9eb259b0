"""Platforms for the chaos tests, and the report that is printed after them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import pytest

from tests.chaos.accountant import History, find_violations, summarize
from tests.chaos.faults import start_with_recording_strategy
from tests.chaos.traffic import Traffic
from tests.platforms import Platform, SharedPlatform, leftover_processes, stop_platform

LOG_LINES = 15
"""Lines of each log that are shown if a test fails."""
Judge = Callable[[str, Traffic, Platform], None]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedPlatform]:
    """A platform for faults that it must survive without a restart; a test that fails leaves the next one a new one."""
    platform = SharedPlatform(lambda: start_with_recording_strategy(tmp_path_factory.mktemp("platform")))
    yield platform
    platform.stop()


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Add the figures of a history to the report, then fail with all violations in it."""

    def judge(name: str, traffic: Traffic, platform: Platform, **figures: str) -> None:
        history = traffic.history
        request.node.user_properties.append((name, summarize(history) | figures))
        (platform.root / "history.json").write_text(json.dumps(asdict(history), indent=1))
        violations = find_violations(history)
        context = (f"logs and history are in {platform.root}", f"responses: {history.responses}")
        assert not violations, "\n".join([*violations, *context, *log_tails(platform.root)])

    return judge


def log_tails(root: Path) -> Iterator[str]:
    """Yield the last lines of each log: the machine may be gone when the failure is read."""
    for log in sorted(root.rglob("*.log")):
        yield f"--- {log.relative_to(root)}"
        yield from log.read_text(errors="replace").splitlines()[-LOG_LINES:]


def stop_and_record(platform: Platform, history: History) -> None:
    """Stop the platform with Ctrl-C and record which processes it leaves behind."""
    assert platform.is_up, platform.log.read_text()
    assert stop_platform(platform) == 0
    history.leftover = leftover_processes(platform.root)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of each test."""
    for report in chain(*map(terminalreporter.getreports, ("passed", "failed"))):
        for name, figures in report.user_properties:
            terminalreporter.section(name, "-")
            for figure, value in figures.items():
                terminalreporter.write_line(f"{figure:<26}{value:>12}")
