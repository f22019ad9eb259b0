"""Every page of the app in a browser: what axe finds, the width of a phone, and the console."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import httpx
import pytest

from coin_api.app import create_app
from coin_pipeline.database.session import Session
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.publish import publish_result
from coin_pipeline.results.reindex import reindex
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.local import LocalStore
from tests.browser import axe_findings, requires_chromium
from tests.conftest import store_candles
from tests.fakes import QUEUED, FakeOrchestrator
from tests.forward.conftest import SYMBOLS, hourly, workbench
from tests.fuzz.results import files_of
from tests.pages.served import served, watched_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.forward.conftest import Workbench

__all__ = ["hourly", "workbench"]
pytestmark = requires_chromium
FIRST, SECOND, SWEEP, RUNNING, FAILED = (f"{letter * 8}-2222-4222-8222-222222222222" for letter in "abcde")
PATHS = (
    "",
    "history",
    f"history?with={FIRST}&sort=sharpe",
    "history?min_sharpe=high",
    f"results/{FIRST}",
    f"results/{FAILED}",
    f"compare?run={FIRST}&run={SECOND}",
    f"submit?from={FIRST}",
    "presets",
    "tasks",
    f"tasks/{RUNNING}",
    "sweeps",
    f"sweeps/{SWEEP}",
    f"sweeps/new?from={SWEEP}&point=1",
    "candles",
    "candles/AAA_KRW/1d",
    "positions",
    "positions/{position}",
    "forward-tests",
    "forward-tests/new",
    "forward-tests/{forward}",
    "nothing",
)
"""One address of each page, with what it shows."""


@pytest.fixture
def addresses(own_root: Path, workbench: Workbench) -> Iterator[list[str]]:
    """Addresses of the pages of a platform that has something of each kind."""
    store_candles(own_root)
    store = LocalStore(own_root)
    publish_result(store, files_of("backtest", FIRST))
    publish_result(store, files_of("backtest", SECOND, volume_window=9))
    publish_result(store, files_of("sweep", SWEEP))
    with closing(Session(workbench.url)) as session:
        reindex(store, ResultIndex(session))
    orchestrator = FakeOrchestrator()
    orchestrator.tasks_by_id = {
        RUNNING: replace(QUEUED, task_id=RUNNING, status="running", progress=0.4, strategy="volume_long_candle"),
        FAILED: replace(QUEUED, task_id=FAILED, status="failed", error="no candles"),
    }
    forward = workbench.start(symbols=SYMBOLS).test_id
    workbench.advance(3)
    application = create_app(load_settings(), lambda _: orchestrator, find_database=lambda _: workbench.url)
    with served(application) as url:
        ids = {"position": _trade(f"{url}/api/positions"), "forward": forward}
        yield [f"{url}/app/{path.format_map(ids)}" for path in PATHS]


def _trade(url: str) -> str:
    """Open two positions and close the first; return the id of the second."""
    order = {"quantity": 1, "entry_price": 50000, "side": "BUY"}
    closed, opened = (
        httpx.post(f"{url}/enter", json={**order, "symbol": symbol}).json()["position_id"] for symbol in SYMBOLS
    )
    httpx.post(f"{url}/{closed}/exit", json={"exit_price": 51000}).raise_for_status()
    return str(opened)


@pytest.mark.parametrize(("language", "scheme", "width"), [("ko", "dark", 390), ("en", "light", 1400)])
def test_pages_are_accessible(
    addresses: list[str], language: str, scheme: Literal["dark", "light"], width: int
) -> None:
    """Nothing serious is found by axe, and nothing is wider than the screen."""
    findings: dict[str, list[str]] = {}
    with watched_page() as watched:
        page = watched.page
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        for address in addresses:
            page.goto(f"{address}{'&' if '?' in address else '?'}lang={language}")
            found = axe_findings(page)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append("wider than the screen")
            if found:
                findings[address] = found
    assert findings == {}
