"""`coin candles import`: several files, what is left out or refused, and re-imports in another time zone."""

import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import HOUR_NS, parse_timeframe
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import InvalidCandleFile, InvalidCandles, InvalidInput, InvalidSymbol, InvalidTimeframe

HEADER = "timestamp,open,high,low,close,volume\n"
NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
DAILY, HOURLY = parse_timeframe("1d"), parse_timeframe("1h")
BTC = ("--symbol", "BTC_KRW", "--timeframe", "1d")


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CandleCatalog:
    """An empty catalog under DATA_ROOT."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    return CandleCatalog(tmp_path / "data")


def run(*arguments: object) -> Result:
    """Run the command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, ["candles", "import", *map(str, arguments)], catch_exceptions=False)


def write(path: Path, times: Sequence[str], first: int = 100) -> Path:
    """Write candles of these times, each with its own prices from `first` on."""
    rows = [f"{time},{price},{price + 2},{price - 2},{price + 1},{price}.5" for price, time in enumerate(times, first)]
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return path


def steps(start: datetime, step: timedelta, count: int) -> list[str]:
    """Return times in UTC."""
    return [f"{start + number * step:%Y-%m-%dT%H:%M:%SZ}" for number in range(count)]


def days(count: int, start: datetime = NEW_YEAR) -> list[str]:
    """Return the opens of days."""
    return steps(start, timedelta(days=1), count)


@pytest.mark.parametrize("command", [("import", "FILE", "--symbol", "BTC_KRW"), ("get", "BTC_KRW")])
def test_a_month_is_not_a_minute(catalog: CandleCatalog, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Import and fetch refuse 1M; nothing is stored."""
    file = write(tmp_path / "monthly.csv", ["2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"])
    arguments = ["candles", *(str(file) if word == "FILE" else word for word in command), "--timeframe", "1M"]
    with pytest.raises(InvalidTimeframe, match="1m is 1 min; months are not supported"):
        CliRunner().invoke(coin, arguments, catch_exceptions=False)
    assert not catalog.symbols()


def test_days_are_not_hours(catalog: CandleCatalog, tmp_path: Path) -> None:
    """No two rows are as far apart as the timeframe is long."""
    with pytest.raises(InvalidInput, match=r"daily.csv: no two rows are 1 h apart, .* is it 1d\?"):
        run(write(tmp_path / "daily.csv", days(3)), "--symbol", "BTC_KRW", "--timeframe", "1h")
    assert not catalog.symbols()


def test_the_row_and_the_file_are_named(catalog: CandleCatalog, tmp_path: Path) -> None:
    """A row off the grid is counted in the order of the file, newest first here."""
    times = ["05:00", "04:00", "03:30", "02:00", "01:00", "00:00"]
    file = write(tmp_path / "newest-first.csv", [f"2024-01-01T{time}:00Z" for time in times])
    with pytest.raises(InvalidCandles, match=r"newest-first.csv: 1 invalid row, the first: row 3 at 2024-01-01T03:30"):
        run(file, "--symbol", "BTC_KRW", "--timeframe", "1h")
    assert not catalog.symbols()


def test_open_and_future_candles_are_left_out(catalog: CandleCatalog, tmp_path: Path) -> None:
    """Files of many downloaders end in the candle of today."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    result = run(write(tmp_path / "btc.csv", days(14, today - timedelta(days=10))), *BTC)
    assert f"left out: 1 still open ({today:%Y-%m-%d}T00:00:00Z), 3 in the future" in result.output
    (stored,) = catalog.stored("BTC_KRW")
    assert (stored.rows, stored.last) == (10, today - timedelta(days=1))


def test_a_file_without_a_closed_candle_is_refused(catalog: CandleCatalog, tmp_path: Path) -> None:
    """The message contains the first time, which may be of a wrong year or unit."""
    with pytest.raises(InvalidCandleFile, match="no closed 1d candle, the first of them opens at 2190-01-01"):
        run(write(tmp_path / "btc.csv", days(3, datetime(2190, 1, 1, tzinfo=UTC))), *BTC)
    assert not catalog.symbols()


@pytest.mark.parametrize("symbol", ["BTC-USD", "BTC-USDT", "BTC-KRW", "btc_krw", "KRW_BTC"])
def test_a_turned_symbol_is_refused(catalog: CandleCatalog, tmp_path: Path, symbol: str) -> None:
    """The message contains the likely one."""
    with pytest.raises(InvalidSymbol, match="did you mean 'BTC_"):
        run(write(tmp_path / "file.csv", days(3)), "--symbol", symbol, "--timeframe", "1d")
    assert not catalog.symbols()


def test_names_of_files_provide_market_and_timeframe(catalog: CandleCatalog, tmp_path: Path) -> None:
    """Each file has a line, each series another; a file that names neither is reported, and the rest is stored."""
    folder = tmp_path / "downloads"
    (folder / "more").mkdir(parents=True)
    write(folder / "BTCUSDT-1d-2024-01.csv", days(31))
    write(folder / "BTCUSDT-1d-2024-02.csv", days(29, datetime(2024, 2, 1, tzinfo=UTC)))
    write(folder / "more" / "KRW-ETH_1h.csv", steps(NEW_YEAR, timedelta(hours=1), 5))
    write(folder / "unknown.csv", days(3))
    (folder / "readme.md").write_text("not candles")
    result = run(folder)
    assert result.exit_code == 1
    assert "BTCUSDT-1d-2024-02.csv: BTC_USDT 1d, 29 candles" in result.stdout
    assert "BTC_USDT 1d: 60 candles added, 0 replaced, 0 unchanged; 2024-01-01 00:00 to 2024-02-29 00:00 UTC" in (
        result.stdout
    )
    assert "ETH_KRW 1h: 5 candles added" in result.stdout
    assert "not stored: file: " in result.stderr
    assert "unknown.csv: its name contains no timeframe" in result.stderr
    assert [(series.symbol, series.rows) for series in catalog.inventory()[0]] == [("BTC_USDT", 60), ("ETH_KRW", 5)]


def test_a_file_of_another_market_is_not_merged_in(catalog: CandleCatalog, tmp_path: Path) -> None:
    """One of several files whose name contradicts --symbol is refused."""
    files = [write(tmp_path / "KRW-BTC.csv", days(3)), write(tmp_path / "KRW-ETH.csv", days(3))]
    result = run(*files, *BTC)
    assert "its name contains ETH_KRW, not BTC_KRW" in result.stderr
    assert catalog.symbols() == ["BTC_KRW"]


def test_overlapping_files_that_agree_are_stored_once(catalog: CandleCatalog, tmp_path: Path) -> None:
    """The order of the files does not matter."""
    whole = write(tmp_path / "whole.csv", days(6))
    part = write(tmp_path / "part.csv", days(6)[2:5], first=102)
    result = run(part, whole, *BTC)
    assert "6 candles added, 0 replaced, 0 unchanged" in result.output
    assert catalog.stored("BTC_KRW")[0].rows == 6


def test_overlapping_files_that_disagree_are_refused(catalog: CandleCatalog, tmp_path: Path) -> None:
    """The message contains both rows and the values."""
    first, second = write(tmp_path / "a.csv", days(6)), write(tmp_path / "b.csv", days(6)[2:5], first=102)
    second.write_text(second.read_text().replace("104,103.5", "104.5,103.5"))
    result = run(first, second, *BTC)
    assert result.exit_code == 1
    assert "row 2 at 2024-01-04T00:00:00Z has close 104.5, but 104.0 in row 4 of a.csv" in result.stderr
    assert not catalog.symbols()


def test_a_dry_run_shows_what_is_understood(catalog: CandleCatalog, tmp_path: Path) -> None:
    """The zone and its reason, the columns, the first and last candle in UTC and KST; nothing is stored."""
    file = write(tmp_path / "btc.csv", [f"2024-01-0{day} 00:00:00" for day in range(1, 4)])
    result = run(file, *BTC, "--tz", "Asia/Seoul", "--dry-run")
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines[0] == "btc.csv: BTC_KRW 1d, 3 candles, 2023-12-31 15:00 to 2024-01-02 15:00 UTC"
    assert "spacing 1 d" in lines
    assert any(line.startswith("zone Asia/Seoul (") for line in lines)
    assert any(line.startswith("columns time=timestamp, open=open") for line in lines)
    first = "first row 1: 2023-12-31 15:00:00 UTC (2024-01-01 00:00:00 KST), open 100.0 high 102.0 low 98.0 close 101.0"
    assert f"{first} volume 100.5" in lines
    assert "note 1d candles open 15 h after those of Upbit and Binance" in lines
    assert lines[-1] == "BTC_KRW 1d: 3 candles added, 0 replaced, 0 unchanged (dry run: nothing was stored)"
    assert not catalog.symbols()


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_prices_of_another_quote_currency_are_noted(
    catalog: CandleCatalog, tmp_path: Path, option: tuple[str, ...]
) -> None:
    """With those that are stored."""
    assert not catalog.symbols()
    run(write(tmp_path / "krw.csv", days(5), first=100_000), *BTC)
    output = run(write(tmp_path / "usdt.csv", days(5)), *BTC, *option).output
    assert "  note: its prices are about 103, but about 100,000 in the stored candles" in output


def test_days_at_nine_are_seoul_days(catalog: CandleCatalog, tmp_path: Path) -> None:
    """Upbit's days open at 09:00 in Seoul; with another zone they would be nine hours late."""
    file = write(tmp_path / "btc.csv", [f"2024-01-0{day} 09:00:00" for day in range(1, 4)])
    with pytest.raises(InvalidCandleFile, match="--tz Asia/Seoul"):
        run(file, *BTC, "--tz", "UTC")
    assert run(file, *BTC, "--tz", "Asia/Seoul").exit_code == 0
    assert catalog.stored("BTC_KRW")[0].first == NEW_YEAR


def test_korean_times_of_four_hours_are_not_utc(catalog: CandleCatalog, tmp_path: Path) -> None:
    """Any timeframe that is on the grid in Seoul only, but not an offset that the file itself contains."""
    times = [f"2024-01-01 {hour:02}:00:00" for hour in (1, 5, 9, 13, 17)]
    arguments = ("--symbol", "BTC_KRW", "--timeframe", "4h", "--tz", "UTC")
    with pytest.raises(InvalidCandleFile, match="pass --tz Asia/Seoul"):
        run(write(tmp_path / "btc.csv", times), *arguments)
    assert not catalog.symbols()
    result = run(write(tmp_path / "btc.csv", [f"{time}Z" for time in times]), *arguments)
    assert "note: 4h candles open 1 h after those of Upbit and Binance" in result.output


@pytest.mark.parametrize(("timeframe", "second"), [("1m", 30), ("1h", 17), ("1d", 1)])
def test_times_that_no_zone_explains_are_refused(
    catalog: CandleCatalog, tmp_path: Path, timeframe: str, second: int
) -> None:
    """No exchange opens candles some seconds late."""
    step = timedelta(microseconds=parse_timeframe(timeframe).ns // 1000)
    file = write(tmp_path / "btc.csv", steps(NEW_YEAR + timedelta(seconds=second), step, 5))
    with pytest.raises(
        InvalidCandleFile, match=rf"row 1 opens at 2024-01-01 .* {second} s after {timeframe} candles do"
    ):
        run(file, "--symbol", "BTC_KRW", "--timeframe", timeframe)
    assert not catalog.symbols()


@pytest.mark.parametrize(("timeframe", "step"), [("1d", timedelta(days=1)), ("1h", timedelta(hours=1))])
def test_importing_again_in_another_zone_removes_the_misplaced_candles(
    catalog: CandleCatalog, tmp_path: Path, timeframe: str, step: timedelta
) -> None:
    """None of the first import remains among or after the candles of the second."""
    local = [time.replace("T", " ").removesuffix("Z") for time in steps(NEW_YEAR, step, 40)]
    arguments = (write(tmp_path / "btc.csv", local), "--symbol", "BTC_KRW", "--timeframe", timeframe)
    assert run(*arguments, "--tz", "UTC").exit_code == 0
    result = run(*arguments, "--tz", "Asia/Seoul")
    assert "40 stored candles from 2024-01-01T00:00:00Z" in result.output
    assert "equal candles of this file that open 9 h earlier; an import with another --tz or --stamps" in (
        result.output
    )
    (stored,) = catalog.stored("BTC_KRW")
    assert (stored.first, stored.rows) == (NEW_YEAR - timedelta(hours=9), 40)
    assert CliRunner().invoke(coin, ["candles", "check"]).exit_code == 0


def test_fetched_candles_are_not_removed(catalog: CandleCatalog, tmp_path: Path) -> None:
    """If the stored candles come from the exchange, the zone of the file is the wrong one."""
    file = write(tmp_path / "btc.csv", steps(NEW_YEAR, timedelta(hours=1), 40))
    run(file, "--symbol", "BTC_KRW", "--timeframe", "1h")
    candles = catalog.load("BTC_KRW", HOURLY, NEW_YEAR.date(), NEW_YEAR.date() + timedelta(days=9)).candles
    fetched = [(int(candles.time[0]), int(candles.time[-1]) + HOUR_NS)]
    catalog.merge("BTC_KRW", HOURLY, candles, fetched=fetched, source="upbit")
    shifted = write(tmp_path / "kst.csv", steps(NEW_YEAR + timedelta(hours=9), timedelta(hours=1), 40))
    with pytest.raises(InvalidCandleFile, match="open 9 h later; they were fetched from the exchange"):
        run(shifted, "--symbol", "BTC_KRW", "--timeframe", "1h")
    assert catalog.stored("BTC_KRW")[0].rows == 40


def test_rows_without_a_trade_are_known(catalog: CandleCatalog, tmp_path: Path) -> None:
    """They are not candles, and not missing either."""
    file = write(tmp_path / "btc.csv", steps(NEW_YEAR, timedelta(minutes=1), 5))
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], "2024-01-01T00:02:00Z,,,,,", *lines[4:]]) + "\n")
    result = run(file, "--symbol", "BTC_KRW", "--timeframe", "1m")
    assert catalog.stored("BTC_KRW")[0].rows == 4
    assert "no trade happened" in result.output
    listed = CliRunner().invoke(coin, ["candles", "list"]).output.splitlines()[-1].split()
    assert listed[4:8] == ["4", "80.00%", "0", "-"]


def test_importing_again_with_other_stamps_removes_the_misplaced_candles(
    catalog: CandleCatalog, tmp_path: Path
) -> None:
    """Minutes stamped at their closes are one minute late in an import that takes them for opens."""
    file = write(tmp_path / "btc.csv", steps(NEW_YEAR, timedelta(minutes=1), 40))
    arguments = (file, "--symbol", "BTC_KRW", "--timeframe", "1m")
    assert run(*arguments).exit_code == 0
    assert "open 1 min earlier" in run(*arguments, "--stamps", "close").output
    (stored,) = catalog.stored("BTC_KRW")
    assert (stored.first, stored.rows) == (NEW_YEAR - timedelta(minutes=1), 40)


def test_other_candles_at_other_times_are_kept(catalog: CandleCatalog, tmp_path: Path) -> None:
    """A later file does not remove an earlier one, and a market that does not move proves nothing."""
    hour = timedelta(hours=1)
    for start, first in ((NEW_YEAR, 100), (NEW_YEAR + 40 * hour, 500)):
        run(write(tmp_path / "btc.csv", steps(start, hour, 40), first), "--symbol", "BTC_KRW", "--timeframe", "1h")
    assert catalog.stored("BTC_KRW")[0].rows == 80
    file = tmp_path / "flat.csv"
    file.write_text(HEADER + "".join(f"{time},1,1,1,1,0\n" for time in steps(NEW_YEAR, hour, 40)))
    run(file, "--symbol", "ETH_KRW", "--timeframe", "1h")
    file.write_text(HEADER + "".join(f"{time},1,1,1,1,0\n" for time in steps(NEW_YEAR + 40 * hour, hour, 40)))
    run(file, "--symbol", "ETH_KRW", "--timeframe", "1h")
    assert catalog.stored("ETH_KRW")[0].rows == 80


def test_a_file_of_another_market_is_refused_by_its_content(catalog: CandleCatalog, tmp_path: Path) -> None:
    """A column that names the market wins over --symbol, whatever the name of the file is."""
    rows = [f"{time},KRW-ETH,1,2,1,1,{number}" for number, time in enumerate(days(3))]
    file = tmp_path / "btc.csv"
    file.write_text("timestamp,market,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    with pytest.raises(InvalidCandleFile, match="contains candles of ETH_KRW, not of BTC_KRW; pass --symbol ETH_KRW"):
        run(file, *BTC)
    assert run(file, "--timeframe", "1d").exit_code == 0
    assert catalog.symbols() == ["ETH_KRW"]


@pytest.mark.parametrize("start", ["2024-01-05T00:00:00+09:00", "2024-01-05T03:00:00Z"])
def test_files_on_different_grids_are_refused(catalog: CandleCatalog, tmp_path: Path, start: str) -> None:
    """The error names the file, its row, and the file it does not fit."""
    write(tmp_path / "a.csv", days(3))
    write(tmp_path / "b.csv", [start.replace("-05T", "-06T"), start])
    result = run(tmp_path, *BTC)
    assert (result.exit_code, catalog.symbols()) == (1, [])
    assert "b.csv: row 2 opens at 2024-01-0" in result.output
    assert "off the grid of a.csv, which starts at 2024-01-01T00:00:00Z" in result.output


def test_an_archive_is_not_named_after_another_market(catalog: CandleCatalog, tmp_path: Path) -> None:
    """A renamed archive is not stored under the wrong market."""
    with zipfile.ZipFile(tmp_path / "BTCUSDT-1d.zip", "w") as archive:
        archive.write(write(tmp_path / "x.csv", days(3)), "ETHUSDT-1d.csv")
    with pytest.raises(
        InvalidCandleFile, match=r"contains BTC_USDT, but it holds 'ETHUSDT-1d.csv' of ETH_USDT; unpack"
    ):
        run(tmp_path / "BTCUSDT-1d.zip")
    assert not catalog.symbols()


@pytest.mark.usefixtures("catalog")
def test_marks_of_open_workbooks_are_ignored(tmp_path: Path) -> None:
    """Excel writes them next to the workbook."""
    write(tmp_path / "a.csv", days(3))
    (tmp_path / "~$a.xlsx").write_bytes(b"x")
    assert run(tmp_path, *BTC).exit_code == 0


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(("tz", "noted"), [("UTC", True), ("Asia/Seoul", False)])
def test_a_zone_that_the_column_contradicts_is_noted(tmp_path: Path, tz: str, noted: bool) -> None:  # noqa: FBT001
    """The name of the column decides."""
    file = write(tmp_path / "a.csv", ["2024-01-01 09:00", "2024-01-02 09:00"])
    file.write_text(file.read_text().replace("timestamp", "date_kst"))
    output = run(file, *BTC, "--tz", tz).output
    assert ("--tz UTC is not used, because the zone is known: Asia/Seoul (the name of" in output) is noted


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(("name", "noted"), [("ETHUSDT-1d.csv", True), ("KRW-BTC.csv", False), ("a.csv", False)])
def test_a_name_that_differs_from_the_requested_market_is_noted(tmp_path: Path, name: str, noted: bool) -> None:  # noqa: FBT001
    """The requested market decides for a single file."""
    output = run(write(tmp_path / name, days(3)), *BTC).output
    assert ("note: its name contains ETH_USDT, not BTC_KRW" in output) is noted
