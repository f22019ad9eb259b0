"""The drift report over HTTP, as a page, in the terminal, and as an asset with its checks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from coin_api.app import create_app
from coin_pipeline.cli.app import coin
from coin_pipeline.database.engine import create_engine
from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.forward.drift_jobs import nightly_drift
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.open_store import open_store
from tests.dagster_instance import instance
from tests.fakes import FakeOrchestrator
from tests.forward.conftest import SYMBOLS
from tests.ledger.tampering import tamper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.forward.records import ForwardTest
    from tests.forward.conftest import Workbench

__all__ = ["instance"]
TRADING: dict[str, Any] = {"params": {"volume_window": 5, "hold_period_bars": 3}, "symbols": SYMBOLS}


@pytest.fixture
def client(workbench: Workbench) -> Iterator[TestClient]:
    """A client of the API on the database of the workbench."""
    app = create_app(load_settings(), lambda _: FakeOrchestrator(), None, lambda _: workbench.url)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def decided(workbench: Workbench) -> ForwardTest:
    """A forward test of two markets that has decided a day at once, so most of it late."""
    test = workbench.start(**TRADING)
    workbench.advance(24, at_once=True)
    return test


def forge(workbench: Workbench) -> None:
    """Turn the recorded decision on one candle around, as no cause explains."""
    first = "(select min(bar_time) from coin.forward_decision)"
    tamper(create_engine(workbench.url), f"update coin.forward_decision set entry = not entry where bar_time = {first}")  # noqa: S608 - no input


def test_report_over_http(
    client: TestClient, decided: ForwardTest, instance: dg.DagsterInstance, workbench: Workbench
) -> None:
    """All decisions of the last night are equal and only the rounding costs; the page has the same."""
    materialize(instance, workbench)
    report = client.get(f"/api/forward-tests/{decided.test_id}/drift").json()
    assert (report["decisions"]["total"], report["decisions"]["equal"], report["problems"]) == (45, 45, [])
    (account,) = report["accounts"]
    assert [cause["cause"] for cause in account["causes"] if cause["amount"]] == ["rounding"]
    assert abs(account["residual"]) < 1e-3
    page = client.get(f"/forward-tests/{decided.test_id}")
    assert page.headers["content-type"].startswith("text/html")
    assert "45 of 45" in page.text
    assert "45건 중 45건" in client.get(f"/forward-tests/{decided.test_id}?lang=ko").text


def test_nothing_to_compare(client: TestClient, workbench: Workbench) -> None:
    """A test without a report and an unknown id are 404 with a sentence."""
    test = workbench.start(**TRADING)
    for path in (f"/api/forward-tests/{test.test_id}/drift", f"/forward-tests/{test.test_id}"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "has no drift report yet" in answer.json()["detail"]
    assert client.get("/forward-tests/unknown").status_code == 404


def test_command(
    workbench: Workbench, decided: ForwardTest, hourly: CandleCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command prints the causes, writes the page, and exits with 1 once a decision has no cause."""
    monkeypatch.setenv("DATA_ROOT", str(hourly.root))
    monkeypatch.setenv("DATABASE_URL", workbench.url)
    page = tmp_path / "drift.html"
    shown = CliRunner().invoke(coin, ["forward", "drift", str(decided.test_id), "--output", str(page)])
    assert shown.exit_code == 0, shown.output
    assert "45 of 45 decisions equal" in shown.output
    assert "Rounding" in shown.output
    assert "45 of 45" in page.read_text()
    CliRunner().invoke(coin, ["forward", "drift", str(decided.test_id), "--output", str(page), "--lang", "ko"])
    assert "45건 중 45건" in page.read_text()
    forge(workbench)
    failed = CliRunner().invoke(coin, ["forward", "drift", str(decided.test_id)[:8], "--json"])
    assert failed.exit_code == 1
    assert "without a cause" in json.loads(failed.stdout)["problems"][-1]


def materialize(instance: dg.DagsterInstance, workbench: Workbench) -> dg.ExecuteInProcessResult:
    """Run the nightly job."""
    stored = open_store(load_settings())
    own = {"candles": workbench.catalog, "ledger": workbench.ledger, "strategies": workbench.registry, "store": stored}
    return build_defs(own).resolve_job_def("forward_drift").execute_in_process(instance=instance)


def test_asset_and_checks(instance: dg.DagsterInstance, workbench: Workbench, decided: ForwardTest) -> None:
    """Each night has a table per test and currency; a decision without a cause fails the check, not the run."""
    run = materialize(instance, workbench)
    (event,) = run.get_asset_materialization_events()
    metadata = event.materialization.metadata
    (row,) = (record.data for record in metadata["drift"].records)
    assert (row["test"], row["quote"], row["equal"], row["decisions"]) == (str(decided.test_id), "KRW", 45, 45)
    assert all(check.passed for check in run.get_asset_check_evaluations())
    forge(workbench)
    failed = {check.check_name: check for check in materialize(instance, workbench).get_asset_check_evaluations()}
    assert (failed["drift_explained"].passed, failed["edge_holds"].passed) == (False, True)
    assert "without a cause" in str(failed["drift_explained"].description)


def test_a_test_that_cannot_be_compared_fails_its_check(instance: dg.DagsterInstance, workbench: Workbench) -> None:
    """The others are compared, and the run succeeds."""
    compared, empty = workbench.start(**TRADING), workbench.start(**TRADING)
    workbench.now = workbench.now.replace(hour=workbench.now.hour + 3)
    list(workbench.advancer.run(compared.test_id))
    run = materialize(instance, workbench)
    checks = {check.check_name: check for check in run.get_asset_check_evaluations()}
    assert f"{empty.test_id}: forward test {empty.test_id} has no decision yet" in str(
        checks["drift_explained"].description
    )
    assert checks["edge_holds"].passed


def test_schedule_skips_without_active_tests(instance: dg.DagsterInstance, workbench: Workbench) -> None:
    """A run is requested if a test is active."""

    def tick() -> int:
        with dg.build_schedule_context(instance=instance, resources={"ledger": workbench.ledger}) as context:
            return len(nightly_drift.evaluate_tick(context).run_requests or ())

    assert tick() == 0
    workbench.start(**TRADING)
    assert tick() == 1
