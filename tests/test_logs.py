"""Log output: each line of a process is JSON or text, with the ids of the run, task and request."""

import json
import logging
import subprocess
import sys
import threading

import pytest

from coin_pipeline import logs

CONFIGURE = """
import logging, threading
from coin_pipeline import logs
from coin_pipeline.settings import load_settings
logs.configure(load_settings(), "api")
log = logging.getLogger("coin.api")
"""


def record(message: str, **extra: object) -> logging.LogRecord:
    """Return a record of a message."""
    return logging.makeLogRecord({"name": "coin.api", "levelname": "INFO", "msg": message, **extra})


def parse(message: str, **extra: object) -> dict[str, object]:
    """Return the fields of the line of a message."""
    line = logs.JsonFormatter("api").format(record(message, **extra))
    assert line.isascii()
    assert "\n" not in line
    parsed: dict[str, object] = json.loads(line)
    return parsed


def run(code: str, log_format: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines that a process with the given format logs."""
    monkeypatch.setenv("COIN_LOG_FORMAT", log_format)
    done = subprocess.run([sys.executable, "-c", CONFIGURE + code], capture_output=True, text=True, check=False)
    assert not done.stdout
    return done.stderr.splitlines()


def test_a_json_line_has_the_documented_fields() -> None:
    """A line contains when, where, how severe and what."""
    parsed = parse("hello", created=1.5, process=7)
    assert parsed == {
        "timestamp": "1970-01-01T00:00:01.500+00:00",
        "level": "INFO",
        "logger": "coin.api",
        "process": "api",
        "pid": 7,
        "message": "hello",
    }


@pytest.mark.parametrize("message", ["two\nlines", "한국어", "half a pair \ud800", "\x00\x1b[31m"])
def test_any_message_is_one_line_of_ascii(message: str) -> None:
    """No message can forge a second line."""
    assert parse(message)["message"] == message


def test_extra_fields_are_fields_of_their_own() -> None:
    """Fields passed as `extra` are logged in both formats, and values that JSON lacks as text."""
    assert parse("GET", status=200, of=ValueError)["status"] == 200
    assert logs.TextFormatter().format(record("GET", status=200)).endswith("coin.api: GET [status=200]")


def test_ids_of_the_context_are_added() -> None:
    """The ids of the request and the run are logged where they are known, and only there."""
    tokens = logs.request_id.set("r1"), logs.run_id.set("run1")
    try:
        assert parse("x").items() >= {"request_id": "r1", "run_id": "run1"}.items()
        assert logs.TextFormatter().format(record("x")).endswith("[run_id=run1 request_id=r1]")
    finally:
        logs.request_id.reset(tokens[0])
        logs.run_id.reset(tokens[1])
    assert "request_id" not in parse("x")


def test_threads_of_a_worker_log_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids of the process reach threads, which context variables do not."""
    monkeypatch.setattr(logs, "_process_ids", {})
    logs.identify_process(run_id="run1", task_id="task1")
    seen: list[dict[str, str]] = []
    thread = threading.Thread(target=lambda: seen.append(logs.current_ids()))
    thread.start()
    thread.join()
    assert seen == [{"run_id": "run1", "task_id": "task1"}]


def test_a_record_of_dagsters_run_has_its_run() -> None:
    """Dagster attaches the run to its records in a way of its own; the rest of it is not logged."""
    parsed = parse("x", dagster_meta={"run_id": "run1", "dagster_event": object()}, dagster_event=object())
    assert parsed["run_id"] == "run1"
    assert not {"dagster_meta", "dagster_event"} & parsed.keys()


def test_the_setting_selects_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """COIN_LOG_FORMAT selects JSON or text."""
    code = "log.info('hello')"
    assert json.loads(run(code, "json", monkeypatch)[0])["message"] == "hello"
    assert run(code, "text", monkeypatch)[0].endswith("INFO coin.api: hello")


def test_everything_that_python_reports_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings, and exceptions that nothing caught, in the main thread or another, are lines of JSON."""
    code = """
import warnings
warnings.warn("a warning")
def fail(): raise ValueError("in a thread")
thread = threading.Thread(target=fail); thread.start(); thread.join()
log.info("hello")
raise ValueError("at the end")
"""
    entries = [json.loads(line) for line in run(code, "json", monkeypatch)]
    assert [entry["level"] for entry in entries] == ["WARNING", "CRITICAL", "INFO", "CRITICAL"]
    assert "ValueError: in a thread" in entries[1]["exception"]
    assert "ValueError: at the end" in entries[3]["exception"]


def test_libraries_log_from_warning_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An HTTP client logs each URL at INFO, and a URL may be a secret."""
    assert run("logging.getLogger('httpx').info('a URL')", "json", monkeypatch) == []
