"""The table of figures that is shown after the tests."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import pytest

from tests.chaos.accountant import History, figures, findings

LINES = 15
"""Of each log, where a test fails."""
Judge = Callable[[str, History], None]


@pytest.fixture
def judge(tmp_path: Path, request: pytest.FixtureRequest) -> Judge:
    """Note the figures of a history for the table, then fail with everything that must never be and is in it."""

    def judge(name: str, history: History, **more: str) -> None:
        request.node.user_properties.append((name, figures(history) | more))
        found = findings(history)
        (tmp_path / "history.json").write_text(json.dumps(asdict(history), indent=1))
        seen = (f"logs and history are in {tmp_path}", f"answers: {history.answers}")
        assert not found, "\n".join([*found, *seen, *ends_of_logs(tmp_path)])

    return judge


def ends_of_logs(root: Path) -> Iterator[str]:
    """Yield the last lines of each program; the folder may be on a machine that is gone when somebody reads this."""
    for log in sorted(root.rglob("*.log")):
        yield f"--- {log.relative_to(root)}"
        yield from log.read_text(errors="replace").splitlines()[-LINES:]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures of each test, one below the other."""
    for report in chain(*map(terminalreporter.getreports, ("passed", "failed"))):
        for name, shown in report.user_properties:
            terminalreporter.section(name, "-")
            for figure, value in shown.items():
                terminalreporter.write_line(f"{figure:<26}{value:>12}")
