"""What the pages of reports share: the Jinja environment, with the filters that format figures."""

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, partial
from importlib.util import cache_from_source
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from coin_pipeline.backtest.formatting import format_amount, format_param, pluralize
from coin_pipeline.backtest.labels import FIGURES, Unit, break_even_text, format_figure, format_value
from coin_pipeline.backtest.option_labels import format_rate
from coin_pipeline.candles.timeframe import SEOUL
from coin_pipeline.languages import Language, Text

GAPS_SHOWN = 5
"""Candle gaps listed per symbol."""
SYMBOLS_NAMED = 12
"""Symbols named in the heading; the tables name all."""
_UNDEFINED = Text("undefined", "값 없음")


_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_COMPILED = str(Path(cache_from_source(__file__)).parent)


class _CompiledTemplates(FileSystemBytecodeCache):
    """Compiled templates next to the compiled modules; where the folder is not writable, each process compiles them."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Store a compiled template, which is used while its source is the same."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


@cache
def template_environment(language: Language = "en") -> Environment:
    """Return the Jinja environment of the reports in a language, with the filters that format figures.

    Compiled templates are stored for each language, since filtered constants are in them as texts.
    """
    environment = Environment(
        loader=PackageLoader("coin_pipeline.report"),
        bytecode_cache=None if sys.dont_write_bytecode else _CompiledTemplates(_COMPILED, f"__jinja2_{language}_%s"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    units = {
        "integer": Unit.COUNT,
        "percent": Unit.SHARE,
        "change": Unit.CHANGE,
        "ratio": Unit.RATIO,
        "days": Unit.DAYS,
    }
    undefined = Markup('<span class="undefined" title="{}">&ndash;</span>').format(_UNDEFINED.write(language))
    optional: dict[str, Callable[..., str]] = {name: partial(_with_unit, unit) for name, unit in units.items()}
    optional |= {"figure": _figure, "local": _local}
    environment.filters |= {name: partial(_or_undefined, formatter, undefined) for name, formatter in optional.items()}
    environment.globals["figures"] = FIGURES
    environment.globals["break_even"] = partial(break_even_text, percent="%")
    environment.filters |= {"instants": _instants, "points": _points, "price": _price}
    environment.filters |= {"amount": format_amount, "counted": pluralize, "param": format_param}
    environment.filters |= {"rate": format_rate, "rate3": _rate3}
    return environment


def _or_undefined(formatter: Callable[..., str], undefined: Markup, value: object, *options: str) -> str:
    """Format a value, or show a dash in place of None."""
    return undefined if value is None else formatter(value, *options)


def _with_unit(unit: Unit, value: float) -> str:
    return format_value(unit, value, percent="%")


def _figure(value: float, name: str) -> str:
    """Format a figure of a result by its key."""
    return format_figure(name, value, percent="%")


def _points(fraction: float) -> str:
    """Format a difference of two fractions in percentage points."""
    return f"{100 * fraction:+z,.2f} pp"


def _rate3(fraction: float) -> str:
    """Format a computed rate with three digits."""
    return f"{100 * fraction:.3g}%"


def _price(value: float) -> str:
    """Format a price as a plain decimal, without scientific notation and binary noise."""
    return f"{Decimal(f'{value:.10g}'):,f}"


def _local(instant: str | float, zone: str = SEOUL) -> str:
    """Write an ISO timestamp or seconds since 1970 in a time zone, to the minute; the text around it names the zone."""
    time = datetime.fromisoformat(instant) if isinstance(instant, str) else datetime.fromtimestamp(instant, UTC)
    return f"{time.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def _instants(text: str, zone: str) -> str:
    """Write the instants in a sentence in a time zone, as the rest of the page has them."""
    with suppress(ValueError):  # no instant, in the words of a strategy
        return _INSTANT.sub(lambda found: _local(found[0], zone), text)
    return text
