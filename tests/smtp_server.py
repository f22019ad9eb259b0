"""A real SMTP server (aiosmtpd) with STARTTLS or TLS and AUTH, and faults that tests inject."""

import ssl
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.platforms import free_ports

HOST = "127.0.0.1"
USER, PASSWORD = "alerts@example.com", "plantedSmtpPassword"
Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True)
class Mail:
    """A mail that the server accepted, and the recipients that it accepted it for."""

    recipients: tuple[str, ...]
    message: EmailMessage


@dataclass
class SmtpServer:
    """State of the server.

    Attributes:
        security: How the server encrypts.
        ca_file: Certificate that clients must trust; SSL_CERT_FILE makes Python trust it.
        accepted: Mails in order.
        refused: Replies to recipients, such as 550 no such user.
        replies: Replies to the next mails instead of accepting them, such as 451 try later.
        passwords: Passwords that clients sent.
        drops_quit: Whether the server resets the connection instead of answering QUIT.
    """

    security: Security
    ca_file: Path
    port: int
    accepted: list[Mail] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    replies: deque[str] = field(default_factory=deque)
    passwords: list[str] = field(default_factory=list)
    drops_quit: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """Settings of a platform that sends mail through this server to ops@example.com."""
        return {
            "SMTP_HOST": HOST,
            "SMTP_PORT": str(self.port),
            "SMTP_SECURITY": self.security,
            "SMTP_USER": USER,
            "SMTP_PASSWORD": PASSWORD,
            "EMAIL_TO": "ops@example.com",
            "SSL_CERT_FILE": str(self.ca_file),
        }

    def subjects(self) -> list[str]:
        """Return the subject of each accepted mail."""
        return [str(mail.message["Subject"]) for mail in tuple(self.accepted)]


class _Handler:
    """Hooks of aiosmtpd."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def handle_RCPT(  # noqa: N802 -- the name of the hook
        self, _smtp: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self._server.refused:
            return self._server.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 -- the name of the hook
        self, _smtp: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self._server.replies:
            return self._server.replies.popleft()
        content = envelope.original_content or b""
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self._server.accepted.append(Mail(tuple(envelope.rcpt_tos), message))
        return "250 OK"

    async def handle_QUIT(  # noqa: N802 -- the name of the hook
        self, smtp: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        if self._server.drops_quit:
            smtp.transport.abort()
        return "221 Bye"

    def authenticate(self, _smtp: SMTP, _session: Session, _envelope: Envelope, _: str, login: object) -> AuthResult:
        """Accept the one user."""
        assert isinstance(login, LoginPassword)
        self._server.passwords.append(login.password.decode())
        is_known = (login.login, login.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_known, handled=False)


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return the context of a server at 127.0.0.1, and the file of the certificate that clients must trust."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    return context, ca_file


@contextmanager
def serving_smtp(folder: Path, security: Security = "starttls") -> Iterator[SmtpServer]:
    """Serve on a free port within the block; the certificate of the authority is written to `folder`."""
    context, ca_file = certificate(folder)
    server = SmtpServer(security, ca_file, free_ports(1)[0])  # aiosmtpd connects to its port, so 0 does not work
    encryption: Mapping[str, ssl.SSLContext] = {
        "starttls": {"tls_context": context, "require_starttls": True},
        "tls": {"ssl_context": context},
        "none": {},
    }[security]
    handler = _Handler(server)
    controller = Controller(
        handler,
        hostname=HOST,
        port=server.port,
        authenticator=handler.authenticate,
        # aiosmtpd takes only STARTTLS for encryption; tests of the others look at the passwords.
        auth_required=security == "starttls",
        auth_require_tls=security == "starttls",
        **encryption,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
