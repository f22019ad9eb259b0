"""Logs of Dagster's processes: its commands and runs use the handlers of the process, in JSON or text."""

import json
import subprocess
import sys

import pytest

CONFIGURE = """
from coin_pipeline import logs
from coin_pipeline.orchestration._dagster_internals import keep_log_handlers
from coin_pipeline.settings import load_settings
logs.configure(load_settings(), "daemon")
keep_log_handlers()
"""
RUN = """
import dagster as dg
@dg.op
def greet(context):
    context.log.info("hello")
    raise ValueError("of the op")
@dg.job
def greeting():
    greet()
greeting.execute_in_process(raise_on_error=False)
"""
COMMANDS = """
from dagster._cli import api
from dagster._daemon import controller
import logging
for module in (api, controller):
    module.configure_loggers(formatter="colored", log_level="INFO")
logging.getLogger("dagster.code_server").info("Starting")
"""


def logged(code: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Return the lines that a configured process logs, each of which must be JSON."""
    monkeypatch.setenv("COIN_LOG_FORMAT", "json")
    done = subprocess.run([sys.executable, "-c", CONFIGURE + code], capture_output=True, text=True, check=True)
    assert not done.stdout
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_run_logs_json_with_its_run_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of ops and failures are logged, once each; Dagster's other events are in its storage only."""
    hello, failed, *rest = logged(RUN, monkeypatch)
    assert str(hello["message"]).endswith("hello")
    assert "STEP_FAILURE" in str(failed["message"])
    assert hello["run_id"] == failed["run_id"]
    assert all(entry["level"] == "ERROR" for entry in rest)


def test_dagsters_commands_log_through_the_handlers_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that configures the logging again would print each line twice, or in color."""
    assert [entry["message"] for entry in logged(COMMANDS, monkeypatch)] == ["Starting"]
