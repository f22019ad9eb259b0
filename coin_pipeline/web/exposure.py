"""Where the servers listen, and who can reach them: only this machine, or others too."""

import errno
import ipaddress
from pathlib import Path

from coin_pipeline.errors import Problem
from coin_pipeline.settings import Settings

CONTAINER = Path("/etc/coin-container")
"""File that only the image of the Dockerfile contains."""


def is_exposed(settings: Settings) -> bool:
    """Return whether other machines can reach the API and the Dagster UI.

    >>> is_exposed(Settings(_env_file=None)), is_exposed(Settings(_env_file=None, coin_bind="0.0.0.0"))
    (False, True)
    """
    return not _is_loopback(reachable_at(settings))


def reachable_at(settings: Settings, container: Path = CONTAINER) -> str:
    """Return the address that decides who can reach the servers: COIN_BIND, or COIN_PUBLISHED_AT in its place.

    A container listens on all of its addresses, and that of the host at which it is published decides. Elsewhere that
    setting would only turn the rule off that requires tokens, so one on loopback does not count there.

    Args:
        settings: The settings.
        container: File that exists in containers only.
    """
    published = settings.coin_published_at
    return published if published and (container.exists() or not _is_loopback(published)) else settings.coin_bind


def local_address(settings: Settings) -> str:
    """Return the address at which programs on this machine reach the servers.

    >>> local_address(Settings(_env_file=None, coin_bind="0.0.0.0")), local_address(Settings(_env_file=None))
    ('127.0.0.1', '127.0.0.1')
    """
    bound = ipaddress.ip_address(settings.coin_bind)
    if bound.is_unspecified:
        return "::1" if isinstance(bound, ipaddress.IPv6Address) else "127.0.0.1"
    return str(bound)


def url_host(address: str) -> str:
    """Return an address as the host of a URL.

    >>> url_host("::1"), url_host("127.0.0.1")
    ('[::1]', '127.0.0.1')
    """
    return f"[{address}]" if ":" in address else address


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def listen_problem(option: str, address: str, port: int, error: OSError) -> Problem:
    """Return what to change after listening failed.

    Args:
        option: The option that sets the port.
        address: The address.
        port: The port.
        error: What the system reported.
    """
    if error.errno == errno.EADDRNOTAVAIL:
        return Problem("COIN_BIND", f"this machine does not have the address {address}; use one of its own")
    return Problem(option, f"port {port} cannot be used ({error.strerror}); choose another")
