"""A backtest with more signals than its document has, as clients of the API read it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.document import MAX_ROWS, complete_document
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import BacktestResult
from coin_pipeline.backtest.spec import ResultArea, resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.notebook.stored import load_result
from coin_pipeline.results.publish import backtest_files, write_result
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from tests.api.conftest import client_of
from tests.fakes import FakeOrchestrator

DAYS = 8
BODY = {
    "strategy": "volume_zone_breakout",
    "symbols": ["MMM_KRW", "NNN_KRW"],
    "start_date": "2024-01-01",
    "end_date": f"2024-01-{DAYS:02}",
    "timeframe": "1m",
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> BacktestResult:
    """The result of minute candles of two markets."""
    catalog, minute = CandleCatalog(tmp_path_factory.mktemp("candles")), parse_timeframe("1m")
    for seed, symbol in enumerate(BODY["symbols"]):
        catalog.merge(symbol, minute, synthetic_candles(seed, minute, date(2024, 1, 1), DAYS * 1440))
    registry = load_registry(())
    result = runner.run_backtest(resolve(parse_request(BODY), registry), catalog, registry)
    assert len(result.tables["signals"]) > MAX_ROWS
    return result


@pytest.fixture(scope="module", params=get_args(ResultArea))
def run_id(request: pytest.FixtureRequest, result: BacktestResult, data_root: Path) -> str:
    """The ID under which the result is stored in an area."""
    run_id = f"minutes-in-{request.param}"
    stored = replace(result, shelf=request.param, document={**result.document, "run_id": run_id})
    write_result(LocalStore(data_root), backtest_files(stored))
    return run_id


@pytest.fixture(scope="module")
def client(data_root: Path) -> Iterator[TestClient]:
    """A client of one application for all tests."""
    assert data_root
    with client_of(FakeOrchestrator()) as client:
        yield client


def test_every_table_is_that_of_the_engine(client: TestClient, result: BacktestResult, run_id: str) -> None:
    """Stored, read and sent without a change."""
    for name, table in result.tables.items():
        data = client.get(f"/api/backtests/{run_id}/{name}?format=arrow").content
        assert pa.ipc.open_stream(data).read_all().to_pandas().equals(table.to_pandas())


def test_the_full_document_has_what_the_engine_computed(
    client: TestClient, result: BacktestResult, run_id: str
) -> None:
    """Signals and trades are those that earlier releases stored; other keys are those of the stored document."""
    stored = client.get(f"/api/backtests/{run_id}").json()
    full = client.get(f"/api/backtests/{run_id}?full=true").json()
    complete = complete_document(result.document, result.tables)
    for part, whole in zip(full["symbols"], complete["symbols"], strict=True):
        assert (part["signals"], part["trades"], list(part)) == (whole["signals"], whole["trades"], list(whole))
    assert sum(len(part["signals"]) for part in stored["symbols"]) <= MAX_ROWS < len(result.tables["signals"])
    assert {key: full[key] for key in full if key not in {"symbols", "tables"}} == {
        key: stored[key] for key in stored if key not in {"symbols", "tables"}
    }


def test_a_notebook_has_every_row(result: BacktestResult, run_id: str, data_root: Path) -> None:
    """The frames of a stored result are complete."""
    run = load_result(run_id, store=LocalStore(data_root))
    assert [len(run.signals), len(run.trades), len(run.equity)] == [len(table) for table in result.tables.values()]
