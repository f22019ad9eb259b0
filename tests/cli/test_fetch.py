"""`coin candles get` as a person types it, against a server that speaks Upbit's protocol."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import day_range, parse_timeframe
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import InvalidInput, InvalidSymbol, InvalidTimeframe, UnknownExchange
from tests.upbit_server import Clock, UpbitServer, market_candles, reset, rows, serving

COIN = Path(sys.executable).with_name("coin")
NOW = datetime(2024, 1, 10, 9, 30, 30, tzinfo=UTC)
LISTED = date(2023, 12, 20)
CANDLES = {
    (market, unit): market_candles(seed, timeframe, LISTED, bars)
    for seed, market in enumerate(("KRW-BTC", "KRW-ETH"))
    for unit, timeframe, bars in (("minutes/1", "1m", 60 * 24 * 25), ("minutes/60", "1h", 24 * 25), ("days", "1d", 25))
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DATA_ROOT."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, root: Path) -> Iterator[UpbitServer]:
    """The server that COIN_UPBIT_URL names."""
    assert root.is_dir()
    with serving(UpbitServer(CANDLES, Clock(NOW))) as running:
        monkeypatch.setenv("COIN_UPBIT_URL", running.url)
        yield running


def get(*arguments: str) -> Result:
    """Run the command in this process; errors of ours come out as exceptions."""
    return CliRunner().invoke(coin, ["candles", "get", *arguments], catch_exceptions=False)


@pytest.mark.usefixtures("server")
def test_days_are_those_of_seoul_and_both_included(root: Path) -> None:
    """A line for each series says what came, in the order in which they were given."""
    days = ("--from", "2023-12-31", "--to", "2024-01-01")
    result = get("KRW-ETH", "BTC_KRW", "--timeframe", "1h", "--timeframe", "1d", *days)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["ETH_KRW 1h", "ETH_KRW 1d", "BTC_KRW 1h", "BTC_KRW 1d"]
    hours = CANDLES["KRW-BTC", "minutes/60"].time
    begin, end = day_range(date(2023, 12, 31), date(2024, 1, 1))
    expected = [time for time in hours.tolist() if begin <= time < end]
    assert lines[2] == f"BTC_KRW 1h: {len(expected)} added, 0 replaced; 2023-12-30 15:00 to 2024-01-01 15:00 UTC"
    stored = CandleCatalog(root).read("BTC_KRW", parse_timeframe("1h"), date(2020, 1, 1), date(2030, 1, 1))
    assert stored.time.tolist() == expected


def test_without_from_it_is_a_refresh(server: UpbitServer) -> None:
    """What came since is fetched, and nothing else; once it is there, nothing is."""
    get("BTC_KRW", "--timeframe", "1h", "--from", "2024-01-01")
    server.clock.sleep(3 * 3600)
    server.asked.clear()
    assert get("BTC_KRW", "--timeframe", "1h").stdout.endswith("2024-01-10 09:00 to 2024-01-10 12:00 UTC\n")
    assert [asked["count"] for asked in server.asked] == ["1", "3"], "the time, and three hours"
    assert get("BTC_KRW", "--timeframe", "1h").stdout == "BTC_KRW 1h: nothing to fetch from 2024-01-10 12:00 UTC on\n"


def test_a_series_that_fails_does_not_stop_the_others(server: UpbitServer) -> None:
    """An unknown market is told once, a malformed answer too, and the exit code says that not all is there."""
    server.plan(lambda answer: answer, times=2)
    server.plan(rows(lambda told: told[0].pop("high_price") and None))
    result = get("XYZ_KRW", "BTC_KRW", "ETH_KRW", "--timeframe", "1d", "--timeframe", "1h", "--from", "2024-01-01")
    assert result.exit_code == 1
    assert [line.split(": ")[0] for line in result.stdout.splitlines()] == ["BTC_KRW 1h", "ETH_KRW 1d", "ETH_KRW 1h"]
    unknown, malformed = result.stderr.splitlines()
    assert unknown == "XYZ_KRW: upbit has no market XYZ_KRW (Code not found); check its name"
    assert malformed.startswith(
        "BTC_KRW 1d: upbit was asked for 9 candles (days) of KRW-BTC before 2024-01-10T00:00:00Z"
    )
    assert "a candle without high_price" in malformed


def test_an_exchange_that_is_away_is_not_asked_for_the_others(server: UpbitServer) -> None:
    """Its failure is told, with what was not tried because of it."""
    server.plan(lambda answer: answer, times=2)
    server.plan(reset, times=6)
    result = get("BTC_KRW", "ETH_KRW", "--timeframe", "1d", "--timeframe", "1h", "--from", "2024-01-01")
    assert result.exit_code == 1
    assert result.stdout.startswith("BTC_KRW 1d: ")
    away, not_tried = result.stderr.splitlines()
    assert away.startswith("BTC_KRW 1h: upbit does not answer (")
    assert not_tried == "not tried: ETH_KRW 1d, ETH_KRW 1h"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("BTC/KRW",), InvalidSymbol),
        (("BTC_KRW", "--timeframe", "7m"), InvalidTimeframe),
        (("BTC_KRW", "--exchange", "nowhere"), UnknownExchange),
        (("BTC_KRW", "--from", "2024-01-02", "--to", "2024-01-01"), InvalidInput),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(
    server: UpbitServer, arguments: tuple[str, ...], kind: type[InvalidInput]
) -> None:
    """One wrong argument of several, and nothing is fetched."""
    with pytest.raises(kind):
        get("ETH_KRW", *arguments)
    assert not server.asked


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_stopped_it_goes_on_where_it_was(server: UpbitServer, root: Path, signum: signal.Signals) -> None:
    """Ctrl-C ends with a sentence and 130, a kill with nothing; the same command again asks only for the rest."""
    command = [COIN, "candles", "get", "BTC_KRW", "--timeframe", "1m", "--from", "2023-12-20"]
    server.delay_s = 0.005
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    minutely = parse_timeframe("1m")
    while not CandleCatalog(root).provenance("BTC_KRW", minutely).fetched:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signum)
    _, told = process.communicate(timeout=30)
    if signum == signal.SIGINT:
        assert process.returncode == 130
        assert told == "error: stopped; what was stored until now stays, and the same command goes on from there\n"
    (fetched,) = CandleCatalog(root).provenance("BTC_KRW", minutely).fetched
    server.asked.clear()
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("BTC_KRW 1m: ")
    asked = [datetime.fromisoformat(each["to"]).timestamp() * 1e9 for each in server.asked if "to" in each]
    assert asked
    assert min(asked) > fetched[1]
    assert not list(root.rglob(".*.tmp"))
