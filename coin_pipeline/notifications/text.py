"""Text from anywhere, such as an error of an op, made safe for messages, headers and logs."""

import re
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_MAX_EXCERPT = 120
_MIN_SECRET = 6
"""Shorter secrets are left in a text: they would remove ordinary words from it."""


def clean(text: str) -> str:
    r"""Return a text without characters that servers reject: control characters and lone surrogates.

    >>> clean("kept\n\tand \x00 \udc80")
    'kept\n\tand � ?'
    """
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n").encode("utf-8", "replace").decode())


def one_line(text: str, limit: int) -> str:
    r"""Return a text as one line of at most `limit` characters, so that it cannot add a header to a mail.

    >>> one_line("failed\r\nBcc: all@example.com", 100)
    'failed Bcc: all@example.com'
    """
    return shorten(clean(" ".join(text.split())), limit)


def shorten(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters, marked with an ellipsis if it was cut.

    >>> shorten("candles", 5)
    'cand…'
    """
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def excerpt(text: str, secrets: Iterable[str]) -> str:
    r"""Return the beginning of another program's text as one line, without secrets: a server may repeat the request.

    >>> excerpt("no route to /services/T0/B0/xyz\n", ["/services/T0/B0/xyz"])
    'no route to ***'
    """
    for secret in sorted(secrets, key=len, reverse=True):  # before the text is cut, perhaps within one
        if len(secret) >= _MIN_SECRET:
            text = text.replace(secret, "***")
    return one_line(text, _MAX_EXCERPT)
