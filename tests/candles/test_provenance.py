"""Provenance of stored candles: fetched intervals, exchange and digest."""

import os
import signal
import sys
from datetime import date
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.frames import to_frame
from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe, day_range, parse_timeframe
from coin_pipeline.errors import InvalidCandleFile, InvalidInput
from tests.candle_data import drop_rows, synthetic_frame
from tests.forking import forking

ALWAYS = (date(2000, 1, 1), date(2100, 1, 1))
DAILY = parse_timeframe("1d")
FIRST = day_range(date(2023, 12, 1), date(2023, 12, 1))[0] + 9 * 3_600_000_000_000
CANDLES = drop_rows(synthetic_candles(1, DAILY, date(2023, 12, 1), 60), [3, 17, 31, 45])
"""Sixty days around a new year, four of them without trades."""


def between(start: int, end: int) -> tuple[OHLCV, Interval]:
    """Return the candles between two days, end exclusive, and their interval."""
    interval = (FIRST + start * DAY_NS, FIRST + end * DAY_NS)
    time = CANDLES.time
    return CANDLES.rows((time >= interval[0]) & (time < interval[1])), interval


def fetch(catalog: CandleCatalog, start: int, end: int) -> None:
    """Store the candles between two days as fetched."""
    candles, interval = between(start, end)
    catalog.merge("BTC_KRW", DAILY, candles, fetched=[interval], source="upbit")


def files(root: Path) -> dict[str, bytes]:
    """Return the content of every file by path."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_fetched_intervals_span_years(catalog: CandleCatalog) -> None:
    """An interval in two files is reported as one."""
    fetch(catalog, 0, 60)
    assert catalog.provenance("BTC_KRW", DAILY) == Provenance((between(0, 60)[1],), "upbit")
    assert catalog.load("BTC_KRW", DAILY, *ALWAYS).provenance.fetched == (between(0, 60)[1],)
    assert catalog.stored("BTC_KRW")[0].provenance.source == "upbit"
    assert catalog.provenance("ETH_KRW", DAILY) == Provenance()


def test_a_fetched_interval_without_candles_is_stored(catalog: CandleCatalog) -> None:
    """A market before its listing is not requested again; no series is listed."""
    report = catalog.merge("NEW_KRW", DAILY, OHLCV.empty(), fetched=[between(0, 60)[1]], source="upbit")
    assert (report.added, report.first, len(report.files)) == (0, None, 2)
    assert catalog.provenance("NEW_KRW", DAILY).fetched == (between(0, 60)[1],)
    assert len(catalog.read("NEW_KRW", DAILY, *ALWAYS)) == 0
    assert catalog.stored("NEW_KRW") == []
    assert catalog.merge("NEW_KRW", DAILY, OHLCV.empty(), fetched=[between(5, 50)[1]], source="upbit").files == ()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 59), max_size=6, unique=True), st.randoms(use_true_random=False))
def test_the_order_of_fetches_does_not_change_the_files(edges: list[int], chance: object) -> None:
    """Equal candles and intervals give equal bytes."""
    parts = list(pairwise([0, *sorted(edges), 60]))
    chance.shuffle(parts)  # type: ignore[attr-defined]
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        fetch(CandleCatalog(Path(first)), 0, 60)
        for part in parts:
            fetch(CandleCatalog(Path(second)), *part)
        assert files(Path(first)) == files(Path(second))


def test_imported_candles_do_not_count_as_fetched(catalog: CandleCatalog) -> None:
    """An import keeps the fetched intervals."""
    catalog.merge("BTC_KRW", DAILY, between(0, 10)[0])
    assert catalog.provenance("BTC_KRW", DAILY) == Provenance()
    fetch(catalog, 20, 30)
    catalog.merge("BTC_KRW", DAILY, between(40, 60)[0])
    assert catalog.provenance("BTC_KRW", DAILY) == Provenance((between(20, 30)[1],), "upbit")


def test_a_series_has_one_exchange(catalog: CandleCatalog) -> None:
    """Prices of two exchanges must not be mixed."""
    fetch(catalog, 0, 10)
    before = files(catalog.root)
    with pytest.raises(InvalidInput, match=r"exchange: BTC_KRW 1d was fetched from upbit, not from bithumb; use anoth"):
        catalog.merge("BTC_KRW", DAILY, OHLCV.empty(), fetched=[between(10, 20)[1]], source="bithumb")
    assert files(catalog.root) == before


def test_a_snapshot_identifies_the_candles_of_its_years(catalog: CandleCatalog) -> None:
    """It changes with any of their values, but not with fetched intervals or other years."""

    def snapshot(year: int) -> str:
        return catalog.load("BTC_KRW", DAILY, date(year, 2, 1), date(year, 12, 20)).snapshot

    catalog.merge("BTC_KRW", DAILY, CANDLES)
    old, new = snapshot(2023), snapshot(2024)
    fetch(catalog, 0, 60)
    assert (snapshot(2023), snapshot(2024)) == (old, new)
    row = CANDLES.rows(slice(-1, None))
    catalog.merge("BTC_KRW", DAILY, row._replace(volume=row.volume * 2))
    assert snapshot(2023) == old
    changed = snapshot(2024)
    assert changed != new
    catalog.merge("BTC_KRW", DAILY, row)
    assert snapshot(2024) == new


def test_the_snapshot_of_a_foreign_file_hashes_its_bytes(catalog: CandleCatalog) -> None:
    """It has no stored digest."""
    path = catalog.root / "BTC_KRW/1D/2024.parquet"
    path.parent.mkdir(parents=True)
    to_frame(CANDLES).to_parquet(path, index=False)
    first = catalog.load("BTC_KRW", DAILY, *ALWAYS).snapshot
    assert catalog.load("BTC_KRW", DAILY, *ALWAYS).snapshot == first
    to_frame(CANDLES).assign(volume=1.0).to_parquet(path, index=False)
    assert catalog.load("BTC_KRW", DAILY, *ALWAYS).snapshot != first


def test_files_changed_by_another_program_are_not_merged_into(catalog: CandleCatalog) -> None:
    """Writing them again would certify the changed values as fetched."""
    fetch(catalog, 0, 20)
    path = catalog.root / "BTC_KRW/1D/2023.parquet"
    table = pq.read_table(path)  # with the footer, as a program that keeps metadata would
    pq.write_table(table.set_column(5, "volume", table["close"]), path)
    before = files(catalog.root)
    with pytest.raises(InvalidCandleFile, match=r"1D/2023.parquet: its candles do not match the stored digest"):
        fetch(catalog, 20, 25)
    assert files(catalog.root) == before


@pytest.mark.parametrize("text", ["{}", '{"fetched":[[1]],"source":null,"sha256":null}', "no JSON"])
def test_a_malformed_footer_is_an_error(catalog: CandleCatalog, text: str) -> None:
    """The fetched intervals are not silently dropped."""
    fetch(catalog, 0, 20)
    path = catalog.root / "BTC_KRW/1D/2023.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata({"coin.candles": text}), path)
    with pytest.raises(InvalidCandleFile, match=r"2023.parquet: cannot be read .*its entry coin.candles is malformed"):
        catalog.provenance("BTC_KRW", DAILY)


def fetch_until_killed(root: Path, moment: int) -> None:
    """Fetch; the process is killed before the `moment`-th time it opens, renames or removes a file."""
    left = moment

    def count(event: str, _: object) -> None:
        nonlocal left
        if event in {"os.rename", "os.remove", "open"}:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    catalog = CandleCatalog(root)
    sys.addaudithook(count)
    fetch(catalog, 20, 60)


def test_a_kill_at_any_write_leaves_a_consistent_state(tmp_path: Path) -> None:
    """Intervals marked as fetched have their candles, and repeating the merge gives the uninterrupted result."""
    uninterrupted = CandleCatalog(tmp_path / "uninterrupted")
    fetch(uninterrupted, 0, 20)
    fetch(uninterrupted, 20, 60)
    for moment in range(100):
        catalog = CandleCatalog(tmp_path / str(moment))
        fetch(catalog, 0, 20)
        process = forking().Process(target=fetch_until_killed, args=(catalog.root, moment))
        process.start()
        process.join()
        stored = set(catalog.read("BTC_KRW", DAILY, *ALWAYS).time.tolist())
        for start, end in catalog.provenance("BTC_KRW", DAILY).fetched:
            traded = between((start - FIRST) // DAY_NS, (end - FIRST) // DAY_NS)[0].time
            assert stored.issuperset(traded.tolist())
        fetch(catalog, 20, 60)
        assert files(catalog.root) == files(uninterrupted.root)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert moment >= 6


def test_a_displaced_candle_is_written_before_its_year_is_marked(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """Legacy files split at a Seoul year hold candles of the previous UTC year, whose own file records the interval."""
    edge = date(2024, 1, 1)
    begin, end = day_range(edge, edge)
    for year, days in ((2023, date(2023, 12, 31)), (2024, edge)):
        path = catalog.root / f"BTC_KRW/1H/{year}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        synthetic_frame(1, hourly, days, 24).to_parquet(path, index=False)
    new = synthetic_candles(2, hourly, edge, 24)
    catalog.merge("BTC_KRW", hourly, new, fetched=[(begin, end)], source="upbit")
    written = {path.name: path.stat().st_mtime_ns for path in (catalog.root / "BTC_KRW/1H").glob("*.parquet")}
    assert written["2024.parquet"] < written["2023.parquet"]
    assert catalog.provenance("BTC_KRW", hourly).fetched == ((begin, end),)
