"""Rate-limited HTTP client with retries and backoff."""

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
from coin_pipeline.errors import Coded, ExchangeAnswer, ExchangeUnavailable, coded
from coin_pipeline.liveness import report_progress

T = TypeVar("T")
MAX_ATTEMPTS = 6
"""Attempts to send a request that the network or a gateway loses."""
MAX_PAUSE_S = 20.0
MAX_REFUSAL_WAIT_S = 300.0
"""Maximum total wait of one request for a server that rejects it."""
GATEWAY_ERRORS = frozenset({502, 503, 504})
TOO_MANY, BLOCKED = 429, 418
_MIN_PAUSE_S, _MIN_REFUSAL_PAUSE_S = 0.5, 1.0
_SECONDS = re.compile(r"(\d{1,9})(?:\.\d+)? *(?:(?:s|sec|seconds?)\b|초)")


class RateLimitedClient:
    """Sequential GET requests to one server.

    Args:
        name: Name of the server in error messages.
        base_url: URL of the server.
        transport: Replaces the network; None uses the real one.
        timer: Clock for all waiting.
        rate_limit_file: File through which processes on this machine share the limit; None limits this client alone.
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
        """Return a response of any status other than 429, 418 and gateway errors, which are retried.

        Raises:
            ExchangeUnavailable: All attempts were lost, or the server rejects requests for over `MAX_REFUSAL_WAIT_S`.
            httpx2.DecodingError: The body is not compressed as its header states.
        """
        waited, refusals = 0.0, 0
        while True:
            response = send_with_retries(self._name, self._timer, lambda: self._send(path, params))
            if response.status_code not in {TOO_MANY, BLOCKED}:
                return response
            pause = max(_requested_pause(response), _MIN_REFUSAL_PAUSE_S * 2**refusals)
            waited, refusals = waited + pause, refusals + 1
            if waited > MAX_REFUSAL_WAIT_S:
                code = "requests_blocked" if response.status_code == BLOCKED else "requests_rejected"
                raise ExchangeUnavailable(self._name, coded(code, response=describe_response(response), pause=pause))
            # Jitter: other clients were rejected at the same moment and must not all return at once.
            self._timer.sleep(pause + random.uniform(0.0, WINDOW_S))  # noqa: S311 - no secret

    def _send(self, path: str, params: dict[str, str | int]) -> httpx2.Response:
        with self._rate_limiter.acquire() as update:
            response = self._client.get(path, params=params)
            update(response.headers.get("Remaining-Req", ""))
        if response.status_code in GATEWAY_ERRORS:
            raise RequestLost(describe_response(response))
        return response


class RequestLost(Exception):
    """A request without a response from the server itself; sending it again may succeed."""


def send_with_retries(name: str, timer: Timer, send: Callable[[], T]) -> T:
    """Send a request up to `MAX_ATTEMPTS` times, with a random pause after each lost attempt.

    Args:
        name: Name of the server in the error message.
        timer: Clock for the pauses.
        send: Sends the request; raises RequestLost or httpx2.TransportError if it is lost.

    Raises:
        ExchangeUnavailable: All attempts were lost.
    """
    for attempt in range(MAX_ATTEMPTS):
        report_progress()
        try:
            return send()
        except RequestLost as error:
            reason = error.args[0] or type(error).__name__
        except httpx2.TransportError as error:
            code = "timed_out" if isinstance(error, httpx2.TimeoutException) else "connection_failed"
            reason = coded(code, detail=str(error) or type(error).__name__)
        if attempt < MAX_ATTEMPTS - 1:
            # Full jitter: clients that lost the same server do not all return at once.
            timer.sleep(random.uniform(0.0, min(MAX_PAUSE_S, _MIN_PAUSE_S * 2**attempt)))  # noqa: S311 - no secret
    raise ExchangeUnavailable(name, coded("no_response", reason=reason, attempts=MAX_ATTEMPTS))


def describe_response(response: httpx2.Response) -> Coded:
    """Return the status and the beginning of the body of a response, for an error message."""
    return coded("http_status", status=response.status_code, excerpt=error_excerpt(response))


def error_excerpt(response: httpx2.Response) -> str:
    """Return the beginning of a body on one line, for an error message."""
    text = " ".join(response.text[:400].split())
    return f"{text[:120]}..." if len(text) > 120 else text or coded("empty_body")  # noqa: PLR2004 - about a line


def parse_http_date(name: str, date: str | None) -> int:
    """Return the instant of a Date header, ns UTC.

    Args:
        name: Name of the server in the error message.
        date: Value of the header, or None if it is missing.

    Raises:
        ExchangeAnswer: The header is missing or not a date.
    """
    try:
        moment = parsedate_to_datetime(date or "")
    except ValueError as error:
        header = coded("date_header", date=repr(date[:60])) if date else coded("date_header_missing")
        raise ExchangeAnswer(name, "the time", header) from error
    # HTTP dates are in UTC; one without a zone must not be read in this machine's zone.
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * SECOND_NS


def _requested_pause(response: httpx2.Response) -> float:
    """Return the pause in seconds that a rejection requests in its header or text; 0 if it does not."""
    after = response.headers.get("Retry-After", "")
    if after.isdecimal():
        return float(after)
    match = _SECONDS.search(response.text)
    return float(match[1]) + 1.0 if match else 0.0
