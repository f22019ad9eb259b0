"""Which host names a server answers to, and which web pages may use it."""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Self

from coin_pipeline.settings import Settings

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?")
# The end excludes user information: http://localhost:5173@evil.test is an address of evil.test.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?P<host>[^/?#@\s]+)(?=[/?#]|$)")


class AccessPolicy:
    """The hosts and origins that may be used, from the settings.

    A browser sends the name that it looked up as the host, so an unknown name means that a foreign site points its name
    at this machine (DNS rebinding). It sends the site of the page as the origin.

    Args:
        hosts: Host names and addresses without ports, in addition to loopback.
        origins: Origins of other web pages that may use the server, such as `http://localhost:5173`.
    """

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self.hosts = frozenset(hosts)
        self.origins = frozenset(origins)
        self.allows_host = lru_cache(256)(self._allows_host)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the policy of COIN_ALLOWED_HOSTS and COIN_ALLOWED_ORIGINS.

        The address on which the server listens, or at which it is published, is allowed too. One that stands for all
        addresses of a machine allows none.
        """
        own = [address for address in (settings.coin_bind, settings.coin_published_at) if address]
        return cls((*settings.coin_allowed_hosts, *own), settings.coin_allowed_origins)

    def _allows_host(self, host: str) -> bool:
        """Return whether a Host header is a loopback name or address, or configured; the port does not matter."""
        match = _HOST.fullmatch(host.lower())
        if not match:
            return False
        name = match["name"].strip("[]").removesuffix(".")
        return name in self.hosts or _is_loopback(name)

    def allows_origin(self, origin: str, host: str) -> bool:
        """Return whether a page of `origin` may use the server that it addressed as `host`, both as sent.

        The scheme is not compared: behind a proxy that terminates TLS it differs.
        """
        if origin in self.origins:
            return True
        match = _ORIGIN.fullmatch(origin)
        return match is not None and match["host"] == host.lower()


def origin_of(url: str) -> str:
    """Return the origin of a URL, or an empty string if it has none.

    >>> origin_of("http://localhost:5173/charts?symbol=BTC_KRW")
    'http://localhost:5173'
    """
    match = _ORIGIN.match(url)
    return match[0] if match else ""


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):  # never looked up in the DNS (RFC 6761)
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
