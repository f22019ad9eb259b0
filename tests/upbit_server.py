"""A local stand-in for Upbit: its candle API, rate limits and blocks, and faults that tests inject."""

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from coin_pipeline.candles.exchanges.rate_limit import Timer
from coin_pipeline.candles.exchanges.registry import rate_limit_file
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, SECOND_NS, parse_timeframe, utc

LENGTHS_NS = {
    **{f"minutes/{n}": n * 60 * SECOND_NS for n in (1, 3, 5, 10, 15, 30, 60, 240)},
    "days": DAY_NS,
    "weeks": 7 * DAY_NS,
    "months": 28 * DAY_NS,
}
UNITS = {"1m": "minutes/1", "1h": "minutes/60", "1d": "days", "1w": "weeks"}
FAST = 1_000_000
"""A limit that no test reaches."""
STRIKES = 3
"""Consecutive rejected requests that cause a block."""
NO_SUCH_MARKET = {"error": {"name": 404, "message": "Code not found"}}


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None
    """Content-Length if it differs from the body; the connection closes after the body."""


Fault = Callable[[Answer], Answer | None]
"""Changes a response; None resets the connection instead."""


class Clock(Timer):
    """The server's clock; tests and pauses of clients advance it, so that no real time passes."""

    def __init__(self, moment: datetime) -> None:
        self.seconds = moment.timestamp()
        self.slept: list[float] = []

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Advance the clock."""
        self.slept.append(seconds)
        self.seconds += seconds


@dataclass
class UpbitServer:
    """State of the server; candles by market and unit, such as (KRW-BTC, minutes/1)."""

    candles: Mapping[tuple[str, str], OHLCV]
    clock: Timer
    per_second: int = FAST
    first_block_s: int = 60
    delay_s: float = 0.0
    sends_retry_after: bool = False
    """Whether a rejection has the header Retry-After."""
    asked: list[dict[str, str]] = field(default_factory=list)
    refused: int = 0
    faults: deque[Fault] = field(default_factory=deque)
    port: int = 0
    _second: int = 0
    _used: int = 0
    _strikes: int = 0
    _blocks: int = 0
    _blocked_until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Base URL for clients."""
        return f"http://127.0.0.1:{self.port}"

    def plan(self, fault: Fault, times: int = 1) -> None:
        """Apply a fault to the next responses."""
        self.faults.extend([fault] * times)

    def answer(self, path: str, query: Mapping[str, str]) -> Answer | None:
        """Return the response to a request, or None to reset its connection."""
        with self._lock:
            self.asked.append({"path": path, **query})
            rejection = self._rejection()
            fault = self.faults.popleft() if self.faults and not rejection else None
            left = max(0, self.per_second - self._used)
        answer = rejection or self._candles(path.removeprefix("/v1/candles/"), query)
        headers = {
            "Content-Type": "application/json",
            "Date": formatdate(self.clock.now(), usegmt=True),
            "Remaining-Req": f"group=candles; min=600; sec={left}",
        }
        answer = replace(answer, headers=headers | dict(answer.headers))
        return fault(answer) if fault else answer

    def _rejection(self) -> Answer | None:
        now = self.clock.now()
        if now < self._blocked_until:
            self.refused += 1
            return self._reject(
                418, f"You are blocked for {self._blocked_until - now:.0f} seconds", self._blocked_until - now
            )
        if int(now) != self._second:
            self._second, self._used = int(now), 0
        if self._used < self.per_second:
            self._used, self._strikes = self._used + 1, 0
            return None
        self._strikes += 1
        self.refused += 1
        if self._strikes < STRIKES:
            return self._reject(429, "Too many API requests.", 1)
        self._strikes, block = 0, self.first_block_s * 2**self._blocks
        self._blocks, self._blocked_until = self._blocks + 1, now + block
        return self._blocked(block)

    def _blocked(self, seconds: float) -> Answer:
        return self._reject(418, f"You are blocked for {seconds:.0f} seconds", seconds)

    def _reject(self, status: int, message: str, seconds: float) -> Answer:
        headers = {"Retry-After": f"{seconds:.0f}"} if self.sends_retry_after else {}
        return Answer(status, json.dumps({"error": {"name": status, "message": message}}).encode(), headers)

    def _candles(self, unit: str, query: Mapping[str, str]) -> Answer:
        market, count = query.get("market", ""), int(query.get("count", 1))
        if unit not in LENGTHS_NS or not 1 <= count <= 200:
            return Answer(400, json.dumps({"error": {"name": "validation_error", "message": "bad request"}}).encode())
        if not any(known == market for known, _ in self.candles):
            return Answer(404, json.dumps(NO_SUCH_MARKET).encode())
        now = int(self.clock.now() * SECOND_NS)
        to = min(_instant(query["to"]) if "to" in query else now, now)
        candles = self.candles.get((market, unit), OHLCV.empty())
        end = int(np.searchsorted(candles.time, to))
        page = candles.rows(slice(max(0, end - count), end))
        newest_first = reversed(list(zip(*(column.tolist() for column in page), strict=True)))
        content = [_row(market, unit, candle, now) for candle in newest_first]
        return Answer(200, json.dumps(content).encode())


def _row(market: str, unit: str, candle: tuple[Any, ...], now: int) -> dict[str, Any]:
    opened, first, high, low, last, volume = candle
    if opened + LENGTHS_NS[unit] > now:  # still open: only its first trade has happened
        high = low = last = first
        volume /= 10
    row = {
        "market": market,
        "candle_date_time_utc": f"{utc(opened):%Y-%m-%dT%H:%M:%S}",
        "candle_date_time_kst": f"{utc(opened + 9 * 3600 * SECOND_NS):%Y-%m-%dT%H:%M:%S}",
        "opening_price": first,
        "high_price": high,
        "low_price": low,
        "trade_price": last,
        "timestamp": opened // 1_000_000 + 59_000,
        "candle_acc_trade_price": last * volume,
        "candle_acc_trade_volume": volume,
    }
    return row | ({"unit": int(unit.partition("/")[2])} if "/" in unit else {})


def _instant(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()) * SECOND_NS


def market_candles(seed: int, timeframe: str, start: date, bars: int, traded: float = 0.9) -> OHLCV:
    """Return candles with random gaps without trades, equal for equal seeds."""
    candles = synthetic_candles(seed, parse_timeframe(timeframe), start, bars)
    return candles.rows(np.flatnonzero(np.random.default_rng(seed).random(bars) < traded))


@contextmanager
def serving(server: UpbitServer) -> Iterator[UpbitServer]:
    """Serve on a free port within the block."""
    http = _Server(("127.0.0.1", 0), _handler(server))
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
        rate_limit_file(server.url).unlink(missing_ok=True)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors: killed clients drop their connections."""


def _handler(server: UpbitServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            answer = server.answer(parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()})
            time.sleep(server.delay_s)
            if answer is None:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.connection.close()
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(answer.announced or len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = answer.announced is not None

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler


def reset(_answer: Answer) -> None:
    """Reset the connection without a response."""


def half_sent(answer: Answer) -> Answer:
    """Close the connection in the middle of the body."""
    return replace(answer, body=answer.body[: len(answer.body) // 2], announced=len(answer.body))


def status(code: int, body: bytes = b"", **changed: str | None) -> Fault:
    """Return a fault that changes status and body, and headers as `headers` does."""
    return lambda answer: headers(**changed)(replace(answer, status=code, body=body))


def body(content: bytes) -> Fault:
    """Return a fault that returns 200 with another body."""
    return status(200, content)


def rows(change: Callable[[list[dict[str, Any]]], Any]) -> Fault:
    """Return a fault that changes the candles of a response, in place or by its return value."""

    def changed(answer: Answer) -> Answer:
        content = json.loads(answer.body)
        returned = change(content)
        return replace(answer, body=json.dumps(content if returned is None else returned).encode())

    return changed


def headers(**values: str | None) -> Callable[[Answer], Answer]:
    """Return a fault that sets headers, with _ for -; None removes one."""
    named = {name.replace("_", "-"): value for name, value in values.items()}

    def changed(answer: Answer) -> Answer:
        merged = {**answer.headers, **named}
        return replace(answer, headers={name: value for name, value in merged.items() if value is not None})

    return changed
