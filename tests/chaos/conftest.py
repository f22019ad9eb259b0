"""The table of figures that is shown after the tests."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.chaos.accountant import History, figures, findings

ROWS: list[tuple[str, dict[str, str]]] = []
Judge = Callable[[str, History], None]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Note the figures of a history for the table, then fail with everything that must never be and is in it."""

    def judge(name: str, history: History, **more: str) -> None:
        ROWS.append((name, figures(history) | more))
        found = findings(history)
        (tmp_path / "history.json").write_text(json.dumps(asdict(history), indent=1))
        assert not found, "\n".join([*found, f"logs and history are in {tmp_path}", f"answers: {history.answers}"])

    return judge


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures of each test, one below the other."""
    for name, figures_of_test in ROWS:
        terminalreporter.section(name, "-")
        for figure, value in figures_of_test.items():
            terminalreporter.write_line(f"{figure:<26}{value:>12}")
