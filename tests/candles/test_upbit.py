"""Upbit's client against a server that speaks its protocol, with its limits and every fault that it can have."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from coin_pipeline.candles.exchanges import http
from coin_pipeline.candles.exchanges.rate_limit import Timer
from coin_pipeline.candles.exchanges.upbit import MINUTES, PAGE_SIZE, UpbitClient
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.timeframe import HOUR_NS, TIMEFRAMES, Timeframe, day_range, utc
from coin_pipeline.errors import (
    ExchangeAnswer,
    ExchangeUnavailable,
    InvalidSymbol,
    InvalidTimeframe,
    MarketUnknown,
    StorageFailed,
)
from tests.upbit_server import (
    LENGTHS_NS,
    Answer,
    Clock,
    Fault,
    UpbitServer,
    body,
    half_sent,
    headers,
    market_candles,
    reset,
    rows,
    serving,
    status,
)

NOW = datetime(2024, 1, 3, 9, 30, 30, tzinfo=UTC)
START, BARS = date(2023, 12, 20), 24 * 30
HOURS = market_candles(1, "1h", START, BARS)
NEW_YEARS_EVE = day_range(date(2023, 12, 31), date(2023, 12, 31))


def _first_days_of_months() -> OHLCV:
    opens = np.array([f"2023-{month:02}-01" for month in range(1, 13)], dtype="datetime64[ns]").astype(np.int64)
    columns = market_candles(1, "1d", date(2023, 1, 1), 12, traded=1.1)
    return columns._replace(time=opens)


@pytest.fixture
def server() -> Iterator[UpbitServer]:
    """A server whose clock stands at half past nine of 3 January 2024, UTC."""
    candles = {("KRW-BTC", "minutes/60"): HOURS, ("KRW-BTC", "months"): _first_days_of_months()}
    with serving(UpbitServer(candles, Clock(NOW))) as running:
        yield running


@pytest.fixture
def upbit(server: UpbitServer) -> Iterator[UpbitClient]:
    """A client whose pauses move the server's clock."""
    with closing(UpbitClient(base_url=server.url, timer=server.clock)) as client:
        yield client


def hours(begin: int, end: int) -> OHLCV:
    """Return the candles that the market has in [begin, end)."""
    return HOURS.rows((HOURS.time >= begin) & (HOURS.time < end))


def same(one: OHLCV, other: OHLCV) -> bool:
    """Tell whether candles are the same to the last bit."""
    return all(np.array_equal(mine, yours) for mine, yours in zip(one, other, strict=True))


def test_a_day_is_what_the_market_has(upbit: UpbitClient, hourly: Timeframe) -> None:
    """Values arrive exactly, in order, all of the range that was asked for and nothing beside it."""
    batch = upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert (batch.begin, batch.end) == NEW_YEARS_EVE
    assert 0 < len(batch.columns.time) < 24
    assert same(batch.columns, hours(*NEW_YEARS_EVE))


def test_pages_go_back_in_time_until_the_beginning(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """Pages of 200 join without a hole; an empty one says that there is nothing before."""
    begin, end = day_range(date(2023, 12, 1), date(2024, 1, 2))
    pages, edge = [], end
    while edge > begin:
        batch = upbit.fetch("BTC_KRW", hourly, begin, edge)
        assert batch.end == edge
        pages.append(batch.columns)
        edge = batch.begin
    whole = OHLCV(*map(np.concatenate, zip(*reversed(pages), strict=True)))
    assert same(whole, hours(begin, end))
    assert [len(page.time) for page in pages] == [PAGE_SIZE, len(whole.time) - PAGE_SIZE, 0]
    assert {asked["count"] for asked in server.asked} == {"200"}


def test_a_short_answer_counts_for_what_it_spans_only(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe
) -> None:
    """Candles that an answer leaves out at its old end are fetched by the next request, not taken for no trades."""
    server.plan(rows(lambda told: told[:3]))
    batch = upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert same(batch.columns, hours(*NEW_YEARS_EVE).rows(slice(-3, None)))
    assert batch.begin == batch.columns.time[0]


def test_an_empty_answer_where_there_were_candles_is_refused(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe
) -> None:
    """The last candles before a moment cannot be none once there was one: that is no time without trades."""
    assert not len(upbit.fetch("BTC_KRW", hourly, *day_range(date(2023, 12, 1), date(2023, 12, 2))).columns.time)
    upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    server.plan(body(b"[]"))
    later = day_range(date(2024, 1, 1), date(2024, 1, 1))
    with pytest.raises(ExchangeAnswer, match=r"and returned none, after one of 2023-12-30T1\d:00:00Z before;"):
        upbit.fetch("BTC_KRW", hourly, *later)
    assert same(upbit.fetch("BTC_KRW", hourly, *later).columns, hours(*later))


@pytest.mark.parametrize("unit", [*(f"minutes/{n}" for n in MINUTES), "days", "weeks"])
def test_every_timeframe_has_its_unit(unit: str) -> None:
    """Each length that the catalogue has is asked for under Upbit's name, on Upbit's grid."""
    length = LENGTHS_NS[unit]
    timeframe = next(each for each in TIMEFRAMES.values() if each.ns == length)
    candles = market_candles(3, timeframe.name, date(2024, 1, 1), 5, traded=1.1)
    begin, end = int(candles.time[0]), int(candles.time[-1]) + length
    clock = Clock(utc(end) + timedelta(days=1))
    with (
        serving(UpbitServer({("KRW-BTC", unit): candles}, clock)) as server,
        closing(UpbitClient(base_url=server.url, timer=clock)) as client,
    ):
        assert same(client.fetch("KRW-BTC", timeframe, begin, end).columns, candles)
    assert server.asked[0]["path"] == f"/v1/candles/{unit}"
    assert len(MINUTES) + 2 == len(TIMEFRAMES)


def test_months_are_pages(upbit: UpbitClient, server: UpbitServer) -> None:
    """Months, which no timeframe has, come page by page, and open on first days."""
    page = upbit.page("months", "BTC_KRW", day_range(date(2023, 7, 1), date(2023, 7, 1))[1], 3)
    assert [f"{utc(open_):%m-%d}" for open_ in page.time.tolist()] == ["05-01", "06-01", "07-01"]
    server.plan(rows(lambda told: told[0].update(candle_date_time_utc="2023-07-01T01:00:00")))
    with pytest.raises(ExchangeAnswer, match=r"a candle of 2023-07-01T01:00:00Z, when none of that length opens"):
        upbit.page("months", "BTC_KRW", day_range(date(2023, 7, 2), date(2023, 7, 2))[1], 3)


def test_what_upbit_does_not_offer_is_never_asked(upbit: UpbitClient, server: UpbitServer) -> None:
    """Units and markets that cannot be are refused here."""
    with pytest.raises(InvalidTimeframe, match=r"choose one of minutes/1, .*, days, weeks, months"):
        upbit.page("minutes/7", "BTC_KRW", NEW_YEARS_EVE[1])
    with pytest.raises(InvalidSymbol):
        upbit.page("days", "BTC/KRW", NEW_YEARS_EVE[1])
    assert not server.asked


def test_an_unknown_market_is_said_at_once(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """A 404 of Upbit's is no fault to retry, and the error says what Upbit said."""
    with pytest.raises(MarketUnknown, match=r"upbit has no market XYZ_KRW \(Code not found\); check the symbol"):
        upbit.fetch("XYZ_KRW", hourly, *NEW_YEARS_EVE)
    assert len(server.asked) == 1
    server.plan(status(404, b"<h1>Not Found</h1>"))
    with pytest.raises(ExchangeAnswer, match=r"HTTP 404: <h1>Not Found</h1>"):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)


@pytest.mark.parametrize("fault", [reset, half_sent, status(502), status(503, b"maintenance"), status(504)])
def test_what_the_network_loses_is_asked_again(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, fault: Fault
) -> None:
    """A reset, a body that breaks off, or a gateway without Upbit behind it costs a pause, not the candles."""
    server.plan(fault, times=http.MAX_ATTEMPTS - 1)
    assert same(upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE).columns, hours(*NEW_YEARS_EVE))
    assert len(server.asked) == http.MAX_ATTEMPTS
    assert len(server.clock.slept) == len(set(server.clock.slept)) == http.MAX_ATTEMPTS - 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fault", "reason"), [(reset, "onnection|reset"), (status(503, b"maintenance"), "HTTP 503: maintenance")]
)
def test_what_stays_away_is_given_up(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, fault: Fault, reason: str
) -> None:
    """After six tries the error says that Upbit does not answer, and why."""
    server.plan(fault, times=100)
    with pytest.raises(ExchangeUnavailable, match=rf"upbit does not answer \(.*({reason}).*, 6 tries\)"):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert len(server.asked) == http.MAX_ATTEMPTS


def test_nobody_there_is_said(hourly: Timeframe) -> None:
    """A port that nobody listens on is an exchange that does not answer."""
    with serving(UpbitServer({}, Clock(NOW))) as gone:
        url = gone.url
    with (
        closing(UpbitClient(base_url=url, timer=gone.clock)) as client,
        pytest.raises(ExchangeUnavailable, match="upbit does not answer"),
    ):
        client.last_closed(hourly)


def test_the_limit_is_never_met(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """A client that listens to Remaining-Req is never refused, and uses what it may."""
    server.per_second = 10
    before = server.clock.now()
    for _ in range(55):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert server.refused == 0
    assert 5.0 <= server.clock.now() - before <= 7.0


class Wall(Timer):
    """The clock on the wall."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()


@pytest.mark.parametrize("programs", [1, 4])
def test_the_limit_is_never_met_in_real_time(hourly: Timeframe, tmp_path: Path, programs: int) -> None:
    """The same by clients that really wait, of several programs that take turns."""
    limited = UpbitServer({("KRW-BTC", "minutes/60"): HOURS}, Wall(), per_second=10)

    def work() -> None:
        with closing(UpbitClient(base_url=server.url, rate_limit_file=tmp_path / "turns")) as client:
            for _ in range(24 // programs):
                client.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)

    with serving(limited) as server:
        threads = [threading.Thread(target=work) for _ in range(programs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(limited.asked), limited.refused) == (24, 0)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"left": 0, "since": 0, "free": 1e12}', '{"right": 1}'])
def test_what_a_killed_program_left_of_its_turn_costs_a_second_at_most(
    server: UpbitServer, hourly: Timeframe, tmp_path: Path, content: str
) -> None:
    """A file that says nothing, or what was true before the machine was started anew, stops nobody."""
    (tmp_path / "turns").write_text(content)
    with closing(UpbitClient(base_url=server.url, timer=server.clock, rate_limit_file=tmp_path / "turns")) as client:
        client.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert sum(server.clock.slept) <= 1  # type: ignore[attr-defined]
    assert json.loads((tmp_path / "turns").read_text())["left"] > 0


def test_turns_that_cannot_be_taken_are_told(server: UpbitServer, hourly: Timeframe, tmp_path: Path) -> None:
    """A link that somebody else put there is not followed."""
    (tmp_path / "turns").symlink_to(tmp_path / "elsewhere")
    with (
        closing(UpbitClient(base_url=server.url, rate_limit_file=tmp_path / "turns")) as client,
        pytest.raises(StorageFailed, match="turns"),
    ):
        client.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)


def test_a_limit_that_is_not_told_means_ten_a_second(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe
) -> None:
    """Without the header, or with words in it, there is a pause of 0.1 s."""
    server.plan(headers(Remaining_Req=None))
    server.plan(headers(Remaining_Req="plenty"))
    for _ in range(3):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert server.clock.slept == pytest.approx([0.1, 0.1])  # type: ignore[attr-defined]


def test_who_shares_the_limit_is_refused_and_waits(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """A 429 costs a pause and nothing else: the same request follows."""
    server.per_second = 1
    server.answer("/v1/candles/days", {"market": "KRW-BTC"})  # another program on this address
    assert same(upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE).columns, hours(*NEW_YEARS_EVE))
    assert server.refused == 1


def hammer(server: UpbitServer) -> None:
    """Ask too often, as another program on this address: two requests are refused, and the third one is a block."""
    server.per_second = 1
    told = [server.answer("/v1/candles/days", {"market": "KRW-BTC"}) for _ in range(4)]
    assert [answer.status for answer in told if answer] == [200, 429, 429, 418]


@pytest.mark.parametrize("says_after", [True, False], ids=["in the header", "in words"])
def test_a_block_is_waited_for_as_long_as_it_says(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, *, says_after: bool
) -> None:
    """418 says how long it lasts, in Retry-After or in its message; not one request is sent meanwhile."""
    server.says_after, server.first_block_s = says_after, 77
    hammer(server)
    assert same(upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE).columns, hours(*NEW_YEARS_EVE))
    assert server.refused == 3 + 1
    assert 77 <= sum(server.clock.slept) <= 79  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("blocked for 42.5 seconds", 43), ("42초간 차단되었습니다", 43), ("wait 42s", 43), ("4 requests too many", 1)],
)
def test_words_that_say_how_long_are_understood(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, words: str, seconds: int
) -> None:
    """In English and in Korean, and a second more, since they may be rounded."""
    server.plan(status(418, words.encode()))
    upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert [int(pause) for pause in server.clock.slept] == [seconds]  # type: ignore[attr-defined]


def test_a_long_block_is_said_instead(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """A block of an hour is no pause: the error says when to come back, and nothing is sent that would prolong it."""
    server.first_block_s = 3600
    hammer(server)
    words = (
        r"upbit blocks requests from here \(HTTP 418: .*for 3600 seconds.*\), .* in 3,601 s; stored candles are kept"
    )
    with pytest.raises(ExchangeUnavailable, match=words):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert server.refused == 3 + 1
    assert not server.clock.slept  # type: ignore[attr-defined]


@pytest.mark.parametrize("after", [None, "0", "soon"])
def test_refusals_without_a_time_are_met_by_growing_pauses(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, after: str | None
) -> None:
    """Pauses double, and end in an error after five minutes at most."""
    server.plan(status(429, b"slow down", Retry_After=after), times=100)
    with pytest.raises(ExchangeUnavailable, match=r"upbit refuses requests from here \(HTTP 429: slow down\)"):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    paused = [int(seconds) for seconds in server.clock.slept]  # type: ignore[attr-defined]
    assert paused == [1, 2, 4, 8, 16, 32, 64, 128]


def _change(**values: object) -> Callable[[list[dict[str, Any]]], None]:
    """Return a change of the third candle."""
    return lambda told: told[2].update(values)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (body(b'[{"market": "KRW-BTC", "candle'), r"what is no JSON: \[\{\"market\""),
        (body(b"<html>Sign in to this network</html>"), "what is no JSON: <html>Sign in"),
        (body(b""), "what is no JSON: an empty body"),
        (body(b"[" * 100_000), "what is no JSON"),
        (body(b"\xff\xfe"), "what is no JSON"),
        (body(b'{"error": {"name": "x"}}'), "what is no list of candles"),
        (body(b"[1, 2]"), "a candle that is no object: 2"),
        (status(400, b'{"error":{"message":"bad"}}'), r"HTTP 400: \{\"error\""),
        (status(301), "HTTP 301: an empty body"),
        (headers(Content_Encoding="gzip"), "what cannot be unpacked"),
        (rows(lambda told: told[2].pop("low_price") and None), "a candle without low_price"),
        (rows(lambda told: told[2].pop("candle_date_time_utc") and None), "a candle without candle_date_time_utc"),
        (rows(_change(trade_price="42000000")), "whose trade_price is '42000000', no number"),
        (rows(_change(trade_price=None)), "whose trade_price is None, no number"),
        (rows(_change(opening_price=True)), "whose opening_price is True, no number"),
        (rows(_change(high_price=10**400)), "whose high_price is beyond every price"),
        (rows(_change(low_price=float("nan"))), r"impossible candles .*low nan, not a number of the market"),
        (rows(_change(high_price=float("inf"))), r"impossible candles .*high inf"),
        (rows(_change(low_price=-1)), r"impossible candles .*below its|low -1.0, not above 0"),
        (rows(_change(high_price=1)), r"impossible candles \(its answer: 1 invalid row.*above its high 1.0"),
        (rows(_change(candle_acc_trade_volume=-0.5)), r"volume -0.5, below 0"),
        (rows(_change(candle_date_time_utc=1703980800)), "whose candle_date_time_utc is 1703980800"),
        (rows(_change(candle_date_time_utc="yesterday")), "whose candle_date_time_utc is 'yesterday'"),
        (rows(_change(candle_date_time_utc="2023-12-31T10:00:00Z")), "is '2023-12-31T10:00:00Z'"),
        (rows(_change(candle_date_time_utc="2023-12-31T15:00:00")), "which is not before 2023-12-31T15:00:00"),
        (rows(_change(candle_date_time_utc="9999-12-31T15:00:00")), "a candle of 9999-12-31T15:00:00"),
        (rows(_change(candle_date_time_utc="0001-01-01T00:00:00")), "a candle of 0001-01-01T00:00:00"),
        (rows(_change(market="KRW-ETH")), "a candle whose market is 'KRW-ETH'"),
        (rows(_change(unit=5)), "a candle whose unit is 5"),
        (rows(lambda told: told.reverse()), "is earlier than the candle before it"),
        (rows(lambda told: told[:3] + told[2:-1]), "repeats the candle before it"),
        (rows(lambda told: told + told), r"and returned \d\d candles;"),
    ],
)
def test_what_is_no_candle_is_refused_by_name(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, fault: Fault, words: str
) -> None:
    """An answer that is malformed in any way is an error that says what was asked and answered, at the first try."""
    server.plan(fault)
    with pytest.raises(ExchangeAnswer, match=words) as raised:
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert len(server.asked) == 1
    assert str(raised.value).startswith("upbit was asked for ")
    assert len(str(raised.value)) < 400
    assert upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE).begin == NEW_YEARS_EVE[0], "the next request goes well"


def test_a_candle_off_the_grid_is_refused(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """Half past is no time at which an hour opens."""
    server.plan(rows(lambda told: told[0].update(candle_date_time_utc="2023-12-31T14:30:00")))
    with pytest.raises(ExchangeAnswer, match=r"a candle of 2023-12-31T14:30:00Z, when none of that length opens"):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)


@pytest.mark.parametrize(
    ("second", "expected"),
    [(30, "09:30"), (5, "09:30"), (4, "09:29"), (0, "09:29")],
    ids=["settled", "just settled", "not settled", "just closed"],
)
def test_the_exchanges_clock_says_what_is_finished(
    upbit: UpbitClient, server: UpbitServer, minutely: Timeframe, hourly: Timeframe, second: int, expected: str
) -> None:
    """A candle is finished five seconds after its end, by the header Date, whatever this machine takes the time for."""
    server.clock.seconds = NOW.replace(second=second).timestamp()  # type: ignore[attr-defined]
    assert f"{utc(upbit.last_closed(minutely)):%H:%M}" == expected
    assert f"{utc(upbit.last_closed(hourly)):%H:%M}" == "09:00"
    assert len(server.asked) == 1, "the time of one answer does for all timeframes"
    server.clock.sleep(60)
    assert utc(upbit.last_closed(hourly)) == NOW.replace(minute=0, second=0)
    assert len(server.asked) == 2, "an old answer does not"


@pytest.mark.parametrize("zone", ["GMT", "-0000", "", "+0000"])
def test_a_date_is_in_utc_wherever_this_machine_is(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """A zone that is not told is not that of this machine."""
    server.plan(headers(Date=f"Wed, 03 Jan 2024 09:30:30 {zone}"))
    with monkeypatch.context() as away:
        away.setenv("TZ", "America/New_York")
        time.tzset()
        finished = upbit.last_closed(hourly)
    time.tzset()
    assert utc(finished) == NOW.replace(minute=0, second=0)


@pytest.mark.parametrize(("date_", "words"), [(None, "'missing'"), ("today", "'today'"), ("", "'missing'")])
def test_an_exchange_without_a_clock_is_refused(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, date_: str | None, words: str
) -> None:
    """Nobody would know which candle is finished."""
    server.plan(headers(Date=date_))
    with pytest.raises(ExchangeAnswer, match=rf"asked for the time and returned with the header Date {words}"):
        upbit.last_closed(hourly)


def test_the_transport_is_an_argument(hourly: Timeframe) -> None:
    """Whatever speaks httpx2's protocol may stand in for the network."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=[], headers={"Date": "Wed, 03 Jan 2024 09:30:30 GMT"})

    with closing(UpbitClient(httpx2.MockTransport(answer))) as client:
        batch = client.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert len(batch.columns.time) == 0
    assert (batch.begin, batch.end) == NEW_YEARS_EVE
    assert str(seen[0].url) == (
        "https://api.upbit.com/v1/candles/minutes/60?market=KRW-BTC&to=2023-12-31T15%3A00%3A00Z&count=24"
    )


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(hourly: Timeframe) -> None:
    """A timeout is a fault of the network like others."""
    tries: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        tries.append(request)
        if len(tries) < 3:
            raise httpx2.ReadTimeout("too slow")
        return httpx2.Response(200, json=[], headers={"Date": "Wed, 03 Jan 2024 09:30:30 GMT"})

    with closing(UpbitClient(httpx2.MockTransport(answer), timer=Clock(NOW))) as client:
        assert client.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE).end == NEW_YEARS_EVE[1]
    assert len(tries) == 3


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_is_candles_or_an_error(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, seed: int
) -> None:
    """Bytes of an answer are changed at random: what comes out is sound candles of the range, or one of our errors."""
    chance = np.random.default_rng(seed)

    def damaged(answer: Answer) -> Answer:
        content = bytearray(answer.body)
        for place in chance.integers(0, len(content), 3):
            content[place] = chance.integers(32, 127)
        return replace(answer, body=bytes(content))

    server.plan(damaged)
    try:
        batch = upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    except ExchangeAnswer:
        assert server.asked
    else:
        assert np.all((batch.columns.time >= batch.begin) & (batch.columns.time < batch.end))
        assert np.all(np.diff(batch.columns.time) > 0)
        assert np.all(batch.columns.time % HOUR_NS == 0)
        assert np.all(batch.columns.low > 0)
