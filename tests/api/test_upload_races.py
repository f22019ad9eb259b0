"""Uploads while another writer stores candles of the same series."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import Timeframe
from coin_pipeline.candles.year_files.folder import FolderPlace
from coin_pipeline.candles.year_files.places import Series
from tests.api.test_candles import catalog, client, csv, upload

__all__ = ["catalog", "client"]
Interrupt = Callable[[bytes], None]


class InterruptedSeries:
    """A series to which another writer adds candles just before it is locked."""

    def __init__(self, series: Series, writes: list[Callable[[], object]]) -> None:
        self._series, self._writes = series, writes

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever a series has
        return getattr(self._series, name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let the other writer write, once; then hold the lock."""
        while self._writes:
            self._writes.pop()()
        with self._series.locked():
            yield


class InterruptedPlace(FolderPlace):
    """Folders in which another writer stores candles between the plan of a merge and its lock."""

    def __init__(self, root: Path, writes: list[Callable[[], object]]) -> None:
        super().__init__(root)
        self._writes = writes

    def series(self, symbol: str, timeframe: Timeframe) -> Series:
        """Return a series."""
        return InterruptedSeries(super().series(symbol, timeframe), self._writes)


@pytest.fixture
def interrupt(client: TestClient, catalog: CandleCatalog) -> Interrupt:
    """Function that lets a file be uploaded between the plan and the merge of the next upload."""
    writes: list[Callable[[], object]] = []
    place = InterruptedPlace(catalog.root, writes)
    client.app.state.catalog = CandleCatalog(catalog.root, place)  # type: ignore[attr-defined]
    return lambda body: writes.append(lambda: upload(client, body))


def row(day: int, high: int) -> str:
    """Return a daily candle of January 2024."""
    return f"2024-01-0{day}T00:00:00Z,1,{high},0.5,1,1"


BODY = csv(row(1, 9), row(2, 9), row(3, 9))


def test_candles_stored_after_the_plan_are_kept_without_permission(
    client: TestClient, catalog: CandleCatalog, interrupt: Interrupt
) -> None:
    """The upload would only have added candles when it was planned."""
    interrupt(csv(row(2, 5)))
    report = upload(client, BODY, replace="false").json()
    assert (report["dry_run"], report["replaced"], report["added"]) == (True, 1, 2)
    assert catalog.stored("NEW_KRW")[0].rows == 1


def test_candles_stored_after_the_plan_are_kept_by_an_agreement_about_others(
    client: TestClient, catalog: CandleCatalog, interrupt: Interrupt
) -> None:
    """The answer asks about all of them."""
    upload(client, csv(row(1, 5)))
    asked = upload(client, BODY, replace="false").json()
    interrupt(csv(row(2, 5)))
    again = upload(client, BODY, overwrite=asked["overwritten_sha256"]).json()
    assert (again["dry_run"], asked["replaced"], again["replaced"]) == (True, 1, 2)
    assert catalog.stored("NEW_KRW")[0].rows == 2


def test_a_general_permission_covers_candles_stored_after_the_plan(client: TestClient, interrupt: Interrupt) -> None:
    """The report counts them, and has their digest."""
    interrupt(csv(row(2, 5)))
    report = upload(client, BODY).json()
    assert (report["dry_run"], report["replaced"], report["added"]) == (False, 1, 2)
    assert report["overwritten_first"] == "2024-01-02T00:00:00.000000Z"


def test_candles_next_to_those_of_the_file_need_no_new_plan(
    client: TestClient, catalog: CandleCatalog, interrupt: Interrupt
) -> None:
    """They are not overwritten."""
    interrupt(csv(row(4, 5)))
    assert upload(client, BODY, replace="false").json()["dry_run"] is False
    assert catalog.stored("NEW_KRW")[0].rows == 4
