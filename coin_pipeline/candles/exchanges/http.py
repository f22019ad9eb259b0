"""Asking a server over HTTP and being no burden: paced as it says, waiting when it refuses, again when it is away."""

import random
import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar

import httpx2

from coin_pipeline.candles.exchanges.rate_limit import WINDOW_S, RateLimiter, Timer
from coin_pipeline.candles.timeframe import SECOND_NS
from coin_pipeline.errors import ExchangeAnswer, ExchangeUnavailable

T = TypeVar("T")
MAX_ATTEMPTS = 6
"""How often a request is sent that the network, or a gateway, loses."""
MAX_PAUSE_S = 20.0
MAX_REFUSAL_WAIT_S = 300.0
"""How long one request waits, all in all, for a server that refuses it."""
GATEWAY_FAULTS = frozenset({502, 503, 504})
TOO_MANY, BLOCKED = 429, 418
_FIRST_PAUSE_S, _FIRST_REFUSAL_S = 0.5, 1.0
_SECONDS = re.compile(r"(\d{1,9})(?:\.\d+)? *(?:(?:s|sec|seconds?)\b|초)")


class RateLimitedClient:
    """GET requests to one server, one after another.

    Args:
        name: What errors call the server.
        base_url: Where it answers.
        transport: The network; None is the real one.
        timer: The clock of all waiting.
        rate_limit_file: A file through which programs of this machine take turns, or None.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        transport: httpx2.BaseTransport | None,
        timer: Timer,
        rate_limit_file: Path | None,
    ) -> None:
        self._name, self._timer = name, timer
        self._rate_limiter = RateLimiter(timer, rate_limit_file)
        self._client = httpx2.Client(base_url=base_url, transport=transport, timeout=10.0)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, params: dict[str, str | int]) -> httpx2.Response:
        """Return an answer, of whatever status but those that mean: later.

        Raises:
            ExchangeUnavailable: The network lost every try, or the server refuses for longer than `MAX_REFUSAL_WAIT_S`.
            httpx2.DecodingError: The body is not compressed as its header says.
        """
        waited, refusals = 0.0, 0
        while True:
            answer = send_with_retries(self._name, self._timer, lambda: self._send(path, params))
            if answer.status_code not in {TOO_MANY, BLOCKED}:
                return answer
            pause = max(_told_pause(answer), _FIRST_REFUSAL_S * 2**refusals)
            waited, refusals = waited + pause, refusals + 1
            if waited > MAX_REFUSAL_WAIT_S:
                what = "blocks" if answer.status_code == BLOCKED else "refuses"
                raise ExchangeUnavailable(
                    self._name,
                    f"{what} requests from here (HTTP {answer.status_code}: {error_excerpt(answer)}), the next one"
                    f" may be sent in {pause:,.0f} s",
                )
            # Others were refused at the same moment; they do not come back at the same moment too.
            self._timer.sleep(pause + random.uniform(0.0, WINDOW_S))  # noqa: S311 - no secret

    def _send(self, path: str, params: dict[str, str | int]) -> httpx2.Response:
        with self._rate_limiter.acquire() as heard:
            answer = self._client.get(path, params=params)
            heard(answer.headers.get("Remaining-Req", ""))
        if answer.status_code in GATEWAY_FAULTS:
            raise RequestLost(f"HTTP {answer.status_code}: {error_excerpt(answer)}")
        return answer


class RequestLost(Exception):
    """A request that nobody answered who could: sent again, it may be answered."""


def send_with_retries(name: str, timer: Timer, send: Callable[[], T]) -> T:
    """Send a request; again, after a pause of random length, where it is lost.

    Raises:
        ExchangeUnavailable: Every try of it was lost.
    """
    for attempt in range(MAX_ATTEMPTS):
        try:
            return send()
        except (RequestLost, httpx2.TransportError) as error:
            reason = str(error) or type(error).__name__
        if attempt < MAX_ATTEMPTS - 1:
            # Full jitter: many clients that lost one server do not come back to it all at once.
            timer.sleep(random.uniform(0.0, min(MAX_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)))  # noqa: S311 - no secret
    raise ExchangeUnavailable(name, f"does not answer ({reason}, {MAX_ATTEMPTS} tries)")


def error_excerpt(answer: httpx2.Response) -> str:
    """Return the beginning of a body, on one line, for an error."""
    text = " ".join(answer.text[:400].split())
    return f"{text[:120]}..." if len(text) > 120 else text or "an empty body"  # noqa: PLR2004 - about a line


def parse_http_date(name: str, date: str | None) -> int:
    """Return the moment of a header Date, ns UTC.

    Raises:
        ExchangeAnswer: There is none, or it is no date.
    """
    try:
        moment = parsedate_to_datetime(date or "")
    except ValueError as error:
        raise ExchangeAnswer(name, "the time", f"with the header Date {(date or 'missing')[:60]!r}") from error
    # One without a zone is in UTC like all dates of HTTP, never in the zone of this machine.
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * SECOND_NS


def _told_pause(answer: httpx2.Response) -> float:
    """Return for how many seconds a refusal says that it holds, in its header or its words; 0 if it does not."""
    after = answer.headers.get("Retry-After", "")
    if after.isdecimal():
        return float(after)
    found = _SECONDS.search(answer.text)
    return float(found[1]) + 1.0 if found else 0.0
