"""Collecting candles into a catalogue: what is fetched, in which order, and what a failure leaves."""

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
from coin_pipeline.candles.year_files.arrow import to_frame
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
    """A market that was listed on 20 December, in the middle of 10 January."""
    candles = {("KRW-BTC", "minutes/1"): MINUTES, ("KRW-BTC", "minutes/60"): HOURS}
    with serving(UpbitServer(candles, Clock(NOW))) as running:
        yield running


@pytest.fixture
def upbit(server: UpbitServer) -> Iterator[UpbitClient]:
    """A client whose pauses move the server's clock."""
    with closing(UpbitClient(base_url=server.url, timer=server.clock)) as client:
        yield client


def stored(catalog: CandleCatalog, timeframe: Timeframe) -> OHLCV:
    """Return all that is stored of the market."""
    bars = catalog.read("BTC_KRW", timeframe, date(2020, 1, 1), date(2030, 1, 1))
    return OHLCV(bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume)


def test_everything_that_is_finished_is_stored(
    catalog: CandleCatalog, upbit: UpbitClient, minutely: Timeframe, server: UpbitServer
) -> None:
    """All candles up to the last finished one, to the last bit; the word that they were fetched covers the gaps too."""
    done = collect(catalog, upbit, "BTC_KRW", minutely, BEGIN, END)
    finished = int(NOW.replace(second=0).timestamp()) * 10**9
    expected = MINUTES.rows(MINUTES.time < finished)
    for mine, theirs in zip(stored(catalog, minutely), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    known = catalog.provenance("BTC_KRW", minutely)
    assert (known.fetched, known.source) == (((BEGIN, finished),), "upbit")
    assert (done.begin, done.end) == (BEGIN, finished)
    assert (done.added, done.replaced, done.unchanged) == (len(expected.time), 0, 0)
    assert done.requests == len(server.asked) - 1


def test_the_unfinished_candle_comes_once_it_is_finished(
    catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe, server: UpbitServer
) -> None:
    """The candle of this hour is left out though Upbit shows it, and is stored with its last values an hour later."""
    this_hour = int(NOW.replace(minute=0, second=0).timestamp()) * 10**9
    assert this_hour in HOURS.time
    collect(catalog, upbit, "BTC_KRW", hourly, BEGIN, END)
    assert stored(catalog, hourly).time[-1] == this_hour - HOUR_NS
    server.clock.sleep(3600)
    done = collect(catalog, upbit, "BTC_KRW", hourly, this_hour, END)
    assert (done.requests, done.added, done.replaced) == (1, 1, 0)
    assert stored(catalog, hourly).close[-1] == HOURS.close[HOURS.time == this_hour]


def test_what_was_fetched_is_never_asked_again(
    catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe, server: UpbitServer
) -> None:
    """A second time nothing is asked but the time; of a wider range only what is new, on both sides."""
    middle = day_range(date(2023, 12, 25), date(2023, 12, 26))
    collect(catalog, upbit, "BTC_KRW", hourly, *middle)
    server.asked.clear()
    assert collect(catalog, upbit, "BTC_KRW", hourly, *middle).requests == 0
    wider = day_range(date(2023, 12, 24), date(2023, 12, 27))
    done = collect(catalog, upbit, "BTC_KRW", hourly, *wider)
    assert {asked["to"] for asked in server.asked} == {"2023-12-24T15:00:00Z", "2023-12-27T15:00:00Z"}
    assert {asked["count"] for asked in server.asked} == {"24"}
    assert catalog.provenance("BTC_KRW", hourly).fetched == (wider,)
    assert (done.unchanged, done.replaced) == (0, 0)


def test_years_before_a_market_was_listed_cost_few_requests(
    catalog: CandleCatalog, upbit: UpbitClient, minutely: Timeframe, server: UpbitServer
) -> None:
    """Empty answers are taken in ever longer stretches, and not one candle is lost behind them."""
    begin, _ = day_range(date(2010, 1, 1), date(2010, 1, 1))
    pieces = (BEGIN - begin) // MINUTE_NS // CHUNK_CANDLES
    assert pieces > 700
    collect(catalog, upbit, "BTC_KRW", minutely, begin, day_range(LISTED, LISTED)[1])
    assert len(server.asked) < 50
    np.testing.assert_array_equal(stored(catalog, minutely).time, MINUTES.time[MINUTES.time < MINUTES.time[0] + DAY_NS])
    assert catalog.provenance("BTC_KRW", minutely).fetched == ((begin, day_range(LISTED, LISTED)[1]),)


@pytest.mark.parametrize(("requests", "pieces"), [(1, 0), (60, 1), (100, 2)])
def test_a_failure_keeps_the_pieces_before_it(
    catalog: CandleCatalog, upbit: UpbitClient, minutely: Timeframe, server: UpbitServer, requests: int, pieces: int
) -> None:
    """Pieces are stored from the oldest on; the next collector begins behind them and ends the same."""
    listed, end = day_range(LISTED, date(2024, 1, 5))
    server.plan(lambda answer: answer, times=requests)
    server.plan(rows(lambda told: told and told[0].pop("trade_price") and None))
    with pytest.raises(ExchangeAnswer):
        collect(catalog, upbit, "BTC_KRW", minutely, listed, end)
    assert catalog.provenance("BTC_KRW", minutely).fetched == (
        ((listed, listed + pieces * CHUNK_CANDLES * MINUTE_NS),) * (pieces > 0)
    )
    collect(catalog, upbit, "BTC_KRW", minutely, listed, end)
    np.testing.assert_array_equal(stored(catalog, minutely).time, MINUTES.time[MINUTES.time < end])


def test_an_exchange_that_goes_away_leaves_what_was_stored(
    catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe, server: UpbitServer
) -> None:
    """The error is that of the exchange, and nothing of the series is there yet."""
    server.plan(lambda answer: answer)
    server.plan(reset, times=100)
    with pytest.raises(ExchangeUnavailable, match="stored candles are kept"):
        collect(catalog, upbit, "BTC_KRW", hourly, BEGIN, END)
    assert catalog.provenance("BTC_KRW", hourly).fetched == ()


def test_an_unknown_market_leaves_nothing(catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe) -> None:
    """Not even a folder."""
    with pytest.raises(MarketUnknown):
        collect(catalog, upbit, "XYZ_KRW", hourly, BEGIN, END)
    assert not list(catalog.root.glob("*"))


def test_progress_is_told_to_the_end(catalog: CandleCatalog, upbit: UpbitClient, minutely: Timeframe) -> None:
    """Each request moves it on, it never goes back, and it ends at what was planned, with rate and ETA."""
    heard: list[CollectProgress] = []
    begin, end = day_range(LISTED, date(2023, 12, 22))
    collect(catalog, upbit, "BTC_KRW", minutely, begin, end, heard.append)
    assert (heard[0].done, heard[0].per_second, heard[0].eta_s) == (0, None, None)
    assert {told.planned for told in heard} == {3 * 24 * 60}
    assert heard[-1].done == heard[-1].planned
    assert heard[-1].candles == np.count_nonzero(MINUTES.time < end)
    assert heard[-1].eta_s == 0
    done = [told.done for told in heard]
    assert done == sorted(done)
    assert all(told.per_second > 0 for told in heard[1:] if told.per_second is not None)


def test_collectors_of_one_series_do_not_disturb_each_other(
    catalog: CandleCatalog, server: UpbitServer, minutely: Timeframe
) -> None:
    """Four at once on overlapping ranges leave what one would have left."""
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


def test_another_exchanges_candles_are_not_mixed_in(
    catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe, server: UpbitServer
) -> None:
    """A series that another exchange filled stays as it is, and nothing is asked for."""
    catalog.merge("BTC_KRW", hourly, to_frame(HOURS.rows(slice(0, 5))), fetched=[(BEGIN, END)], source="binance")
    with pytest.raises(InvalidInput, match="was fetched from binance, not from upbit"):
        collect(catalog, upbit, "BTC_KRW", hourly, BEGIN - DAY_NS, END)
    assert len(stored(catalog, hourly).time) == 5
    assert not server.asked


def test_a_range_that_has_not_begun_is_empty(catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe) -> None:
    """Nothing is asked for, and nothing is stored."""
    begin, end = day_range(date(2030, 1, 1), date(2030, 1, 2))
    done = collect(catalog, upbit, "BTC_KRW", hourly, begin, end)
    assert (done.requests, done.begin, done.end) == (0, begin, begin)
    assert not catalog.root.exists()


def test_an_answer_that_leads_nowhere_is_refused(catalog: CandleCatalog, hourly: Timeframe) -> None:
    """An exchange whose batches touch neither end of what was asked for would be asked forever."""

    class Odd:
        name = "odd"

        def last_closed(self, timeframe: Timeframe) -> int:
            return END - END % timeframe.ns

        def fetch(self, _symbol: str, timeframe: Timeframe, begin: int, end: int) -> FetchResult:
            return FetchResult(HOURS.rows(slice(0, 0)), begin + timeframe.ns, end - timeframe.ns)

        def close(self) -> None:
            pass

    odd: Exchange = Odd()
    with pytest.raises(ExchangeAnswer, match="odd was asked for candles"):
        collect(catalog, odd, "BTC_KRW", hourly, BEGIN, END)


def test_a_refresh_begins_where_fetching_ended(catalog: CandleCatalog, upbit: UpbitClient, hourly: Timeframe) -> None:
    """Behind what was fetched; else with the last candle that is stored, again; else 20,000 candles ago."""
    now = upbit.last_closed(hourly)
    assert refresh_start(catalog, "BTC_KRW", hourly, now) == now - INITIAL_CANDLES * HOUR_NS
    catalog.merge("BTC_KRW", hourly, synthetic_candles(5, hourly, LISTED, 48))
    last = day_range(LISTED, LISTED)[0] + 47 * HOUR_NS
    assert refresh_start(catalog, "BTC_KRW", hourly, now) == last
    done = collect(catalog, upbit, "BTC_KRW", hourly, last, now)
    assert done.replaced <= 1
    assert refresh_start(catalog, "BTC_KRW", hourly, now) == now


def test_upbit_is_opened_where_the_settings_say(server: UpbitServer, hourly: Timeframe) -> None:
    """COIN_UPBIT_URL names the server that is asked."""
    with closing(open_exchange("upbit", Settings(coin_upbit_url=server.url, data_root=Path()))) as exchange:
        assert utc(exchange.last_closed(hourly)) == NOW.replace(minute=0, second=0)
    assert exchange.name == "upbit"
