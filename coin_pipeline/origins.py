"""Lists of host names and of origins of web pages, as settings contain them."""

import re
from collections.abc import Callable

LEGACY_VARIABLES = ("CORS_ORIGINS", "CORS_ALLOW_ORIGINS", "CORS_ALLOWED_ORIGINS", "BACKEND_CORS_ORIGINS")
"""Names under which FastAPI applications, such as the legacy platform, are given the origins of their web clients."""
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def parse_hosts(text: str) -> tuple[str, ...]:
    """Return the names and addresses of a list, in lower case.

    >>> parse_hosts("Coin.example, 10.0.0.2")
    ('coin.example', '10.0.0.2')

    Raises:
        ValueError: One has a scheme or a port, or is a pattern.
    """
    reason = "is not a host; list names or addresses without scheme and port, such as coin.example"
    return _parse(text, r"[a-z0-9._-]+|[0-9a-f:]+", reason, str)


def parse_origins(text: str) -> tuple[str, ...]:
    """Return the origins of a comma-separated or JSON list as browsers send them: without the default port.

    >>> parse_origins('["http://localhost:5173/", "HTTPS://Client.example:443"]')
    ('http://localhost:5173', 'https://client.example')

    Raises:
        ValueError: One is not an origin, for example because it has a path or is a pattern.
    """
    reason = "is not an origin; list the origins of your web clients, such as http://localhost:5173"
    return _parse(text, r"[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+", reason, _without_default_port)


def _parse(text: str, pattern: str, reason: str, normalize: Callable[[str], str]) -> tuple[str, ...]:
    parts = (text.strip()[1:-1] if '"' in text else text).split(",")
    names = [name for part in parts if (name := part.strip(" \"'").rstrip("/").lower())]
    for name in names:
        if not re.fullmatch(pattern, name):
            msg = f"{name!r:.100} {reason}"
            raise ValueError(msg)
    return tuple(map(normalize, names))


def _without_default_port(origin: str) -> str:
    return origin.removesuffix(_DEFAULT_PORTS.get(origin.partition(":")[0], ""))
