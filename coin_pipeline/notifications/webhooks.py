"""Which URLs a webhook may have, and an opener of URLs that reaches no others.

A webhook is called from inside the network of the platform. Without these rules its URL, or a name in the DNS that
someone else controls, would turn alerts into requests to services that only this network reaches.
"""

import ipaddress
import ssl
from http.client import HTTPConnection, HTTPMessage, HTTPResponse, HTTPSConnection
from typing import IO
from urllib.parse import SplitResult, urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    build_opener,
    getproxies,
    proxy_bypass,
)

_REMEDY = "set COIN_ALLOW_PRIVATE_WEBHOOKS=true to allow it"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PrivateAddress(Exception):
    """The host of a webhook has an address that is not public."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"{host} has the address {address}, which is not public; {_REMEDY}")


def webhook_problem(url: str, *, allow_private: bool) -> str:
    """Return what is wrong with the URL of a webhook, without the URL, or an empty string.

    Names are not looked up: what they resolve to is checked on every connection.

    Args:
        url: The URL.
        allow_private: Whether plain HTTP and private addresses are allowed.

    >>> webhook_problem("https://127.0.0.1/services/T0", allow_private=False)
    '127.0.0.1 is not a public address; set COIN_ALLOW_PRIVATE_WEBHOOKS=true to allow it'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not a valid URL; it has the form https://hooks.slack.com/services/T000/B000/XXXX"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "contains spaces, control characters or characters beyond ASCII; copy it again"
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        return "must begin with https:// and a host, such as https://hooks.slack.com/services/T000/B000/XXXX"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user or a password"
    return "" if allow_private else _private_problem(parts, host)


def _private_problem(parts: SplitResult, host: str) -> str:
    if parts.scheme != "https":
        return f"must begin with https://, since the URL is a secret; {_REMEDY}"
    name = host.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost") or (_is_address(name) and not is_public(name)):
        return f"{host} is not a public address; {_REMEDY}"
    return ""


def is_public(address: str) -> bool:
    """Return whether an IP address is public; an IPv6 address that contains an IPv4 address counts as that.

    >>> [is_public(address) for address in ("8.8.8.8", "169.254.169.254", "::ffff:10.0.0.1", "2606:4700::1111")]
    [True, False, False, True]
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def webhook_opener(url: str, *, allow_private: bool) -> OpenerDirector:
    """Return an opener that follows no redirect and, unless allowed, connects to public addresses only.

    A proxy of the environment (HTTPS_PROXY, NO_PROXY) is used; it decides which addresses it reaches.

    Args:
        url: The URL that will be opened.
        allow_private: Whether private addresses are allowed.
    """
    parts = urlsplit(url)
    is_proxied = parts.scheme in getproxies() and not proxy_bypass(parts.netloc)
    handlers = [] if allow_private or is_proxied else [_PublicHTTPHandler(), _PublicHTTPSHandler()]
    return build_opener(_NoRedirects(), *handlers)


class _NoRedirects(HTTPRedirectHandler):
    """Treats a redirect as an answer: its target is not what was configured, and has not been checked."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow nothing."""


class _PublicConnection(HTTPConnection):
    """Checks the address that it is connected to, so that a name cannot resolve to another one in between."""

    def connect(self) -> None:
        """Connect; raise PrivateAddress before anything is sent, TLS included."""
        super().connect()
        address = self.sock.getpeername()[0]
        if not is_public(address):
            self.close()
            raise PrivateAddress(self.host, address)


class _PublicTLSConnection(HTTPSConnection, _PublicConnection):
    """HTTPSConnection.connect calls the check after TCP has connected and before the TLS handshake."""


class _PublicHTTPHandler(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        """Open an http URL."""
        return self.do_open(_PublicConnection, req)


class _PublicHTTPSHandler(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        """Open an https URL; certificates are verified."""
        return self.do_open(_PublicTLSConnection, req, context=ssl.create_default_context())


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
