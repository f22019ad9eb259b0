"""Upbit's client against a server with Upbit's protocol, rate limits and every fault."""

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
from coin_pipeline.candles.timeframe import HOUR_NS, TIMEFRAMES, Timeframe, day_range, parse_timeframe, utc
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
    """A server whose clock shows 2024-01-03 09:30:30 UTC."""
    candles = {("KRW-BTC", "minutes/60"): HOURS, ("KRW-BTC", "months"): _first_days_of_months()}
    with serving(UpbitServer(candles, Clock(NOW))) as running:
        yield running


@pytest.fixture
def upbit(server: UpbitServer) -> Iterator[UpbitClient]:
    """A client whose pauses advance the server's clock."""
    with closing(UpbitClient(base_url=server.url, timer=server.clock)) as client:
        yield client


def hours(begin: int, end: int) -> OHLCV:
    """Return the market's candles in [begin, end)."""
    return HOURS.rows((HOURS.time >= begin) & (HOURS.time < end))


def same(first: OHLCV, second: OHLCV) -> bool:
    """Return whether candles are identical to the last bit."""
    return all(np.array_equal(left, right) for left, right in zip(first, second, strict=True))


def test_a_day_is_fetched_exactly(upbit: UpbitClient, hourly: Timeframe) -> None:
    """All values of the requested range arrive in order, and nothing else."""
    result = upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert (result.begin, result.end) == NEW_YEARS_EVE
    assert 0 < len(result.candles.time) < 24
    assert same(result.candles, hours(*NEW_YEARS_EVE))


def test_pages_go_back_to_the_listing(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """Pages of 200 join without a gap; an empty page marks the beginning."""
    begin, end = day_range(date(2023, 12, 1), date(2024, 1, 2))
    pages, edge = [], end
    while edge > begin:
        result = upbit.fetch("BTC_KRW", hourly, begin, edge)
        assert result.end == edge
        pages.append(result.candles)
        edge = result.begin
    whole = OHLCV.concat(reversed(pages))
    assert same(whole, hours(begin, end))
    assert [len(page.time) for page in pages] == [PAGE_SIZE, len(whole.time) - PAGE_SIZE, 0]
    assert {request["count"] for request in server.asked} == {"200"}


def test_a_short_response_covers_only_its_candles(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """Candles missing at the old end of a response are fetched by the next request, not treated as no trades."""
    server.plan(rows(lambda candles: candles[:3]))
    result = upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert same(result.candles, hours(*NEW_YEARS_EVE).rows(slice(-3, None)))
    assert result.begin == result.candles.time[0]


def test_an_empty_response_after_earlier_candles_is_rejected(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe
) -> None:
    """Once a candle is known, a later request must return at least one."""
    assert not len(upbit.fetch("BTC_KRW", hourly, *day_range(date(2023, 12, 1), date(2023, 12, 2))).candles.time)
    upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    server.plan(body(b"[]"))
    later = day_range(date(2024, 1, 1), date(2024, 1, 1))
    with pytest.raises(
        ExchangeAnswer, match=r"and returned none, after returning one of 2023-12-30T1\d:00:00Z before;"
    ):
        upbit.fetch("BTC_KRW", hourly, *later)
    assert same(upbit.fetch("BTC_KRW", hourly, *later).candles, hours(*later))


@pytest.mark.parametrize("unit", [*(f"minutes/{n}" for n in MINUTES), "days", "weeks"])
def test_every_timeframe_has_a_unit(unit: str) -> None:
    """Each timeframe is requested by Upbit's name, on Upbit's grid."""
    length = LENGTHS_NS[unit]
    timeframe = next(timeframe for timeframe in TIMEFRAMES.values() if timeframe.ns == length)
    candles = market_candles(3, timeframe.name, date(2024, 1, 1), 5, traded=1.1)
    begin, end = int(candles.time[0]), int(candles.time[-1]) + length
    clock = Clock(utc(end) + timedelta(days=1))
    with (
        serving(UpbitServer({("KRW-BTC", unit): candles}, clock)) as server,
        closing(UpbitClient(base_url=server.url, timer=clock)) as client,
    ):
        assert same(client.fetch("KRW-BTC", timeframe, begin, end).candles, candles)
    assert server.asked[0]["path"] == f"/v1/candles/{unit}"
    assert len(MINUTES) + 2 == sum(timeframe.base is None for timeframe in TIMEFRAMES.values())


@pytest.mark.parametrize("name", ["2h", "6h", "12h"])
def test_resampled_timeframes_are_not_requested(upbit: UpbitClient, name: str) -> None:
    """The error names the timeframe to fetch instead, before any request."""
    timeframe = parse_timeframe(name)
    message = f"'{name}' is not a timeframe of upbit; fetch 1h, from which {name} is resampled"
    with pytest.raises(InvalidTimeframe, match=message):
        upbit.last_closed(timeframe)
    with pytest.raises(InvalidTimeframe, match=message):
        upbit.fetch("BTC_KRW", timeframe, 0, timeframe.ns)


def test_months_are_fetched_in_pages(upbit: UpbitClient, server: UpbitServer) -> None:
    """Months, which are not a timeframe, open on first days."""
    page = upbit.page("months", "BTC_KRW", day_range(date(2023, 7, 1), date(2023, 7, 1))[1], 3)
    assert [f"{utc(open_):%m-%d}" for open_ in page.time.tolist()] == ["05-01", "06-01", "07-01"]
    server.plan(rows(lambda candles: candles[0].update(candle_date_time_utc="2023-07-01T01:00:00")))
    with pytest.raises(ExchangeAnswer, match=r"a candle of 2023-07-01T01:00:00Z, when no candle of that length opens"):
        upbit.page("months", "BTC_KRW", day_range(date(2023, 7, 2), date(2023, 7, 2))[1], 3)


def test_invalid_units_and_markets_are_not_requested(upbit: UpbitClient, server: UpbitServer) -> None:
    """They are rejected before a request is sent."""
    with pytest.raises(InvalidTimeframe, match=r"choose one of minutes/1, .*, days, weeks, months"):
        upbit.page("minutes/7", "BTC_KRW", NEW_YEARS_EVE[1])
    with pytest.raises(InvalidSymbol):
        upbit.page("days", "BTC/KRW", NEW_YEARS_EVE[1])
    assert not server.asked


def test_an_unknown_market_is_not_retried(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """Upbit's 404 raises MarketUnknown with its message; another server's 404 is an unexpected response."""
    with pytest.raises(MarketUnknown, match=r"upbit has no market XYZ_KRW \(Code not found\); check the symbol"):
        upbit.fetch("XYZ_KRW", hourly, *NEW_YEARS_EVE)
    assert len(server.asked) == 1
    server.plan(status(404, b"<h1>Not Found</h1>"))
    with pytest.raises(ExchangeAnswer, match=r"HTTP 404: <h1>Not Found</h1>"):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)


@pytest.mark.parametrize("fault", [reset, half_sent, status(502), status(503, b"maintenance"), status(504)])
def test_lost_requests_are_retried(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, fault: Fault) -> None:
    """A reset, a truncated body or a gateway error costs a pause, not the candles."""
    server.plan(fault, times=http.MAX_ATTEMPTS - 1)
    assert same(upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE).candles, hours(*NEW_YEARS_EVE))
    assert len(server.asked) == http.MAX_ATTEMPTS
    assert len(server.clock.slept) == len(set(server.clock.slept)) == http.MAX_ATTEMPTS - 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fault", "reason"), [(reset, "onnection|reset"), (status(503, b"maintenance"), "HTTP 503: maintenance")]
)
def test_retries_are_limited(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, fault: Fault, reason: str
) -> None:
    """After six attempts the error contains the reason."""
    server.plan(fault, times=100)
    with pytest.raises(ExchangeUnavailable, match=rf"upbit does not respond \(.*({reason}).*, 6 attempts\)"):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert len(server.asked) == http.MAX_ATTEMPTS


def test_a_closed_port_is_unavailable(hourly: Timeframe) -> None:
    """Nothing listens on the port."""
    with serving(UpbitServer({}, Clock(NOW))) as gone:
        url = gone.url
    with (
        closing(UpbitClient(base_url=url, timer=gone.clock)) as client,
        pytest.raises(ExchangeUnavailable, match="upbit does not respond"),
    ):
        client.last_closed(hourly)


def test_the_rate_limit_is_respected_and_used(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """A client that reads Remaining-Req is never rejected, and uses the allowed rate."""
    server.per_second = 10
    before = server.clock.now()
    for _ in range(55):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert server.refused == 0
    assert 5.0 <= server.clock.now() - before <= 7.0


class WallClock(Timer):
    """A timer on the time of day."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()


@pytest.mark.parametrize("programs", [1, 4])
def test_the_rate_limit_is_respected_in_real_time(hourly: Timeframe, tmp_path: Path, programs: int) -> None:
    """Clients that really wait, in several processes that share the limit, are never rejected."""
    limited = UpbitServer({("KRW-BTC", "minutes/60"): HOURS}, WallClock(), per_second=10)

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
def test_a_stale_rate_limit_file_costs_at_most_a_second(
    server: UpbitServer, hourly: Timeframe, tmp_path: Path, content: str
) -> None:
    """A damaged file, or one from before a reboot, blocks nothing."""
    (tmp_path / "turns").write_text(content)
    with closing(UpbitClient(base_url=server.url, timer=server.clock, rate_limit_file=tmp_path / "turns")) as client:
        client.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert sum(server.clock.slept) <= 1  # type: ignore[attr-defined]
    assert json.loads((tmp_path / "turns").read_text())["left"] > 0


def test_a_symlinked_rate_limit_file_is_rejected(server: UpbitServer, hourly: Timeframe, tmp_path: Path) -> None:
    """A link placed by another user is not followed."""
    (tmp_path / "turns").symlink_to(tmp_path / "elsewhere")
    with (
        closing(UpbitClient(base_url=server.url, rate_limit_file=tmp_path / "turns")) as client,
        pytest.raises(StorageFailed, match="turns"),
    ):
        client.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)


def test_an_unknown_limit_means_ten_requests_per_second(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe
) -> None:
    """Without a valid header there is a pause of 0.1 s."""
    server.plan(headers(Remaining_Req=None))
    server.plan(headers(Remaining_Req="plenty"))
    for _ in range(3):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert server.clock.slept == pytest.approx([0.1, 0.1])  # type: ignore[attr-defined]


def test_a_429_is_retried_after_a_pause(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """Another client on this address has used up the limit."""
    server.per_second = 1
    server.answer("/v1/candles/days", {"market": "KRW-BTC"})  # another program on this address
    assert same(upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE).candles, hours(*NEW_YEARS_EVE))
    assert server.refused == 1


def hammer(server: UpbitServer) -> None:
    """Exceed the limit, as another client on this address: two requests are rejected, the third blocks the address."""
    server.per_second = 1
    answers = [server.answer("/v1/candles/days", {"market": "KRW-BTC"}) for _ in range(4)]
    assert [answer.status for answer in answers if answer] == [200, 429, 429, 418]


@pytest.mark.parametrize("in_header", [True, False], ids=["in the header", "in the text"])
def test_a_block_is_waited_out(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, *, in_header: bool) -> None:
    """Its duration is in Retry-After or in the message; no request is sent meanwhile."""
    server.sends_retry_after, server.first_block_s = in_header, 77
    hammer(server)
    assert same(upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE).candles, hours(*NEW_YEARS_EVE))
    assert server.refused == 3 + 1
    assert 77 <= sum(server.clock.slept) <= 79  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("blocked for 42.5 seconds", 43), ("42초간 차단되었습니다", 43), ("wait 42s", 43), ("4 requests too many", 1)],
)
def test_durations_in_messages_are_parsed(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, words: str, seconds: int
) -> None:
    """In English and Korean; a second is added because they may be rounded."""
    server.plan(status(418, words.encode()))
    upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert [int(pause) for pause in server.clock.slept] == [seconds]  # type: ignore[attr-defined]


def test_a_long_block_raises_an_error(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """A block of an hour is not waited out: the error states when to retry, and no request prolongs it."""
    server.first_block_s = 3600
    hammer(server)
    blocked = r"upbit blocks requests from this address \(HTTP 418: .*for 3600 seconds.*\)"
    with pytest.raises(ExchangeUnavailable, match=rf"{blocked}; .* in 3,601 s; stored candles are kept"):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert server.refused == 3 + 1
    assert not server.clock.slept  # type: ignore[attr-defined]


@pytest.mark.parametrize("after", [None, "0", "soon"])
def test_rejections_without_a_duration_back_off(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, after: str | None
) -> None:
    """Pauses double, and end with an error within five minutes."""
    server.plan(status(429, b"slow down", Retry_After=after), times=100)
    with pytest.raises(ExchangeUnavailable, match=r"upbit rejects requests from this address \(HTTP 429: slow down\)"):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    paused = [int(seconds) for seconds in server.clock.slept]  # type: ignore[attr-defined]
    assert paused == [1, 2, 4, 8, 16, 32, 64, 128]


def _change(**values: object) -> Callable[[list[dict[str, Any]]], None]:
    """Return a change of the third candle."""
    return lambda candles: candles[2].update(values)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (body(b'[{"market": "KRW-BTC", "candle'), r"invalid JSON: \[\{\"market\""),
        (body(b"<html>Sign in to this network</html>"), "invalid JSON: <html>Sign in"),
        (body(b""), "invalid JSON: an empty body"),
        (body(b"[" * 100_000), "invalid JSON"),
        (body(b"\xff\xfe"), "invalid JSON"),
        (body(b'{"error": {"name": "x"}}'), "something other than a list"),
        (body(b"[1, 2]"), "a candle that is not an object: 2"),
        (status(400, b'{"error":{"message":"bad"}}'), r"HTTP 400: \{\"error\""),
        (status(301), "HTTP 301: an empty body"),
        (headers(Content_Encoding="gzip"), "a body that cannot be decoded"),
        (rows(lambda candles: candles[2].pop("low_price") and None), "a candle without low_price"),
        (
            rows(lambda candles: candles[2].pop("candle_date_time_utc") and None),
            "a candle without candle_date_time_utc",
        ),
        (rows(_change(trade_price="42000000")), "whose trade_price is '42000000', not a number"),
        (rows(_change(trade_price=None)), "whose trade_price is None, not a number"),
        (rows(_change(opening_price=True)), "whose opening_price is True, not a number"),
        (rows(_change(high_price=10**400)), "whose high_price is too large"),
        (rows(_change(low_price=float("nan"))), r"impossible candles .*low nan, not a finite number"),
        (rows(_change(high_price=float("inf"))), r"impossible candles .*high inf"),
        (rows(_change(low_price=-1)), r"impossible candles .*below its|low -1.0, not above 0"),
        (rows(_change(high_price=1)), r"impossible candles \(its response: 1 invalid row.*above its high 1.0"),
        (rows(_change(candle_acc_trade_volume=-0.5)), r"volume -0.5, below 0"),
        (rows(_change(candle_date_time_utc=1703980800)), "whose candle_date_time_utc is 1703980800"),
        (rows(_change(candle_date_time_utc="yesterday")), "whose candle_date_time_utc is 'yesterday'"),
        (rows(_change(candle_date_time_utc="2023-12-31T10:00:00Z")), "is '2023-12-31T10:00:00Z'"),
        (rows(_change(candle_date_time_utc="2023-12-31T15:00:00")), "which is not before 2023-12-31T15:00:00"),
        (rows(_change(candle_date_time_utc="9999-12-31T15:00:00")), "a candle of 9999-12-31T15:00:00"),
        (rows(_change(candle_date_time_utc="0001-01-01T00:00:00")), "a candle of 0001-01-01T00:00:00"),
        (rows(_change(market="KRW-ETH")), "a candle whose market is 'KRW-ETH'"),
        (rows(_change(unit=5)), "a candle whose unit is 5"),
        (rows(lambda candles: candles.reverse()), "is earlier than the candle before it"),
        (rows(lambda candles: candles[:3] + candles[2:-1]), "repeats the candle before it"),
        (rows(lambda candles: candles + candles), r"and returned \d\d candles;"),
    ],
)
def test_malformed_responses_are_rejected(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, fault: Fault, words: str
) -> None:
    """The error contains the request and the response, after a single attempt."""
    server.plan(fault)
    with pytest.raises(ExchangeAnswer, match=words) as raised:
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert len(server.asked) == 1
    assert str(raised.value).startswith("upbit was asked for ")
    assert len(str(raised.value)) < 400
    assert upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE).begin == NEW_YEARS_EVE[0], "the next request succeeds"


def test_a_candle_off_the_grid_is_rejected(upbit: UpbitClient, server: UpbitServer, hourly: Timeframe) -> None:
    """No hourly candle opens at half past."""
    server.plan(rows(lambda candles: candles[0].update(candle_date_time_utc="2023-12-31T14:30:00")))
    with pytest.raises(ExchangeAnswer, match=r"a candle of 2023-12-31T14:30:00Z, when no candle of that length opens"):
        upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)


@pytest.mark.parametrize(
    ("second", "expected"),
    [(30, "09:30"), (5, "09:30"), (4, "09:29"), (0, "09:29")],
    ids=["settled", "just settled", "not settled", "just closed"],
)
def test_the_exchange_clock_decides_what_is_closed(
    upbit: UpbitClient, server: UpbitServer, minutely: Timeframe, hourly: Timeframe, second: int, expected: str
) -> None:
    """A candle is closed five seconds after its end by the Date header, whatever the local clock shows."""
    server.clock.seconds = NOW.replace(second=second).timestamp()  # type: ignore[attr-defined]
    assert f"{utc(upbit.last_closed(minutely)):%H:%M}" == expected
    assert f"{utc(upbit.last_closed(hourly)):%H:%M}" == "09:00"
    assert len(server.asked) == 1, "one response serves all timeframes"
    server.clock.sleep(60)
    assert utc(upbit.last_closed(hourly)) == NOW.replace(minute=0, second=0)
    assert len(server.asked) == 2, "an old response does not"


@pytest.mark.parametrize("zone", ["GMT", "-0000", "", "+0000"])
def test_dates_are_utc_in_any_local_zone(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """A missing zone does not mean the local one."""
    server.plan(headers(Date=f"Wed, 03 Jan 2024 09:30:30 {zone}"))
    with monkeypatch.context() as away:
        away.setenv("TZ", "America/New_York")
        time.tzset()
        closed = upbit.last_closed(hourly)
    time.tzset()
    assert utc(closed) == NOW.replace(minute=0, second=0)


@pytest.mark.parametrize(("date_", "words"), [(None, "'missing'"), ("today", "'today'"), ("", "'missing'")])
def test_a_missing_or_invalid_date_header_is_rejected(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, date_: str | None, words: str
) -> None:
    """Without it, the last closed candle is unknown."""
    server.plan(headers(Date=date_))
    with pytest.raises(ExchangeAnswer, match=rf"asked for the time and returned the Date header {words}"):
        upbit.last_closed(hourly)


def test_the_transport_can_be_replaced(hourly: Timeframe) -> None:
    """Any httpx2 transport replaces the network."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json=[], headers={"Date": "Wed, 03 Jan 2024 09:30:30 GMT"})

    with closing(UpbitClient(httpx2.MockTransport(answer))) as client:
        result = client.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    assert len(result.candles.time) == 0
    assert (result.begin, result.end) == NEW_YEARS_EVE
    assert str(seen[0].url) == (
        "https://api.upbit.com/v1/candles/minutes/60?market=KRW-BTC&to=2023-12-31T15%3A00%3A00Z&count=24"
    )


def test_timeouts_are_retried(hourly: Timeframe) -> None:
    """A timeout counts as a lost request."""
    attempts: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        attempts.append(request)
        if len(attempts) < 3:
            raise httpx2.ReadTimeout("too slow")
        return httpx2.Response(200, json=[], headers={"Date": "Wed, 03 Jan 2024 09:30:30 GMT"})

    with closing(UpbitClient(httpx2.MockTransport(answer), timer=Clock(NOW))) as client:
        assert client.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE).end == NEW_YEARS_EVE[1]
    assert len(attempts) == 3


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_gives_valid_candles_or_an_error(
    upbit: UpbitClient, server: UpbitServer, hourly: Timeframe, seed: int
) -> None:
    """Random bytes of a response are changed."""
    chance = np.random.default_rng(seed)

    def damaged(answer: Answer) -> Answer:
        content = bytearray(answer.body)
        for index in chance.integers(0, len(content), 3):
            content[index] = chance.integers(32, 127)
        return replace(answer, body=bytes(content))

    server.plan(damaged)
    try:
        result = upbit.fetch("BTC_KRW", hourly, *NEW_YEARS_EVE)
    except ExchangeAnswer:
        assert server.asked
    else:
        assert np.all((result.candles.time >= result.begin) & (result.candles.time < result.end))
        assert np.all(np.diff(result.candles.time) > 0)
        assert np.all(result.candles.time % HOUR_NS == 0)
        assert np.all(result.candles.low > 0)
