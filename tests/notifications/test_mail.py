"""Mail through a real SMTP server: content, encryption, and every way in which the server can refuse."""

import base64
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from pydantic import SecretStr

from coin_pipeline.notifications.mail import MailChannel, MailServer, compose
from coin_pipeline.notifications.message import Delivery, Notification
from tests.platforms import free_ports
from tests.smtp_server import HOST, PASSWORD, USER, Security, SmtpServer, serving_smtp

SENDER, OPS, DEV = "alerts@example.com", "ops@example.com", "dev@example.com"
FAILED = Notification(
    "수집 실패: KRW-BTC",
    "Upbit does not respond.\nTry again later.",
    "error",
    {"Run": "0c7e"},
    "http://127.0.0.1:3000/runs/0c7e?tab=log&view=all",
)


@pytest.fixture
def smtp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmtpServer]:
    """A running server with STARTTLS, whose certificate is trusted."""
    with serving_smtp(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        yield server


def mail_server(smtp: SmtpServer) -> MailServer:
    """Return how clients connect to the server."""
    return MailServer(HOST, smtp.port, smtp.security, USER, SecretStr(PASSWORD))


def send(server: MailServer, notification: Notification = FAILED, timeout_s: float = 20) -> Delivery:
    """Send through a server to two recipients."""
    return MailChannel(server, SENDER, (OPS, DEV), timeout_s=timeout_s).send(notification)


def part(message: EmailMessage, kind: str) -> str:
    """Return the text or the HTML of a mail."""
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_arrives_encrypted_and_authenticated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: Security
) -> None:
    """The certificate is verified, and the password is sent."""
    with serving_smtp(tmp_path, security) as smtp:
        monkeypatch.setenv("SSL_CERT_FILE", str(smtp.ca_file))
        assert send(mail_server(smtp)) == Delivery(delivered=True)
    (mail,) = smtp.accepted
    assert mail.recipients == (OPS, DEV)
    assert smtp.passwords == [PASSWORD]
    assert smtp.subjects() == ["❌ 수집 실패: KRW-BTC"]
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert part(mail.message, "plain").splitlines() == [
        "수집 실패: KRW-BTC",
        "",
        "Upbit does not respond.",
        "Try again later.",
        "",
        "Run: 0c7e",
        "",
        FAILED.link,
    ]
    encodings = [text["Content-Transfer-Encoding"] for text in mail.message.iter_parts()]
    assert set(encodings) <= {"quoted-printable", "base64"}  # the server need not support 8BITMIME
    html = part(mail.message, "html")
    assert "<td>0c7e</td>" in html
    assert "<a href='http://127.0.0.1:3000/runs/0c7e?tab=log&amp;view=all'>" in html


def test_mail_without_authentication(tmp_path: Path) -> None:
    """A relay on this machine may need neither encryption nor a user."""
    with serving_smtp(tmp_path, "none") as smtp:
        assert send(MailServer(HOST, smtp.port, "none")) == Delivery(delivered=True)
    assert smtp.passwords == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_password_is_not_sent_to_a_server_with_an_unknown_certificate(tmp_path: Path, security: Security) -> None:
    """The certificate is verified before anything is sent."""
    with serving_smtp(tmp_path, security) as smtp:
        delivery = send(mail_server(smtp))
    assert "CERTIFICATE_VERIFY_FAILED" in delivery.reason
    assert (delivery.delivered, smtp.passwords, smtp.accepted) == (False, [], [])


def test_password_is_not_sent_without_starttls(tmp_path: Path) -> None:
    """A server, or something in between, that does not offer STARTTLS is refused."""
    with serving_smtp(tmp_path, "none") as smtp:
        delivery = send(replace(mail_server(smtp), security="starttls"))
    assert delivery.reason == f"{HOST}:{smtp.port}: STARTTLS extension not supported by server."
    assert (delivery.delivered, smtp.passwords, smtp.accepted) == (False, [], [])


def test_wrong_password_is_tried_again(smtp: SmtpServer) -> None:
    """The reply of the server is the reason, without the password, which an operator may correct."""
    delivery = send(replace(mail_server(smtp), password=SecretStr("plantedWrongPassword")))
    assert delivery.reason.startswith(f"{HOST}:{smtp.port} answered 535 ")
    assert (delivery.delivered, delivery.is_permanent) == (False, False)
    assert "plantedWrongPassword" not in delivery.reason


def test_partly_refused_mail_is_delivered_and_the_refused_are_named(smtp: SmtpServer) -> None:
    """Sending again would reach the others twice."""
    smtp.refused[DEV] = "550 no such user"
    reason = "dev@example.com was refused: 550 no such user"
    assert send(mail_server(smtp)) == Delivery(delivered=True, reason=reason)
    assert smtp.accepted[0].recipients == (OPS,)


@pytest.mark.parametrize(
    ("replies", "is_permanent"),
    [(("550 no such user", "551 moved"), True), (("450 greylisted", "550 no such user"), False)],
)
def test_refused_by_all_recipients(smtp: SmtpServer, replies: tuple[str, str], is_permanent: bool) -> None:  # noqa: FBT001
    """It is permanent if none may accept it later."""
    smtp.refused |= dict(zip((OPS, DEV), replies, strict=True))
    delivery = send(mail_server(smtp))
    assert (delivery.delivered, delivery.is_permanent) == (False, is_permanent)
    assert delivery.reason == "; ".join(f"{who} was refused: {reply}" for who, reply in smtp.refused.items())


@pytest.mark.parametrize("sent", [PASSWORD, f"\0{USER}\0{PASSWORD}"])
@pytest.mark.parametrize("encode", [str, lambda text: base64.b64encode(text.encode()).decode()])
def test_reply_that_repeats_the_password_is_redacted(smtp: SmtpServer, sent: str, encode: Callable[[str], str]) -> None:
    """As it is, and as clients encode it."""
    smtp.replies.append(f"451 {encode(sent)}".replace("\0", " "))
    delivery = send(mail_server(smtp))
    assert delivery.reason.endswith("***")
    assert PASSWORD not in delivery.reason


@pytest.mark.parametrize(("reply", "is_permanent"), [("451 try later", False), ("552 too large", True)])
def test_refused_content(smtp: SmtpServer, reply: str, is_permanent: bool) -> None:  # noqa: FBT001
    """4xx is transient, 5xx is permanent."""
    smtp.replies.append(reply)
    reason = f"{HOST}:{smtp.port} answered {reply}"
    assert send(mail_server(smtp)) == Delivery(delivered=False, reason=reason, is_permanent=is_permanent)


def test_connection_that_is_lost_after_the_mail_was_accepted(smtp: SmtpServer) -> None:
    """The mail is delivered; reporting a failure would send it again."""
    smtp.drops_quit = True
    assert send(mail_server(smtp)) == Delivery(delivered=True)
    assert len(smtp.accepted) == 1


def test_unreachable_server() -> None:
    """The reason names the address."""
    (port,) = free_ports(1)
    reason = f"{HOST}:{port}: [Errno 111] Connection refused"
    assert send(MailServer(HOST, port, "starttls")) == Delivery(delivered=False, reason=reason)


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_silent_server(security: Security) -> None:
    """A server that accepts the connection and sends nothing."""
    with socket.create_server((HOST, 0)) as listening:
        port = listening.getsockname()[1]
        delivery = send(MailServer(HOST, port, security), timeout_s=0.2)
    assert delivery == Delivery(delivered=False, reason=f"{HOST}:{port}: it did not answer in time")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\u2028", "\x0b", "\x85"])
def test_title_cannot_add_a_header(smtp: SmtpServer, newline: str) -> None:
    """Line ends of any kind become spaces."""
    title = f"Failed{newline}Bcc: all@example.com{newline}{newline}Injected"
    assert send(mail_server(smtp), Notification(title, "text"))
    (mail,) = smtp.accepted
    assert mail.message["Bcc"] is None
    assert mail.message["Subject"] == "\N{INFORMATION SOURCE} Failed Bcc: all@example.com Injected"
    assert mail.recipients == (OPS, DEV)


def test_html_is_escaped(smtp: SmtpServer) -> None:
    """Text from elsewhere adds no markup, and only web pages are linked."""
    attack = "<script>alert('x')</script>"
    assert send(mail_server(smtp), Notification(attack, attack, "info", {attack: attack}, "javascript:alert(1)"))
    html = part(smtp.accepted[0].message, "html")
    assert html.count("&lt;script&gt;") == 4
    assert "<script" not in html
    assert "javascript" not in html


@pytest.mark.parametrize(
    "notification",
    [
        Notification("", ""),
        Notification("가" * 500, "\x00\udc80\n" * 100_000, "critical", {"\udc80": "\x1b[31m"}),
        Notification("t" * 500, "x" * 1_000_000),
    ],
)
def test_any_text_can_be_sent(smtp: SmtpServer, notification: Notification) -> None:
    """Control characters and lone surrogates are replaced, and long texts are cut."""
    assert send(mail_server(smtp), notification) == Delivery(delivered=True)
    assert len(part(smtp.accepted[0].message, "plain").replace("\r\n", "\n")) < 110_000


def test_message_id_stays_the_same_when_a_notification_is_sent_again() -> None:
    """Mail programs show mails with one id once, after a crash between sending and recording it."""
    known = replace(FAILED, id="6f1c/slack>\r\n")
    first, second = (compose(known, SENDER, (OPS,))["Message-ID"] for _ in range(2))
    assert first == second == "<coin-6f1c-slack---@example.com>"
    unknown = {compose(FAILED, SENDER, (OPS,))["Message-ID"] for _ in range(2)}
    assert len(unknown) == 2
