"""Messages to a webhook: their content, and every way in which the server can fail."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from coin_pipeline.notifications.message import LEVELS, SYMBOLS, Delivery, Level, Notification
from coin_pipeline.notifications.slack import MAX_PAUSE_S, RETRIES, SlackChannel, blocks, escape
from tests.platforms import free_ports
from tests.slack_server import (
    WEBHOOK_PATH,
    Fault,
    SlackServer,
    rate_limited,
    redirect,
    reset,
    serving_slack,
    slow,
    status,
)
from tests.smtp_server import certificate

FAILED = Notification(
    "Job refresh_candles failed",
    "KRW-BTC 1h: Upbit does not respond.\nTry again later.",
    "error",
    {"Run": "0c7e", "Symbols": "KRW-BTC, KRW-ETH"},
    "http://127.0.0.1:3000/runs/0c7e?tab=log&view=all",
)


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    """A running server."""
    with serving_slack() as server:
        yield server


def send(slack: SlackServer, notification: Notification = FAILED, timeout_s: int = 10) -> Delivery:
    """Send to the server."""
    return SlackChannel(SecretStr(slack.url), allow_private=True, timeout_s=timeout_s).send(notification)


def test_message_has_title_text_details_and_link(slack: SlackServer) -> None:
    """Blocks for Slack, and a text for desktop notifications and services without blocks."""
    assert send(slack) == Delivery(delivered=True)
    (message,) = slack.accepted
    header, text, details, link = message["blocks"]
    assert header["text"]["text"] == "❌ Job refresh_candles failed"
    assert text["text"]["text"] == FAILED.message
    assert [field["text"] for field in details["fields"]] == ["*Run*\n0c7e", "*Symbols*\nKRW-BTC, KRW-ETH"]
    assert link["text"]["text"] == "<http://127.0.0.1:3000/runs/0c7e?tab=log&amp;view=all>"
    assert message["text"].startswith("❌ Job refresh_candles failed\nKRW-BTC 1h: Upbit does not respond.\n")


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_has_a_symbol(slack: SlackServer, level: Level) -> None:
    """It is at the start of the title."""
    assert send(slack, Notification("Test", "", level))
    assert slack.texts()[0].removesuffix(" Test") in set(SYMBOLS.values())


def test_text_cannot_mention_a_channel_or_hide_a_link(slack: SlackServer) -> None:
    """Control characters of Slack are escaped wherever it would read them."""
    attack = "<!channel> <https://evil.example|Slack> & <@U1>"
    assert send(slack, Notification(attack, attack, "info", {attack: attack}, "https://evil.example/|<!here>"))
    (message,) = slack.accepted
    mrkdwn = [message["text"]]
    for block in message["blocks"]:
        texts = [block["text"]] if "text" in block else block["fields"]
        mrkdwn += [text["text"] for text in texts if text["type"] == "mrkdwn"]
    link = mrkdwn.pop()
    assert link == "<https://evil.example/%7C%3C!here%3E>"
    assert len(mrkdwn) == 3
    assert not [text for text in mrkdwn if "<" in text or ">" in text or "& " in text]


@pytest.mark.parametrize(
    "notification",
    [
        Notification(
            "t" * 1000, "&" * 10_000, "error", {f"label {n}" * 60: "<" * 5000 for n in range(100)}, "https://x"
        ),
        Notification("", ""),
        Notification("a\nb\r\nc", "\x00\udc80\u2028", link="https://x.example/" + "y" * 5000),
    ],
)
def test_messages_of_any_size_are_within_the_limits(slack: SlackServer, notification: Notification) -> None:
    """The server rejects blocks beyond Slack's limits, and empty texts."""
    assert send(slack, notification) == Delivery(delivered=True)


@given(st.text(), st.integers(1, 60))
def test_escaped_text_is_cut_between_characters(text: str, limit: int) -> None:
    """It fits, and no entity is cut in two."""
    escaped = escape(text, limit)
    assert len(escaped) <= limit
    assert "&" not in escaped.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")


@pytest.mark.parametrize("fault", [reset, status(500), status(502), status(503), rate_limited(0)])
def test_transient_failure_is_retried(slack: SlackServer, fault: Fault) -> None:
    """The message arrives once."""
    slack.plan(fault)
    assert send(slack) == Delivery(delivered=True)
    assert (len(slack.requests), len(slack.accepted)) == (2, 1)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(status(500, b"oops"), "the webhook answered 500: oops"), (reset, "no answer from 127.0.0.1: ")],
)
def test_retries_end(slack: SlackServer, fault: Fault, reason: str) -> None:
    """A server that keeps failing is reported as it is, for the caller to try later."""
    slack.plan(fault, 10)
    delivery = send(slack)
    assert delivery.reason.startswith(reason)
    assert (delivery.delivered, delivery.is_permanent) == (False, False)
    assert len(slack.requests) == 1 + RETRIES


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(MAX_PAUSE_S + 1, MAX_PAUSE_S + 1), (3600, 3600), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)],
)
def test_long_pause_is_left_to_the_caller(slack: SlackServer, retry_after: float | str, seconds: float | None) -> None:
    """Waiting for it here would block other channels."""
    slack.plan(rate_limited(retry_after))
    reason = "the webhook answered 429: rate_limited"
    assert send(slack) == Delivery(delivered=False, reason=reason, is_permanent=False, retry_after_s=seconds)
    assert len(slack.requests) == 1


@pytest.mark.parametrize(
    ("code", "body"),
    [(400, b"invalid_payload"), (403, b"action_prohibited"), (404, b"no_service"), (410, b"channel_is_archived")],
)
def test_rejection_is_permanent(slack: SlackServer, code: int, body: bytes) -> None:
    """Slack's error code is the reason; nothing is retried."""
    slack.plan(status(code, body))
    reason = f"the webhook answered {code}: {body.decode()}"
    assert send(slack) == Delivery(delivered=False, reason=reason, is_permanent=True)
    assert len(slack.requests) == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(slack: SlackServer, code: int) -> None:
    """Its target, perhaps in the private network, receives no request."""
    with serving_slack() as target:
        slack.plan(redirect(target.url, code))
        delivery = send(slack)
        assert target.requests == []
    assert (delivery.delivered, delivery.is_permanent) == (False, False)
    assert delivery.reason.startswith(f"the webhook answered {code}: a redirect, which is not followed; set SLACK_")


@pytest.mark.parametrize("code", [200, 204])
def test_success_without_ok_is_not_a_delivery(slack: SlackServer, code: int) -> None:
    """A captive portal answers 200 to everything."""
    slack.plan(status(code, b"" if code == 204 else b"<html>Log in"))
    delivery = send(slack)
    assert (delivery.delivered, delivery.is_permanent) == (False, False)


def test_slow_server_is_not_asked_again(slack: SlackServer) -> None:
    """The message may have arrived, and waiting again would block others."""
    slack.plan(slow, 10)
    reason = "no answer from 127.0.0.1: it did not answer in time"
    assert send(slack, timeout_s=1) == Delivery(delivered=False, reason=reason)
    assert len(slack.requests) == 1


def test_slow_handshake_is_not_repeated() -> None:
    """A server that accepts connections and sends nothing is contacted once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = SecretStr(f"https://127.0.0.1:{listening.getsockname()[1]}/x")
        delivery = SlackChannel(url, allow_private=True, timeout_s=1).send(FAILED)
        listening.setblocking(False)
        listening.accept()[0].close()
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert delivery.reason == "no answer from 127.0.0.1: it did not answer in time"


@pytest.mark.parametrize("link", ["", "javascript:alert(1)", "https://x.example/" + "y" * 3000])
def test_only_web_pages_are_linked(link: str) -> None:
    """The link is left out, not the message."""
    assert [block["type"] for block in blocks(Notification("Test", "", link=link))] == ["header"]


def test_unreachable_server() -> None:
    """The reason is the system's; the path of the webhook is not part of it."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}{WEBHOOK_PATH}"
    delivery = SlackChannel(SecretStr(url), allow_private=True).send(FAILED)
    reason = "no answer from 127.0.0.1: [Errno 111] Connection refused"
    assert delivery == Delivery(delivered=False, reason=reason)


@pytest.mark.parametrize(
    "fault",
    [
        status(500, b"x", Content_Type="text/plain; charset=no-such"),
        status(400, b"\xff\xfe"),
        status(200, b"x" * 5_000_000),
        status(404, b"y" * 5_000_000),
    ],
)
def test_strange_answer_is_a_failure_with_a_short_reason(slack: SlackServer, fault: Fault) -> None:
    """Nothing that a server returns raises, or ends up in full in a log."""
    slack.plan(fault, 10)
    delivery = send(slack)
    assert delivery.reason.startswith("the webhook answered ")
    assert not delivery
    assert len(delivery.reason) < 200


@pytest.mark.parametrize(
    "body",
    [f"no route to {WEBHOOK_PATH}".encode(), b"plantedWebhookToken", b"x" * 110 + b" " + b"plantedWebhookToken" * 2],
)
def test_answer_that_repeats_the_secret_is_redacted(slack: SlackServer, body: bytes) -> None:
    """Reasons are stored and shown."""
    slack.plan(status(404, body))
    delivery = send(slack)
    assert "***" in delivery.reason
    assert "planted" not in delivery.reason


def test_certificate_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown authority is refused; one that the system trusts is not."""
    context, ca_file = certificate(tmp_path)
    with serving_slack(context) as server:
        refused = send(server)
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
        assert send(server) == Delivery(delivered=True)
    assert "CERTIFICATE_VERIFY_FAILED" in refused.reason
    assert not refused
