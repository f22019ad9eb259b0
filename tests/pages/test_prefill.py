"""Forms that are filled in with a task that has no result."""

import re

import pytest
from fastapi.testclient import TestClient

from coin_api.schemas import Status
from tests.fakes import FakeOrchestrator

BACKTEST = {
    "strategy": "volume_long_candle",
    "params": {"vol_ma_window": 33},
    "symbols": ["AAA_KRW"],
    "start_date": "2024-02-01",
    "end_date": "2024-03-01",
    "stop_loss": 0.07,
    "initial_cash": 2_500_000.0,
}
SWEEP = {
    **BACKTEST,
    "params": {},
    "space": {"vol_ma_window": "10:30:10", "vol_multiplier": [1.1, 2.2], "stop_loss": "none,0.07"},
    "search": "random",
    "trials": 4,
    "objective": "win_rate",
}
del SWEEP["stop_loss"]


def control(text: str, name: str, *, strategy: str = "") -> str:
    """Return the tag of a control: of a strategy's field, or the only one with its name."""
    found = re.search(f'<input id="field-{strategy}[^"]*" name="{re.escape(name)}"[^>]*>', text)
    assert found
    return found.group()


def submit(app: TestClient, path: str, body: object) -> str:
    """Submit a task; return its id."""
    response = app.post(path, json=body)
    assert response.status_code == 202, response.text
    return str(response.json()["task_id"])


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_backtest_without_a_result_fills_the_form_in(
    app: TestClient, orchestrator: FakeOrchestrator, status: Status
) -> None:
    """Its page and the list link to the form, which has its market, days, parameters and stops."""
    task_id = submit(app, "/api/backtests/run-async", BACKTEST)
    orchestrator.move(task_id, status)
    link = f"/app/submit?from={task_id}"
    for page in (f"/app/tasks/{task_id}", "/app/tasks", f"/app/results/{task_id}"):
        assert f'href="{link}"' in app.get(page).text
    text = app.get(link).text
    assert "<option selected>volume_long_candle</option>" in text
    assert 'value="33"' in control(text, "params.vol_ma_window", strategy="volume_long_candle")
    assert 'value="0.07"' in control(text, "stop_loss")
    assert 'value="2500000"' in control(text, "initial_cash")
    assert 'value="2024-02-01"' in text
    assert 'value="AAA_KRW" checked' in text


def test_sweep_without_a_result_fills_its_form_in(app: TestClient, orchestrator: FakeOrchestrator) -> None:
    """Its space as it was written, its search and its objective."""
    task_id = submit(app, "/api/sweeps", SWEEP)
    orchestrator.move(task_id, "cancelled")
    link = f"/app/sweeps/new?from={task_id}"
    assert f'href="{link}"' in app.get(f"/app/tasks/{task_id}").text
    text = app.get(link).text
    assert 'value="10:30:10"' in control(text, "space.vol_ma_window", strategy="volume_long_candle")
    assert 'value="[1.1, 2.2]"' in control(text, "space.vol_multiplier", strategy="volume_long_candle")
    assert 'value="none,0.07"' in control(text, "space.stop_loss")
    assert 'value="4"' in control(text, "trials")
    assert '<option value="random" selected>' in text
    assert '<option value="win_rate" selected>' in text


def test_sweep_without_a_result_fills_the_form_of_a_backtest_in(
    app: TestClient, orchestrator: FakeOrchestrator
) -> None:
    """With what is not swept."""
    task_id = submit(app, "/api/sweeps", SWEEP)
    orchestrator.move(task_id, "failed", error="no candles")
    text = app.get(f"/app/submit?from={task_id}").text
    assert "<option selected>volume_long_candle</option>" in text
    assert 'value="2024-02-01"' in text


@pytest.mark.parametrize("status", ["failed", "cancelled", "completed"])
def test_fetch_fills_its_form_in(app: TestClient, orchestrator: FakeOrchestrator, status: Status) -> None:
    """With its markets, timeframes and days."""
    fields = {"symbols": ["AAA_KRW", "BBB_KRW"], "timeframes": ["1h", "1d"], "start": "2024-02-01"}
    task_id = submit(app, "/api/candles/refresh", fields)
    orchestrator.move(task_id, status)
    link = f"/app/candles?from={task_id}"
    assert f'href="{link}#fetch"' in app.get(f"/app/tasks/{task_id}").text
    assert (f'href="{link}#fetch"' in app.get("/app/tasks").text) == (status != "completed")
    text = app.get(link).text
    assert 'value="AAA_KRW, BBB_KRW"' in control(text, "symbols")
    assert 'value="2024-02-01"' in control(text, "start")
    assert 'value=""' in control(text, "end")
    assert re.findall(r'name="timeframes" value="(\w+)" checked', text) == ["1h", "1d"]


def test_strategy_that_no_longer_exists_is_named(app: TestClient, orchestrator: FakeOrchestrator) -> None:
    """Another one is chosen, and the page states why."""
    task_id = submit(app, "/api/backtests/run-async", BACKTEST)
    orchestrator.submissions_by_id[task_id].config["ops"]["load_candles"]["config"]["strategy"] = "gone_away"
    assert "The strategy gone_away is not registered any more" in app.get(f"/app/submit?from={task_id}").text


def test_market_without_candles_stays_chosen(app: TestClient, orchestrator: FakeOrchestrator) -> None:
    """It may be why the task failed."""
    task_id = submit(app, "/api/backtests/run-async", BACKTEST)
    orchestrator.submissions_by_id[task_id].config["ops"]["load_candles"]["config"]["symbols"] = ["GONE_KRW"]
    text = app.get(f"/app/submit?from={task_id}").text
    assert 'value="GONE_KRW" checked> GONE_KRW <small>no candles stored</small>' in text
