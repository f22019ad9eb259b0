"""The candle commands check, export and list, and backtests on too few candles."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, parse_timeframe
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import CandlesNotFound, InsufficientCoverage, InvalidCandleFile, InvalidInput
from tests.candle_data import drop_rows

DAILY, HOURLY = parse_timeframe("1d"), parse_timeframe("1h")


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CandleCatalog:
    """An empty catalog under DATA_ROOT."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    return CandleCatalog(tmp_path)


def invoke(*arguments: str) -> Result:
    """Run a command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, arguments, catch_exceptions=False)


def store_days(catalog: CandleCatalog, missing: range, fetched: int, bars: int = 200) -> None:
    """Store daily candles from 2024-01-01, except the missing ones; the first `fetched` days count as fetched."""
    candles = drop_rows(synthetic_candles(1, DAILY, date(2024, 1, 1), bars), missing)
    start = int(candles.time[0])
    ranges = [(start, start + fetched * DAY_NS)] if fetched else []
    catalog.merge("AAA_KRW", DAILY, candles, fetched=ranges, source="upbit" if ranges else None)


def corrupt(path: Path) -> None:
    """Give the fifth row of a file a negative volume."""
    frame = pd.read_parquet(path)
    frame.loc[4, "volume"] = -1.0
    frame.to_parquet(path, index=False)


def test_check_shows_a_calendar_and_findings(catalog: CandleCatalog) -> None:
    """Each kind of day has its own mark in the legend; missing days are classified."""
    store_days(catalog, range(30, 60), 45)
    result = invoke("candles", "check", "AAA_KRW")
    assert result.exit_code == 0
    lines = [line.rstrip() for line in result.output.splitlines()]
    assert lines[0].startswith("AAA_KRW 1d  2024-01-01 00:00 to 2024-07-19 00:00 UTC")
    assert lines[1] == "170 candles (85.00%), 15 without a trade, 15 not fetched (92.50% known)"
    assert lines[2] == "fetched from upbit until 2024-02-15 00:00 UTC"
    assert lines[4] == "2024 Jan Feb Mar  Apr May Jun  Jul Aug Sep  Oct Nov Dec"
    assert lines[5] == "Mon  █████▄▄··████████████████████"
    assert lines[8] == "     ████▄▄···████████████████████"
    assert lines[12] == "     each day: █ complete  ▄ some without a trade  · nothing fetched"
    assert "warning  not fetched: 15" in lines
    assert "         2024-02-15 00:00  15 missing, the next at 2024-03-01T00:00:00Z" in lines


def test_check_fits_eighty_columns(catalog: CandleCatalog) -> None:
    """A year of days and several years of weeks both fit a standard terminal."""
    store_days(catalog, range(30, 60), 45)
    catalog.merge("BBB_KRW", HOURLY, synthetic_candles(2, HOURLY, date(2020, 6, 1), 24 * 1400))
    lines = invoke("candles", "check").output.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    years = [line for line in lines if line.startswith(("2020 ", "2021 ", "2022 ", "2023 ", "2024 ")) and "█" in line]
    assert [line[:4] for line in years] == ["2020", "2021", "2022", "2023", "2024"]
    assert "     each week: █ complete" in [line.rstrip() for line in lines]


def test_partly_fetched_days_have_a_mark(catalog: CandleCatalog) -> None:
    """A day with some unknown hours is neither complete nor empty."""
    catalog.merge("AAA_KRW", HOURLY, drop_rows(synthetic_candles(2, HOURLY, date(2024, 1, 1), 48), [30]))
    lines = [line.rstrip() for line in invoke("candles", "check").output.splitlines()]
    assert "     /" in lines
    assert "     each day: █ complete  / partly fetched" in lines


def test_check_exits_with_1_for_impossible_rows(catalog: CandleCatalog) -> None:
    """One impossible row in any series is enough, with JSON too; gaps alone are not."""
    store_days(catalog, range(30, 60), 0)
    catalog.merge("BBB_KRW", HOURLY, synthetic_candles(2, HOURLY, date(2024, 1, 1), 100))
    assert invoke("candles", "check").exit_code == 0
    corrupt(catalog.root / "BBB_KRW/1H/2024.parquet")
    result = invoke("candles", "check")
    assert result.exit_code == 1
    assert "error    negative volume: 1" in result.output
    assert "2024.parquet row 5 has volume -1.0, below 0" in result.output
    assert invoke("candles", "check", "--timeframe", "1d").exit_code == 0
    result = invoke("candles", "check", "KRW-BBB", "AAA_KRW", "--json")
    audits = json.loads(result.output)
    assert result.exit_code == 1
    assert [(audit["symbol"], audit["sound"]) for audit in audits] == [("BBB_KRW", False), ("AAA_KRW", True)]


def test_check_is_limited_to_the_given_days(catalog: CandleCatalog) -> None:
    """Both days are included; a range that ends before it begins is rejected."""
    store_days(catalog, range(0), 0)
    (audit,) = json.loads(invoke("candles", "check", "--from", "2024-02-01", "--to", "2024-02-10", "--json").output)
    assert (audit["expected"], audit["present"]) == (10, 10)
    with pytest.raises(InvalidInput, match="2024-01-01 is before --from 2024-02-01"):
        invoke("candles", "check", "--from", "2024-02-01", "--to", "2024-01-01")


def test_check_does_not_miss_candles_of_the_future(catalog: CandleCatalog) -> None:
    """A last day that has not come yet ends the audit now."""
    first = datetime.now(UTC).date() - timedelta(days=20)
    catalog.merge("AAA_KRW", DAILY, synthetic_candles(1, DAILY, first, 20))
    (audit,) = json.loads(invoke("candles", "check", "--to", "2100-01-01", "--json").output)
    assert (audit["expected"], audit["present"], audit["findings"]) == (20, 20, [])


def test_check_without_stored_candles(catalog: CandleCatalog) -> None:
    """Checking nothing succeeds with a message."""
    assert catalog
    result = invoke("candles", "check", "AAA_KRW")
    assert (result.exit_code, "no candles match" in result.output) == (0, True)


def test_check_of_days_without_candles_does_not_call_them_sound(catalog: CandleCatalog) -> None:
    """A range after the last candle matches no series."""
    store_days(catalog, range(0), 0)
    output = invoke("candles", "check", "--from", "2090-01-01").output
    assert ("no candles match" in output, "no problems found" in output) == (True, False)


def test_list_shows_coverage_and_fetched_until(catalog: CandleCatalog) -> None:
    """Each series has its coverage, the number of candles not fetched and the end of the last fetch."""
    store_days(catalog, range(30, 60), 45)
    catalog.merge("AAA_KRW", HOURLY, synthetic_candles(2, HOURLY, date(2024, 1, 1), 48))
    hours, days = invoke("candles", "list").output.splitlines()[-2:]
    assert hours.split() == ["AAA_KRW", "1h", "2023-12-31", "2024-01-02", "48", "100%", "0", "-", "0.0"]
    assert days.split() == ["AAA_KRW", "1d", "2024-01-01", "2024-07-18", "170", "85.00%", "15", "2024-02-15", "0.0"]


@pytest.mark.usefixtures("catalog")
def test_export_of_a_range_that_ends_before_it_begins_is_rejected(tmp_path: Path) -> None:
    """As in the other commands, rather than with advice to fetch candles."""
    days = ("--from", "2024-02-01", "--to", "2024-01-01")
    with pytest.raises(InvalidInput, match="2024-01-01 is before --from 2024-02-01"):
        invoke("candles", "export", "KRW-AAA", str(tmp_path / "a.csv"), "--timeframe", "1d", *days)


def test_export_reports_rows_span_and_file(catalog: CandleCatalog, tmp_path: Path) -> None:
    """Only the given days are written; an empty range or an existing file is an error."""
    store_days(catalog, range(0), 0)
    file = tmp_path / "aaa.csv"
    arguments = ("candles", "export", "KRW-AAA", str(file), "--timeframe", "1d")
    result = invoke(*arguments, "--from", "2024-01-03", "--to", "2024-01-05")
    assert result.output == f"AAA_KRW 1d: 3 candles, 2024-01-03 00:00 to 2024-01-05 00:00 UTC, written to {file}\n"
    with pytest.raises(InvalidCandleFile, match="--force"):
        invoke(*arguments)
    assert "200 candles" in invoke(*arguments, "--force").output
    with pytest.raises(CandlesNotFound, match=r"no 1h candles from the beginning to the end for AAA_KRW \(stored: 1d"):
        invoke(*arguments[:-1], "1h")


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("backtest", ()),
        ("backtest", ("--fresh",)),
        ("sweep", ("--grid", "volume_window=5:10:5")),
    ],
)
def test_low_coverage_is_rejected_before_a_run_is_recorded(
    catalog: CandleCatalog, command: str, more: tuple[str, ...]
) -> None:
    """The error names the command that fetches the missing candles."""
    store_days(catalog, range(0), 0)
    arguments = (command, "volume_zone_breakout", "AAA_KRW", "--start", "2024-01-01", "--end", "2024-12-31", *more)
    with pytest.raises(InsufficientCoverage, match="coin candles get AAA_KRW --timeframe 1d --from 2024-01-01 --to"):
        invoke(*arguments)
    assert not (catalog.root / "results").exists()
