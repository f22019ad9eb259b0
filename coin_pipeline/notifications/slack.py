"""Slack's incoming webhooks, and services that accept the same requests."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from io import BytesIO
from itertools import accumulate, takewhile
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request

from pydantic import SecretStr
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.webhook import WebhookClient, WebhookResponse

from coin_pipeline.notifications.deadline import DEADLINE_S, send_within
from coin_pipeline.notifications.message import SYMBOLS, Delivery, Notification
from coin_pipeline.notifications.text import clean, excerpt, one_line
from coin_pipeline.notifications.webhooks import PrivateAddress, webhook_opener

TIMEOUT_S = 10
RETRIES = 2
MAX_PAUSE_S = 5
"""Longest pause that is spent waiting for the next attempt; a longer one is left to the caller."""
_MAX_ANSWER_BYTES = 4096
# Limits of Slack's block kit, in characters.
_MAX_HEADER, _MAX_SECTION, _MAX_FIELD, _MAX_LINK, _FIELDS = 150, 3000, 2000, 2900, 10
_MAX_DETAILS = 40
_TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Not one of the tree of loggers: slack_sdk logs the URL of the webhook, which is a secret, at level INFO.
_SILENT = logging.Logger("slack_sdk", logging.CRITICAL + 1)  # noqa: LOG001 -- no handler may reach it


class SlackChannel:
    """Sends to an incoming webhook and waits for its answer.

    Args:
        url: The URL of the webhook, a secret.
        allow_private: Whether plain HTTP and private addresses are allowed.
        timeout_s: Longest wait for the server to connect or to send anything, s.
        deadline_s: Longest delivery, retries included, s.
    """

    name = "slack"

    def __init__(
        self,
        url: SecretStr,
        *,
        allow_private: bool = False,
        timeout_s: int = TIMEOUT_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._url = url
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s

    def send(self, notification: Notification) -> Delivery:
        """Send a notification; rate limits, server errors and lost connections are retried at once, twice."""
        host = str(urlsplit(self._url.get_secret_value()).hostname)
        return send_within(self._deadline_s, host, lambda: self._send(notification))

    def _send(self, notification: Notification) -> Delivery:
        url = self._url.get_secret_value()
        try:
            client = _Client(url, allow_private=self._allow_private, timeout_s=self._timeout_s)
            response = client.send(text=_fallback(notification), blocks=blocks(notification))
        except PrivateAddress as error:
            return Delivery(delivered=False, reason=str(error), is_permanent=True)
        except Exception as error:  # noqa: BLE001 -- the answer of a server can break the client in many ways
            return Delivery(delivered=False, reason=f"no answer from {urlsplit(url).hostname}: {_cause(error, url)}")
        return _delivery(response, url)


def blocks(notification: Notification) -> list[dict[str, Any]]:
    """Return the blocks of a message: header, text, details and link, each within Slack's limits."""
    header = f"{SYMBOLS[notification.level]} {notification.title}"
    return [
        {"type": "header", "text": {"type": "plain_text", "text": one_line(header, _MAX_HEADER)}},
        *([_section(escape(notification.message, _MAX_SECTION))] if notification.message.strip() else []),
        *_fields(notification.details),
        *([_section(f"<{_linkable(notification.link)}>")] if _is_linkable(notification.link) else []),
    ]


def escape(text: str, limit: int) -> str:
    """Return a text without Slack's control characters, so that it mentions no one and hides no link.

    Args:
        text: Any text.
        limit: Largest length of the escaped text.

    >>> escape("<!channel> profit & loss", 100)
    '&lt;!channel&gt; profit &amp; loss'
    >>> escape("a < b", 6)
    'a …'
    """
    pieces = [_ENTITIES.get(character, character) for character in clean(text[: limit + 1])]
    if sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    kept = sum(1 for _ in takewhile(lambda length: length < limit, accumulate(map(len, pieces))))
    return "".join(pieces[:kept]) + "…"


def _fallback(notification: Notification) -> str:
    """Return what notifications of desktops, and services that ignore blocks, show."""
    lines = (f"{SYMBOLS[notification.level]} {notification.title}", notification.message, notification.link)
    return escape("\n".join(line for line in lines if line), _MAX_SECTION)


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _fields(details: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    fields = [
        _mrkdwn(f"*{escape(one_line(label, _MAX_HEADER), 2 * _MAX_HEADER)}*\n{escape(value, _MAX_FIELD // 2)}")
        for label, value in list(details.items())[:_MAX_DETAILS]
    ]
    for start in range(0, len(fields), _FIELDS):
        yield {"type": "section", "fields": fields[start : start + _FIELDS]}


def _is_linkable(url: str) -> bool:
    return url.startswith(("https://", "http://")) and len(url) <= _MAX_LINK


def _linkable(url: str) -> str:
    return quote(clean(url), safe="!#$%&'()*+,/:;=?@[]~").replace("&", "&amp;")


def _delivery(response: WebhookResponse, url: str) -> Delivery:
    """Return the outcome; Slack confirms with the text ok, a captive portal answers 200 too."""
    status, answer = response.status_code, excerpt(response.body, _secrets(url))
    if status == HTTPStatus.OK and answer == "ok":
        return Delivery(delivered=True)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        answer = "a redirect, which is not followed; set SLACK_WEBHOOK_URL to its target"
    return Delivery(
        delivered=False,
        reason=f"the webhook answered {status}: {answer or 'nothing'}",
        # Not a redirect, which a captive portal or a proxy may send for a while.
        is_permanent=HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _TRANSIENT,
        retry_after_s=_retry_after_s(response.headers),
    )


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the pause of Retry-After, s; Slack sends digits, so a date counts as none."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return float(value) if value.isascii() and value.isdigit() else None


def _cause(error: Exception, url: str) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "it did not answer in time"
    return excerpt(str(cause) or type(cause).__name__, _secrets(url))


def _secrets(url: str) -> Sequence[str]:
    """Return the URL, its path and the parts of it: a server may repeat any of them."""
    parts = urlsplit(url)
    return [url, parts.path, parts.query, *parts.path.split("/"), *parts.query.split("&")]


class _Client(WebhookClient):
    """Slack's client, which follows redirects and reads answers of any length unless this method is replaced."""

    def __init__(self, url: str, *, allow_private: bool, timeout_s: int) -> None:
        handlers = [_RateLimits(RETRIES), _ServerErrors(RETRIES), _LostConnections(RETRIES)]
        super().__init__(url, timeout_s, retry_handlers=handlers, logger=_SILENT)
        self._opener = webhook_opener(url, allow_private=allow_private)

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        try:
            with self._opener.open(req, timeout=self.timeout) as answer:
                body = answer.read(_MAX_ANSWER_BYTES).decode("utf-8", "replace")
                return WebhookResponse(url=url, status_code=answer.status, body=body, headers=dict(answer.headers))
        except HTTPError as error:  # slack_sdk reads its body, and decodes it with a charset that may not exist
            with error:
                body = error.read(_MAX_ANSWER_BYTES).decode("utf-8", "replace")
            del error.headers["Content-Type"]
            raise HTTPError(url, error.code, error.msg, error.headers, BytesIO(body.encode())) from None


class _RateLimits(RateLimitErrorRetryHandler):
    """Waits for as long as the server asks, if that is not long."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if response is None or not super()._can_retry(state=state, request=request, response=response, error=error):
            return False
        pause = _retry_after_s({name: values[0] for name, values in response.headers.items()})
        return pause is not None and pause <= MAX_PAUSE_S


class _ServerErrors(ServerErrorRetryHandler):
    """Retries every 5xx, not only 500 and 503."""

    def _can_retry(
        self,
        *,
        state: RetryState,  # noqa: ARG002 -- slack_sdk passes all by name
        request: HttpRequest,  # noqa: ARG002
        response: HttpResponse | None = None,
        error: Exception | None = None,  # noqa: ARG002
    ) -> bool:
        return response is not None and response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR


class _LostConnections(ConnectionErrorRetryHandler):
    """Retries lost connections, but no time-out: the message may have arrived, and waiting again would block others."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        cause = error.reason if isinstance(error, URLError) else error
        is_retryable = super()._can_retry(state=state, request=request, response=response, error=error)
        return is_retryable and not isinstance(cause, TimeoutError)
