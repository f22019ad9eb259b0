"""The manifest of a task: what was asked for, how it ended, and which files hold its result."""

import socket
from typing import Literal

from coin_pipeline.backtest.formatting import instant
from coin_pipeline.backtest.spec import BacktestRequest, Times
from coin_pipeline.results.store import Json

VERSION = "1.2.0"
"""Of the manifests of this platform; those of the older one have none, which is how they are told apart."""
Unfinished = Literal["failed", "cancelled"]


def is_ours(manifest: Json) -> bool:
    """Tell whether this platform wrote a manifest, and not the older one."""
    return "version" in manifest


def completed_manifest(document: Json, times: Times) -> Json:
    """Return the manifest of a task that has a result, without the list of its files."""
    symbols = document["symbols"]
    summary = {
        "total_signals": document["total_signals"],
        "symbols_processed": len(symbols),
        "symbols_failed": 0,
        "average_execution_time_per_symbol_ms": 1000 * sum(part["execution_time"] for part in symbols) / len(symbols),
    }
    asked = {**document, "symbols": [part["symbol"] for part in symbols]}
    environment = document["metadata"]["environment"]
    return _manifest(document["run_id"], "completed", asked, times, environment, summary, None)


def unfinished_manifest(
    task_id: str,
    status: Literal["failed", "cancelled"],
    request: BacktestRequest,
    times: Times,
    environment: str,
    error: str,
) -> Json:
    """Return the manifest of a task that ended without a result."""
    summary = {
        "total_signals": 0,
        "symbols_processed": 0,
        "symbols_failed": len(request.symbols),
        "average_execution_time_per_symbol_ms": 0.0,
    }
    return _manifest(task_id, status, request.model_dump(mode="json"), times, environment, summary, error)


def _manifest(
    task_id: str, status: str, asked: Json, times: Times, environment: str, summary: Json, error: str | None
) -> Json:
    started_at, finished_at = times
    return {
        "version": VERSION,
        "task_id": task_id,
        "status": status,
        **{key: asked[key] for key in ("strategy", "params", "symbols", "start_date", "end_date", "timeframe")},
        "result_files": [],
        "metadata": {
            "started_at": instant(started_at),
            "finished_at": instant(finished_at),
            "duration_ms": 1000 * (finished_at - started_at).total_seconds(),
            "execution_host": socket.gethostname(),
            "environment": environment,
        },
        "summary": summary,
        "error": {"occurred": error is not None, "message": error},
    }
