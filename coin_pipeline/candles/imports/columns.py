"""Which column of a table is the time, which are the prices, and which is the volume."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from coin_pipeline.candles.imports.layouts import (
    CLOCK_PARTS,
    CLOSING_NAMES,
    DATE_PARTS,
    LAYOUTS,
    METATRADER_4,
    OPENING_NAMES,
    PLAIN,
    POSITIONS,
    PYUPBIT_WITHOUT_VALUE,
    QUOTE_NAMES,
    SYMBOL_NAMES,
    VOLUME_WORDS,
    Layout,
    fields_of,
    normalize_name,
    time_rank,
    without_zone,
)
from coin_pipeline.candles.imports.mapping import FIELDS, field_names
from coin_pipeline.candles.imports.source import Source
from coin_pipeline.candles.imports.stamps import Stamps
from coin_pipeline.errors import Coded, FileColumn, UnclearColumns, coded

VALUE_FIELDS = FIELDS[1:]
_MT4_COLUMNS = 7
_SHOWN_COLUMNS, _SHOWN_LETTERS = 20, 40
_LISTED_COLUMNS, _LISTED_LETTERS = 200, 80


class ColumnChoice(NamedTuple):
    """The columns of a table that hold candles, by position.

    Attributes:
        layout: The recognized layout.
        time: One column, or a date and a time of day.
        values: Columns of open, high, low, close and volume.
        symbol: Column with the name of the market, if there is one.
    """

    layout: Layout
    time: tuple[int, ...]
    values: Mapping[str, int]
    symbol: int | None

    def names(self, source: Source) -> dict[str, str]:
        """Return the names of the columns, by field."""
        spelled = {field: source.names[position] for field, position in self.values.items()}
        return {"time": "+".join(source.names[position] or "(unnamed)" for position in self.time), **spelled}

    def file_columns(self, source: Source) -> tuple[FileColumn, ...]:
        """Return the columns of the file, with the fields that are read from them."""
        fields = {position: field for field, position in self.values.items()} | dict.fromkeys(self.time, "time")
        return tuple(_file_columns(source, fields))

    def counts_money(self, source: Source) -> bool:
        """Return whether the name of the volume column contains the currency of prices."""
        return _volume_suffix(normalize_name(source.names[self.values["volume"]])) in QUOTE_NAMES

    def named_stamps(self, source: Source) -> Stamps:
        """Return the stamps that the name of the time column stands for; "auto" if it may be any."""
        name = without_zone(normalize_name(source.names[self.time[0]]))
        return "close" if name in CLOSING_NAMES else "open" if name in OPENING_NAMES else "auto"


def choose_columns(path: object, source: Source, mapping: Mapping[str, str]) -> ColumnChoice:
    """Choose the columns of a table: by the user's mapping, the layout, and the names, in this order.

    Raises:
        UnclearColumns: A field has no column, or several; the message lists the columns.
    """
    chooser = _Chooser(path, source, mapping)
    return chooser.by_name() if source.headed else chooser.by_position()


class _Chooser:
    def __init__(self, path: object, source: Source, mapping: Mapping[str, str]) -> None:
        self.path, self.source, self.mapping = path, source, mapping
        self.names = [normalize_name(name) for name in source.names]

    def by_name(self) -> ColumnChoice:
        layout = self._recognize()
        found = {field: self._find(layout, field) for field in FIELDS}
        missing = [field for field, positions in found.items() if not positions]
        if missing:
            raise self._error(coded("fields_without_column", fields=field_names(missing)))
        return self._choice(layout, found["time"], {field: found[field] for field in VALUE_FIELDS})

    def by_position(self) -> ColumnChoice:
        layout, positions = self._positional()
        for field in FIELDS:
            if field in self.mapping:
                positions[field] = self._mapped(field)
        missing = [field for field in FIELDS if field not in positions]
        if missing:
            cells = ", ".join(self.source.first)
            raise self._error(coded("no_header", count=len(self.names), cells=cells))
        return self._choice(layout, positions["time"], positions)

    def _choice(self, layout: Layout, time: tuple[int, ...], values: Mapping[str, tuple[int, ...]]) -> ColumnChoice:
        columns = {field: values[field][0] for field in VALUE_FIELDS}
        used = [*time, *columns.values()]
        if len(set(used)) < len(used):
            raise self._error(coded("column_used_twice"))
        symbols = [at for at, name in enumerate(self.names) if name in SYMBOL_NAMES and at not in used]
        return ColumnChoice(layout, time, columns, symbols[0] if symbols else None)

    def _positional(self) -> tuple[Layout, dict[str, tuple[int, ...]]]:
        first = self.source.first
        if first and re.fullmatch(r"\d{10,19}(\.\d*)?", first[0].strip()) and len(first) in POSITIONS:
            layout, fields = POSITIONS[len(first)]
            return layout, {field: (at,) for at, field in enumerate(fields)}
        if len(first) == _MT4_COLUMNS and re.fullmatch(r"\d\d:\d\d(:\d\d)?", first[1].strip()):
            values = {field: (at,) for at, field in enumerate(VALUE_FIELDS, start=2)}
            return METATRADER_4, {"time": (0, 1), **values}
        return PLAIN, {}

    def _recognize(self) -> Layout:
        names = {name for at, name in enumerate(self.names) if name or not at}
        if names == PYUPBIT_WITHOUT_VALUE.requires:
            return PYUPBIT_WITHOUT_VALUE
        return next(
            (known for known in LAYOUTS if known.requires <= names and known.above in self.source.above),
            self.source.layout or PLAIN,
        )

    def _mapped(self, field: str) -> tuple[int, ...]:
        text = self.mapping[field]
        whole = self._positions(text)
        parts = [self._positions(part) for part in text.split("+")] if field == "time" and not whole else [whole]
        for part, found in zip(text.split("+") if len(parts) > 1 else [text], parts, strict=True):
            if len(found) != 1:
                values = {"count": len(found), "name": part, "field": coded(f"candle_{field}")}
                raise self._error(coded("chosen_several" if found else "chosen_absent", **values))
        return tuple(found[0] for found in parts)

    def _positions(self, text: str) -> list[int]:
        exact = [at for at, name in enumerate(self.source.names) if name.strip() == text.strip()]
        similar = exact or [at for at, name in enumerate(self.names) if name == normalize_name(text)]
        is_position = text.isdecimal() and 0 < int(text) <= len(self.names)
        return [int(text) - 1] if is_position and not similar else similar

    def _find(self, layout: Layout, field: str) -> tuple[int, ...]:
        """Return the column of a field, two for a date and a time of day, or none."""
        if field in self.mapping:
            return self._mapped(field)
        if field in layout.columns:
            return tuple(self.names.index(name) for name in layout.columns[field])
        if field == "time":
            return self._time()
        found = [at for at, name in enumerate(self.names) if fields_of(name) == field]
        if not found and field == "volume":
            found = self._base_volume()
        return self._at_most_one(field, found)

    def _base_volume(self) -> list[int]:
        """Return the volumes in coins, of columns such as `Volume BTC` and `Volume USDT`."""
        suffixes = {at: suffix for at, name in enumerate(self.names) if (suffix := _volume_suffix(name)) is not None}
        if len(suffixes) == 1:
            return list(suffixes)
        return [at for at, suffix in suffixes.items() if suffix not in QUOTE_NAMES]

    def _time(self) -> tuple[int, ...]:
        ranks = {at: rank for at, name in enumerate(self.names) if (rank := time_rank(name, at)) is not None}
        if not ranks and self.source.index is not None:
            return (self.source.names.index(self.source.index),)
        best = [at for at, rank in ranks.items() if rank == min(ranks.values())]
        dates, clocks = ([at for at in best if self.names[at] in parts] for parts in (DATE_PARTS, CLOCK_PARTS))
        if len(dates) == len(clocks) == 1 and len(best) == len(dates + clocks):
            return (*dates, *clocks)
        return self._at_most_one("time", best)

    def _at_most_one(self, field: str, found: Sequence[int]) -> tuple[int, ...]:
        if len(found) > 1:
            several = ", ".join(repr(self.source.names[at]) for at in found)
            raise self._error(coded("field_of_several", field=coded(f"candle_{field}"), several=several))
        return tuple(found)

    def _error(self, problem: Coded) -> UnclearColumns:
        shown = ", ".join(repr(name[:_SHOWN_LETTERS]) for name in self.source.names[:_SHOWN_COLUMNS])
        more = ", ..." if len(self.source.names) > _SHOWN_COLUMNS else ""
        example = "time=날짜,open=시가" if self.source.headed else "time=1,open=2"
        reason = coded("unclear_columns", problem=problem, shown=shown + more, example=example)
        return UnclearColumns(self.path, reason, _file_columns(self.source, {}))


def _file_columns(source: Source, fields: Mapping[int, str]) -> Iterator[FileColumn]:
    """Yield the first columns of a table: under its name where a mapping can contain it, else under its position."""
    names = [name.strip() for name in source.names]
    counts = Counter(names)
    texts = source.names if source.headed else source.first
    for at, (name, text) in enumerate(zip(names[:_LISTED_COLUMNS], texts, strict=False)):
        named = name and counts[name] == 1 and "," not in name and len(name) <= _LISTED_LETTERS
        key = name if named else str(at + 1)
        if named or key not in counts:  # else the position is the name of another column
            yield FileColumn(key, text.strip()[:_LISTED_LETTERS], fields.get(at))


def _volume_suffix(name: str) -> str | None:
    """Return what follows the word volume in a name, `btc` in `volume btc` and `volume (btc)`; None for other names."""
    word, _, suffix = name.partition(" ")
    if word not in VOLUME_WORDS:
        word, _, suffix = name.partition("(")
        suffix = suffix.strip()
    bare = suffix.strip("()[] ")
    # Two words are an indicator, such as `volume ma 20`.
    return bare if word.strip() in VOLUME_WORDS and bare and " " not in bare and bare != "ma" else None
