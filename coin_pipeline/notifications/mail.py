"""Mail through an SMTP server, as text and HTML."""

import base64
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from html import escape
from typing import Literal

from pydantic import SecretStr

from coin_pipeline.notifications.deadline import DEADLINE_S, send_within
from coin_pipeline.notifications.message import SYMBOLS, Delivery, Notification
from coin_pipeline.notifications.text import clean, excerpt, one_line, shorten

TIMEOUT_S = 20
# Encodes every text as ASCII, so that no server needs the extension 8BITMIME.
_POLICY = SMTP.clone(cte_type="7bit")
_MAX_SUBJECT, _MAX_TEXT = 150, 100_000
_PERMANENT = 500
"""SMTP replies from this one on are permanent: the same mail would be rejected again."""
_Refused = Mapping[str, tuple[int, bytes]]
"""Reply of the server for each recipient that it refused."""


@dataclass(frozen=True)
class MailServer:
    """An SMTP server.

    Attributes:
        host: Name or address.
        port: Port.
        security: `starttls` and `tls` verify the certificate and send nothing before; `none` does not encrypt.
        user: User name; None to send without authentication.
        password: Password of the user.
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    user: str | None = None
    password: SecretStr | None = None


class MailChannel:
    """Sends one mail to all recipients and waits until the server has accepted it.

    Args:
        server: The server.
        sender: Address of the sender.
        recipients: Addresses of the recipients.
        timeout_s: Longest wait for the server to connect or to send anything, s.
        deadline_s: Longest delivery, s.
    """

    name = "mail"

    def __init__(
        self,
        server: MailServer,
        sender: str,
        recipients: Sequence[str],
        *,
        timeout_s: float = TIMEOUT_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._server = server
        self._sender = sender
        self._recipients = tuple(recipients)
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s

    def send(self, notification: Notification) -> Delivery:
        """Send a notification; it is delivered if the server accepted it for one recipient at least."""
        return send_within(self._deadline_s, self._address, lambda: self._send(notification))

    def check(self, seconds: float) -> Delivery:
        """Connect, encrypt and log in within a time limit, and send nothing; true if the server accepted that."""
        return send_within(seconds, self._address, lambda: self._attempt(lambda _: {}))

    def _send(self, notification: Notification) -> Delivery:
        def send(smtp: smtplib.SMTP) -> _Refused:
            message = compose(notification, self._sender, self._recipients)
            return smtp.send_message(message, self._sender, self._recipients)

        return self._attempt(send)

    def _attempt(self, use: Callable[[smtplib.SMTP], _Refused]) -> Delivery:
        """Return the outcome of what `use` does in a session, which returns the recipients that were refused."""
        try:
            with self._session() as smtp:
                refused = use(smtp)
            return Delivery(delivered=True, reason=self._refusals(refused))
        except smtplib.SMTPRecipientsRefused as error:
            is_permanent = all(code >= _PERMANENT for code, _ in error.recipients.values())
            return Delivery(delivered=False, reason=self._refusals(error.recipients), is_permanent=is_permanent)
        except smtplib.SMTPResponseException as error:
            reason = f"{self._address} answered {self._reply(error.smtp_code, error.smtp_error)}"
            # A wrong password is not about the mail, which is sent once the password is right again.
            is_refused = error.smtp_code >= _PERMANENT and not isinstance(error, smtplib.SMTPAuthenticationError)
            return Delivery(delivered=False, reason=reason, is_permanent=is_refused)
        except Exception as error:  # noqa: BLE001 -- the answer of a server can break the client in many ways
            return Delivery(delivered=False, reason=f"{self._address}: {self._cause(error)}")

    @property
    def _address(self) -> str:
        return f"{self._server.host}:{self._server.port}"

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """Yield an encrypted and authenticated session. Errors of its end are ignored: the mail has been accepted."""
        server = self._server
        if server.security == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=self._timeout_s, context=ssl.create_default_context()
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=self._timeout_s)
        try:
            if server.security == "starttls":
                smtp.starttls(context=ssl.create_default_context())
            if server.user and server.password:
                smtp.login(server.user, server.password.get_secret_value())
            yield smtp
        finally:
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
            smtp.close()

    def _refusals(self, refused: _Refused) -> str:
        return "; ".join(f"{address} was refused: {self._reply(*reply)}" for address, reply in refused.items())

    def _reply(self, code: int, text: bytes | str) -> str:
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return excerpt(f"{code} {text}", self._secrets())

    def _cause(self, error: Exception) -> str:
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            return "it did not answer in time"
        return excerpt(str(error) or type(error).__name__, self._secrets())

    def _secrets(self) -> Sequence[str]:
        """Return the password as it is and as AUTH PLAIN and AUTH LOGIN encode it: a server may repeat any of them."""
        if not self._server.password:
            return ()
        password = self._server.password.get_secret_value()
        sent = (password, f"\0{self._server.user}\0{password}")
        return (password, *(base64.b64encode(text.encode()).decode() for text in sent))


def compose(notification: Notification, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Return a notification as a mail.

    Args:
        notification: The notification; nothing in it can add a header or markup.
        sender: Address of the sender.
        recipients: Addresses of the recipients.
    """
    message = EmailMessage(policy=_POLICY)
    message["Subject"] = one_line(f"{SYMBOLS[notification.level]} {notification.title}", _MAX_SUBJECT)
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = _message_id(notification.id, sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # so that out-of-office programs do not answer
    message.set_content(_text(notification))
    message.add_alternative(_html(notification), subtype="html")
    return message


def _message_id(identity: str, domain: str) -> str:
    unique = re.sub(r"[^A-Za-z0-9.-]", "-", identity).strip(".")
    return f"<coin-{unique}@{domain}>" if unique else make_msgid("coin", domain)


def _text(notification: Notification) -> str:
    details = "\n".join(f"{label}: {value}" for label, value in notification.details.items())
    parts = (notification.title, notification.message, details, notification.link)
    return shorten(clean("\n\n".join(part for part in parts if part)), _MAX_TEXT) + "\n"


def _html(notification: Notification) -> str:
    """Return the mail as HTML; everything that comes from elsewhere is escaped."""
    rows = "".join(
        f"<tr><th align='left' valign='top'>{_escape(label)}</th><td>{_escape(value)}</td></tr>"
        for label, value in notification.details.items()
    )
    link = notification.link
    is_web = link.startswith(("https://", "http://"))
    return (
        "<html><body>"
        f"<h3>{SYMBOLS[notification.level]} {_escape(notification.title)}</h3>"
        f"<p>{_escape(notification.message)}</p>"
        + (f"<table cellpadding='4'>{rows}</table>" if rows else "")
        + (f"<p><a href='{escape(clean(link))}'>{_escape(link)}</a></p>" if is_web else "")
        + "</body></html>\n"
    )


def _escape(text: str) -> str:
    return escape(clean(shorten(text, _MAX_TEXT))).replace("\n", "<br>\n")
