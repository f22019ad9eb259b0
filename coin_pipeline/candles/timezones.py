"""Names of time zones, as requests and commands take them."""

from functools import cache
from zoneinfo import available_timezones

from coin_pipeline.errors import InvalidInput, Problem, coded, did_you_mean

_MAX_SHOWN = 40  # characters of an unknown name; more would make the search for a similar one slow
_ABBREVIATIONS = {"KST": "Asia/Seoul", "JST": "Asia/Tokyo", "SGT": "Asia/Singapore", "Z": "UTC"}


def parse_timezone(text: str, field: str = "timezone") -> str:
    """Return the IANA name of a time zone.

    >>> parse_timezone("America/New_York")
    'America/New_York'

    Args:
        text: The name.
        field: Field to name in the error.

    Raises:
        InvalidInput: No time zone has this name; the message suggests the likely one.
    """
    if not isinstance(text, str):  # a notebook may pass anything
        raise InvalidInput([Problem(field, coded("no_name_of_a_timezone", value=repr(text)))])
    if text in timezone_names():
        return text
    likely = _likely(text)
    hint = (
        coded("did_you_mean", name=likely) if likely else did_you_mean(text[:_MAX_SHOWN], timezone_names(), cutoff=0.6)
    )
    raise InvalidInput([Problem(field, coded("not_a_timezone", name=text[:_MAX_SHOWN], hint=hint))])


@cache
def timezone_names() -> frozenset[str]:
    """Return the IANA names of all time zones."""
    return frozenset(available_timezones()) - {"localtime", "Factory"}  # these depend on the machine, or are none


def _likely(text: str) -> str | None:
    """Return the zone that a name in other letter case, a city or a usual abbreviation stands for."""
    wanted = text.strip().replace(" ", "_").upper()
    if wanted in _ABBREVIATIONS:
        return _ABBREVIATIONS[wanted]
    same = [name for name in timezone_names() if wanted in {name.upper(), name.rpartition("/")[2].upper()}]
    return min(same, key=lambda name: (name.upper() != wanted, "/" not in name, name), default=None)
