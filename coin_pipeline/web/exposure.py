"""Where the servers listen, and who can reach them: only this machine, or others too."""

import errno
import ipaddress

from coin_pipeline.errors import Problem
from coin_pipeline.settings import Settings


def is_exposed(settings: Settings) -> bool:
    """Return whether other machines can reach the API and the Dagster UI.

    A container listens on all of its addresses, and the address of the host at which it is published decides.

    >>> is_exposed(Settings(_env_file=None)), is_exposed(Settings(_env_file=None, coin_bind="0.0.0.0"))
    (False, True)
    >>> is_exposed(Settings(_env_file=None, coin_bind="0.0.0.0", coin_published_at="127.0.0.1"))
    False
    """
    return not ipaddress.ip_address(settings.coin_published_at or settings.coin_bind).is_loopback


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
