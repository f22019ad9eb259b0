"""Log output of all processes: text or JSON, with the ids of the run, task and request."""

import json
import logging
import sys
import threading
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from coin_pipeline.settings import Settings

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the HTTP request that is handled."""
run_id: ContextVar[str | None] = ContextVar("run_id", default=None)
"""Id of the Dagster run, one attempt of a task, that is handled."""
task_id: ContextVar[str | None] = ContextVar("task_id", default=None)
"""Id of the task that is handled: that of its first run."""

OWN_LOGGERS = ("coin", "coin_pipeline", "coin_api", "dagster")
"""Loggers that log from INFO on; all others, such as HTTP clients, log from WARNING on."""
_CONTEXT = {"run_id": run_id, "task_id": task_id, "request_id": request_id}
_STANDARD = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"))
_DAGSTER = {"dagster_meta", "dagster_event"}
_process_ids: dict[str, str] = {}


def configure(settings: Settings, process: str) -> None:
    """Send the log of this process to standard error in the format of COIN_LOG_FORMAT.

    Call it first in the main function of a process; forked processes inherit it.

    Args:
        settings: The settings.
        process: Name of the process, a field of each JSON line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(process) if settings.coin_log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def unconfigure() -> None:
    """Undo `configure` in a fork that is to print what a new interpreter prints."""
    logging.basicConfig(level=logging.WARNING, handlers=[], force=True)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.getLogger("dagster.run").setLevel(logging.CRITICAL)  # where processes that log have the events of runs
    logging.captureWarnings(capture=False)
    sys.excepthook = sys.__excepthook__
    threading.excepthook = threading.__excepthook__


def identify_process(**ids: str) -> None:
    """Add ids to each line of this process and all its threads, such as the run that a worker executes.

    Args:
        ids: `run_id` and `task_id`; a context variable of the same name takes precedence.
    """
    _process_ids.update(ids)


def current_ids() -> dict[str, str]:
    """Return the ids of the run, task and request that are handled, without those that are unknown.

    >>> token = request_id.set("4f1d")
    >>> current_ids()
    {'request_id': '4f1d'}
    >>> request_id.reset(token)
    """
    ids = {name: variable.get() or _process_ids.get(name) for name, variable in _CONTEXT.items()}
    return {name: value for name, value in ids.items() if value}


class JsonFormatter(logging.Formatter):
    """Formats each record as one line of JSON in ASCII, whatever the message contains.

    Args:
        process: Value of the field `process`.
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": self._process,
            "pid": record.process,
            "message": record.getMessage(),
            **_ids_of(record),
            **extra_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class TextFormatter(logging.Formatter):
    """Formats records for reading: local time, level, logger, message, and the ids in brackets."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S %z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- overrides logging's method
        """Return the line, without the traceback that may follow."""
        fields = {**_ids_of(record), **extra_fields(record)}
        suffix = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        return f"{super().formatMessage(record)}{f' [{suffix}]' if suffix else ''}"


def extra_fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields of a record that its caller passed as `extra`, without those private to a library."""
    fields = vars(record).items()
    return {name: value for name, value in fields if name not in _STANDARD | _DAGSTER and not name.startswith("_")}


def _ids_of(record: logging.LogRecord) -> dict[str, str]:
    """Return the ids of a record; records of Dagster's runs contain that of the run."""
    meta: dict[str, Any] = getattr(record, "dagster_meta", None) or {}
    return current_ids() | ({"run_id": meta["run_id"]} if meta.get("run_id") else {})


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.getLogger("coin").critical("uncaught exception", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        _log_uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)
