"""Merging: union with the stored candles, one writer at a time, atomic replacement."""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.frames import to_frame
from coin_pipeline.candles.ohlcv import OHLCV, columns_digest
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, Timeframe, parse_timeframe
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import InvalidCandles, ObjectChanged, StorageFailed, StorageFull
from tests.candle_data import drop_rows, synthetic_frame

NEW_YEAR = date(2024, 1, 1)
ALWAYS = (date(2000, 1, 1), date(2100, 1, 1))


def days(numbers: Sequence[int], price: float = 10.0) -> OHLCV:
    """Return daily candles of one price, this many days after 2023-12-31."""
    opens = np.datetime64("2023-12-31", "ns").astype(np.int64) + DAY_NS * np.array(numbers, np.int64)
    return OHLCV(opens, *np.full((4, len(numbers)), price), volume=np.ones(len(numbers)))


def content(bars: Bars) -> dict[int, float]:
    """Return the close at each time."""
    return dict(zip(bars.time.tolist(), bars.close.tolist(), strict=True))


def leftovers(root: Path) -> list[str]:
    """Return the names of files other than year files and locks."""
    return [
        path.name for path in root.rglob("*") if path.is_file() and path.suffix != ".parquet" and path.name != ".lock"
    ]


def test_added_replaced_and_unchanged_candles_are_counted(catalog: CandleCatalog, daily: Timeframe) -> None:
    """At equal times the new candle wins."""
    catalog.merge("BTC_KRW", daily, days([0, 1, 2, 3]))
    report = catalog.merge("BTC_KRW", daily, OHLCV.concat([days([2]), days([3, 4], price=20.0)]))
    assert (report.added, report.replaced, report.unchanged) == (1, 1, 1)
    assert report.files == ("BTC_KRW/1D/2024.parquet",)
    assert (report.first, report.last) == (datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 4, tzinfo=UTC))
    assert catalog.read("BTC_KRW", daily, *ALWAYS).close.tolist() == [10.0, 10.0, 10.0, 20.0, 20.0]


def test_a_merge_never_truncates(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A short refresh changes no other candle of its year and no file of another year."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, date(2023, 1, 1), 731))
    other_year = (catalog.root / "BTC_KRW/1D/2023.parquet").stat()
    before = content(catalog.read("BTC_KRW", daily, *ALWAYS))
    catalog.merge("BTC_KRW", daily, days([100]))
    after = content(catalog.read("BTC_KRW", daily, *ALWAYS))
    assert len(after) == 731
    assert sum(after[time] != close for time, close in before.items()) == 1
    assert (catalog.root / "BTC_KRW/1D/2023.parquet").stat().st_ino == other_year.st_ino


def test_a_repeated_merge_writes_nothing(catalog: CandleCatalog, daily: Timeframe) -> None:
    """All candles are unchanged, and no file is touched."""
    candles = synthetic_candles(1, daily, NEW_YEAR, 50)
    catalog.merge("BTC_KRW", daily, candles)
    inode = (catalog.root / "BTC_KRW/1D/2024.parquet").stat().st_ino
    report = catalog.merge("BTC_KRW", daily, candles)
    assert (report.added, report.replaced, report.unchanged, report.files) == (0, 0, 50, ())
    assert (catalog.root / "BTC_KRW/1D/2024.parquet").stat().st_ino == inode


def test_an_empty_merge_writes_nothing(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Not even a folder is created."""
    report = catalog.merge("BTC_KRW", daily, days([]))
    assert (report.added, report.files, report.first) == (0, (), None)
    assert not catalog.root.exists()


@settings(max_examples=15, deadline=None)
@given(batches=st.lists(st.sets(st.integers(-5, 5), min_size=1), min_size=1, max_size=4), data=st.data())
def test_merging_is_a_union_in_any_order(batches: list[set[int]], data: st.DataObject) -> None:
    """Batches give the same series in every order; repeating them changes nothing."""
    daily = parse_timeframe("1d")
    shuffled = data.draw(st.permutations(batches))
    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        for root, order in ((one, batches), (two, [*shuffled, *batches])):
            for batch in order:
                CandleCatalog(Path(root)).merge("BTC_KRW", daily, days(sorted(batch)))
        series = [content(CandleCatalog(Path(root)).read("BTC_KRW", daily, *ALWAYS)) for root in (one, two)]
    assert series[0] == series[1]
    assert len(series[0]) == len(set().union(*batches))


def test_the_format_of_year_files(catalog: CandleCatalog, minutely: Timeframe) -> None:
    """Six typed columns in UTC, sorted, in row groups of 65,536 with statistics, one file per UTC year."""
    catalog.merge("KRW-BTC", minutely, synthetic_candles(1, minutely, date(2024, 1, 2), 100_000))
    file = pq.ParquetFile(catalog.root / "BTC_KRW/1M/2024.parquet")
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert types == {"timestamp": "timestamp[ns, tz=UTC]"} | dict.fromkeys(
        ("open", "high", "low", "close", "volume"), "double"
    )
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [65_536, 34_464]
    assert file.metadata.row_group(0).column(0).statistics.has_min_max
    assert file.read()["timestamp"].to_pandas().is_monotonic_increasing


def test_merging_into_a_legacy_file_keeps_its_instants(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """Naive Seoul times become UTC in the same folder, and extra columns are kept."""
    frame = synthetic_frame(1, hourly, date(2024, 1, 2), 48)
    folder = catalog.root / "KRW-BTC/1H"
    folder.mkdir(parents=True)
    local = frame["timestamp"].dt.tz_convert("Asia/Seoul").dt.tz_localize(None)
    frame.assign(timestamp=local, value=7.0).set_index("timestamp").to_parquet(folder / "2024.parquet")
    later = synthetic_candles(1, hourly, date(2024, 1, 2), 60).rows(slice(47, None))
    report = catalog.merge("BTC_KRW", hourly, later)
    assert (report.added, report.unchanged, report.files) == (12, 1, ("KRW-BTC/1H/2024.parquet",))
    stored = pq.read_table(folder / "2024.parquet").to_pandas()
    assert stored["timestamp"].tolist() == [*frame["timestamp"], *to_frame(later)["timestamp"].iloc[1:]]
    assert stored["value"].tolist()[:47] == [7.0] * 47
    assert stored["value"].isna().sum() == 13


def test_a_file_split_at_the_seoul_year_keeps_its_candles(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """A candle within the span of a legacy file goes there, not into a second file."""
    candles = synthetic_candles(1, hourly, NEW_YEAR, 48)
    (catalog.root / "BTC_KRW/1H").mkdir(parents=True)
    to_frame(drop_rows(candles, [3])).to_parquet(catalog.root / "BTC_KRW/1H/2024.parquet", index=False)
    assert catalog.merge("BTC_KRW", hourly, candles).files == ("BTC_KRW/1H/2024.parquet",)
    assert len(catalog.read("BTC_KRW", hourly, NEW_YEAR, NEW_YEAR)) == 24


@pytest.mark.parametrize(
    ("candles", "reason"),
    [
        (days([1, 1]), "BTC_KRW 1d: 1 invalid row, .*row 2 at 2024-01-01T00:00:00Z repeats"),
        (days([2, 1]), "is earlier"),
        (days([1], price=-1.0), "open -1.0, not above 0"),
        (days([1])._replace(volume=np.array([np.nan])), "volume nan"),
        (
            synthetic_candles(1, parse_timeframe("1h"), NEW_YEAR, 30),
            "opens 1 h after .* does not fit timeframe 1d; is it 1h",
        ),
    ],
)
def test_invalid_candles_are_not_stored(catalog: CandleCatalog, daily: Timeframe, candles: OHLCV, reason: str) -> None:
    """The whole merge is rejected, and nothing is written."""
    with pytest.raises(InvalidCandles, match=reason):
        catalog.merge("BTC_KRW", daily, candles)
    assert not catalog.root.exists()


def test_candles_off_the_stored_grid_are_rejected(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Days that open at another hour would count every day twice."""
    catalog.merge("BTC_KRW", daily, days([1, 2, 3]))
    day = days([400])
    shifted = day._replace(time=day.time + 15 * HOUR_NS)
    with pytest.raises(InvalidCandles, match="off the grid of the stored candles"):
        catalog.merge("BTC_KRW", daily, shifted)


def test_a_damaged_file_is_not_merged_into(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Invalid stored candles stop the merge; the file is kept for repair."""
    catalog.merge("BTC_KRW", daily, days([1, 2, 3]))
    path = catalog.root / "BTC_KRW/1D/2024.parquet"
    to_frame(days([1, 2, 3], price=-5.0)).to_parquet(path, index=False)
    before = path.read_bytes()
    with pytest.raises(InvalidCandles, match=r"BTC_KRW/1D/2024.parquet: 3 invalid rows, the first: row 1"):
        catalog.merge("BTC_KRW", daily, days([4]))
    assert path.read_bytes() == before


def test_nothing_is_written_if_a_later_file_is_damaged(catalog: CandleCatalog, daily: Timeframe) -> None:
    """The files of all years are read before the first is written."""
    catalog.merge("BTC_KRW", daily, days([-10, 1]))
    to_frame(days([1], price=-5.0)).to_parquet(catalog.root / "BTC_KRW/1D/2024.parquet", index=False)
    before = (catalog.root / "BTC_KRW/1D/2023.parquet").read_bytes()
    with pytest.raises(InvalidCandles):
        catalog.merge("BTC_KRW", daily, days([-9, 2]))
    assert (catalog.root / "BTC_KRW/1D/2023.parquet").read_bytes() == before


def test_only_expected_candles_are_overwritten(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Otherwise nothing is stored, also not in years in which the expectation is met."""
    catalog.merge("BTC_KRW", daily, days([-10, 1, 2]))
    before = content(catalog.read("BTC_KRW", daily, *ALWAYS))
    new = days([-10, -9, 2], price=20.0)
    with pytest.raises(ObjectChanged, match="'BTC_KRW 1d' was changed by another process"):
        catalog.merge("BTC_KRW", daily, new, overwritten=columns_digest(days([-10])))
    assert content(catalog.read("BTC_KRW", daily, *ALWAYS)) == before
    assert catalog.merge("BTC_KRW", daily, new, overwritten=columns_digest(days([-10, 2]))).replaced == 2


MERGE = """
import os, resource, signal, sys
from datetime import date
from pathlib import Path
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe

timeframe = parse_timeframe(sys.argv[2])
candles = synthetic_candles(2, timeframe, date(2024, 1, 2), int(sys.argv[3]))
"""


def merge_in_subprocess(root: Path, timeframe: str, bars: int, before: str) -> subprocess.CompletedProcess[str]:
    """Merge synthetic candles of 2024 in a new process, after running some code there."""
    program = f"{MERGE}\n{before}\nCandleCatalog(Path(sys.argv[1])).merge('BTC_KRW', timeframe, candles)"
    command = [sys.executable, "-c", program, str(root), timeframe, str(bars)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])


def test_a_writer_killed_before_the_rename_leaves_the_old_file(catalog: CandleCatalog, daily: Timeframe) -> None:
    """SIGKILL between write and rename has no visible effect, and the next merge removes the leftover."""
    catalog.merge("BTC_KRW", daily, synthetic_candles(1, daily, date(2024, 1, 2), 50))
    before = content(catalog.read("BTC_KRW", daily, *ALWAYS))
    die = "sys.addaudithook(lambda event, _: event == 'os.rename' and os.kill(os.getpid(), signal.SIGKILL))"
    assert merge_in_subprocess(catalog.root, "1d", 100, die).returncode == -signal.SIGKILL
    assert leftovers(catalog.root) == [".2024.parquet.tmp"]
    assert content(catalog.read("BTC_KRW", daily, *ALWAYS)) == before
    assert catalog.inventory()[0][0].rows == 50
    assert catalog.merge("BTC_KRW", daily, synthetic_candles(2, daily, date(2024, 1, 2), 100)).added == 50
    assert leftovers(catalog.root) == []


def test_a_full_disk_leaves_the_old_file(catalog: CandleCatalog, minutely: Timeframe) -> None:
    """The error reports it, and nothing is changed or left behind."""
    catalog.merge("BTC_KRW", minutely, synthetic_candles(1, minutely, date(2024, 1, 2), 100))
    path = catalog.root / "BTC_KRW/1M/2024.parquet"
    before = path.read_bytes()
    limit = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    completed = merge_in_subprocess(catalog.root, "1m", 20_000, limit)
    assert (
        f"{StorageFull.__name__}: no space left to write BTC_KRW/1M/2024.parquet (File too large)" in completed.stderr
    )
    assert path.read_bytes() == before
    assert leftovers(catalog.root) == []


def test_a_folder_that_cannot_be_created_is_named(catalog: CandleCatalog, daily: Timeframe) -> None:
    """The error contains no absolute path."""
    catalog.root.mkdir()
    (catalog.root / "BTC_KRW").write_text("a file")
    with pytest.raises(StorageFailed, match=r"cannot access BTC_KRW/1D: Not a directory; check the folder") as caught:
        catalog.merge("BTC_KRW", daily, days([1]))
    assert str(catalog.root) not in str(caught.value)


def test_concurrent_merges_of_one_series_lose_nothing(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Each merge replaces the whole file."""
    batches = [days(range(first, first + 10)) for first in range(1, 161, 10)]
    threads = [threading.Thread(target=catalog.merge, args=("BTC_KRW", daily, batch)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(catalog.read("BTC_KRW", daily, *ALWAYS)) == 160


def test_readers_see_old_or_new_files_during_a_merge(catalog: CandleCatalog, daily: Timeframe) -> None:
    """A read returns the old candles or the new ones, never a mixture or an error."""
    catalog.merge("BTC_KRW", daily, days(range(1, 300), price=1.0))
    stop = threading.Event()

    def replace_repeatedly() -> None:
        price = 1.0
        while not stop.is_set():
            price += 1.0
            catalog.merge("BTC_KRW", daily, days(range(1, 300), price=price))

    seen: list[set[float]] = []
    writer = threading.Thread(target=replace_repeatedly)
    writer.start()
    try:
        while len(seen) < 100 or (len(set.union(*seen)) == 1 and writer.is_alive()):
            seen.append(set(catalog.read("BTC_KRW", daily, *ALWAYS).close.tolist()))
    finally:
        stop.set()
        writer.join()
    assert {len(prices) for prices in seen} == {1}
    assert len(set.union(*seen)) > 1


def test_stored_files_have_default_permissions(catalog: CandleCatalog, daily: Timeframe) -> None:
    """Not those of a private temporary file."""
    catalog.merge("BTC_KRW", daily, days([1]))
    plain = catalog.root / "plain"
    plain.touch()
    assert (catalog.root / "BTC_KRW/1D/2024.parquet").stat().st_mode == plain.stat().st_mode
