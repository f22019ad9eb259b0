"""What is remembered of candles beside themselves: what was asked for, who answered, and what was written."""

import signal
import subprocess
import sys
from datetime import date
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.intervals import Interval
from coin_pipeline.candles.provenance import Provenance
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, Timeframe, day_range, parse_timeframe
from coin_pipeline.errors import InvalidCandleFile, InvalidInput

ALWAYS = (date(2000, 1, 1), date(2100, 1, 1))
DAILY = parse_timeframe("1d")
FIRST = day_range(date(2023, 12, 1), date(2023, 12, 1))[0] + 9 * 3_600_000_000_000
CANDLES = synthetic_candles(1, DAILY, date(2023, 12, 1), 60).drop(index=[3, 17, 31, 45])
"""Sixty days around a new year, on four of which nobody traded."""


def between(start: int, end: int) -> tuple[pd.DataFrame, Interval]:
    """Return the candles from one day to another, exclusive, and the interval that they fill."""
    interval = (FIRST + start * DAY_NS, FIRST + end * DAY_NS)
    time = CANDLES["timestamp"].astype("int64")
    return CANDLES[(time >= interval[0]) & (time < interval[1])], interval


def fetch(catalog: CandleCatalog, start: int, end: int) -> None:
    """Store a stretch as a collector does."""
    frame, interval = between(start, end)
    catalog.merge("BTC_KRW", DAILY, frame, fetched=[interval], source="upbit")


def files(root: Path) -> dict[str, bytes]:
    """Return every file with what is in it."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_was_fetched_is_remembered_across_years(catalog: CandleCatalog) -> None:
    """As one interval, though it lies in two files."""
    fetch(catalog, 0, 60)
    assert catalog.provenance("BTC_KRW", DAILY) == Provenance((between(0, 60)[1],), "upbit")
    assert catalog.load("BTC_KRW", DAILY, *ALWAYS).provenance.fetched == (between(0, 60)[1],)
    assert catalog.stored("BTC_KRW")[0].provenance.source == "upbit"
    assert catalog.provenance("ETH_KRW", DAILY) == Provenance()


def test_a_stretch_without_a_trade_is_remembered_too(catalog: CandleCatalog) -> None:
    """A market that was not listed yet is not asked for again and again; nothing is stored of it."""
    report = catalog.merge("NEW_KRW", DAILY, CANDLES.head(0), fetched=[between(0, 60)[1]], source="upbit")
    assert (report.added, report.first, len(report.files)) == (0, None, 2)
    assert catalog.provenance("NEW_KRW", DAILY).fetched == (between(0, 60)[1],)
    assert len(catalog.read("NEW_KRW", DAILY, *ALWAYS)) == 0
    assert catalog.stored("NEW_KRW") == []
    assert catalog.merge("NEW_KRW", DAILY, CANDLES.head(0), fetched=[between(5, 50)[1]], source="upbit").files == ()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 59), max_size=6, unique=True), st.randoms(use_true_random=False))
def test_files_do_not_tell_in_which_pieces_they_came(edges: list[int], chance: object) -> None:
    """The same candles and the same knowledge are the same bytes, whatever the order of the fetches."""
    pieces = list(pairwise([0, *sorted(edges), 60]))
    chance.shuffle(pieces)  # type: ignore[attr-defined]
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        fetch(CandleCatalog(Path(one)), 0, 60)
        for piece in pieces:
            fetch(CandleCatalog(Path(other)), *piece)
        assert files(Path(one)) == files(Path(other))


def test_imported_candles_are_not_fetched(catalog: CandleCatalog) -> None:
    """And an import takes nothing from what is known."""
    catalog.merge("BTC_KRW", DAILY, between(0, 10)[0])
    assert catalog.provenance("BTC_KRW", DAILY) == Provenance()
    fetch(catalog, 20, 30)
    catalog.merge("BTC_KRW", DAILY, between(40, 60)[0])
    assert catalog.provenance("BTC_KRW", DAILY) == Provenance((between(20, 30)[1],), "upbit")


def test_one_series_is_of_one_exchange(catalog: CandleCatalog) -> None:
    """Prices of two would be a series that nobody could have traded."""
    fetch(catalog, 0, 10)
    before = files(catalog.root)
    with pytest.raises(InvalidInput, match=r"exchange: BTC_KRW 1d was fetched from upbit, not from bithumb; use anoth"):
        catalog.merge("BTC_KRW", DAILY, CANDLES.head(0), fetched=[between(10, 20)[1]], source="bithumb")
    assert files(catalog.root) == before


def test_a_snapshot_names_the_candles_of_its_years(catalog: CandleCatalog) -> None:
    """It changes with each of them, and not with what is known of them or with other years."""

    def snapshot(year: int) -> str:
        return catalog.load("BTC_KRW", DAILY, date(year, 2, 1), date(year, 12, 20)).snapshot

    catalog.merge("BTC_KRW", DAILY, CANDLES)
    old, new = snapshot(2023), snapshot(2024)
    fetch(catalog, 0, 60)
    assert (snapshot(2023), snapshot(2024)) == (old, new)
    row = CANDLES.tail(1)
    catalog.merge("BTC_KRW", DAILY, row.assign(volume=row["volume"] * 2))
    assert snapshot(2023) == old
    changed = snapshot(2024)
    assert changed != new
    catalog.merge("BTC_KRW", DAILY, row)
    assert snapshot(2024) == new


def test_a_file_of_somebody_else_has_a_snapshot_of_its_bytes(catalog: CandleCatalog) -> None:
    """Another program's file says no digest."""
    path = catalog.root / "BTC_KRW/1D/2024.parquet"
    path.parent.mkdir(parents=True)
    CANDLES.to_parquet(path, index=False)
    first = catalog.load("BTC_KRW", DAILY, *ALWAYS).snapshot
    assert catalog.load("BTC_KRW", DAILY, *ALWAYS).snapshot == first
    CANDLES.assign(volume=1.0).to_parquet(path, index=False)
    assert catalog.load("BTC_KRW", DAILY, *ALWAYS).snapshot != first


def test_candles_that_another_program_changed_are_not_merged_into(catalog: CandleCatalog) -> None:
    """Writing them again would say that they are as they were fetched."""
    fetch(catalog, 0, 20)
    path = catalog.root / "BTC_KRW/1D/2023.parquet"
    table = pq.read_table(path)  # with the footer, as a program that keeps metadata would
    pq.write_table(table.set_column(5, "volume", table["close"]), path)
    before = files(catalog.root)
    with pytest.raises(InvalidCandleFile, match=r"1D/2023.parquet: its candles are not those that were stored in it"):
        fetch(catalog, 20, 25)
    assert files(catalog.root) == before


@pytest.mark.parametrize("text", ["{}", '{"fetched":[[1]],"source":null,"sha256":null}', "no JSON"])
def test_a_malformed_footer_is_named(catalog: CandleCatalog, text: str) -> None:
    """It is no reason to forget what was fetched."""
    fetch(catalog, 0, 20)
    path = catalog.root / "BTC_KRW/1D/2023.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata({"coin.candles": text}), path)
    with pytest.raises(InvalidCandleFile, match=r"2023.parquet: cannot be read .*its entry coin.candles is malformed"):
        catalog.provenance("BTC_KRW", DAILY)


KILLED = """
import os, signal, sys
from pathlib import Path
from coin_pipeline.candles.catalog import CandleCatalog
from tests.candles.test_provenance import fetch

left = int(sys.argv[2])

def count(event, _):
    global left
    if event in {"os.rename", "os.remove", "open"} and left >= 0:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

catalog = CandleCatalog(Path(sys.argv[1]))
sys.addaudithook(count)
fetch(catalog, 20, 60)
"""


def test_killed_anywhere_it_says_nothing_that_is_not_so(tmp_path: Path) -> None:
    """What is marked as fetched is there, whatever the moment, and the same merge again ends as if nothing had been."""
    whole = CandleCatalog(tmp_path / "whole")
    fetch(whole, 0, 20)
    fetch(whole, 20, 60)
    for moment in range(100):
        catalog = CandleCatalog(tmp_path / str(moment))
        fetch(catalog, 0, 20)
        command = [sys.executable, "-c", KILLED, str(catalog.root), str(moment)]
        done = subprocess.run(command, check=False, cwd=Path(__file__).parents[2])
        held = set(catalog.read("BTC_KRW", DAILY, *ALWAYS).time.tolist())
        for start, end in catalog.provenance("BTC_KRW", DAILY).fetched:
            traded = between((start - FIRST) // DAY_NS, (end - FIRST) // DAY_NS)[0]["timestamp"].astype("int64")
            assert held.issuperset(traded.tolist())
        fetch(catalog, 20, 60)
        assert files(catalog.root) == files(whole.root)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
    assert moment >= 6


def test_a_displaced_candle_is_written_before_its_year_is_marked(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """Old files that were cut at a Seoul year hold candles of the UTC year before, whose own file says it has them."""
    edge = date(2024, 1, 1)
    begin, end = day_range(edge, edge)
    for year, days in ((2023, date(2023, 12, 31)), (2024, edge)):
        path = catalog.root / f"BTC_KRW/1H/{year}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        synthetic_candles(1, hourly, days, 24).to_parquet(path, index=False)
    new = synthetic_candles(2, hourly, edge, 24)
    catalog.merge("BTC_KRW", hourly, new, fetched=[(begin, end)], source="upbit")
    written = {path.name: path.stat().st_mtime_ns for path in (catalog.root / "BTC_KRW/1H").glob("*.parquet")}
    assert written["2024.parquet"] < written["2023.parquet"]
    assert catalog.provenance("BTC_KRW", hourly).fetched == ((begin, end),)
