"""Collecting candles into a catalog: requests, their order, and the state after a failure."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.collect import CHUNK_CANDLES, INITIAL_CANDLES, CollectProgress, collect, refresh_start
from coin_pipeline.candles.exchanges.base import Exchange, FetchResult
from coin_pipeline.candles.exchanges.registry import open_exchange
from coin_pipeline.candles.exchanges.upbit import UpbitClient
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, MINUTE_NS, Timeframe, day_range, utc
from coin_pipeline.errors import ExchangeAnswer, ExchangeUnavailable, InvalidInput, MarketUnknown
from coin_pipeline.settings import Settings
from tests.upbit_server import Clock, UpbitServer, market_candles, reset, rows, serving

NOW = datetime(2024, 1, 10, 9, 30, 30, tzinfo=UTC)
LISTED = date(2023, 12, 20)
MINUTES = market_candles(1, "1m", LISTED, 60 * 24 * 30)
HOURS = market_candles(2, "1h", LISTED, 24 * 30)
BEGIN, END = day_range(date(2023, 12, 1), date(2024, 1, 31))


@pytest.fixture
def server() -> Iterator[UpbitServer]:
    """A market listed on 2023-12-20; its clock shows 2024-01-10 09:30:30 UTC."""
    candles = {("KRW-BTC", "minutes/1"): MINUTES, ("KRW-BTC", "minutes/60"): HOURS}
    with serving(UpbitServer(candles, Clock(NOW))) as running:
        yield running


@pytest.fixture
def upbit(server: UpbitServer) -> Iterator[UpbitClient]:
    """A client whose pauses advance the server's clock."""
    with closing(UpbitClient(base_url=server.url, timer=server.clock)) as client:
        yield client


def stored(catalog: CandleCatalog, timeframe: Timeframe) -> OHLCV:
    """Return all stored candles of the market."""
    return catalog.load("BTC_KRW", timeframe, date(2020, 1, 1), date(2030, 1, 1)).candles


def test_all_closed_candles_are_stored(
    catalog: CandleCatalog, upbit: UpbitClient, minutely: Timeframe, server: UpbitServer
) -> None:
    """They are stored exactly, and the fetched interval includes the gaps."""
    report = collect(catalog, upbit, "BTC_KRW", minutely, BEGIN, END)
    finished = int(NOW.replace(second=0).timestamp()) * 10**9
    expected = MINUTES.rows(MINUTES.time < finished)
    for actual, column in zip(stored(catalog, minutely), expected, strict=True):
        np.testing.assert_array_equal(actual, column)
    provenance = catalog.provenance("BTC_KRW", minutely)
    assert (provenance.fetched, provenance.source) == (((BEGIN, finished),), "upbit")
    assert (report.begin, report.end) == (BEGIN, finished)
    assert (report.added, report.replaced, report.unchanged) == (len(expected.time), 0, 0)
    assert report.requests == len(server.asked) - 1


def test_an_open_candle_is_stored_once_closed(
    catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe, server: UpbitServer
) -> None:
    """The current candle is skipped although Upbit returns it, and is stored with its final values an hour later."""
    this_hour = int(NOW.replace(minute=0, second=0).timestamp()) * 10**9
    assert this_hour in HOURS.time
    collect(catalog, upbit, "BTC_KRW", hourly, BEGIN, END)
    assert stored(catalog, hourly).time[-1] == this_hour - HOUR_NS
    server.clock.sleep(3600)
    report = collect(catalog, upbit, "BTC_KRW", hourly, this_hour, END)
    assert (report.requests, report.added, report.replaced) == (1, 1, 0)
    assert stored(catalog, hourly).close[-1] == HOURS.close[HOURS.time == this_hour]


def test_fetched_intervals_are_not_requested_again(
    catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe, server: UpbitServer
) -> None:
    """A repeated collection only asks for the time; a wider range only for the new parts on both sides."""
    middle = day_range(date(2023, 12, 25), date(2023, 12, 26))
    collect(catalog, upbit, "BTC_KRW", hourly, *middle)
    server.asked.clear()
    assert collect(catalog, upbit, "BTC_KRW", hourly, *middle).requests == 0
    wider = day_range(date(2023, 12, 24), date(2023, 12, 27))
    report = collect(catalog, upbit, "BTC_KRW", hourly, *wider)
    assert {request["to"] for request in server.asked} == {"2023-12-24T15:00:00Z", "2023-12-27T15:00:00Z"}
    assert {request["count"] for request in server.asked} == {"24"}
    assert catalog.provenance("BTC_KRW", hourly).fetched == (wider,)
    assert (report.unchanged, report.replaced) == (0, 0)


def test_years_before_a_listing_cost_few_requests(
    catalog: CandleCatalog, upbit: UpbitClient, minutely: Timeframe, server: UpbitServer
) -> None:
    """Chunks double while empty, and no candle after them is lost."""
    begin, _ = day_range(date(2010, 1, 1), date(2010, 1, 1))
    chunks = (BEGIN - begin) // MINUTE_NS // CHUNK_CANDLES
    assert chunks > 700
    collect(catalog, upbit, "BTC_KRW", minutely, begin, day_range(LISTED, LISTED)[1])
    assert len(server.asked) < 50
    np.testing.assert_array_equal(stored(catalog, minutely).time, MINUTES.time[MINUTES.time < MINUTES.time[0] + DAY_NS])
    assert catalog.provenance("BTC_KRW", minutely).fetched == ((begin, day_range(LISTED, LISTED)[1]),)


@pytest.mark.parametrize(("requests", "chunks"), [(1, 0), (60, 1), (100, 2)])
def test_a_failure_keeps_the_chunks_before_it(
    catalog: CandleCatalog, upbit: UpbitClient, minutely: Timeframe, server: UpbitServer, requests: int, chunks: int
) -> None:
    """Chunks are stored oldest first; the next collection resumes after them with the same result."""
    listed, end = day_range(LISTED, date(2024, 1, 5))
    server.plan(lambda answer: answer, times=requests)
    server.plan(rows(lambda candles: candles and candles[0].pop("trade_price") and None))
    with pytest.raises(ExchangeAnswer):
        collect(catalog, upbit, "BTC_KRW", minutely, listed, end)
    assert catalog.provenance("BTC_KRW", minutely).fetched == (
        ((listed, listed + chunks * CHUNK_CANDLES * MINUTE_NS),) * (chunks > 0)
    )
    collect(catalog, upbit, "BTC_KRW", minutely, listed, end)
    np.testing.assert_array_equal(stored(catalog, minutely).time, MINUTES.time[MINUTES.time < end])


def test_an_unavailable_exchange_raises_its_error(
    catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe, server: UpbitServer
) -> None:
    """Nothing of the series is stored yet."""
    server.plan(lambda answer: answer)
    server.plan(reset, times=100)
    with pytest.raises(ExchangeUnavailable, match="stored candles are kept"):
        collect(catalog, upbit, "BTC_KRW", hourly, BEGIN, END)
    assert catalog.provenance("BTC_KRW", hourly).fetched == ()


def test_an_unknown_market_creates_no_folder(catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe) -> None:
    """The root stays empty."""
    with pytest.raises(MarketUnknown):
        collect(catalog, upbit, "XYZ_KRW", hourly, BEGIN, END)
    assert not list(catalog.root.glob("*"))


def test_progress_is_reported_to_completion(catalog: CandleCatalog, upbit: UpbitClient, minutely: Timeframe) -> None:
    """It increases with each request and ends at the plan, with rate and ETA."""
    updates: list[CollectProgress] = []
    begin, end = day_range(LISTED, date(2023, 12, 22))
    collect(catalog, upbit, "BTC_KRW", minutely, begin, end, updates.append)
    assert (updates[0].done, updates[0].per_second, updates[0].eta_s) == (0, None, None)
    assert {update.planned for update in updates} == {3 * 24 * 60}
    assert updates[-1].done == updates[-1].planned
    assert updates[-1].candles == np.count_nonzero(MINUTES.time < end)
    assert updates[-1].eta_s == 0
    done = [update.done for update in updates]
    assert done == sorted(done)
    assert all(update.per_second > 0 for update in updates[1:] if update.per_second is not None)


def test_concurrent_collections_of_one_series_are_safe(
    catalog: CandleCatalog, server: UpbitServer, minutely: Timeframe
) -> None:
    """Four on overlapping ranges give the result of one."""
    begin, _ = day_range(date(2024, 1, 1), date(2024, 1, 1))
    ranges = [(begin, END), (begin, END), day_range(date(2024, 1, 3), date(2024, 1, 4)), (begin + DAY_NS, END)]

    def work(begin: int, end: int) -> None:
        with closing(UpbitClient(base_url=server.url)) as client:
            collect(catalog, client, "BTC_KRW", minutely, begin, end)

    threads = [threading.Thread(target=work, args=part) for part in ranges]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finished = int(NOW.replace(second=0).timestamp()) * 10**9
    whole = (MINUTES.time >= begin) & (MINUTES.time < finished)
    np.testing.assert_array_equal(stored(catalog, minutely).time, MINUTES.time[whole])
    assert catalog.provenance("BTC_KRW", minutely).fetched == ((begin, finished),)


def test_exchanges_are_not_mixed(
    catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe, server: UpbitServer
) -> None:
    """A series fetched from another exchange is unchanged, and no request is sent."""
    catalog.merge("BTC_KRW", hourly, HOURS.rows(slice(0, 5)), fetched=[(BEGIN, END)], source="binance")
    with pytest.raises(InvalidInput, match="was fetched from binance, not from upbit"):
        collect(catalog, upbit, "BTC_KRW", hourly, BEGIN - DAY_NS, END)
    assert len(stored(catalog, hourly).time) == 5
    assert not server.asked


def test_a_future_range_is_empty(catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe) -> None:
    """No request is sent and nothing is stored."""
    begin, end = day_range(date(2030, 1, 1), date(2030, 1, 2))
    report = collect(catalog, upbit, "BTC_KRW", hourly, begin, end)
    assert (report.requests, report.begin, report.end) == (0, begin, begin)
    assert not catalog.root.exists()


def test_a_result_without_progress_is_rejected(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """Results that touch neither end of the request would repeat forever."""

    class StuckExchange:
        name = "stuck"

        def last_closed(self, timeframe: Timeframe) -> int:
            return END - END % timeframe.ns

        def fetch(self, _symbol: str, timeframe: Timeframe, begin: int, end: int) -> FetchResult:
            return FetchResult(HOURS.rows(slice(0, 0)), begin + timeframe.ns, end - timeframe.ns)

        def close(self) -> None:
            pass

    stuck: Exchange = StuckExchange()
    with pytest.raises(ExchangeAnswer, match="stuck was asked for candles"):
        collect(catalog, stuck, "BTC_KRW", hourly, BEGIN, END)


def test_a_refresh_starts_after_the_fetched_interval(
    catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe
) -> None:
    """Otherwise at the last stored candle, or else 20,000 candles ago."""
    now = upbit.last_closed(hourly)
    assert refresh_start(catalog, "BTC_KRW", hourly, now) == now - INITIAL_CANDLES * HOUR_NS
    catalog.merge("BTC_KRW", hourly, synthetic_candles(5, hourly, LISTED, 48))
    last = day_range(LISTED, LISTED)[0] + 47 * HOUR_NS
    assert refresh_start(catalog, "BTC_KRW", hourly, now) == last
    report = collect(catalog, upbit, "BTC_KRW", hourly, last, now)
    assert report.replaced <= 1
    assert refresh_start(catalog, "BTC_KRW", hourly, now) == now


WALK = """
import sys
from datetime import date
from pathlib import Path
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.collect import collect
from coin_pipeline.candles.timeframe import parse_timeframe
from tests.exchanges import FakeExchange

catalog, hourly, now = CandleCatalog(Path(sys.argv[1])), parse_timeframe("1h"), 1_704_067_200 * 10**9
report = collect(catalog, FakeExchange(now), "BTC_KRW", hourly, now - 24 * hourly.ns, now)
assert len(catalog.read("BTC_KRW", hourly, date(2023, 12, 31), date(2024, 1, 1))) == report.added == 24
print(*(name for name in sys.modules if name.split(".")[0] == "coin_pipeline"))
"""


def test_candles_go_from_exchange_to_bars_through_few_modules(tmp_path: Path) -> None:
    """Neither the DataFrame conversions nor the import of files are on the way."""
    command = [sys.executable, "-c", WALK, str(tmp_path)]
    completed = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2], timeout=60
    )
    modules = {name.removeprefix("coin_pipeline.") for name in completed.stdout.split()}
    assert not modules & {"candles.files", "candles.frames", "settings"}
    assert len({name for name in modules if not name.startswith("errors")}) <= 35


def test_the_setting_selects_upbits_url(server: UpbitServer, hourly: Timeframe) -> None:
    """COIN_UPBIT_URL names the server."""
    with closing(open_exchange("upbit", Settings(coin_upbit_url=server.url, data_root=Path()))) as exchange:
        assert utc(exchange.last_closed(hourly)) == NOW.replace(minute=0, second=0)
    assert exchange.name == "upbit"
