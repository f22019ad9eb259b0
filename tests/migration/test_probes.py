"""The backtests that the checklist submits leave no result behind."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import find_candles, run_backtest
from coin_pipeline.backtest.spec import ResultArea, resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import RunFailed
from coin_pipeline.migration.inspector import Inspector
from coin_pipeline.migration.probes import remove_probes
from coin_pipeline.results.index import Filters, ResultIndex
from coin_pipeline.results.publish import backtest_files, publish_result
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry

REQUEST = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-03-01",
}


@pytest.fixture
def root(tmp_path: Path, index: ResultIndex, index_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DATA_ROOT of a platform with an empty index."""
    assert index
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", index_url)
    return tmp_path


def publish(root: Path, index: ResultIndex, candles: CandleCatalog, run_id: str, area: ResultArea) -> None:
    """Store and index the result of a backtest, like a finished run."""
    registry = load_registry()
    spec = resolve(parse_request(REQUEST), registry)
    result = run_backtest(spec, candles, registry, run_id=run_id, slices=find_candles(candles, spec, area))
    publish_result(LocalStore(root), backtest_files(result), index=index)


def listed(index: ResultIndex) -> list[str]:
    """Return the runs of the history."""
    return [entry.run_id for entry in index.page(Filters(), 100).entries]


def test_only_submitted_backtests_are_removed(root: Path, index: ResultIndex, candles: CandleCatalog) -> None:
    """Files, reports, fingerprints and entries of the probes disappear; the result of the user stays as it was."""
    publish(root, index, candles, "of-the-user", "results")
    kept = sorted(path for path in root.rglob("*") if path.is_file() and "fingerprints" not in path.parts)
    publish(root, index, candles, "probe-sync", "results")
    publish(root, index, candles, "probe-task", "tasks")
    assert len(listed(index)) == 3
    remove_probes(load_settings(), ["probe-sync", "probe-task", "without-a-result"])
    assert listed(index) == ["of-the-user"]
    assert sorted(path for path in root.rglob("*") if path.is_file()) == kept


class Refusing(BaseHTTPRequestHandler):
    """Responds to a submission that it is still running."""

    def do_POST(self) -> None:
        """Send a 503 with the task."""
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"detail": "the backtest is still queued", "task_id": "late"}).encode()
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the signature of the base class
        """Log nothing."""


@pytest.fixture
def refusing_url() -> Iterator[str]:
    """Base URL of an API that refuses to wait."""
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_backtest_that_outlasts_its_request_is_removed_too(
    root: Path, index: ResultIndex, candles: CandleCatalog, refusing_url: str
) -> None:
    """Its id is in the response that refuses to wait."""
    with closing(Inspector(load_settings(), refusing_url)) as inspector:
        inspector.cache["request"] = REQUEST
        with pytest.raises(RunFailed):
            inspector.sync()
        publish(root, index, candles, "late", "results")
        assert listed(index) == ["late"]
    assert listed(index) == []
