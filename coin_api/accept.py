"""The Accept header of requests."""

from collections.abc import Sequence

_ALIASES = {"application/x-parquet": "application/vnd.apache.parquet"}
MediaRange = tuple[str, float]
"""A media range, such as `text/*`, and its quality, 0 to 1."""


def media_ranges(accept: str) -> list[MediaRange]:
    """Return the media ranges of an Accept header; an empty one accepts anything."""
    return [_media_range(item) for item in accept.split(",") if item.strip()] or [("*/*", 1.0)]


def quality(media_type: str, ranges: Sequence[MediaRange]) -> float:
    """Return the quality of a media type; of several ranges that match it, the most specific one counts.

    >>> quality("text/html", media_ranges("text/*;q=0.5, */*")), quality("text/html", media_ranges("image/png"))
    (0.5, 0.0)
    """
    for pattern in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        qualities = [of_range for name, of_range in ranges if name == pattern]
        if qualities:
            return max(qualities)
    return 0.0


def prefers_json(accept: str) -> bool:
    """Return whether a client prefers JSON to a page.

    >>> prefers_json("application/json"), prefers_json("text/html,*/*;q=0.8"), prefers_json("*/*")
    (True, False, False)
    """
    ranges = media_ranges(accept)
    json = max(quality(name, ranges) for name in ("application/json", "application/problem+json"))
    return json > quality("text/html", ranges)


def prefers_page(accept: str) -> bool:
    """Return whether a client is a browser that opens an address: it names HTML, and does not prefer JSON.

    >>> prefers_page("text/html,*/*;q=0.8"), prefers_page("*/*"), prefers_page("application/json")
    (True, False, False)
    """
    return any(name == "text/html" for name, _ in media_ranges(accept)) and not prefers_json(accept)


def _media_range(item: str) -> MediaRange:
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    weight = next((text for key, _, text in (p.partition("=") for p in parameters) if key.strip() == "q"), "1")
    try:
        return _ALIASES.get(name, name), min(max(float(weight), 0.0), 1.0)
    except ValueError:
        return name, 0.0
