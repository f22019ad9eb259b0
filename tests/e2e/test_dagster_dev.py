"""`dagster dev` in a checkout, without `coin up`."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.cli.backtests import DEMO_END, DEMO_SEED, DEMO_START, DEMO_SYMBOL
from coin_pipeline.defs.backtests.config import EXAMPLE
from tests.platforms import free_ports

CHECKOUT = Path(__file__).parents[2]
START_S, RUN_S = 180, 180
LAUNCH = """
mutation($config: RunConfigData!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "coin_pipeline", repositoryName: "__repository__", jobName: "backtest"},
    runConfigData: $config
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}"""
LOCATIONS = """
query { workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename
  ... on PythonError { message } } } } } }"""
RUN = """
query($id: ID!) { runOrError(runId: $id) { ... on Run { status eventConnection { events { ... on MessageEvent
  { message } } } } } }"""


@pytest.fixture
def ui_url(tmp_path: Path) -> Iterator[str]:
    """Run `dagster dev` in a copy of the files that it reads, over a new DATA_ROOT; yield the UI's URL."""
    root, checkout = tmp_path / "data", tmp_path / "checkout"
    root.mkdir()
    checkout.mkdir()
    for name in ("dagster.yaml", "workspace.yaml", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, checkout)
    days = (DEMO_END - DEMO_START).days + 1
    daily = parse_timeframe("1d")
    CandleCatalog(root).merge(DEMO_SYMBOL, daily, synthetic_candles(DEMO_SEED, daily, DEMO_START, days))
    (port,) = free_ports(1)
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    with (tmp_path / "dev.log").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)],
            env={**environment, "DATA_ROOT": str(root)},
            cwd=checkout,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for_ui(url, process, tmp_path / "dev.log")
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_ui(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the webserver responds and has loaded the code location."""
    deadline = time.monotonic() + START_S
    while True:
        with suppress(httpx2.HTTPError):
            entries = query(url, LOCATIONS)["workspaceOrError"]["locationEntries"]
            loaded = {entry["name"]: entry["locationOrLoadError"] for entry in entries}
            if loaded["coin_pipeline"] is not None:
                assert loaded == {"coin_pipeline": {"__typename": "RepositoryLocation"}}
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)


def query(url: str, text: str, **variables: object) -> dict[str, Any]:
    """Return the data of a GraphQL response."""
    response = httpx2.post(f"{url}/graphql", json={"query": text, "variables": variables}, timeout=60).json()
    assert "errors" not in response, response
    data: dict[str, Any] = response["data"]
    return data


@pytest.mark.timeout(START_S + RUN_S + 60)
def test_a_run_launched_in_dagster_dev_succeeds(ui_url: str) -> None:
    """There is no worker pool, so the run starts in a process of its own, and an event states it."""
    config = {"ops": {"load_candles": {"config": EXAMPLE.model_dump()}}}
    launched = query(ui_url, LAUNCH, config=config)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    deadline = time.monotonic() + RUN_S
    while True:
        run = query(ui_url, RUN, id=launched["run"]["runId"])["runOrError"]
        if run["status"] in {"SUCCESS", "FAILURE", "CANCELED"}:
            break
        assert time.monotonic() < deadline, run
        time.sleep(1)
    messages = [event.get("message", "") for event in run["eventConnection"]["events"]]
    assert run["status"] == "SUCCESS", messages
    assert any("No worker pool serves this home" in message for message in messages)
