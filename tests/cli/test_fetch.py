"""`coin candles get` against a server that implements Upbit's protocol."""

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
    """The server at COIN_UPBIT_URL."""
    assert root.is_dir()
    with serving(UpbitServer(CANDLES, Clock(NOW))) as running:
        monkeypatch.setenv("COIN_UPBIT_URL", running.url)
        yield running


def get(*arguments: str) -> Result:
    """Run the command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, ["candles", "get", *arguments], catch_exceptions=False)


@pytest.mark.usefixtures("server")
def test_days_in_the_future_are_refused(root: Path) -> None:
    """Before anything is requested."""
    with pytest.raises(InvalidInput, match="2200-01-01 is in the future"):
        get("BTC_KRW", "--from", "2200-01-01")
    assert list(root.iterdir()) == []


@pytest.mark.usefixtures("server")
def test_days_are_seoul_days_and_inclusive(root: Path) -> None:
    """Each series has its line, in the order of the arguments."""
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


def test_without_from_only_new_candles_are_fetched(server: UpbitServer) -> None:
    """Only candles since the last fetch are requested; a third call requests nothing."""
    get("BTC_KRW", "--timeframe", "1h", "--from", "2024-01-01")
    server.clock.sleep(3 * 3600)
    server.asked.clear()
    assert get("BTC_KRW", "--timeframe", "1h").stdout.endswith("2024-01-10 09:00 to 2024-01-10 12:00 UTC\n")
    assert [query["count"] for query in server.asked] == ["1", "3"], "the time, and three hours"
    assert (
        get("BTC_KRW", "--timeframe", "1h").stdout
        == "BTC_KRW 1h: up to date; nothing to fetch from 2024-01-10 12:00 UTC\n"
    )


def test_failed_series_does_not_stop_the_others(server: UpbitServer) -> None:
    """An unknown market and a malformed response are each reported once, and the exit code is 1."""
    server.plan(lambda answer: answer, times=2)
    server.plan(rows(lambda candles: candles[0].pop("high_price") and None))
    result = get("XYZ_KRW", "BTC_KRW", "ETH_KRW", "--timeframe", "1d", "--timeframe", "1h", "--from", "2024-01-01")
    assert result.exit_code == 1
    assert [line.split(": ")[0] for line in result.stdout.splitlines()] == ["BTC_KRW 1h", "ETH_KRW 1d", "ETH_KRW 1h"]
    unknown, malformed = result.stderr.splitlines()
    assert unknown == "XYZ_KRW: upbit has no market XYZ_KRW (Code not found); check the symbol"
    assert malformed.startswith(
        "BTC_KRW 1d: upbit was asked for 9 candles (days) of KRW-BTC before 2024-01-10T00:00:00Z"
    )
    assert "a candle without high_price" in malformed


def test_unavailable_exchange_is_not_asked_again(server: UpbitServer) -> None:
    """The failure is reported, with the series that were skipped because of it."""
    server.plan(lambda answer: answer, times=2)
    server.plan(reset, times=6)
    result = get("BTC_KRW", "ETH_KRW", "--timeframe", "1d", "--timeframe", "1h", "--from", "2024-01-01")
    assert result.exit_code == 1
    assert result.stdout.startswith("BTC_KRW 1d: ")
    unavailable, not_tried = result.stderr.splitlines()
    assert unavailable.startswith("BTC_KRW 1h: upbit does not respond (")
    assert not_tried == "not tried: ETH_KRW 1d, ETH_KRW 1h"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("BTC/KRW",), InvalidSymbol),
        (("BTC-USDT",), InvalidSymbol),
        (("BTC_KRW", "--timeframe", "7m"), InvalidTimeframe),
        (("BTC_KRW", "--timeframe", "1M"), InvalidTimeframe),
        (("BTC_KRW", "--timeframe", "2h"), InvalidTimeframe),
        (("BTC_KRW", "--exchange", "nowhere"), UnknownExchange),
        (("BTC_KRW", "--from", "2024-01-02", "--to", "2024-01-01"), InvalidInput),
    ],
)
def test_invalid_input_is_rejected_before_any_request(
    server: UpbitServer, arguments: tuple[str, ...], kind: type[InvalidInput]
) -> None:
    """One invalid argument among several prevents the whole fetch."""
    with pytest.raises(kind):
        get("ETH_KRW", *arguments)
    assert not server.asked


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_fetch_resumes(server: UpbitServer, root: Path, signum: signal.Signals) -> None:
    """Ctrl-C exits with a message and 130; after Ctrl-C or a kill the same command requests only the rest."""
    command = [COIN, "candles", "get", "BTC_KRW", "--timeframe", "1m", "--from", "2023-12-20"]
    server.delay_s = 0.005
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    minutely = parse_timeframe("1m")
    while not CandleCatalog(root).provenance("BTC_KRW", minutely).fetched:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signum)
    _, stderr = process.communicate(timeout=30)
    if signum == signal.SIGINT:
        assert process.returncode == 130
        assert stderr == "error: interrupted; fetched candles are stored, and the same command resumes the fetch\n"
    (fetched,) = CandleCatalog(root).provenance("BTC_KRW", minutely).fetched
    server.asked.clear()
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("BTC_KRW 1m: ")
    requested = [datetime.fromisoformat(query["to"]).timestamp() * 1e9 for query in server.asked if "to" in query]
    assert requested
    assert min(requested) > fetched[1]
    assert not list(root.rglob(".*.tmp"))
